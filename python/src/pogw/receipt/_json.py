"""JSON as the profile allows it: one reading, whoever reads.

Refused beyond RFC 8259: a member named twice, numbers that are not integers of at most 53 bits (RFC 7493), and nesting
deeper than :data:`MAX_DEPTH`.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from ._errors import JsonFault, excerpt

#: Deepest nesting accepted.
MAX_DEPTH = 16
#: Largest magnitude of an integer: beyond it, readers that keep numbers as doubles disagree.
MAX_INTEGER = (1 << 53) - 1

#: A string ends with the text where nothing else ends it, so that no text is looked at twice.
_STRING_OR_BRACKET = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{}]', re.DOTALL)


def read_object(data: bytes) -> dict[str, Any]:
    """Reads one object and nothing after it.

    Raises :class:`JsonFault`.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JsonFault("json_malformed", "not JSON: not UTF-8") from error
    _is_shallow(text)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_members,
            parse_int=_integer,
            parse_float=_not_integer,
            parse_constant=_constant,
        )
        _has_whole_characters(value)
    except (ValueError, RecursionError) as error:
        raise JsonFault("json_malformed", "not JSON") from error
    if not isinstance(value, dict):
        raise JsonFault("json_not_object", "expected an object")
    return value


def _is_shallow(text: str) -> None:
    """Looks for brackets outside of strings, before a parser follows them."""
    depth = 0
    for found in _STRING_OR_BRACKET.finditer(text):
        token = found.group()
        if token in "[{":
            depth += 1
        elif token in "]}":
            depth -= 1
        if depth > MAX_DEPTH:
            raise JsonFault("json_too_deep", f"nested deeper than {MAX_DEPTH}")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise JsonFault("json_duplicate_member", f"member {excerpt(name)} occurs twice")
        members[name] = value
    return members


def _integer(digits: str) -> int:
    # Minus zero is a number that only doubles have.
    if len(digits) > 17 or digits == "-0" or abs(int(digits)) > MAX_INTEGER:
        _not_integer(digits)
    return int(digits)


def _not_integer(number: str) -> NoReturn:
    if math.isinf(float(number)):
        raise JsonFault("json_malformed", "not JSON: number out of range")
    raise JsonFault("json_number_not_integer", "a number is not an integer of at most 53 bits")


def _constant(name: str) -> NoReturn:
    raise JsonFault("json_malformed", f"not JSON: {name}")


def _has_whole_characters(value: Any) -> None:
    """Python keeps halves of surrogate pairs; they are no text, and UTF-8 cannot say them."""
    json.dumps(value, ensure_ascii=False).encode("utf-8")
