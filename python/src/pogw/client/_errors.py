"""Why the verifier did not do what it was asked."""

from __future__ import annotations

from typing import Any, Optional


class ClientError(Exception):
    """Any of the errors below."""


class Problem(ClientError):
    """The verifier's answer is no (RFC 9457); ``code`` is its stable word for the reason."""

    def __init__(self, status: int, code: str, detail: str, checks: list[Any], retry_after_s: Optional[int]) -> None:
        super().__init__(f"HTTP {status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        #: After an appraisal: each check that was refuted or could not be made.
        self.checks = checks
        #: When to ask again, if the verifier says so.
        self.retry_after_s = retry_after_s

    @property
    def is_passing(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status == 429 or self.status >= 500


class Unavailable(ClientError):
    """The verifier cannot be reached, or what answers is none."""


class JobEnded(ClientError):
    """The job failed or was cancelled; ``job`` says why."""

    def __init__(self, job: dict[str, Any]) -> None:
        super().__init__(f"job {job.get('id')} is {job.get('status')}: {job.get('code', 'no code')}")
        self.job = job


class TimeUp(ClientError):
    """The job has not ended in the time given. It goes on."""
