"""Conversations with an agent, and what happens without one."""

from __future__ import annotations

import json
import os
import sys
import types
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from blake3 import blake3

import pogw
from conftest import FakeAgent


def test_outputs_and_marks_are_handed_in(agent: FakeAgent) -> None:
    array = np.arange(4, dtype="<i4")
    digest = blake3(array.tobytes()).hexdigest()
    with pogw.work() as w:
        assert w.attached
        assert w.job_digest == "ab" * 32
        assert w.mark(0, "w", array) == 0
        assert w.mark(1, "w", blake3="00" * 32) == 1
        assert w.digest(array) == digest
        assert w.output("model.bin", array) == digest
    told = [(request["op"], request.get("fd")) for request in agent.requests]
    assert told == [("hello", None), ("mark", True), ("mark", None), ("digest", True), ("output", True), ("done", None)]


def test_a_file_is_handed_in_as_it_is(agent: FakeAgent, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"hello")
    with pogw.work() as w:
        assert w.output("model.bin", Path("model.bin")) == blake3(b"hello").hexdigest()
        w.output("model.bin")
    assert [request.get("fd") for request in agent.requests] == [None, True, None, None]


def test_the_digest_alone_goes_through_the_agent(agent: FakeAgent) -> None:
    assert pogw.digest(b"hello") == blake3(b"hello").hexdigest()
    assert [request["op"] for request in agent.requests] == ["hello", "digest", "done"]


def test_a_refusal_has_its_code(agent: FakeAgent) -> None:
    with pogw.work() as w:
        with pytest.raises(pogw.AgentError) as refused:
            w.output("other", b"x")
        assert refused.value.code == "output_unknown"
        w.output("model.bin", b"x")


def test_the_job_must_be_the_agents(agent: FakeAgent, tmp_path: Path) -> None:
    job = {"command": {"outputs": ["model.bin"]}}
    pogw.work(job).close()
    (tmp_path / "job.json").write_text(json.dumps(job))
    pogw.work(tmp_path / "job.json").close()
    with pytest.raises(pogw.ProtocolError, match="another job"):
        pogw.work({"command": {"outputs": ["other"]}})


@pytest.mark.parametrize("garbage", [b"nonsense\n", b"[1]\n", b"", b"x" * 200_000])
def test_what_is_no_agent_is_told(agent: FakeAgent, garbage: bytes) -> None:
    agent.garbage = garbage
    with pytest.raises((pogw.ProtocolError, ConnectionError)):
        pogw.work()


def test_a_program_that_fails_says_nothing_more(agent: FakeAgent) -> None:
    with pytest.raises(ZeroDivisionError), pogw.work():
        raise ZeroDivisionError
    assert [request["op"] for request in agent.requests] == ["hello"]


def test_a_forked_process_needs_its_own(agent: FakeAgent) -> None:
    with pogw.work() as w:
        child = os.fork()
        if child == 0:
            try:
                w.mark(0, "x", b"")
            except pogw.NotAttached:
                os._exit(0)
            os._exit(1)
        assert os.waitpid(child, 0)[1] == 0


def test_without_an_agent_nothing_is_handed_in(tmp_path: Path) -> None:
    with pogw.work() as w:
        assert not w.attached
        assert w.job_digest is None
        assert [w.mark(0, "x", b"1"), w.mark(1, "x", b"2")] == [0, 1]
        assert w.output("model.bin", b"hello") == blake3(b"hello").hexdigest()
        with pytest.raises(ValueError, match="not a path"):
            w.output("../model.bin", b"hello")
    assert (tmp_path / "model.bin").read_bytes() == b"hello"
    with pytest.raises(pogw.NotAttached):
        pogw.work(required=True)


def test_a_mark_has_one_source() -> None:
    with pogw.work() as w:
        for wrong in ({}, {"data": b"x", "blake3": "00" * 32}):
            with pytest.raises(ValueError, match="either"):
                w.mark(0, "x", **wrong)  # type: ignore[arg-type]


class _Storage:
    given: ClassVar[list[tuple[bytes, int]]] = []
    released: ClassVar[list[tuple[bytes, int]]] = []

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def _share_cuda_(self) -> tuple[Any, ...]:
        self.given.append((b"counter", len(self.given)))
        return (1, self._handle, 4096, 512, *self.given[-1], b"event", True)

    @classmethod
    def _release_ipc_counter_cuda(cls, *counter: Any) -> None:
        handle, place = counter
        cls.released.append((handle, place))


