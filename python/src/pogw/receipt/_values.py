"""The small types of claims. Each function returns the value if it is of its type, and raises
:class:`InvalidValue` otherwise; none of them says that a value is true.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, Callable, Optional

from ._errors import InvalidValue, excerpt
from ._json import MAX_INTEGER

Read = Callable[[Any], Any]

MAX_TEXT_BYTES = 512
MIN_NONCE_BYTES, MAX_NONCE_BYTES = 8, 64

#: Control characters, and those that reorder the text around them: claims end up on terminals.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*\Z")
_HEX_32 = re.compile(r"[0-9a-f]{64}\Z")


def invalid(what: str, expected: str, actual: object) -> InvalidValue:
    return InvalidValue(f"{what} must be {expected}, got {excerpt(actual)}")


def from_base64url(text: str) -> Optional[bytes]:
    """Strict: no padding, no other alphabet, no white space, no spare bits in the last character."""
    if not _BASE64URL.match(text):
        return None
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        return None
    return data if to_base64url(data) == text else None


def to_base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def string(value: Any) -> str:
    if type(value) is not str:
        raise invalid("value", "a string", type(value).__name__)
    return value


def text(value: Any) -> str:
    """1 to 512 bytes of printable text."""
    size = len(string(value).encode("utf-8", "surrogatepass"))
    if not 1 <= size <= MAX_TEXT_BYTES or _UNPRINTABLE.search(value):
        raise invalid("text", f"1 to {MAX_TEXT_BYTES} bytes of printable text", value)
    return str(value)


def integer(lowest: int = 0, highest: int = MAX_INTEGER) -> Read:
    def read(value: Any) -> int:
        if type(value) is not int or not lowest <= value <= highest:
            raise invalid("number", f"an integer from {lowest} to {highest}", value)
        return value

    return read


def flag(value: Any) -> bool:
    if type(value) is not bool:
        raise invalid("value", "true or false", value)
    return value


def digest(value: Any) -> str:
    """32 bytes, as 64 lower-case hexadecimal digits."""
    if not _HEX_32.match(string(value)):
        raise invalid("digest", "64 lower-case hexadecimal digits", value)
    return str(value)


def nonce(value: Any) -> str:
    data = from_base64url(string(value))
    if data is None or not MIN_NONCE_BYTES <= len(data) <= MAX_NONCE_BYTES:
        raise invalid("nonce", f"base64url of {MIN_NONCE_BYTES} to {MAX_NONCE_BYTES} bytes", value)
    return str(value)


def thumbprint(value: Any) -> str:
    data = from_base64url(string(value))
    if data is None or len(data) != 32:
        raise invalid("thumbprint", "base64url of 32 bytes", value)
    return str(value)


def word(*words: str) -> Read:
    def read(value: Any) -> str:
        if string(value) not in words:
            raise invalid("word", " | ".join(words), value)
        return str(value)

    return read


def array(item: Read) -> Read:
    def read(value: Any) -> list[Any]:
        if type(value) is not list:
            raise invalid("value", "an array", type(value).__name__)
        return [item(one) for one in value]

    return read


def members(value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise invalid("value", "an object", type(value).__name__)
    return value


def shape(required: Mapping[str, Read], optional: Optional[Mapping[str, Read]] = None) -> Read:
    """An object of exactly these members. ``null`` is not a way to be absent."""
    readers = {**required, **(optional or {})}

    def read(value: Any) -> dict[str, Any]:
        given = members(value)
        for name in required:
            if name not in given:
                raise InvalidValue(f"member {name} is missing")
        for name in given:
            if name not in readers:
                raise InvalidValue(f"member {excerpt(name)} is unknown")
        return {name: reader(given[name]) for name, reader in readers.items() if name in given}

    return read
