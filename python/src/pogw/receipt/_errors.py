"""Why a token or a key set cannot be used. Codes are the words of the Rust crate ``receipt``."""

from __future__ import annotations

#: Most characters of foreign text repeated in an error.
_MAX_EXCERPT = 64


class _Coded(Exception):
    """An error with a stable word for its reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        #: The stable snake_case word for the reason.
        self.code = code


class Rejected(_Coded):
    """The first reason why a token is not a receipt the caller can rely on."""


class JwksError(_Coded):
    """Why a key set cannot be used."""


class InvalidValue(ValueError):
    """A value that does not obey the rule of its type: a demand no receipt could meet, or a malformed claim."""


class JsonFault(_Coded):
    """Why bytes are not JSON of the profile."""


def excerpt(text: object) -> str:
    """The beginning of foreign text, made safe to print."""
    shown = ascii(str(text)[: _MAX_EXCERPT + 1])
    return shown if len(str(text)) <= _MAX_EXCERPT else shown[:_MAX_EXCERPT] + "…'"
