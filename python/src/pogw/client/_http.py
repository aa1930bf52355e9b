"""Requests to a verifier: the address, the API key, problems, patience with a service that is away for a moment."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from typing import Any, Optional, cast
from urllib.parse import urlsplit

from ._errors import Problem, Unavailable

#: Longest answer. The receipts of a job are some kilobytes each.
MAX_ANSWER_BYTES = 16 * 1024 * 1024
#: Longest silence within an answer. A stream of events is never silent for so long.
READ_TIMEOUT_S = 60.0
#: Waits before a request that is safe to repeat is repeated.
PATIENCE_S = (0.5, 1.0, 2.0)

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The API key goes to the address it was given for, and nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Http:
    """One verifier, asked with one API key."""

    def __init__(self, url: str, api_key: Optional[str]) -> None:
        address = urlsplit(url)
        if address.scheme != "https" and not (address.scheme == "http" and address.hostname in _LOOPBACK):
            raise ValueError(f"expected https, or http to this machine, got {url!r}")
        self._base = url.rstrip("/")
        self._headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
        self._opener = urllib.request.build_opener(_NoRedirects)

    def json(self, method: str, path: str, body: Optional[object] = None, key: Optional[str] = None) -> dict[str, Any]:
        """The object that an answer is."""
        headers = {} if key is None else {"Idempotency-Key": key}
        text = self.text(method, path, "application/json", body, headers)
        try:
            answer = json.loads(text)
        except ValueError as error:
            raise Unavailable("the answer is not JSON") from error
        if not isinstance(answer, dict):
            raise Unavailable("the answer is not an object")
        return answer

    def text(
        self,
        method: str,
        path: str,
        accept: str,
        body: Optional[object] = None,
        headers: Optional[dict[str, str]] = None,
    ) -> str:
        """The text of an answer. What is not done twice by sending it twice is sent again where it fails in passing."""
        repeatable = method == "GET" or "Idempotency-Key" in (headers or {})
        for wait_s in PATIENCE_S if repeatable else ():
            try:
                return self._once(method, path, accept, body, headers)
            except Unavailable:
                time.sleep(wait_s)
            except Problem as problem:
                if not problem.is_passing:
                    raise
                time.sleep(wait_s)
        return self._once(method, path, accept, body, headers)

    def open(
        self,
        method: str,
        path: str,
        accept: str,
        body: Optional[object] = None,
        headers: Optional[dict[str, str]] = None,
        timeout_s: float = READ_TIMEOUT_S,
    ) -> http.client.HTTPResponse:
        """An answer that is yet to be read."""
        request = urllib.request.Request(f"{self._base}/{path}", method=method)
        for name, value in {**self._headers, **(headers or {}), "Accept": accept}.items():
            request.add_header(name, value)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            answer = self._opener.open(request, timeout=timeout_s)
        except urllib.error.HTTPError as error:
            raise _problem(error) from error
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"the verifier cannot be asked: {error}") from error
        return cast(http.client.HTTPResponse, answer)

    def _once(
        self, method: str, path: str, accept: str, body: Optional[object], headers: Optional[dict[str, str]]
    ) -> str:
        with self.open(method, path, accept, body, headers) as answer:
            try:
                data = answer.read(MAX_ANSWER_BYTES + 1)
                text = data.decode()
            except (OSError, http.client.HTTPException, UnicodeDecodeError) as error:
                raise Unavailable(f"the answer cannot be read: {error}") from error
        if len(data) > MAX_ANSWER_BYTES:
            raise Unavailable(f"expected at most {MAX_ANSWER_BYTES} bytes")
        return text


def _problem(error: urllib.error.HTTPError) -> Problem:
    try:
        said = json.loads(error.read(MAX_ANSWER_BYTES))
    except (OSError, ValueError, http.client.HTTPException):
        said = {}
    if not isinstance(said, dict):
        said = {}
    retry = error.headers.get("Retry-After", "")
    checks = said.get("checks")
    return Problem(
        error.code,
        str(said.get("code", "no_reason_given")),
        str(said.get("detail", said.get("title", ""))),
        checks if isinstance(checks, list) else [],
        int(retry) if retry.isdigit() else None,
    )
