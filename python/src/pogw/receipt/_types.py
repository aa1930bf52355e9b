"""What a receipt says, as types. The README of the crate ``receipt`` explains every member."""

from __future__ import annotations

from typing import Any, Literal, TypedDict, Union

Level = Literal["A0", "A1", "A2", "A3"]
ResultCheck = Literal["audit", "freivalds", "sumcheck", "replicas"]
Status = Literal["affirmed", "refuted", "unverifiable", "not_requested"]
Source = Literal[
    "hardware",
    "recomputation",
    "replicas",
    "verifier_clock",
    "guest_asserted",
    "provider_asserted",
]
Tier = Literal["contraindicated", "warning", "none", "affirming"]
CertificateStatus = Literal["good", "on_hold", "revoked", "unknown", "not_checked"]
DeviceKind = Literal["gpu", "nvswitch", "cpu_tee"]


class Kernel(TypedDict):
    name: str
    #: BLAKE3 of the kernel's specification text.
    digest: str


class Program(TypedDict):
    name: str
    blake3: str
    exit_code: int


class AssertedProgram(TypedDict):
    value: Program
    source: Source


class AssertedText(TypedDict):
    value: str
    source: Source


class Output(TypedDict):
    name: str
    #: Bytes.
    len: int
    #: What ``b3sum`` prints for the same bytes.
    blake3: str


class Trace(TypedDict):
    entries: int
    blake3: str


class Device(TypedDict):
    #: A pseudonym, unique within the receipt.
    id: str
    submod: str
    kind: DeviceKind
    arch: str
    simulated: bool


class Chain(TypedDict):
    steps: int
    points: int
    drawn: int


class _FindingStrength(TypedDict, total=False):
    log2_error: int
    wrong_ppm: int
    chain: Chain
    agreeing: int


class Finding(_FindingStrength):
    method: str
    status: Status
    source: Source


class Assurance(TypedDict):
    level: Level
    results: list[ResultCheck]


class Policy(TypedDict):
    id: str
    sha256: str


class Collateral(TypedDict):
    id: str
    sha256: str
    as_of: int


class _CertificateAnswer(TypedDict, total=False):
    reason: str
    sha256: str
    this_update: int
    next_update: int


class CertificateRevocation(_CertificateAnswer):
    chain: str
    position: int
    subject: str
    status: CertificateStatus


class _DeviceTime(TypedDict, total=False):
    device_ns: int


class Timings(_DeviceTime):
    source: Source
    started_unix_ms: int
    finished_unix_ms: int


class Inclusion(TypedDict):
    root: str
    index: int
    size: int
    path: list[str]


class _WorkIfStated(TypedDict, total=False):
    kernel: Kernel
    program: AssertedProgram
    executor: AssertedText
    module_digest: AssertedText
    trace: Trace
    timings: Timings
    batch: Inclusion
    log_index: int


class Work(_WorkIfStated):
    job_digest: str
    outputs: list[Output]
    devices: list[Device]
    methods: list[Finding]
    assurance: Assurance
    policy: Policy
    collateral: list[Collateral]
    revocation: list[CertificateRevocation]
    evidence_digest: str
    as_of: int


class Confirmation(TypedDict):
    jkt: str


class VerifierId(TypedDict):
    developer: str
    build: str


class _ClaimsIfStated(TypedDict, total=False):
    exp: int


class Claims(_ClaimsIfStated):
    """The claims of a receipt, by their names on the wire."""

    eat_profile: str
    iss: str
    sub: str
    aud: Union[str, list[str]]
    iat: int
    nbf: int
    jti: str
    cnf: Confirmation
    eat_nonce: str
    ear_verifier_id: VerifierId
    ear_status: Tier
    #: An appraisal for each device: ``ear_status``, ``ear_trustworthiness_vector``, ``ear_appraisal_policy_ids``,
    #: perhaps ``eat_nonce``, and NVIDIA's claims.
    submods: dict[str, dict[str, Any]]
    pogw: Work
