"""Hand outputs and states of a running program to the PoGW agent that watches it.

In scope: the agent's socket, and bytes from tensors, arrays, buffers and files.
Out of scope: running work, evidence; having work done (:mod:`pogw.client`), receipts (:mod:`pogw.receipt`). What is
handed in is committed by the agent, and proven by nobody.
"""

from ._data import Data, Unsupported
from ._wire import AgentError, NotAttached, ProtocolError, Unavailable
from ._work import Work, digest, work

__all__ = [
    "AgentError",
    "Data",
    "NotAttached",
    "ProtocolError",
    "Unavailable",
    "Unsupported",
    "Work",
    "digest",
    "work",
]

__version__ = "0.1.0"
