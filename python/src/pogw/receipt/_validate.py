"""Validating: a token, a key set and a time in; a receipt or a reason out."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, Final, Optional

from ._claims import audiences, read_claims
from ._errors import JsonFault, Rejected, excerpt
from ._json import read_object
from ._keys import Jwks, PublishedKey
from ._rules import check, finding_of, level_at_least
from ._types import Claims, Finding, Level, Output, ResultCheck
from ._values import digest, from_base64url, nonce, text

#: The type of a receipt, compared to the letter.
TYP: Final = "eat+jwt"
DEFAULT_LEEWAY_S: Final = 60
MAX_LEEWAY_S: Final = 600
MAX_TOKEN_BYTES: Final = 1024 * 1024

_HEADER: Final = ("typ", "alg", "kid")


class Expectations:
    """What a relying party demands of a receipt.

    At level A1 or above unless told otherwise; ``minimum_level="A0"`` counts as A1. ``danger_accept_a0`` accepts what
    anybody can say without owning a GPU, simulated devices included. Raises :class:`InvalidValue` for a demand that no
    receipt could meet.
    """

    def __init__(
        self,
        issuer: str,
        audience: str,
        *,
        minimum_level: Level = "A1",
        job: Optional[str] = None,
        nonce: Optional[str] = None,
        leeway_s: int = DEFAULT_LEEWAY_S,
        danger_accept_a0: bool = False,
    ) -> None:
        self.issuer = text(issuer)
        self.audience = text(audience)
        self.minimum_level: Level = _minimum(minimum_level, danger_accept_a0)
        self.job: Optional[str] = None if job is None else digest(job)
        self.nonce: Optional[str] = None if nonce is None else _nonce(nonce)
        self.leeway_s = max(0, min(leeway_s, MAX_LEEWAY_S))


class Receipt:
    """A receipt that was validated: signed by a key of the set, for us, in time, and free of contradictions.

    What it proves is what its claims say, with the source and strength of each. :meth:`Validator.validate` makes it,
    and nothing else should.
    """

    def __init__(self, claims: Claims, kid: str) -> None:
        self._claims = claims
        #: The key that signed it.
        self.kid = kid

    def __repr__(self) -> str:
        # No claim: they may name a device's lifelong identity, and logs are kept.
        return f"Receipt({self.id})"

    @property
    def claims(self) -> Claims:
        """All claims; a copy of one's own."""
        return copy.deepcopy(self._claims)

    @property
    def id(self) -> str:
        """The identity of this receipt (``jti``): what to pay once for. Two different tokens may be one receipt."""
        return self._claims["jti"]

    @property
    def subject(self) -> str:
        """Whose work it is."""
        return self._claims["sub"]

    @property
    def job_digest(self) -> str:
        """What was asked."""
        return self._claims["pogw"]["job_digest"]

    @property
    def outputs(self) -> list[Output]:
        """What came out."""
        return copy.deepcopy(self._claims["pogw"]["outputs"])

    @property
    def level(self) -> Level:
        """How much hardware stands behind it. Says nothing about the result."""
        return self._claims["pogw"]["assurance"]["level"]

    @property
    def results(self) -> frozenset[ResultCheck]:
        """The checks of the result that held. They say nothing about the device."""
        return frozenset(self._claims["pogw"]["assurance"]["results"])

    @property
    def is_simulated(self) -> bool:
        """Whether a device in it is software."""
        return any(device["simulated"] for device in self._claims["pogw"]["devices"])

    def finding(self, method: str) -> Optional[Finding]:
        """How one check came out, if the receipt mentions it."""
        return copy.deepcopy(finding_of(self._claims["pogw"], method))

    def meets(self, level: Level, checks: Iterable[ResultCheck] = ()) -> bool:
        """Whether it has this level or a higher one, and each of these checks of the result held."""
        return level_at_least(self.level, level) and frozenset(checks) <= self.results


