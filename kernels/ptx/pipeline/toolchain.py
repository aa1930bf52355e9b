"""The compiler, the assemblers and the disassembler: pinned, installed where absent, run.

In scope: clang-22 from Debian; everything of NVIDIA's from PyPI, by hash, into `target/cuda`. Out of scope: any other
platform than x86-64 Linux; drivers; GPUs.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PTX = Path(__file__).resolve().parent.parent
KERNELS = PTX.parent
WORK = Path(os.environ.get("CARGO_TARGET_DIR", KERNELS.parent / "target")).resolve() / "cuda"

CLANG = "clang++-22"
# The release that made the modules. Debian may offer another one tomorrow: see `NotChecked`.
CLANG_PACKAGE = "clang-22=1:22.1.8-1~deb12u1"


class Failure(Exception):
    """A rule is broken, or a tool refused its input."""


class NotChecked(Exception):
    """A check could not be made at all. That is not a pass."""


@dataclass(frozen=True)
class Assembler:
    """A `ptxas`, and the word under which `resources.tsv` files what it said."""

    name: str
    program: Path


@dataclass(frozen=True)
class Toolchain:
    """The installed tools."""

    cuda: Path
    oldest: Assembler
    newest: Assembler
    nvdisasm: Path


def install():
    """The tools at their pinned versions, fetched if they are not there."""
    _install_clang()
    nvidia = _install_wheels()
    cuda = nvidia / "cu13"
    # Included by clang's wrapper, absent from the wheels, used by nothing of ours.
    (cuda / "include/curand_mtgp32_kernel.h").touch()
    return Toolchain(
        cuda=cuda,
        oldest=Assembler("12.0", nvidia / "cuda_nvcc/bin/ptxas"),
        newest=Assembler("13.5", cuda / "bin/ptxas"),
        nvdisasm=cuda / "bin/nvdisasm",
    )


def clang_version():
    """The first line of `clang --version`: release and package, so one line means one compiler."""
    return run([CLANG, "--version"]).splitlines()[0]


def run(command, **options):
    """Runs a program of the toolchain and returns what it printed, both streams in one."""
    done = subprocess.run(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )
    if done.returncode != 0:
        raise Failure(f"{Path(command[0]).name} failed (status {done.returncode}):\n{done.stdout.strip()}")
    return done.stdout


def _install_clang():
    if shutil.which(CLANG):
        return
    if os.geteuid() != 0:
        raise NotChecked(f"no {CLANG}: apt-get install {CLANG_PACKAGE}")
    _announce(f"installing {CLANG_PACKAGE}")
    try:
        run(["apt-get", "update", "-qq"])
        # The pinned package while Debian has it; else whatever it has, and the comparison will say so.
        for package in (CLANG_PACKAGE, "clang-22"):
            install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", package]
            if subprocess.run(install, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
                return
    except Failure as failure:
        raise NotChecked(f"no {CLANG}: {failure}") from failure
    raise NotChecked(f"no {CLANG}, and apt-get installs none")


def _install_wheels():
    venv = WORK / "venv"
    wanted = PTX / "requirements.txt"
    installed = venv / "requirements.txt"
    if not installed.is_file() or installed.read_bytes() != wanted.read_bytes():
        _announce(f"installing the wheels of {wanted.name} (150 MB)")
        shutil.rmtree(venv, ignore_errors=True)
        pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
        try:
            run([sys.executable, "-m", "venv", venv])
            run([venv / "bin/python", *pip, "-r", wanted])
        except Failure as failure:
            shutil.rmtree(venv, ignore_errors=True)
            raise NotChecked(f"no assemblers: {failure}") from failure
        shutil.copyfile(wanted, installed)
    (nvidia,) = venv.glob("lib/python3*/site-packages/nvidia")
    return nvidia


def _announce(line):
    print(line, file=sys.stderr, flush=True)
