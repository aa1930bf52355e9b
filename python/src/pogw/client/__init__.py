"""A verifier, as a tenant or a marketplace uses it: offer a job, wait for it, fetch its receipts. No dependencies.

In scope: requests, problems, events, patience. Out of scope: whether a receipt is good (:mod:`pogw.receipt`), running
work (the agent does).
"""

from ._client import Client
from ._errors import ClientError, JobEnded, Problem, TimeUp, Unavailable
from ._events import Event

__all__ = ["Client", "ClientError", "Event", "JobEnded", "Problem", "TimeUp", "Unavailable"]
