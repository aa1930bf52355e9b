"""The key set that a verifier publishes and a marketplace keeps (RFC 7517); keys are named by thumbprint (RFC 7638)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final, Optional

import jwt
from jwt.algorithms import ECAlgorithm, OKPAlgorithm
from jwt.exceptions import InvalidKeyError

from ._errors import JsonFault, JwksError, excerpt
from ._json import read_object
from ._values import from_base64url, to_base64url

MAX_JWKS_BYTES = 128 * 1024
MAX_KEYS = 256

#: By type and curve: the algorithm of such a key, and the length of a coordinate in bytes. A key decides its algorithm.
_ALGORITHMS: Final = {
    ("EC", "P-384"): ("ES384", 48),
    ("EC", "P-256"): ("ES256", 32),
    ("OKP", "Ed25519"): ("Ed25519", 32),
}


def _signatures() -> jwt.PyJWS:
    """PyJWT with our three algorithms and no other. It has ``EdDSA`` for Ed25519, which names a family (RFC 9864)."""
    jws = jwt.PyJWS(algorithms=["ES256", "ES384"])
    jws.register_algorithm("Ed25519", OKPAlgorithm())
    return jws


_JWS: Final = _signatures()


@dataclass(frozen=True)
class PublishedKey:
    """A key in a set, and whether it still signs."""

    #: RFC 7638 thumbprint with SHA-256.
    kid: str
    algorithm: str
    #: When it signed for the last time, in seconds since 1970; ``None`` while it signs.
    retired_at: Optional[int]
    _key: Any

    def payload_of(self, token: str) -> Optional[bytes]:
        """What this key has signed, or ``None`` if the signature does not hold."""
        try:
            payload = _JWS.decode_complete(token, self._key, algorithms=[self.algorithm])["payload"]
        except jwt.PyJWTError:
            return None
        return bytes(payload)


class Jwks:
    """The public keys of one verifier; never empty, each under its own name."""

    def __init__(self, keys: dict[str, PublishedKey]) -> None:
        self._keys = keys

    @classmethod
    def parse(cls, text: str) -> Jwks:
        """A set somebody published. Keys for something else are passed over; a defective one of ours refuses the set.

        Raises :class:`JwksError`.
        """
        size = len(text.encode("utf-8", "surrogatepass"))
        if size > MAX_JWKS_BYTES:
            raise JwksError(
                "jwks_too_large",
                f"key set: expected at most {MAX_JWKS_BYTES} bytes, got {size}",
            )
        try:
            listed = read_object(text.encode("utf-8", "surrogatepass")).get("keys")
        except JsonFault as fault:
            raise JwksError(fault.code, f"key set: {fault}") from fault
        if not isinstance(listed, list) or not all(isinstance(key, dict) for key in listed):
            raise JwksError("jwks_keys_malformed", "keys is not an array of objects")
        if len(listed) > MAX_KEYS:
            raise JwksError(
                "jwks_too_many_keys",
                f"key set: expected at most {MAX_KEYS} keys, got {len(listed)}",
            )
        keys: dict[str, PublishedKey] = {}
        read = [_read(members) for members in listed if _is_for_receipts(members)]
        for key in read:
            if key.kid in keys:
                raise JwksError("jwks_key_duplicate", f"key {key.kid} occurs twice")
            keys[key.kid] = key
        if not keys:
            raise JwksError("jwks_no_usable_key", "no usable key")
        return cls(keys)

    def find(self, kid: str) -> Optional[PublishedKey]:
        """The key of this name."""
        return self._keys.get(kid)


def _is_for_receipts(members: dict[str, Any]) -> bool:
    """A key with a certificate is for other tokens of the same issuer; so is one of another use."""
    if members.get("use", "sig") != "sig" or "x5c" in members:
        return False
    kty, crv = members.get("kty"), members.get("crv")
    return isinstance(kty, str) and isinstance(crv, str) and (kty, crv) in _ALGORITHMS


def _read(members: dict[str, Any]) -> PublishedKey:
    kty, crv = members["kty"], members["crv"]
    algorithm, size = _ALGORITHMS[kty, crv]
    if "d" in members:
        raise JwksError("jwk_private_key_published", "member d: the private key is published")
    stated = _string(members, "alg")
    if stated != algorithm:
        raise JwksError(
            "jwk_algorithm_mismatch",
            f"alg: expected {algorithm}, got {excerpt(stated)}",
        )
    names = ("x", "y") if kty == "EC" else ("x",)
    required = {name: _coordinate(members, name, size) for name in names}
    required.update(kty=kty, crv=crv)
    key = _point(required, algorithm)
    kid, thumbprint = _string(members, "kid"), _thumbprint(required)
    if kid != thumbprint:
        raise JwksError("jwk_kid_mismatch", f"kid: expected {thumbprint}, got {excerpt(kid)}")
    return PublishedKey(kid, algorithm, _retirement(members), key)


def _point(required: dict[str, str], algorithm: str) -> Any:
    of_type = OKPAlgorithm if algorithm == "Ed25519" else ECAlgorithm
    try:
        return of_type.from_jwk(json.dumps(required))
    except (InvalidKeyError, ValueError) as error:
        raise JwksError("jwk_point_invalid", f"not a public key of {algorithm}") from error


def _string(members: dict[str, Any], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str):
        raise JwksError("jwk_member_missing", f"member {name} is missing or not a string")
    return value


def _coordinate(members: dict[str, Any], name: str, size: int) -> str:
    value = _string(members, name)
    data = from_base64url(value)
    if data is None or len(data) != size:
        raise JwksError(
            "jwk_coordinate_malformed",
            f"member {name}: expected base64url of {size} bytes",
        )
    return value


def _retirement(members: dict[str, Any]) -> Optional[int]:
    if "exp" not in members:
        return None
    exp = members["exp"]
    if type(exp) is not int or exp < 0:
        raise JwksError(
            "jwk_retirement_malformed",
            f"exp: expected seconds since the Unix epoch, got {excerpt(exp)}",
        )
    return exp


def _thumbprint(required: dict[str, str]) -> str:
    """RFC 7638 section 3: members in the order of their names, no white space."""
    canonical = json.dumps(required, sort_keys=True, separators=(",", ":"))
    return to_base64url(hashlib.sha256(canonical.encode()).digest())
