"""Bytes and digests of what can be handed in; the digests are those of b3sum."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blake3 import blake3

import pogw
from conftest import torch_or_skip

HELLO = "ea8f163db38682925e4491c5e58d4bb3506ef8c14eb78a86e908c5624a67200f"


def expected(data: bytes) -> str:
    return str(blake3(data).hexdigest())


def test_the_digest_is_plain_blake3(tmp_path: Path) -> None:
    assert pogw.digest(b"hello") == HELLO
    file = tmp_path / "file"
    file.write_bytes(b"hello")
    assert pogw.digest(file) == HELLO
    with file.open("rb") as opened:
        opened.read(3)
        assert pogw.digest(opened) == HELLO
    assert pogw.digest(b"") == expected(b"")


@pytest.mark.parametrize("data", [bytearray(b"hello"), memoryview(b"hello"), np.frombuffer(b"hello", dtype=np.uint8)])
def test_buffers_are_their_bytes(data: Any) -> None:
    assert pogw.digest(data) == HELLO


def test_arrays_are_elements_in_c_order_and_little_endian() -> None:
    plain = np.arange(6, dtype="<i4").reshape(2, 3)
    digest = expected(plain.tobytes())
    assert pogw.digest(plain) == digest
    assert pogw.digest(np.asfortranarray(plain)) == digest
    assert pogw.digest(plain.astype(">i4")) == digest
    assert pogw.digest(np.repeat(plain, 2, axis=1)[:, ::2]) == digest
    assert pogw.digest(np.array(7, dtype="<i8")) == expected((7).to_bytes(8, "little"))
    assert pogw.digest(np.zeros((0, 3))) == expected(b"")


@pytest.mark.parametrize("data", ["text", 7, np.array([object()]), None])
def test_what_has_no_bytes_is_refused(data: Any) -> None:
    with pytest.raises(pogw.Unsupported):
        pogw.digest(data)


def test_tensors_are_their_elements() -> None:
    torch = torch_or_skip()
    plain = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    digest = expected(plain.numpy().tobytes())
    assert pogw.digest(plain) == digest
    assert pogw.digest(plain.t().contiguous().t()) == digest
    assert pogw.digest(plain.clone().requires_grad_()) == digest
    half = plain.to(torch.bfloat16)
    assert pogw.digest(half) == expected(half.view(torch.uint8).numpy().tobytes())
    with pytest.raises(pogw.Unsupported):
        pogw.digest(plain.to_sparse())


def test_tensors_have_bytes_without_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = torch_or_skip()
    plain = torch.arange(6, dtype=torch.float32)
    parts = {part: expected(part.numpy().tobytes()) for part in (plain, plain[2:], plain[1:4], plain[::2])}

    def without(_: Any) -> Any:
        raise RuntimeError("Numpy is not available")

    monkeypatch.setattr(torch.Tensor, "numpy", without)
    assert {part: pogw.digest(part) for part in parts} == parts


def test_nothing_is_imported_that_was_not() -> None:
    before = set(sys.modules)
    pogw.digest(b"hello")
    assert "torch" not in set(sys.modules) - before
