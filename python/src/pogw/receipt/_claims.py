"""From the members of a JSON object to claims: each by name, so that a refusal can say which."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, cast, get_args

from . import _types as types
from ._errors import InvalidValue, Rejected, excerpt
from ._types import Claims
from ._values import (
    Read,
    array,
    digest,
    flag,
    integer,
    invalid,
    members,
    nonce,
    shape,
    string,
    text,
    thumbprint,
    word,
)

#: The profile of the claims (RFC 9711 section 6).
PROFILE = "tag:pogw.dev,2026:work-receipt#1"

MAX_AUDIENCES = 16
MAX_VENDOR_CLAIMS = 128

#: The categories of a trustworthiness vector; one that is left out makes no claim (0).
CATEGORIES: Final = (
    "instance-identity",
    "configuration",
    "executables",
    "file-system",
    "hardware",
    "runtime-opaque",
    "storage-opaque",
    "sourced-data",
)

_METHOD = re.compile(r"[a-z0-9_]{1,64}\Z")
_U8, _U32 = (1 << 8) - 1, (1 << 32) - 1


def read_claims(payload: dict[str, Any]) -> Claims:
    """The claims of the profile. Claims it does not know are ignored beside ours, and refused inside ``pogw``."""
    left = dict(payload)
    # Before anything else: the claims of another profile have another shape.
    profile = _required("", left, "eat_profile", string)
    if profile != PROFILE:
        raise Rejected("profile_mismatch", f"eat_profile: expected {PROFILE}, got {excerpt(profile)}")
    claims = _read("", left, _CLAIMS)
    work = _read("pogw.", claims["pogw"], _WORK)
    for name in sorted(claims["pogw"]):
        raise Rejected("claim_unknown", f"claim pogw.{excerpt(name)} is unknown")
    return cast(Claims, {"eat_profile": profile, **claims, "pogw": work})


def audiences(claims: Claims) -> list[str]:
    """Whom a receipt is for."""
    aud = claims["aud"]
    return aud if isinstance(aud, list) else [aud]


def _read(prefix: str, left: dict[str, Any], readers: Mapping[str, tuple[bool, Read]]) -> dict[str, Any]:
    """Takes the members it knows out of ``left``."""
    found: dict[str, Any] = {}
    for name, (required, reader) in readers.items():
        if required or name in left:
            found[name] = _required(prefix, left, name, reader)
    return found


def _required(prefix: str, left: dict[str, Any], name: str, reader: Read) -> Any:
    if name not in left:
        raise Rejected("claim_missing", f"claim {prefix}{name} is missing")
    try:
        return reader(left.pop(name))
    except InvalidValue as error:
        raise Rejected("claim_malformed", f"claim {prefix}{name}: {error}") from error


def _audience(value: Any) -> Any:
    """A string, or an array of 1 to 16 different ones (RFC 7519 section 4.1.3)."""
    if type(value) is not list:
        return text(value)
    names = [text(name) for name in value]
    if not 1 <= len(names) <= MAX_AUDIENCES or len(set(names)) != len(names):
        raise invalid("audience", f"1 to {MAX_AUDIENCES} different names", f"{len(names)} names")
    return names


def _method(value: Any) -> str:
    if not _METHOD.match(string(value)):
        raise invalid("method", "1 to 64 lower-case letters, digits and underscores", value)
    return str(value)


def _outcome(value: Any) -> Any:
    return value if value is None else word("success", "fail")(value)


def _flag_or_null(value: Any) -> Any:
    return value if value is None else flag(value)


def _string_or_null(value: Any) -> Any:
    return value if value is None else string(value)


_VENDOR: Final[Mapping[str, Read]] = {
    "measres": _outcome,
    "secboot": _flag_or_null,
    "dbgstat": _string_or_null,
    "hwmodel": _string_or_null,
    "ueid": _string_or_null,
    "oemid": _string_or_null,
}


def is_vendor_claim(name: str) -> bool:
    """Whether NVIDIA has a claim of this name."""
    return name in _VENDOR or name.startswith("x-nvidia-")


def _appraisal(value: Any) -> dict[str, Any]:
    """Our own claims about a device, and NVIDIA's; others are ignored (draft-ietf-rats-ear-04 section 4)."""
    left = dict(members(value))
    ours = {name: left.pop(name) for name in list(left) if name in _OURS or name == "eat_nonce"}
    appraisal: dict[str, Any] = shape(_OURS, {"eat_nonce": nonce})(ours)
    vendor = {name: claim for name, claim in left.items() if is_vendor_claim(name)}
    if len(vendor) > MAX_VENDOR_CLAIMS:
        raise invalid("number of vendor claims", f"at most {MAX_VENDOR_CLAIMS}", len(vendor))
    for name, claim in vendor.items():
        appraisal[name] = _VENDOR.get(name, lambda any_value: any_value)(claim)
    return appraisal


