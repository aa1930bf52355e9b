"""Sources to modules: PTX text that depends on the sources and the compiler alone, and the record of both.

In scope: flags, text form, `SHA256SUMS`, `TOOLCHAIN`. Out of scope: what the text may contain (kernels/tests/suite) and
what becomes of it (assembly, sass).
"""

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count
from pathlib import Path

from .toolchain import CLANG, KERNELS, PTX, clang_version, run

CUDA = KERNELS / "cuda"
SUMS = PTX / "SHA256SUMS"
RECORD = PTX / "TOOLCHAIN"

# -ffp-contract=off   an addition and a multiplication stay two, each rounded; a fused one is asked for by name
# -cuid=pogw          clang's own would be made from the path
COMMON = [
    "-x", "cuda", "-std=c++17", "--cuda-device-only", "--cuda-feature=+ptx80", "-O3", "-ffp-contract=off", "-cuid=pogw",
    "-fno-exceptions", "-Wall", "-Wextra", "-Werror", "-Wno-unknown-cuda-version", "-S", "-o", "-",
]  # fmt: skip


@dataclass(frozen=True)
class Module:
    """One `.cu` file and the PTX made of it."""

    source: Path

    @property
    def name(self):
        return self.source.stem

    @property
    def hopper_only(self):
        """Whether it uses what only sm_90a has. Such code runs on no other GPU, older or newer."""
        return self.name.endswith("_sm90a")

    @property
    def architecture(self):
        return "sm_90a" if self.hopper_only else "sm_80"

    @property
    def ptx(self):
        return PTX / f"{self.name}.ptx"


def sources(folder=CUDA):
    """Every module there is, by name."""
    return [Module(source) for source in sorted(folder.glob("*.cu"))]


def compile_all(modules, toolchain):
    """PTX texts by module, in the order of the modules."""
    with ThreadPoolExecutor(cpu_count()) as pool:
        return dict(zip(modules, pool.map(lambda module: compile(module, toolchain), modules)))


def compile(module, toolchain):
    """The PTX text of a module."""
    command = [CLANG, f"--cuda-path={toolchain.cuda}", f"--cuda-gpu-arch={module.architecture}", *COMMON]
    text = run([*command, module.source.name], cwd=module.source.parent)
    return f"// {module.name}: made by kernels/ptx/build from kernels/cuda/{module.source.name}\n{without_comments(text)}"


def without_comments(text):
    """The same instructions without the compiler's remarks, trailing blanks and empty lines."""
    lines = (re.sub(r"\s*//.*", "", line).rstrip() for line in text.splitlines())
    return "".join(f"{line}\n" for line in lines if line)


def sums(texts):
    """`SHA256SUMS`, as sha256sum writes it, of texts by module."""
    digests = ((hashlib.sha256(text.encode()).hexdigest(), module.name) for module, text in texts.items())
    return "".join(f"{digest}  {name}.ptx\n" for digest, name in digests)


def record(toolchain):
    """`TOOLCHAIN`: what made the texts. Modules are compared by the compiler that made them, or not at all."""
    wheels = (PTX / "requirements.txt").read_text()
    headers = re.search(r"nvidia-cuda-runtime==(\S+)", wheels)[1]
    return (
        f"compiler: {clang_version()}\n"
        f"headers and libdevice: nvidia-cuda wheels {headers}\n"
        f"flags: {' '.join(COMMON[:-3])} --cuda-gpu-arch=sm_80 (or sm_90a)\n"
    )
