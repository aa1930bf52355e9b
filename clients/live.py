"""A job from offer to receipt, as a tenant sees it: ``live.py BINARIES NODE_SCRIPT``.

A real verifier and a real agent with the software device, each a process of its own. The Python client offers a job,
waits for it by events and validates the receipt; then the TypeScript client does the same. Both receipts have level A0:
a software device proves nothing about hardware.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Optional

from pogw.client import Client, Event
from pogw.receipt import Expectations, Jwks, Rejected, Validator

BINARIES = Path(sys.argv[1])
NODE_SCRIPT = sys.argv[2]
AUDIENCE = "https://market.example"
ISSUER = "https://verifier.example"
SCOPES = {
    "tenant": ["jobs:read", "jobs:write"],
    "provider": ["agents:read", "agents:write"],
    "marketplace": ["books:read", "books:write"],
}
SPEC = {
    "profile": "pogw/1",
    "kernel": "gemm_i8",
    "params": {"m": 64, "n": 64, "k": 64, "operands": {"seed": "5eed" * 16}},
    "checks": [],
}
TERMS = {
    "replicas": {"count": 1, "adaptive": False},
    "audit": {"wrong_ppm": 50_000, "log2_miss": -20},
    "devices": {"simulated": True},
    "price": {"amount": 1_200, "currency": "EUR"},
    "stake": 2_400,
    "commit_within_s": 120,
    "open_within_s": 60,
    "dispute_window_s": 3,
    "deadline_s": 3600,
}


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with verifier(folder) as url:
            operator = (folder / "state/operator-token").read_text().strip()
            parties = {kind: party(url, operator, kind) for kind in SCOPES}
            for kind in ("tenant", "provider"):
                deposit(url, parties["marketplace"], parties[kind])
            with agent(folder, url, parties["provider"]):
                have_work_done(url, parties["tenant"]["key"])
                in_typescript(url, parties["tenant"]["key"])


def have_work_done(url: str, key: str) -> None:
    """What a tenant's program does."""
    client = Client(url, key)
    job = client.create_job(SPEC, TERMS)
    seen: list[Event] = []
    client.wait(job["id"], timeout_s=120, progress=seen.append)
    keys = Jwks.parse(client.key_set())
    [listed] = client.receipts(job["id"])
    token = client.receipt(listed["id"])
    expect(token == listed["receipt"], "the receipt by its name is the one listed")
    now = int(time.time())
    receipt = Validator(keys, expectations(job["digest"], danger_accept_a0=True)).validate(token, now)
    expect(receipt.id == listed["id"] and receipt.is_simulated, "it validates, and says that the device is software")
    expect(receipt.meets("A0", ["audit"]) and not receipt.meets("A1"), "it has level A0, and the audit held")
    strict = Validator(keys, expectations(job["digest"]))
    expect(refusal(strict, token, now) == "assurance_level_too_low", "A1 is asked for unless told otherwise")
    other = Validator(keys, expectations("ab" * 32, danger_accept_a0=True))
    expect(refusal(other, token, now) == "job_mismatch", "another job's receipt is refused")
    expect(client.standing(listed["id"]) == "provisional", "it is provisional while its job is not over")
    expect(client.wait(job["id"], until="settled", timeout_s=60, poll_s=0.5)["status"] == "settled", "it is settled")
    expect(client.standing(listed["id"]) == "holds", "it holds from then on")
    history = [event.name for event in client.events(job["id"])]
    ends = ["job_created", "openings_asked", "job_accepted", "job_settled"]
    expect([name for name in history if name in ends] == ends, f"its history: {', '.join(history)}")
    # The last events may come after the job was seen to be accepted.
    expect([event.name for event in seen] == history[: len(seen)], f"progress was told, {len(seen)} events of it")


def expectations(job: str, danger_accept_a0: bool = False) -> Expectations:
    return Expectations(ISSUER, AUDIENCE, job=job, danger_accept_a0=danger_accept_a0)


