"""Modules as the official StyleGAN code pickles them, read from the record of their state alone.

`torch_utils.persistence` keeps each class's source text beside its state; the text is never looked at. What is needed
is in the state: `_parameters`, `_buffers`, `_modules` and a few plain attributes (files of torch 1.7 to 2.x differ in
the rest).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tlgan.errors import TlganError

from . import ObjectRecord, TensorRecord

_MOST = 100_000  # modules and tensors; a StyleGAN3 has about 50 and 200
_DEPTH = 8


class Module:
    """A view of one pickled module."""

    def __init__(self, record: Any) -> None:
        state = record.state if isinstance(record, ObjectRecord) else None
        if not isinstance(state, dict):
            raise TlganError("a module in it has no state")
        self._state = state

    @property
    def children(self) -> dict[str, Any]:
        children = self._state.get("_modules")
        return children if isinstance(children, dict) else {}

    def __contains__(self, name: str) -> bool:
        return isinstance(self.children.get(name), ObjectRecord)

    def child(self, name: str) -> Module:
        if name not in self:
            raise TlganError(f"a module in it has no part {name}")
        return Module(self.children[name])

    def tensor(self, name: str) -> TensorRecord | None:
        for kind in ("_parameters", "_buffers"):
            tensors = self._state.get(kind)
            if isinstance(tensors, dict) and isinstance(tensors.get(name), TensorRecord):
                found: TensorRecord = tensors[name]
                return found
        return None

    def attribute(self, name: str, default: Any = None) -> Any:
        """A plain attribute: a number, a text, None, or a list of numbers; anything else is the default."""
        return _plain(self._state.get(name, default), default)

    def attributes(self, *names: str) -> dict[str, Any]:
        """Those of the named attributes that are there and plain."""
        found = {name: self.attribute(name) for name in names}
        return {name: value for name, value in found.items() if value is not None}

    def tensors(self, left: list[int] | None = None) -> dict[str, TensorRecord]:
        """All parameters and buffers below, by dotted name; `left` is how many entries may still be looked at."""
        return dict(self._walk("", 0, [_MOST] if left is None else left))

    def _walk(self, prefix: str, depth: int, left: list[int]) -> Iterator[tuple[str, TensorRecord]]:
        left[0] -= 1
        if left[0] < 0 or depth > _DEPTH:
            raise TlganError("its modules are nested or repeated beyond any generator")
        for kind in ("_parameters", "_buffers"):
            tensors = self._state.get(kind)
            tensors = tensors if isinstance(tensors, dict) else {}
            left[0] -= len(tensors)
            for name, tensor in tensors.items():
                if isinstance(tensor, TensorRecord):
                    yield f"{prefix}{name}", tensor
        for name, child in self.children.items():
            if isinstance(child, ObjectRecord):
                yield from Module(child)._walk(f"{prefix}{name}.", depth + 1, left)


def _plain(value: Any, default: Any) -> Any:
    if isinstance(value, TensorRecord) and 0 < value.numel <= 64:
        value = value.load().tolist()
    if isinstance(value, tuple | list):  # of numbers or names: what is nested in one another may have no end
        flat = len(value) <= 64 and all(isinstance(part, bool | int | float | str) for part in value)
        return list(value) if flat else default
    return value if isinstance(value, bool | int | float | str) else default