def _submods(value: Any) -> dict[str, Any]:
    return {text(name): _appraisal(appraisal) for name, appraisal in members(value).items()}


def _asserted(value: Read) -> Read:
    return shape({"value": value, "source": _SOURCE})


def _of(words: Any) -> Read:
    return word(*get_args(words))


_SOURCE: Final = _of(types.Source)
_NUMBER: Final = integer()

_OURS: Final[Mapping[str, Read]] = {
    "ear_status": _of(types.Tier),
    "ear_trustworthiness_vector": shape({}, dict.fromkeys(CATEGORIES, integer(-128, 127))),
    "ear_appraisal_policy_ids": array(text),
}

_CHAIN: Final = shape({"steps": integer(2), "points": integer(1), "drawn": integer(1, _U32)})

_FINDING: Final = shape(
    {"method": _method, "status": _of(types.Status), "source": _SOURCE},
    {
        "log2_error": integer(-4096, 0),
        "wrong_ppm": integer(1, 1_000_000),
        "chain": _CHAIN,
        "agreeing": integer(2, 8),
    },
)

_REVOCATION: Final = shape(
    {
        "chain": text,
        "position": integer(0, _U8),
        "subject": text,
        "status": _of(types.CertificateStatus),
    },
    {"reason": text, "sha256": digest, "this_update": _NUMBER, "next_update": _NUMBER},
)

# In the order in which the Rust crate reads them; whether each is required.
_CLAIMS: Final[Mapping[str, tuple[bool, Read]]] = {
    "iss": (True, text),
    "sub": (True, text),
    "aud": (True, _audience),
    "iat": (True, _NUMBER),
    "nbf": (True, _NUMBER),
    "exp": (False, _NUMBER),
    "jti": (True, text),
    "cnf": (True, shape({"jkt": thumbprint})),
    "eat_nonce": (True, nonce),
    "ear_verifier_id": (True, shape({"developer": text, "build": text})),
    "ear_status": (True, _of(types.Tier)),
    "submods": (True, _submods),
    "pogw": (True, members),
}

_WORK: Final[Mapping[str, tuple[bool, Read]]] = {
    "job_digest": (True, digest),
    "kernel": (False, shape({"name": text, "digest": digest})),
    "program": (
        False,
        _asserted(shape({"name": text, "blake3": digest, "exit_code": integer(0, _U8)})),
    ),
    "executor": (False, _asserted(text)),
    "module_digest": (False, _asserted(digest)),
    "outputs": (True, array(shape({"name": text, "len": _NUMBER, "blake3": digest}))),
    "trace": (False, shape({"entries": _NUMBER, "blake3": digest})),
    "devices": (
        True,
        array(
            shape(
                {
                    "id": text,
                    "submod": text,
                    "kind": _of(types.DeviceKind),
                    "arch": text,
                    "simulated": flag,
                }
            )
        ),
    ),
    "methods": (True, array(_FINDING)),
    "assurance": (
        True,
        shape({"level": _of(types.Level), "results": array(_of(types.ResultCheck))}),
    ),
    "policy": (True, shape({"id": text, "sha256": digest})),
    "collateral": (True, array(shape({"id": text, "sha256": digest, "as_of": _NUMBER}))),
    "revocation": (True, array(_REVOCATION)),
    "evidence_digest": (True, digest),
    "timings": (
        False,
        shape(
            {"source": _SOURCE, "started_unix_ms": _NUMBER, "finished_unix_ms": _NUMBER},
            {"device_ns": _NUMBER},
        ),
    ),
    "as_of": (True, _NUMBER),
    "batch": (
        False,
        shape({"root": digest, "index": _NUMBER, "size": _NUMBER, "path": array(digest)}),
    ),
    "log_index": (False, _NUMBER),
}