def refusal(validator: Validator, token: str, now: int) -> Optional[str]:
    try:
        validator.validate(token, now)
    except Rejected as rejected:
        return rejected.code
    return None


def in_typescript(url: str, key: str) -> None:
    told = {"url": url, "issuer": ISSUER, "audience": AUDIENCE, "spec": SPEC, "terms": TERMS}
    env = {**os.environ, "POGW_API_KEY": key}
    done = subprocess.run(["node", NODE_SCRIPT, json.dumps(told)], check=False, env=env, timeout=300)
    expect(done.returncode == 0, "the same from TypeScript")


@contextmanager
def verifier(folder: Path) -> Iterator[str]:
    """A verifier that trusts the software device, and its address."""
    make = [BINARIES / "attestation-agent", "simulated-collateral"]
    made_at = ["--device-dir", folder / "device", "--out", folder / "collateral"]
    subprocess.run([*make, *made_at], check=True, stdout=subprocess.DEVNULL)
    address = f"127.0.0.1:{free_port()}"
    config = folder / "verifier.toml"
    config.write_text(
        f'issuer = "{ISSUER}"\naudience = ["{AUDIENCE}"]\nlisten = "{address}"\nstate_dir = "{folder / "state"}"\n'
        f'[appraisal]\nsimulated_anchors = ["{folder / "collateral/anchors.toml"}"]\n'
        f'rim_dir = "{folder / "collateral"}"\n'
        f'[appraisal.ocsp]\ndir = "{folder / "collateral/ocsp"}"\n'
    )
    with process(folder, "verifier", [BINARIES / "verifier-service", "serve", "--config", config]) as running:
        url = f"http://{address}"
        until_there(url, running)
        yield url


@contextmanager
def agent(folder: Path, url: str, provider: dict[str, Any]) -> Iterator[None]:
    """An agent of the provider, heard of."""
    token = folder / "enrolment-token"
    token.write_text(post(url, provider["key"], "enrolment-tokens", {})["token"])
    token.chmod(0o600)
    config = folder / "agent.toml"
    config.write_text(
        f'state_dir = "{folder / "agent"}"\nverifier = "{url}"\nexecutor = "host"\n'
        f'[device]\nkind = "simulated"\ndir = "{folder / "device"}"\n'
        f'[serve]\ntoken_file = "{token}"\nheartbeat_s = 1\n'
    )
    with process(folder, "agent", [BINARIES / "attestation-agent", "serve", "--config", config]):
        yield


@contextmanager
def process(folder: Path, name: str, command: list[object]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends with this; what it says is shown if anything goes wrong."""
    log = folder / f"{name}.log"
    with log.open("wb") as out:
        running = subprocess.Popen([str(word) for word in command], stdout=out, stderr=subprocess.STDOUT)
    try:
        yield running
    except BaseException:
        print(f"--- {name}\n{log.read_text()[-4000:]}", file=sys.stderr)
        raise
    finally:
        running.terminate()
        running.wait()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def until_there(url: str, running: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(f"{url}/healthz").close()
            return
        except urllib.error.URLError:
            if running.poll() is not None:
                break
            time.sleep(0.1)
    raise SystemExit("the verifier does not answer")


def party(url: str, operator: str, kind: str) -> dict[str, Any]:
    made = post(url, operator, "parties", {"kind": kind, "name": kind})
    key = post(url, operator, f"parties/{made['id']}/keys", {"scopes": SCOPES[kind]})
    return {"id": made["id"], "key": key["key"]}


def deposit(url: str, marketplace: dict[str, Any], to: dict[str, Any]) -> None:
    money = {"amount": 1_000_000, "currency": "EUR"}
    post(url, marketplace["key"], "deposits", {"party": to["id"], "reference": f"in-{to['id']}", "money": money})


def post(url: str, token: str, path: str, body: object) -> Any:
    """What a tenant's client has no call for."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/v1/{path}", json.dumps(body).encode(), headers, method="POST")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def expect(condition: bool, what: str) -> None:
    print("ok  " if condition else "FAIL", what, flush=True)
    if not condition:
        raise SystemExit(1)


main()
