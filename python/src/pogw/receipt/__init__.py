"""The work receipt, as a stranger checks it: offline, by the rules and with the codes of the Rust crate ``receipt``.

Signatures are PyJWT's; what a receipt may say is checked here. Needs ``pip install "pogw[receipt]"``.

In scope: key sets, validation, what a validated receipt says.
Out of scope: issuing, fetching keys, remembering what was paid, the issuer's log.
"""

from ._claims import PROFILE
from ._errors import InvalidValue, JwksError, Rejected
from ._keys import Jwks, PublishedKey
from ._types import (
    Assurance,
    CertificateRevocation,
    Claims,
    Collateral,
    Device,
    Finding,
    Kernel,
    Level,
    Output,
    Policy,
    Program,
    ResultCheck,
    Source,
    Status,
    Tier,
    Timings,
    Trace,
    Work,
)
from ._validate import DEFAULT_LEEWAY_S, TYP, Expectations, Receipt, Validator

__all__ = [
    "DEFAULT_LEEWAY_S",
    "PROFILE",
    "TYP",
    "Assurance",
    "CertificateRevocation",
    "Claims",
    "Collateral",
    "Device",
    "Expectations",
    "Finding",
    "InvalidValue",
    "Jwks",
    "JwksError",
    "Kernel",
    "Level",
    "Output",
    "Policy",
    "Program",
    "PublishedKey",
    "Receipt",
    "Rejected",
    "ResultCheck",
    "Source",
    "Status",
    "Tier",
    "Timings",
    "Trace",
    "Validator",
    "Work",
]
