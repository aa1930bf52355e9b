"""NVIDIA's Python attestation client against this verifier: see tests/sdk/run.

The client runs unchanged. Two things around it are set: the URL of the verifier, and, for real evidence, the clock by
which PyJWT judges tokens, since that evidence is judged as of the day its manifests were valid.
"""

import base64
import contextlib
import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import jwt.api_jwt
from nv_attestation_sdk.attestation import Attestation, Devices, Environment

BINARIES = pathlib.Path(sys.argv[1])
REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
NAME = "pogw"
DEVICES = {"gpu": Devices.GPU, "switch": Devices.SWITCH}
VERSIONS = ("2.0", "3.0")
START_TIMEOUT_S = 30

CHAIN = {
    "x-nvidia-cert-status": "valid",
    "x-nvidia-cert-revocation-reason": None,
}
REPORT = ("parsed", "nonce-match", "signature-verified")
MANIFEST = ("fetched", "schema-validated", "signature-verified", "measurements-available")

checks = 0


def expect(condition, what):
    """One thing that has to be so."""
    global checks
    checks += 1
    if not condition:
        sys.exit(f"FAILED: {what}")


def policy(kind, version, issuer):
    """What NVIDIA's published policies ask for, for one kind of device."""
    prefix = f"x-nvidia-{kind}"
    manifests = ("driver-rim", "vbios-rim") if kind == "gpu" else ("bios-rim",)
    claims = {"measres": "success", "secboot": True, "dbgstat": "disabled", f"{prefix}-arch-check": True}
    claims.update({f"{prefix}-attestation-report-{part}": True for part in REPORT})
    chains = [f"{prefix}-attestation-report-cert-chain"]
    for manifest in manifests:
        claims.update({f"{prefix}-{manifest}-{part}": True for part in MANIFEST})
        name = "cert-chain" if version == "3.0" else "cert"
        chains.append(f"{prefix}-{manifest}-{name}")
    if kind == "gpu":
        claims[f"{prefix}-vbios-index-no-conflict"] = True
    for chain in chains:
        if version == "3.0":
            claims[chain] = CHAIN
        else:
            claims[f"{chain}-validated"] = True
    if version == "3.0":
        claims[f"{prefix}-attestation-report-cert-chain-fwid-match"] = True
        claims.update({f"{prefix}-{manifest}-version-match": True for manifest in manifests})
    overall = {
        "iss": issuer,
        "sub": "NVIDIA-PLATFORM-ATTESTATION",
        "x-nvidia-ver": version,
        "x-nvidia-overall-att-result": True,
    }
    rules = {"type": "JWT", "overall-claims": overall, "detached-claims": claims}
    return json.dumps({"version": "4.0" if version == "3.0" else "3.0", "authorization-rules": rules})


@contextlib.contextmanager
def verifier(folder, settings, nvidia, as_of=None):
    """A verifier in a process of its own; gives its URL, which is also its issuer's name in the tokens."""
    state = pathlib.Path(tempfile.mkdtemp(dir=folder))
    address = state / "address"
    issuer = "http://127.0.0.1"
    lines = [
        'listen = "127.0.0.1:0"',
        f"state_dir = {json.dumps(str(state / 'state'))}",
        f"issuer = {json.dumps(issuer)}",
        'audience = ["tests"]',
        'log_level = "error"',
        "[appraisal]",
        *[f"{key} = {json.dumps(value)}" for key, value in settings.items()],
        "[nvidia]",
        *[f"{key} = {json.dumps(value)}" for key, value in nvidia.items()],
    ]
    config = state / "config.toml"
    config.write_text("\n".join(lines) + "\n")
    command = [BINARIES / "verifier-under-test", config, address, *([as_of] if as_of else [])]
    process = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not address.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit("FAILED: the verifier did not start")
            time.sleep(0.05)
        yield f"http://{address.read_text()}", issuer
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def clock(as_of):
    """PyJWT's clock put to a time; whatever else is done with times stays as it is."""
    if as_of is None:
        yield
        return
    real = jwt.api_jwt.datetime
    then = datetime.datetime.fromisoformat(as_of.replace("Z", "+00:00"))

    class Meta(type):
        def __instancecheck__(cls, value):
            return isinstance(value, real)

    class Stopped(metaclass=Meta):
        @staticmethod
        def now(tz=None):
            return then.astimezone(tz)

    jwt.api_jwt.datetime = Stopped
    try:
        yield
    finally:
        jwt.api_jwt.datetime = real


def client(kind, version, url, nonce):
    """NVIDIA's client, told to ask `url`."""
    Attestation.reset()
    Attestation(NAME)
    Attestation.set_name(NAME)
    Attestation.set_nonce(nonce)
    Attestation.set_claims_version(version)
    Attestation.add_verifier(DEVICES[kind], Environment.REMOTE, url, "")
    return Attestation


