"""What a checkpoint is read into: plain containers, numbers and strings, and the records below for everything else.

A record describes; it holds no weights. The bytes stay in the mapped file until `TensorRecord.load` copies the ones
that are asked for, so an unused discriminator or optimiser costs nothing.
"""

from __future__ import annotations

import math
import mmap
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tlgan.errors import TlganError

if TYPE_CHECKING:
    from torch import Tensor

ITEM_SIZES = {
    "float64": 8,
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "int64": 8,
    "int32": 4,
    "int16": 2,
    "int8": 1,
    "uint8": 1,
    "uint16": 2,
    "uint32": 4,
    "uint64": 8,
    "bool": 1,
    "complex64": 8,
    "complex128": 16,
}

_MAX_DIMENSIONS = 16
_MAX_EXTENT = 2**40
_SMALL = 2**16  # elements that a tensor may have beyond its storage's (an expanded scalar, for one)


class Allowance:
    """What reading one file may cost, so that a small file can't ask for gigabytes or minutes.

    Work is counted in units of about one pickle opcode (0.4 microseconds, at most 100 bytes); copied tensor bytes are
    counted against the size of the file, since honest tensors don't share their storage many times over. They are read
    twice: for the fingerprint, and into the network.
    """

    def __init__(self, file_size: int, mapped: mmap.mmap | None = None, units: int = 1_000_000) -> None:
        self._units = units
        self._bytes = 2 * (int(1.5 * file_size) + 2**24)
        self._mapped = mapped
        self._unreleased = 0

    def spend(self, units: int) -> None:
        self._units -= units
        if self._units < 0:
            raise TlganError("it holds more objects than any generator does")

    def copy(self, size: int) -> None:
        """Called before `size` bytes are copied out of the file."""
        self._bytes -= size
        if self._bytes < 0:
            raise TlganError("its tensors together are far larger than the file")
        self._unreleased += size
        if self._mapped is not None and self._unreleased > 2**25 and hasattr(self._mapped, "madvise"):
            self._mapped.madvise(mmap.MADV_DONTNEED)  # pages that were copied needn't stay in memory
            self._unreleased = 0


@dataclass(slots=True)
class Storage:
    """A run of elements in the file; `data` is None until the reader knows where the bytes are."""

    dtype: str
    numel: int
    allowance: Allowance
    data: memoryview | None = None
    swapped: bool = False  # big-endian

    def attach(self, data: memoryview) -> None:
        if data.nbytes < self.numel * ITEM_SIZES[self.dtype]:
            raise TlganError(f"a storage announces {self.numel} elements of {self.dtype}, {data.nbytes} bytes follow")
        self.data = data


@dataclass(slots=True, eq=False)
class TensorRecord:
    """A tensor that can be loaded: its place in a storage, checked against it."""

    storage: Storage
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int

    def __post_init__(self) -> None:
        self.check()

    def check(self) -> None:
        numbers = (*self.shape, *self.stride, self.offset)
        if not all(type(n) is int and 0 <= n < _MAX_EXTENT for n in numbers):
            raise TlganError("a tensor has sizes, strides or an offset that are not small whole numbers")
        if len(self.shape) != len(self.stride) or len(self.shape) > _MAX_DIMENSIONS:
            raise TlganError(f"a tensor has {len(self.shape)} sizes and {len(self.stride)} strides")
        if self.numel and self.offset + self._span() > self.storage.numel:
            raise TlganError(f"a tensor of shape {list(self.shape)} reaches past its storage of {self.storage.numel}")
        if self.numel > max(self.storage.numel, _SMALL):
            raise TlganError(f"a tensor of shape {list(self.shape)} repeats a storage of {self.storage.numel}")

    @property
    def numel(self) -> int:
        return math.prod(self.shape)

    def permuted(self, *axes: int) -> TensorRecord:
        """The same elements with their axes in another order."""
        if len(axes) != len(self.shape):
            raise TlganError(f"a tensor is {list(self.shape)}: expected {len(axes)} sizes")
        shape, stride = (tuple(sizes[axis] for axis in axes) for sizes in (self.shape, self.stride))
        return TensorRecord(self.storage, shape, stride, self.offset)

    @property
    def dtype(self) -> str:
        return self.storage.dtype

    def _span(self) -> int:
        return 1 + sum((size - 1) * stride for size, stride in zip(self.shape, self.stride, strict=True))

    def load(self) -> Tensor:
        """The tensor, contiguous, of its own dtype, in memory of its own."""
        import numpy as np
        import torch

        storage, size = self.storage, ITEM_SIZES[self.storage.dtype]
        dtype = getattr(torch, storage.dtype)
        if self.numel == 0:
            return torch.empty(self.shape, dtype=dtype)
        if storage.data is None:
            raise TlganError("a tensor's bytes are not in the file")
        start, length = self.offset * size, self._span() * size
        storage.allowance.copy(max(length, self.numel * size))
        raw = np.frombuffer(storage.data[start : start + length], np.uint8)
        if storage.swapped:
            raw = raw.reshape(-1, size)[:, ::-1].reshape(-1)
        span = torch.empty(self._span(), dtype=dtype)
        span.view(torch.uint8).numpy()[:] = raw
        tensor = span.as_strided(self.shape, self.stride)
        return tensor if tensor.is_contiguous() else tensor.contiguous()


def constant(values: Sequence[float], *shape: int) -> TensorRecord:
    """A few numbers that a file states elsewhere than in a tensor, as the float32 tensor that a network takes."""
    data = memoryview(array("f", values).tobytes())
    strides = tuple(math.prod(shape[index + 1 :]) for index in range(len(shape)))
    return TensorRecord(Storage("float32", len(values), Allowance(data.nbytes), data), shape, strides, 0)


@dataclass(frozen=True, slots=True)
class GlobalName:
    """A class or function that was named, and nothing more: never imported, never called."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(slots=True, eq=False)
class ObjectRecord:
    """An instance of a known class: what it was made with and its state, none of it acted on."""

    type: GlobalName
    args: tuple[Any, ...] = ()
    state: Any = field(default=None)
