"""CUDA tensors by IPC handle, through PyTorch's own."""

from __future__ import annotations

import sys
from typing import Any, Optional

from ._data import Data, is_tensor

_HANDLE_BYTES = 64


def buffer_of(data: Data) -> Optional[dict[str, Any]]:
    """The ``cuda`` member for a contiguous CUDA tensor, else ``None``.

    PyTorch hands out the handle of the whole allocation and the place of the storage in it. A newer allocator
    (expandable segments) has handles of another kind, with a byte in front; those are left to the host.
    """
    if not is_tensor(data) or data.device.type != "cuda" or not data.is_contiguous() or data.numel() == 0:
        return None
    if data.is_conj() or data.is_neg():
        return None
    device, handle, _, offset, *_ = data.untyped_storage()._share_cuda_()
    if not isinstance(handle, bytes) or len(handle) != _HANDLE_BYTES:
        return None
    size = int(data.element_size())
    return {
        "device": int(device),
        "handle": handle.hex(),
        "offset": int(offset) + int(data.storage_offset()) * size,
        "len": int(data.numel()) * size,
    }


def finish(data: Data) -> None:
    """Waits for what is queued on the tensor's device: another process must not read before it is done."""
    sys.modules["torch"].cuda.synchronize(data.device)