class _CudaTensor:
    """A contiguous tensor on device 1, as far as this package looks at it."""

    device = types.SimpleNamespace(type="cuda", index=1)
    layout = "strided"
    is_quantized = False

    def __init__(self, handle: Any) -> None:
        self._storage = _Storage(handle)

    def is_contiguous(self) -> bool:
        return True

    def is_conj(self) -> bool:
        return False

    def is_neg(self) -> bool:
        return False

    def numel(self) -> int:
        return 3

    def element_size(self) -> int:
        return 4

    def storage_offset(self) -> int:
        return 2

    def untyped_storage(self) -> _Storage:
        return self._storage

    def __getattr__(self, name: str) -> Any:
        if name in {"detach", "resolve_conj", "resolve_neg", "cpu", "contiguous"}:
            return lambda: self
        raise AttributeError(name)

    def reshape(self, _: int) -> _CudaTensor:
        return self

    def view(self, _: Any) -> Any:
        return types.SimpleNamespace(numpy=lambda: np.frombuffer(b"012345678901", dtype=np.uint8))


@pytest.fixture
def fake_torch(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    waited: list[Any] = []
    monkeypatch.setattr(_Storage, "given", [])
    monkeypatch.setattr(_Storage, "released", [])
    torch = types.ModuleType("torch")
    torch.Tensor = _CudaTensor  # type: ignore[attr-defined]
    torch.strided = "strided"  # type: ignore[attr-defined]
    torch.uint8 = "uint8"  # type: ignore[attr-defined]
    torch.cuda = types.SimpleNamespace(synchronize=waited.append)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", torch)
    return waited


def test_a_cuda_tensor_goes_by_handle_and_else_by_copy(agent: FakeAgent, fake_torch: list[Any]) -> None:
    agent.device_buffers = True
    with pogw.work() as w:
        digest = w.digest(_CudaTensor(b"h" * 64))
    assert digest == blake3(b"012345678901").hexdigest()
    by_handle, by_copy = agent.requests[1:3]
    assert by_handle["cuda"] == {"device": 1, "handle": "68" * 64, "offset": 520, "len": 12}
    assert by_copy == {"op": "digest", "fd": True}
    assert len(fake_torch) == 1
    assert len(_Storage.given) == 1
    assert _Storage.released == _Storage.given


def test_the_storage_is_found_as_pytorch_1_13_keeps_it(
    agent: FakeAgent, fake_torch: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    agent.device_buffers = True
    tensor = _CudaTensor(b"h" * 64)
    monkeypatch.delattr(_CudaTensor, "untyped_storage")
    typed = types.SimpleNamespace(untyped=lambda: tensor._storage)
    monkeypatch.setattr(_CudaTensor, "storage", lambda _: typed, raising=False)
    with pogw.work() as w:
        w.digest(tensor)
    assert agent.requests[1]["cuda"]["handle"] == "68" * 64
    assert _Storage.released == _Storage.given


def test_a_handle_of_cuda_malloc_may_have_a_version_and_a_kind(agent: FakeAgent, fake_torch: list[Any]) -> None:
    agent.device_buffers = True
    with pogw.work() as w:
        w.digest(_CudaTensor(b"\x02c" + b"h" * 64))
    assert agent.requests[1]["cuda"]["handle"] == "68" * 64
    assert _Storage.released == _Storage.given


@pytest.mark.parametrize("handle", [b"\x02e" + b"h" * 64, b"h" * 65, b"\x02c" + b"h" * 63, None])
def test_an_unknown_kind_of_handle_is_copied(agent: FakeAgent, fake_torch: list[Any], handle: Any) -> None:
    agent.device_buffers = True
    with pogw.work() as w:
        w.digest(_CudaTensor(handle))
    assert agent.requests[1] == {"op": "digest", "fd": True}
    assert len(_Storage.given) == 1
    assert _Storage.released == _Storage.given


def test_a_counter_is_given_back_after_a_refusal_too(agent: FakeAgent, fake_torch: list[Any]) -> None:
    agent.device_buffers = True
    with pogw.work() as w, pytest.raises(pogw.AgentError):
        w.output("other", _CudaTensor(b"h" * 64))
    assert len(_Storage.given) == 1
    assert _Storage.released == _Storage.given
