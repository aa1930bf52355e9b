"""A piece of work: what a program says to the agent that runs it."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Optional, Union

from . import _cuda
from ._data import Data, as_file, pieces
from ._wire import VERSION, Connection, NotAttached, ProtocolError, Unavailable

#: The agent's address, for the programs it runs.
SOCKET_VARIABLE = "POGW_SOCKET"


class Work:
    """What :func:`work` gives: a connection to the agent, or none."""

    def __init__(self, connection: Optional[Connection], hello: dict[str, Any]) -> None:
        self._connection = connection
        self._hello = hello
        self._marks = 0

    @property
    def attached(self) -> bool:
        """Whether an agent runs this program."""
        return self._connection is not None

    @property
    def job_digest(self) -> Optional[str]:
        """SHA-256 of the job, as receipts name it; ``None`` outside of an agent."""
        job = self._hello.get("job")
        return str(job) if job is not None else None

    def digest(self, data: Data) -> str:
        """BLAKE3 of the bytes, in hexadecimal."""
        if self._connection is None:
            return _digest_here(data)
        return str(self._hand({"op": "digest"}, data)["blake3"])

    def output(self, name: str, data: Data = None) -> str:
        """Hands in an output of the job; returns its BLAKE3.

        With ``data`` the file ``name`` is written with these bytes. Without, it must be there already. Outside of an
        agent the file is written as well, so that a program does the same with and without one.
        """
        if self._connection is not None:
            request: dict[str, Any] = {"op": "output", "name": name}
            answer = self._ask(request) if data is None else self._hand(request, data)
            return str(answer["blake3"])
        if Path(name).name != name:
            raise ValueError("an output has a name, not a path")
        if data is not None:
            _write(Path(name), data)
        return _digest_here(Path(name))

    def mark(self, step: int, name: str, data: Data = None, *, blake3: Optional[str] = None) -> int:
        """Adds a state to the trace, by its bytes or by a digest made elsewhere; returns its place."""
        if (data is None) == (blake3 is None):
            raise ValueError("expected either data or blake3")
        if self._connection is None:
            self._marks += 1
            return self._marks - 1
        request: dict[str, Any] = {"op": "mark", "step": step, "name": name}
        answer = self._ask({**request, "blake3": blake3}) if data is None else self._hand(request, data)
        return int(answer["entry"])

    def close(self) -> None:
        """Says that this was all. Without an agent, nothing."""
        if self._connection is None:
            return
        connection, self._connection = self._connection, None
        try:
            connection.ask({"op": "done"})
        finally:
            connection.close()

    def __enter__(self) -> Work:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        if kind is None:
            self.close()
        elif self._connection is not None:
            # What went wrong is what to tell; the agent sees the end of the program.
            self._connection.close()
            self._connection = None

    def _ask(self, request: dict[str, Any], fd: Optional[int] = None) -> dict[str, Any]:
        if self._connection is None:
            raise NotAttached("this piece of work is closed")
        if self._connection.pid != os.getpid():
            raise NotAttached("a forked process has to call pogw.work() itself")
        return self._connection.ask(request, fd)

    def _hand(self, request: dict[str, Any], data: Data) -> dict[str, Any]:
        """Sends a request with its source: on the device where that can be, else a file."""
        if self._hello.get("device_buffers") is True:
            with _cuda.shared(data) as buffer, suppress(Unavailable):
                if buffer is not None:
                    _cuda.finish(data)
                    return self._ask({**request, "cuda": buffer})
        with as_file(data) as fd:
            return self._ask({**request, "fd": True}, fd)


def work(job: Union[dict[str, Any], str, os.PathLike[str], None] = None, *, required: bool = False) -> Work:
    """Connects to the agent that runs this program.

    ``job`` is what the program was written for: a job, or the path of its file. The agent's outputs must be its.
    Outside of an agent nothing is handed in, unless ``required``: then :class:`NotAttached` is raised.
    """
    path = os.environ.get(SOCKET_VARIABLE)
    if not path:
        if required:
            raise NotAttached(f"{SOCKET_VARIABLE} is not set: no agent runs this program")
        return Work(None, {})
    connection = Connection(path)
    try:
        hello = connection.ask({"op": "hello", "version": VERSION})
        _is_for(job, hello)
    except BaseException:
        connection.close()
        raise
    return Work(connection, hello)


def digest(data: Data) -> str:
    """BLAKE3 of the bytes, in hexadecimal: through the agent, else by the package ``blake3``."""
    if not os.environ.get(SOCKET_VARIABLE):
        return _digest_here(data)
    with work() as w:
        return w.digest(data)


def _is_for(job: Union[dict[str, Any], str, os.PathLike[str], None], hello: dict[str, Any]) -> None:
    if job is None:
        return
    if not isinstance(job, dict):
        job = json.loads(Path(job).read_text())
    assert isinstance(job, dict)
    expected = job.get("command", {}).get("outputs")
    if expected != hello.get("outputs"):
        raise ProtocolError(f"the agent runs another job: expected outputs {expected}, got {hello.get('outputs')}")


def _digest_here(data: Data) -> str:
    try:
        from blake3 import blake3
    except ImportError as error:
        raise NotAttached(
            'no agent runs this program, and the package blake3 is missing: pip install "pogw[blake3]"'
        ) from error
    hasher = blake3()
    for piece in pieces(data):
        hasher.update(piece)
    return str(hasher.hexdigest())


def _write(path: Path, data: Data) -> None:
    with path.open("wb") as file:
        for piece in pieces(data):
            file.write(piece)
