"""CUDA tensors by IPC handle, through PyTorch's own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Optional

from ._data import Data, is_tensor, storage_of

_HANDLE_BYTES = 64


@contextmanager
def shared(data: Data) -> Iterator[Optional[dict[str, Any]]]:
    """The ``cuda`` member for a contiguous CUDA tensor, else ``None``; good until the end of the block.

    PyTorch hands out the handle of the whole allocation, the place of the storage in it, and a reference counter, for
    a receiver that keeps the storage. The agent keeps nothing, so the counter is given back here.
    """
    if not _can_be_shared(data):
        yield None
        return
    storage = storage_of(data)
    device, handle, _, offset, counter, place, *_ = storage._share_cuda_()
    try:
        memory = _ipc_handle(handle)
        yield None if memory is None else _member(data, int(device), memory, int(offset))
    finally:
        _release(storage, counter, place)


def _member(data: Any, device: int, handle: bytes, offset: int) -> dict[str, Any]:
    size = int(data.element_size())
    return {
        "device": device,
        "handle": handle.hex(),
        "offset": offset + int(data.storage_offset()) * size,
        "len": int(data.numel()) * size,
    }


def _can_be_shared(data: Data) -> bool:
    if not is_tensor(data) or data.device.type != "cuda" or not data.is_contiguous() or data.numel() == 0:
        return False
    return not data.is_conj() and not data.is_neg()


def _ipc_handle(handle: Any) -> Optional[bytes]:
    """The ``cudaIpcMemHandle_t`` in what PyTorch calls a handle, if there is one.

    It is the 64 bytes alone, or in newer versions a byte of version and one of kind before them: ``c`` for memory of
    ``cudaMalloc``. Expandable segments (``e``) have no such handle; they are left to the host.
    """
    if not isinstance(handle, bytes):
        return None
    if len(handle) == _HANDLE_BYTES + 2 and handle[1:2] == b"c":
        return handle[2:]
    return handle if len(handle) == _HANDLE_BYTES else None


def _release(storage: Any, counter: bytes, place: int) -> None:
    """Gives a counter back: until then PyTorch keeps the memory, also of a storage that is gone."""
    release = getattr(type(storage), "_release_ipc_counter_cuda", None)
    if release is not None:
        release(counter, place)


def finish(data: Data) -> None:
    """Waits for what is queued on the tensor's device: another process must not read before it is done."""
    sys.modules["torch"].cuda.synchronize(data.device)
