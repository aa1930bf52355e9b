"""NVIDIA's Python attestation clients against this verifier: see tests/sdk/run.

They run unchanged. What is set around them: the URL of the verifier; for real evidence, the clock by which PyJWT judges
tokens, since that evidence is judged as of the day its manifests were valid; and for the client that judges evidence
itself, a GPU that is forged, its roots, and the case of its driver's version.
"""

import base64
import contextlib
import datetime
import json
import logging
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import textwrap
import time

import jwt.api_jwt
from nv_attestation_sdk.attestation import Attestation, Devices, Environment
from verifier import cc_admin
from verifier.config import BaseSettings
from verifier.nvml.gpu_cert_chains import GpuCertificateChains
from verifier.nvml.test_handle import TestHandle

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
    return sdk


def refused(kind, api, version, base, issuer, nonce, evidence, why):
    """It does not attest; whatever it got passes no policy."""
    what = f"{kind} {api} {version}: {why}"
    sdk = client(kind, version, f"{base}/{api}/attest/{kind}", nonce)
    expect(sdk.attest(evidence) is False, what)
    expect(sdk.validate_token(policy(kind, version, issuer)) is False, f"{what}: validate_token")


def every_route(kinds):
    return [(k, api, version) for k in kinds for api in ("v3", "v4") for version in VERSIONS]


class Gpu:
    """A GPU whose driver hands over forged evidence; `manifests` say its versions."""

    def __init__(self, evidence, manifests):
        driver, vbios = (next(manifests.glob(f"{prefix}*")).stem for prefix in ("NV_GPU_DRIVER_", "NV_GPU_VBIOS_"))
        digits = vbios.rsplit("_", 1)[1]
        self.driver_version = driver.rsplit("_", 1)[1]
        self.vbios_version = ".".join(digits[i : i + 2] for i in range(0, len(digits), 2))
        self.report = base64.b64decode(evidence["evidence"])
        self.chain = base64.b64decode(evidence["certificate"])

    def get_gpu_architecture(self):
        return 9  # Hopper, as NVML numbers it.

    def get_uuid(self):
        return "GPU-00000000-0000-0000-0000-000000000000"

    def get_driver_version(self):
        return self.driver_version

    def get_vbios_version(self):
        return self.vbios_version

    def get_attestation_report(self):
        return self.report

    def get_attestation_cert_chain(self):
        return GpuCertificateChains(TestHandle(self.chain)).GpuAttestationCertificateChain


@contextlib.contextmanager
def roots(folder, evidence, manifests):
    """The local verifier's own roots replaced by those of the forged chains, the last certificate of each."""
    chain = base64.b64decode(evidence["certificate"]).decode()
    device = re.findall("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", chain, re.S)[-1]
    manifest = next(manifests.glob("NV_GPU_DRIVER_*")).read_text()
    der = re.findall("<ds:X509Certificate>(.*?)</ds:X509Certificate>", manifest, re.S)[-1]
    lines = "\n".join(textwrap.wrap("".join(der.split()), 64))
    rim = f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----"
    settings = {}
    for name, pem in (("DEVICE_ROOT_CERT", device), ("RIM_ROOT_CERT", rim)):
        settings[name] = str(folder / f"{name}.pem")
        pathlib.Path(settings[name]).write_text(pem + "\n")
    settings["ROOT_CERT_DIR"] = str(folder)
    real = {name: getattr(BaseSettings, name) for name in settings}
    in_dev_mode = cc_admin.NvmlHandler.is_cc_dev_mode
    cc_admin.NvmlHandler.is_cc_dev_mode = lambda: False
    # The client puts the version in a manifest into small letters and not the driver's, which has capital ones on a
    # software device alone.
    verify = cc_admin.RIM.verify
    cc_admin.RIM.verify = lambda rim, version, settings: verify(rim, version=version.lower(), settings=settings)
    try:
        for name, value in settings.items():
            setattr(BaseSettings, name, value)
        yield
    finally:
        cc_admin.RIM.verify = verify
        cc_admin.NvmlHandler.is_cc_dev_mode = in_dev_mode
        for name, value in real.items():
            setattr(BaseSettings, name, value)


def judged_locally(url, nonce, evidence, manifests, without_nonce=True, ocsp="/ocsp"):
    """What NVIDIA's local verifier makes of a GPU, with manifests and answers about revocation from this verifier."""
    arguments = {
        "allow_hold_cert": False,
        "claims_version": "3.0",
        "driver_rim": None,
        "ocsp_nonce_disabled": without_nonce,
        "ocsp_url": url + ocsp,
        "rim_service_url": f"{url}/v1/rim",
        "service_key": None,
        "test_no_gpu": False,
        "user_mode": True,
        "verbose": False,
        "vbios_rim": None,
    }
    passes, _ = cc_admin.attest(arguments, nonce, [Gpu(evidence, manifests)])
    return passes


def mirrored(folder, base, nonce, evidence, collateral):
    """The local verifier passes a GPU by what mirror and relay of an isolated site hand out. The answers bear no nonce, so
    it has to be told to do without."""
    manifests = collateral / "rims"
    what = "local verifier"
    with roots(folder, evidence, manifests):
        for ocsp in ("/ocsp", "/v1/ocsp"):
            expect(judged_locally(base, nonce, evidence, manifests, ocsp=ocsp), f"{what}: {ocsp}")
        with_nonce = judged_locally(base, nonce, evidence, manifests, without_nonce=False)
        expect(not with_nonce, f"{what}: an answer without the nonce")
        expect(not judged_locally(base, "00" * 32, evidence, manifests), f"{what}: a wrong nonce")


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
    answered(folder, collateral, nonce, evidence)


def answered(folder, collateral, nonce, evidence):
    """The same devices under the default policy, with answers about revocation filed: nothing is waived but that they
    are software."""
    settings = {
        "rim_dir": str(collateral / "rims"),
        "ocsp.dir": str(collateral / "ocsp"),
        "simulated_anchors": [str(collateral / "anchors.toml")],
    }
    with verifier(folder, settings, {"simulated_claims": True}) as (base, issuer):
        for kind, api, version in every_route(DEVICES):
            sdk = accepted(kind, api, version, base, issuer, nonce, evidence[kind])
            overall, detached = next(iter(json.loads(sdk.get_token())[1].values()))
            unmarked = ["x-pogw-revocation" not in payload(token) for token in (overall[1], *detached.values())]
            expect(all(unmarked), f"{kind} {api} {version}: no mark of revocation left out")
            if version == "3.0":
                chain = payload(detached[next(iter(detached))])[f"x-nvidia-{kind}-attestation-report-cert-chain"]
                expect(chain["x-nvidia-cert-ocsp-status"] == "good", f"{kind} {api} {version}: asked about revocation")
        mirrored(folder, base, nonce, evidence["gpu"][0], collateral)
    (folder / "empty").mkdir()
    unanswered = {**settings, "ocsp.dir": str(folder / "empty")}
    with verifier(folder, unanswered, {}) as (base, _):
        manifests = collateral / "rims"
        with roots(folder, evidence["gpu"][0], manifests):
            passes = judged_locally(base, nonce, evidence["gpu"][0], manifests)
            expect(not passes, "local verifier: nothing filed about revocation")


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
    # What the local verifier prints, of refusals that are expected too.
    logging.getLogger("gpu-verifier-info").setLevel(logging.CRITICAL + 1)
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
