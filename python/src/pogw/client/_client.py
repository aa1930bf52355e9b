"""Jobs of a tenant, from the offer to the receipts; challenges and receipts by name."""

from __future__ import annotations

import http.client
import re
import secrets
import time
from collections.abc import Iterator
from typing import Any, Callable, Literal, Optional

from ._errors import ClientError, JobEnded, Problem, TimeUp, Unavailable
from ._events import Event, events
from ._http import READ_TIMEOUT_S, Http

#: Names stand in paths.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
#: Before the verifier is asked again; longer with each failure in a row.
_PAUSE_S = 0.3
#: How many failures in a row are waited out: some minutes.
_MOST_FAILURES = 20

Progress = Callable[[Event], None]
Until = Literal["accepted", "settled"]


class Client:
    """A verifier, as a tenant or a marketplace uses it. The API key goes over TLS alone, except to this machine.

    Answers are the verifier's JSON as it stands; its README says what is in them. Every call may raise
    :class:`~pogw.client.ClientError`.
    """

    def __init__(self, url: str, api_key: Optional[str] = None) -> None:
        self._http = Http(url, api_key)

    def create_challenge(self, job: str, agent_key: str, audience: Optional[str] = None) -> dict[str, Any]:
        """A challenge for an agent that will run a job on its own account: ``id``, ``challenge``, ``expires_at``.

        ``job`` is the SHA-256 of the canonical job in hexadecimal, ``agent_key`` 32 bytes in base64url.
        """
        wanted = {"job": job, "agent_key": agent_key, "audience": audience}
        return self._http.json("POST", "v1/challenges", {k: v for k, v in wanted.items() if v is not None})

    def create_job(
        self, spec: dict[str, Any], terms: dict[str, Any], idempotency_key: Optional[str] = None
    ) -> dict[str, Any]:
        """Offers a job; the price of all replicas goes into escrow. One key makes one job, however often it is sent."""
        key = idempotency_key or secrets.token_hex(16)
        return self._http.json("POST", "v1/jobs", {"spec": spec, "terms": terms}, key)

    def job(self, job: str) -> dict[str, Any]:
        """A job as it stands."""
        return self._http.json("GET", f"v1/jobs/{_name(job)}")

    def cancel(self, job: str) -> dict[str, Any]:
        """Cancels a job, while nobody has committed to a result."""
        return self._http.json("POST", f"v1/jobs/{_name(job)}/cancel", {})

    def events(self, job: str, after: Optional[str] = None, silence_s: float = READ_TIMEOUT_S) -> Iterator[Event]:
        """The history of a job as it is made, after the event of this id. It ends with the job, or when it breaks."""
        headers = {} if after is None else {"Last-Event-ID": after}
        path = f"v1/jobs/{_name(job)}/events"
        with self._http.open("GET", path, "text/event-stream", headers=headers, timeout_s=silence_s) as stream:
            try:
                yield from events(iter(lambda: stream.readline(1 << 17), b""))
            except (OSError, http.client.HTTPException):
                return

    def wait(
        self,
        job: str,
        *,
        until: Until = "accepted",
        timeout_s: Optional[float] = None,
        progress: Optional[Progress] = None,
        poll_s: Optional[float] = None,
    ) -> dict[str, Any]:
        """The job once its result is accepted, or ``settled``. Calls ``progress`` with each event on the way.

        Events say when to look; what is so, the job itself says. With ``poll_s`` it looks that often and needs no
        stream, which a proxy may hold back; then there is no progress to tell. A verifier that is away for a while is
        waited out. Raises :class:`~pogw.client.JobEnded` if the job failed or was cancelled, and
        :class:`~pogw.client.TimeUp`.
        """
        waiting = _Waiting(self, job, until, timeout_s, progress)
        return waiting.polling(poll_s) if poll_s is not None else waiting.listening()

    def receipts(self, job: str) -> list[dict[str, Any]]:
        """The receipts of a job that count: ``id``, ``assignment``, ``receipt`` (the token), ``issued_at``.

        One that the verifier has revoked is left out.
        """
        listed = self._http.json("GET", f"v1/jobs/{_name(job)}/receipts").get("receipts")
        if not isinstance(listed, list):
            raise Unavailable("the answer lists no receipts")
        return [receipt for receipt in listed if receipt.get("revoked_at") is None]

    def receipt(self, receipt: str) -> str:
        """A receipt by its name, as a token. Nothing is said about it before :mod:`pogw.receipt` has validated it."""
        return self._http.text("GET", f"v1/receipts/{_name(receipt)}", "application/eat+jwt")

    def standing(self, receipt: str) -> str:
        """What the verifier says now of a receipt, which its token cannot: pay for one that ``holds``.

        ``provisional`` is one whose job is not over and may find the work wrong yet; ``revoked``, one whose job did.
        """
        status = self._http.json("GET", f"v1/receipts/{_name(receipt)}").get("status")
        if not isinstance(status, str):
            raise Unavailable("the answer does not say whether the receipt holds")
        return status

    def key_set(self) -> str:
        """The published keys, for :meth:`pogw.receipt.Jwks.parse`. Fetch them from the issuer you chose; keep them."""
        return self._http.text("GET", ".well-known/jwks.json", "application/json")


class _Waiting:
    """One wait for one job."""

    def __init__(
        self, client: Client, job: str, until: Until, timeout_s: Optional[float], progress: Optional[Progress]
    ) -> None:
        self._client = client
        self._job = job
        self._ends = ("settled",) if until == "settled" else ("accepted", "settled")
        self._timeout_s = timeout_s
        self._deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self._progress = progress
        self._failures = 0

    def polling(self, poll_s: float) -> dict[str, Any]:
        while True:
            job = self._look()
            if job is not None:
                return job
            self._sleep(max(poll_s, _PAUSE_S))

    def listening(self) -> dict[str, Any]:
        after: Optional[str] = None
        while True:
            job = self._look()
            if job is not None:
                return job
            try:
                for event in self._client.events(self._job, after, self._time_left(READ_TIMEOUT_S)):
                    self._failures, after = 0, event.id or after
                    if self._progress is not None:
                        self._progress(event)
                    job = self._look()
                    if job is not None:
                        return job
                    self._time_left(READ_TIMEOUT_S)
            except ClientError as error:
                self._bear(error)
            self._sleep(_PAUSE_S * (self._failures + 1))

    def _look(self) -> Optional[dict[str, Any]]:
        """The job, if it is where it should be."""
        try:
            job = self._client.job(self._job)
        except ClientError as error:
            self._bear(error)
            return None
        if job.get("status") in ("failed", "cancelled"):
            raise JobEnded(job)
        return job if job.get("status") in self._ends else None

    def _bear(self, error: ClientError) -> None:
        """A verifier that is away is no reason to end a long wait; one that says no is."""
        self._failures += 1
        passing = isinstance(error, Unavailable) or (isinstance(error, Problem) and error.is_passing)
        if not passing or self._failures > _MOST_FAILURES:
            raise error

    def _sleep(self, seconds: float) -> None:
        time.sleep(self._time_left(seconds))

    def _time_left(self, most: float) -> float:
        if self._deadline is None:
            return most
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeUp(f"the job has not ended after {self._timeout_s} s")
        return min(most, left)


def _name(text: str) -> str:
    if not _NAME.match(text):
        raise ValueError(f"expected 1 to 64 of A-Z a-z 0-9 _ -, got {text!r}")
    return text
