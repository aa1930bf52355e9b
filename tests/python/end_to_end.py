"""A training script from ``attestation-agent run`` to a receipt: ``end_to_end.py BINARIES PYTHON [--torch]``.

A real verifier over HTTP, a real agent with the software device; ``pogw receipt verify`` validates what comes of it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from blake3 import blake3

HERE = Path(__file__).parent
BINARIES = Path(sys.argv[1])
PYTHON = sys.argv[2]
TRAINER = sys.argv[3:]
AUDIENCE = "https://market.example"
ISSUER = "https://verifier.example"


def digest(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    return {"blake3": blake3(data).hexdigest(), "len": len(data)}


@contextmanager
def verifier(folder: Path) -> Iterator[str]:
    """A verifier that trusts the software device, and its address."""
    agent(
        "simulated-collateral",
        "--device-dir",
        folder / "device",
        "--out",
        folder / "collateral",
    )
    config = folder / "verifier.toml"
    config.write_text(
        f'issuer = "{ISSUER}"\naudience = ["{AUDIENCE}"]\nlisten = "127.0.0.1:0"\nstate_dir = "{folder / "verifier"}"\n'
        f'[appraisal]\nsimulated_anchors = ["{folder / "collateral/anchors.toml"}"]\n'
        f'rim_dir = "{folder / "collateral"}"\n'
        f'[appraisal.ocsp]\ndir = "{folder / "collateral/ocsp"}"\n'
    )
    address = folder / "address"
    process = subprocess.Popen([BINARIES / "verifier-under-test", config, address])
    try:
        for _ in range(600):
            if address.exists():
                break
            time.sleep(0.05)
        yield f"http://{address.read_text()}"
    finally:
        process.terminate()
        process.wait()


def agent(*arguments: object) -> str:
    command = [str(BINARIES / "attestation-agent"), *map(str, arguments)]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{command[1]} ended with {done.returncode}: {done.stdout}")
    return done.stdout


def job_of(folder: Path) -> dict[str, Any]:
    """The job, and beside it the file that tells the program which outputs it was written for."""
    script = HERE / "train.py"
    told = {"command": {"outputs": ["model.bin"]}}
    (folder / "told.json").write_text(json.dumps(told))
    return {
        "profile": "pogw/1",
        "command": {
            "argv": [PYTHON, "train.py", *TRAINER],
            "inputs": {
                "job.json": digest(folder / "told.json"),
                "train.py": digest(script),
            },
            "outputs": ["model.bin"],
            "limits": {
                "wall_s": 300,
                "output_bytes": 1 << 26,
                "processes": 64,
                "memory_bytes": 1 << 33,
            },
        },
        "checks": ["output_digest"],
        "label": "train a line",
    }


def expect(condition: bool, what: str) -> None:
    print("ok  " if condition else "FAIL", what)
    if not condition:
        sys.exit(1)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with verifier(folder) as url:
            check(folder, url)


def check(folder: Path, url: str) -> None:
    job = job_of(folder)
    (folder / "job.json").write_text(json.dumps(job))
    report = json.loads(
        agent(
            *(
                "run",
                "--job",
                folder / "job.json",
                "--verifier",
                url,
                "--audience",
                AUDIENCE,
                "--format",
                "json",
            ),
            *(
                "--device",
                "simulated",
                "--device-dir",
                folder / "device",
                "--state-dir",
                folder / "state",
            ),
            *(
                "--input",
                f"train.py={HERE / 'train.py'}",
                "--input",
                f"job.json={folder / 'told.json'}",
            ),
            *("--out", folder / "result", "--", *job["command"]["argv"]),
        )
    )
    result = folder / "result"
    jwks = urllib.request.urlopen(f"{url}/.well-known/jwks.json").read()
    (folder / "jwks.json").write_bytes(jwks)
    validate = [
        BINARIES / "pogw",
        "receipt",
        "verify",
        result / "receipt.jwt",
        "--jwks",
        folder / "jwks.json",
        # The device is software.
        "--danger-accept-a0",
    ]
    validated = subprocess.run([*validate, "--audience", AUDIENCE, "--issuer", ISSUER], check=False)
    expect(validated.returncode == 0, "the receipt validates")
    payload = report["receipt"].split(".")[1]
    work = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["pogw"]
    canonical = json.dumps(job, sort_keys=True, separators=(",", ":")).encode()
    expect(
        work["job_digest"] == hashlib.sha256(canonical).hexdigest(),
        "it is about the job",
    )
    model = result / "output-model.bin"
    expect(
        work["outputs"] == [{"name": "model.bin", **digest(model)}],
        "its output digest is b3sum's of the file",
    )
    program = work["program"]
    expect(
        program["source"] == "provider_asserted",
        "the program is on the provider's word",
    )
    expect(
        program["value"]["name"] == PYTHON and program["value"]["exit_code"] == 0,
        "it names the program",
    )
    digests = (result / "trace.bin").read_bytes()
    expect(
        work["trace"] == {"entries": 20, "blake3": blake3(digests).hexdigest()},
        "it commits to 20 states",
    )
    expect(
        "kernel" not in work and work["assurance"] == {"level": "A0", "results": []},
        "it claims nothing more",
    )
    expect("loss" in (result / "stdout.txt").read_text(), "standard output is kept")
    expect(not list((folder / "state/runs").iterdir()), "nothing is left of the run")
    print(f"trained with {'PyTorch' if TRAINER else 'NumPy'} on Python {sysconfig.get_python_version()}")


main()
