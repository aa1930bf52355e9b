"""The agent's socket: JSON, one object a line, files beside it."""

from __future__ import annotations

import array
import json
import os
import socket
import threading
from typing import Any, Optional

VERSION = 1
#: An answer is a few hundred bytes, and up to 256 names of outputs.
_MAX_ANSWER = 128 * 1024


class AgentError(Exception):
    """The agent refused; ``code`` is its stable word for the reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{message} [{code}]")
        self.code = code


class Unavailable(AgentError):
    """The agent cannot do this on its host, such as opening a device buffer."""


class NotAttached(Exception):
    """No agent runs this program."""


class ProtocolError(Exception):
    """What answered is no agent, or one of another version."""


class Connection:
    """One connection to the agent. Requests of several threads go one after the other."""

    def __init__(self, path: str) -> None:
        self._lock = threading.Lock()
        self._rest = b""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(path)
        except OSError:
            self._socket.close()
            raise
        self.pid = os.getpid()

    def ask(self, request: dict[str, Any], fd: Optional[int] = None) -> dict[str, Any]:
        """Sends one request, with a file if it has one, and returns the answer.

        Raises :class:`AgentError` where the answer is no.
        """
        line = json.dumps(request, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            self._send(line, fd)
            answer = self._answer()
        if answer.get("ok") is True:
            return answer
        code, message = str(answer.get("code", "unknown")), str(answer.get("message", ""))
        raise (Unavailable if code == "unavailable" else AgentError)(code, message)

    def close(self) -> None:
        """Hangs up."""
        self._socket.close()

    def _send(self, line: bytes, fd: Optional[int]) -> None:
        sent = 0
        if fd is not None:
            rights = array.array("i", [fd])
            sent = self._socket.sendmsg([line], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        self._socket.sendall(line[sent:])

    def _answer(self) -> dict[str, Any]:
        while b"\n" not in self._rest:
            if len(self._rest) > _MAX_ANSWER:
                raise ProtocolError("the answer is too long")
            piece = self._socket.recv(65536)
            if not piece:
                raise ProtocolError("the agent hung up")
            self._rest += piece
        line, self._rest = self._rest.split(b"\n", 1)
        try:
            answer = json.loads(line)
        except ValueError as error:
            raise ProtocolError("the answer is not JSON") from error
        if not isinstance(answer, dict):
            raise ProtocolError("the answer is not an object")
        return answer
