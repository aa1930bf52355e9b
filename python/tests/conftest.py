"""An agent's socket, as far as this package can tell: the protocol of the agent, in Python."""

from __future__ import annotations

import array
import importlib
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3


def torch_or_skip() -> Any:
    """PyTorch. Without it the test is skipped, or fails where ``POGW_TESTS_NEED_TORCH=1`` says that it is there."""
    if os.environ.get("POGW_TESTS_NEED_TORCH") == "1":
        return importlib.import_module("torch")
    return pytest.importorskip("torch")


class FakeAgent:
    """Answers as the agent does, and keeps what it was told."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.requests: list[dict[str, Any]] = []
        self.device_buffers = False
        self.garbage: bytes | None = None
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._server.bind(str(path))
        self._server.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._converse, args=(peer,), daemon=True).start()

    def _converse(self, peer: socket.socket) -> None:
        text = b""
        files: list[int] = []
        with peer:
            while True:
                piece, control, _, _ = peer.recvmsg(4096, socket.CMSG_SPACE(64))
                if not piece:
                    return
                for _, _, data in control:
                    fds = array.array("i")
                    fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
                    files.extend(fds)
                text += piece
                while b"\n" in text:
                    line, text = text.split(b"\n", 1)
                    if self.garbage is not None:
                        peer.sendall(self.garbage)
                        return
                    peer.sendall(json.dumps(self._serve(json.loads(line), files)).encode() + b"\n")

    def _serve(self, request: dict[str, Any], files: list[int]) -> dict[str, Any]:
        self.requests.append(request)
        operation = request["op"]
        if operation == "hello":
            return {
                "ok": True,
                "version": 1,
                "agent": "0",
                "job": "ab" * 32,
                "outputs": ["model.bin"],
                "device_buffers": self.device_buffers,
            }
        if operation == "done":
            return {"ok": True}
        if "cuda" in request:
            return {"ok": False, "code": "unavailable", "message": "no device here"}
        if operation == "output" and request["name"] != "model.bin":
            return {"ok": False, "code": "output_unknown", "message": "no such output"}
        digest, size = request.get("blake3"), 0
        if request.get("fd"):
            fd = files.pop(0)
            size = os.fstat(fd).st_size
            digest = blake3(os.pread(fd, size, 0)).hexdigest()
            os.close(fd)
        marks = sum(1 for told in self.requests if told["op"] == "mark")
        return {"ok": True, "blake3": digest, "len": size, "entry": marks - 1}


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAgent]:
    fake = FakeAgent(tmp_path / "socket")
    monkeypatch.setenv("POGW_SOCKET", str(fake.path))
    yield fake
    fake.close()


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POGW_SOCKET", raising=False)