def payload(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def tampered(token):
    """The same claims but for the result, under the old signature."""
    header, _, signature = token.split(".")
    claims = payload(token)
    claims["x-nvidia-overall-att-result"] = True
    claims["sub"] = "NVIDIA-PLATFORM-ATTESTATION "
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"{header}.{body}.{signature}"


def accepted(kind, api, version, base, issuer, nonce, evidence):
    """It attests, and what it got passes a policy by NVIDIA's own validation."""
    what = f"{kind} {api} {version}"
    sdk = client(kind, version, f"{base}/{api}/attest/{kind}", nonce)
    expect(sdk.attest(evidence) is True, f"{what}: attest")
    rules = policy(kind, version, issuer)
    expect(sdk.validate_token(rules) is True, f"{what}: validate_token")
    other = json.loads(rules)
    other["authorization-rules"]["detached-claims"]["measres"] = "fail"
    expect(sdk.validate_token(json.dumps(other)) is False, f"{what}: another policy")

    name, eat = next(iter(json.loads(sdk.get_token())[1].items()))
    expect(len(eat[1]) == len(evidence), f"{what}: a submodule for each device")
    forged = [["JWT", tampered(eat[0][1])], eat[1]]
    wrapped = json.dumps([["JWT", "x"], {name: forged}])
    expect(sdk.validate_token(rules, wrapped) is False, f"{what}: a tampered overall token")
    first = next(iter(eat[1]))
    forged = [eat[0], {**eat[1], first: tampered(eat[1][first])}]
    wrapped = json.dumps([["JWT", "x"], {name: forged}])
    expect(sdk.validate_token(rules, wrapped) is False, f"{what}: a tampered submodule")


def refused(kind, api, version, base, issuer, nonce, evidence, why):
    """It does not attest; whatever it got passes no policy."""
    what = f"{kind} {api} {version}: {why}"
    sdk = client(kind, version, f"{base}/{api}/attest/{kind}", nonce)
    expect(sdk.attest(evidence) is False, what)
    expect(sdk.validate_token(policy(kind, version, issuer)) is False, f"{what}: validate_token")


def every_route(kinds):
    return [(k, api, version) for k in kinds for api in ("v3", "v4") for version in VERSIONS]


def forged(folder):
    """Forged devices, which pass only where the operator waived what they lack."""
    collateral = folder / "forged"
    collateral.mkdir()
    command = [BINARIES / "sdk-evidence", collateral]
    nonce = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    settings = {
        "rim_dir": str(collateral / "rims"),
        "simulated_anchors": [str(collateral / "anchors.toml")],
        "policy": "danger-without-revocation",
    }
    evidence = {kind: json.loads((collateral / f"{kind}.json").read_text()) for kind in DEVICES}
    waived = {"simulated_claims": True, "danger_result_without_revocation": True}
    with verifier(folder, settings, waived) as (base, issuer):
        for kind, api, version in every_route(DEVICES):
            accepted(kind, api, version, base, issuer, nonce, evidence[kind])
            refused(kind, api, version, base, issuer, "00" * 32, evidence[kind], "a wrong nonce")
        twice = evidence["gpu"][:1] * 2
        refused("gpu", "v3", "2.0", base, issuer, nonce, twice, "one device twice")
        report = bytearray(base64.b64decode(evidence["gpu"][0]["evidence"]))
        report[100] ^= 1
        changed = {**evidence["gpu"][0], "evidence": base64.b64encode(report).decode()}
        refused("gpu", "v3", "3.0", base, issuer, nonce, [changed], "a changed report")
    with verifier(folder, settings, {}) as (base, issuer):
        for kind, api, version in every_route(DEVICES):
            refused(kind, api, version, base, issuer, nonce, evidence[kind], "a software device")


def real(folder, directory):
    """Genuine devices, judged as of a time at which their manifests were valid."""
    settings = {"rim_dir": str(directory / "rims"), "policy": "danger-without-revocation"}
    nonce = "931d8dd0add203ac3d8b4fbde75e115278eefcdceac5b87671a748f32364dfcb"
    for kind, as_of in (("gpu", "2025-08-21T08:00:00Z"), ("switch", None)):
        file = directory / "serialized" / f"python-sdk-remote-{kind}.json"
        evidence = json.loads(file.read_text())
        with clock(as_of):
            waived = {"danger_result_without_revocation": True}
            with verifier(folder, settings, waived, as_of) as (base, issuer):
                for kind, api, version in every_route([kind]):
                    accepted(kind, api, version, base, issuer, nonce, evidence)
                    refused(kind, api, version, base, issuer, "11" * 32, evidence, "a wrong nonce")
            with verifier(folder, settings, {}, as_of) as (base, issuer):
                refused(kind, "v3", "3.0", base, issuer, nonce, evidence, "revocation left out")


def evidence_directory():
    named = os.environ.get("POGW_EVIDENCE_DIR")
    if named is not None:
        expect((pathlib.Path(named) / "MANIFEST.toml").is_file(), "POGW_EVIDENCE_DIR has a manifest")
        return pathlib.Path(named)
    beside = REPOSITORY.parent / "shared" / "evidence"
    return beside if (beside / "MANIFEST.toml").is_file() else None


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        forged(folder)
        directory = evidence_directory()
        if directory is None:
            print("NOT RUN with real evidence, see POGW_EVIDENCE_DIR", file=sys.stderr)
        else:
            real(folder, directory)
    print(f"NVIDIA's client: {checks} expectations met")


if __name__ == "__main__":
    main()