class Validator:
    """Validates receipts against one key set and one set of expectations."""

    def __init__(self, keys: Jwks, expected: Expectations) -> None:
        self._keys = keys
        self._expected = expected

    def validate(self, token: str, now: int) -> Receipt:
        """Validates a token at a time, in seconds since 1970.

        It does not remember: pay once for each :attr:`Receipt.id`. Raises :class:`Rejected`, the first reason.
        """
        header = _header_of(token)
        key = self._key_of(header)
        payload = key.payload_of(token)
        # Nothing of the payload is read before the signature holds.
        if payload is None:
            raise Rejected("signature_invalid", f"signature of key {key.kid} does not hold")
        claims = read_claims(_object("payload", payload))
        self._is_from_and_for_us(claims)
        self._is_in_time(claims, now)
        _is_within_life_of(key, claims)
        check(claims)
        self._is_what_was_asked(claims)
        return Receipt(claims, key.kid)

    def _key_of(self, header: dict[str, str]) -> PublishedKey:
        key = self._keys.find(header["kid"])
        if key is None:
            raise Rejected("key_unknown", f"no key {excerpt(header['kid'])} in the key set")
        # The key decides the algorithm, not the header (RFC 8725 section 3.1).
        if header["alg"] != key.algorithm:
            raise Rejected(
                "algorithm_mismatch",
                f"alg: expected {key.algorithm}, got {excerpt(header['alg'])}",
            )
        return key

    def _is_from_and_for_us(self, claims: Claims) -> None:
        expected = self._expected
        if claims["iss"] != expected.issuer:
            raise Rejected(
                "issuer_mismatch",
                f"iss: expected {expected.issuer}, got {excerpt(claims['iss'])}",
            )
        if expected.audience not in audiences(claims):
            stated = excerpt(", ".join(audiences(claims)))
            raise Rejected("audience_mismatch", f"aud: expected {expected.audience}, got {stated}")

    def _is_in_time(self, claims: Claims, now: int) -> None:
        leeway_s = self._expected.leeway_s
        latest = now + leeway_s
        if claims["iat"] > latest:
            raise Rejected("issued_in_future", f"iat {claims['iat']} is later than {latest}")
        if claims["nbf"] > latest:
            raise Rejected("not_yet_valid", f"nbf {claims['nbf']} is later than {latest}")
        # RFC 7519 section 4.1.4: not on or after exp.
        if "exp" in claims and claims["exp"] + leeway_s <= now:
            raise Rejected(
                "expired",
                f"exp {claims['exp']} is not later than {now} with {leeway_s} s of leeway",
            )

    def _is_what_was_asked(self, claims: Claims) -> None:
        expected, work = self._expected, claims["pogw"]
        level = work["assurance"]["level"]
        if not level_at_least(level, expected.minimum_level):
            raise Rejected(
                "assurance_level_too_low",
                f"assurance level: expected at least {expected.minimum_level}, got {level}",
            )
        if expected.job is not None and work["job_digest"] != expected.job:
            raise Rejected(
                "job_mismatch",
                f"job_digest: expected {expected.job}, got {work['job_digest']}",
            )
        if expected.nonce is not None and claims["eat_nonce"] != expected.nonce:
            raise Rejected(
                "nonce_mismatch",
                f"eat_nonce: expected {expected.nonce}, got {claims['eat_nonce']}",
            )


def _minimum(level: Level, danger_accept_a0: bool) -> Level:
    # A name that is no level is a fault of the caller's, and raises here.
    at_least_a1: Level = level if level_at_least(level, "A1") else "A1"
    return "A0" if danger_accept_a0 else at_least_a1


def _nonce(value: str) -> str:
    return str(nonce(value))


def _header_of(token: str) -> dict[str, str]:
    """Structure, without belief: three parts, strict base64url, a header of exactly ``typ``, ``alg`` and ``kid``."""
    size = len(token.encode("utf-8", "surrogatepass"))
    if size > MAX_TOKEN_BYTES:
        raise Rejected(
            "token_too_large",
            f"token: expected at most {MAX_TOKEN_BYTES} bytes, got {size}",
        )
    parts = token.split(".")
    if len(parts) != 3:
        raise Rejected("token_parts", f"token: expected 3 parts, got {len(parts)}")
    decoded = [_decoded(part, name) for part, name in zip(parts, ("header", "payload", "signature"))]
    header = _object("header", decoded[0])
    for name in sorted(header.keys() - set(_HEADER)):
        raise Rejected("header_member_not_allowed", f"header member {excerpt(name)} is not allowed")
    for name in _HEADER:
        if name not in header:
            raise Rejected("header_member_missing", f"header member {name} is missing")
        if not isinstance(header[name], str):
            raise Rejected("header_member_malformed", f"header member {name} is not a string")
    if header["typ"] != TYP:
        raise Rejected("typ_mismatch", f"typ: expected {TYP}, got {excerpt(header['typ'])}")
    return header


def _decoded(part: str, name: str) -> bytes:
    data = from_base64url(part)
    if data is None:
        raise Rejected("base64url_malformed", f"{name} is not unpadded base64url")
    return data


def _object(part: str, data: bytes) -> dict[str, Any]:
    try:
        return read_object(data)
    except JsonFault as fault:
        raise Rejected(fault.code, f"{part}: {fault}") from fault


def _is_within_life_of(key: PublishedKey, claims: Claims) -> None:
    # No leeway: both times are the issuer's.
    if key.retired_at is not None and claims["iat"] > key.retired_at:
        raise Rejected(
            "key_retired",
            f"key {key.kid} was retired at {key.retired_at}, iat is {claims['iat']}",
        )
