"""Bytes of what people hand in: C order, little-endian, nothing about shape or type."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Optional, Union

#: A tensor, an array, anything with the buffer protocol, the path of a file, or an open binary file.
Data = Any

_CHUNK = 1 << 22


class Unsupported(TypeError):
    """There is no one way to see this as bytes."""


def is_tensor(data: Data) -> bool:
    """Whether this is a tensor of PyTorch. Does not import it: whoever has a tensor has."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(data, torch.Tensor)


def host_bytes(data: Data) -> memoryview:
    """The bytes of a tensor, an array or a buffer, without a copy where there is a way."""
    if is_tensor(data):
        return _tensor_bytes(data)
    dtype = getattr(data, "dtype", None)
    if dtype is not None and hasattr(data, "tobytes") and hasattr(dtype, "byteorder"):
        return _array_bytes(data)
    try:
        view = memoryview(data)
    except TypeError as error:
        raise Unsupported(f"cannot see a {type(data).__name__} as bytes") from error
    if not view.c_contiguous:
        view = memoryview(view.tobytes())
    if view.itemsize > 1 and sys.byteorder != "little":
        raise Unsupported("a buffer of wide items on a big-endian machine; hand in an array")
    return view.cast("B")


def _tensor_bytes(tensor: Any) -> memoryview:
    torch = sys.modules["torch"]
    if tensor.layout is not torch.strided or tensor.is_quantized:
        raise Unsupported("only dense tensors have one order of bytes")
    plain = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous()
    if sys.byteorder != "little" and plain.element_size() > 1:
        raise Unsupported("tensors on a big-endian machine")
    if plain.numel() == 0:
        return memoryview(b"")
    raw = plain.reshape(-1).view(torch.uint8)
    try:
        return memoryview(raw.numpy())
    except RuntimeError:  # PyTorch without NumPy
        start = raw.storage_offset()
        return memoryview(bytes(storage_of(raw)))[start : start + raw.numel()]


def storage_of(tensor: Any) -> Any:
    """The bytes under a tensor. PyTorch 1.13 has another way to them than 2.0 and newer."""
    newer = getattr(tensor, "untyped_storage", None)
    return tensor.storage().untyped() if newer is None else newer()


def _array_bytes(array: Any) -> memoryview:
    if array.dtype.hasobject:
        raise Unsupported("an array of objects")
    little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    if not little.flags.c_contiguous:
        little = little.copy(order="C")
    if little.size == 0:
        return memoryview(b"")
    return memoryview(little.reshape(-1).view("u1"))


@contextlib.contextmanager
def as_file(data: Data) -> Iterator[int]:
    """A file descriptor of a plain file that holds the bytes, open while the block runs."""
    path = _path_of(data)
    if path is not None:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield fd
        finally:
            os.close(fd)
        return
    if is_open_file(data):
        data.flush()
        yield data.fileno()
        return
    fd = os.memfd_create("pogw", os.MFD_CLOEXEC)
    try:
        _write_all(fd, host_bytes(data))
        yield fd
    finally:
        os.close(fd)


def pieces(data: Data) -> Iterator[Union[bytes, memoryview]]:
    """The bytes in order, for whoever digests them here."""
    with contextlib.ExitStack() as stack:
        file: Optional[BinaryIO] = None
        path = _path_of(data)
        if path is not None:
            file = stack.enter_context(path.open("rb"))
        elif is_open_file(data):
            fd = os.dup(data.fileno())
            file = stack.enter_context(os.fdopen(fd, "rb"))
            file.seek(0)
        if file is None:
            yield host_bytes(data)
            return
        while piece := file.read(_CHUNK):
            yield piece


def is_open_file(data: Data) -> bool:
    """Whether this is a file that is open, with a descriptor."""
    return hasattr(data, "fileno") and hasattr(data, "flush") and not isinstance(data, (bytes, bytearray, memoryview))


def _path_of(data: Data) -> Optional[Path]:
    if isinstance(data, str):
        raise Unsupported("text could be a path or bytes: hand in pathlib.Path(...) or text.encode()")
    return Path(data) if isinstance(data, os.PathLike) else None


def _write_all(fd: int, data: memoryview) -> None:
    while data:
        data = data[os.write(fd, data) :]
