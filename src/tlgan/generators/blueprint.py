"""Between a file and a generator: what kind of network it is, its options as plain JSON, and where its tensors lie.

Readers turn a file's tree into a `Blueprint`; architectures build themselves from one; `convert` writes one down.
Options come from files that strangers wrote, so an architecture reads them through `Options`, which bounds every
number, and takes every size from the tensors themselves: nothing is allocated because an option says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor

from tlgan.errors import TlganError

from .checkpoint import TensorRecord
from .checkpoint.state_dicts import missing

MAX_RESOLUTION = 8192
MAX_LAYERS = 64


class Configurable(Protocol):
    """An architecture, as far as its options go."""

    def set_option(self, options: dict[str, Any], key: str, value: Any) -> None:
        """Set one of its options in those of a blueprint."""


@dataclass(slots=True)
class Blueprint:
    """A generator that is not built yet."""

    architecture: str  # "pggan" | "stylegan1" | "stylegan2" | "stylegan3" | "dcgan" | "modulated" | "mobilestylegan"
    options: dict[str, Any]  # plain JSON
    tensors: Mapping[str, TensorRecord]
    source: dict[str, Any] = field(default_factory=dict)  # where it came from: format, network, sha256 ...
    assumed: dict[str, Any] = field(default_factory=dict)  # options that the file leaves open, taken by custom

    def assume(self, architecture: Configurable, **options: Any) -> None:
        """Take options by custom that the file leaves open, and keep that they were."""
        for key, value in options.items():
            architecture.set_option(self.options, key, value)
            self.assumed[key] = value

    def reader(self) -> Options:
        return Options(self.options, self.architecture)

    @property
    def parameters(self) -> int:
        """How many numbers its tensors hold."""
        return sum(record.numel for record in self.tensors.values())

    def has(self, name: str) -> bool:
        return name in self.tensors

    def shape(self, name: str) -> tuple[int, ...]:
        if name not in self.tensors:
            raise missing(name, self.architecture)
        return self.tensors[name].shape

    def load(self, name: str, *shape: int | None) -> Tensor:
        """Tensor `name` as float32; every size that is given must match, None matches any."""
        found = self.shape(name)
        if len(found) != len(shape) or any(want not in (None, got) for want, got in zip(shape, found, strict=True)):
            wanted = ", ".join("?" if size is None else str(size) for size in shape)
            raise TlganError(f"tensor {name} of this {self.architecture} is {list(found)}: expected [{wanted}]")
        tensor = self.tensors[name].load()
        if tensor.is_complex() or (tensor.ndim > 1 and not tensor.is_floating_point()):
            raise TlganError(
                f"tensor {name} holds {self.tensors[name].dtype}, which is complex or quantised: save the weights as float32"
            )
        if not bool(tensor.isfinite().all()):
            raise TlganError(
                f"tensor {name} holds numbers that are not finite: its training broke down, so take an earlier checkpoint, or "
                "it is damaged"
            )
        return tensor.float()


class Options:
    """A dictionary of options that trusts nothing in it."""

    def __init__(self, values: Any, where: str) -> None:
        if not isinstance(values, dict):
            raise TlganError(f"{where} has no options: expected a dictionary")
        self._values = values
        self._where = where

    def __contains__(self, key: str) -> bool:
        return self._values.get(key) is not None

    def whole(self, key: str, low: int, high: int, default: int | None = None) -> int:
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
            raise self._wrong(key, f"a whole number from {low} to {high}")
        if not low <= value <= high:
            raise self._wrong(key, f"a whole number from {low} to {high}")
        return int(value)

    def number(self, key: str, default: float | None = None, *, low: float = -1e6, high: float = 1e6) -> float:
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self._wrong(key, "a finite number")
        if not low <= value <= high:
            raise self._wrong(key, f"a number from {low:g} to {high:g}")
        return float(value)

    def optional_number(self, key: str, *, low: float = -1e6, high: float = 1e6) -> float | None:
        return self.number(key, low=low, high=high) if key in self else None

    def truth(self, key: str, default: bool | None = None) -> bool:
        value = self._get(key, default)
        if value not in (True, False):
            raise self._wrong(key, "true or false")
        return bool(value)

    def choice(self, key: str, allowed: tuple[str, ...], default: str | None = None) -> str:
        value = self._get(key, default)
        if value not in allowed:
            raise self._wrong(key, f"one of {', '.join(allowed)}")
        return str(value)

    def text(self, key: str) -> str:
        value = self._values.get(key)
        if not isinstance(value, str):
            raise self._wrong(key, "a name")
        return value

    def wholes(self, key: str, count: int, low: int, high: int) -> list[int]:
        value = self._get(key, None)
        if not isinstance(value, list) or len(value) != count:
            raise self._wrong(key, f"{count} whole numbers")
        return [Options({key: part}, self._where).whole(key, low, high) for part in value]

    def numbers(self, key: str, count: int) -> list[float]:
        value = self._get(key, None)
        if not isinstance(value, list) or len(value) != count:
            raise self._wrong(key, f"{count} numbers")
        return [Options({key: part}, self._where).number(key) for part in value]

    def raw(self, key: str) -> Any:
        """Whatever is there, or None: to be checked by who asks."""
        return self._values.get(key)

    def values(self, key: str, most: int) -> list[Any]:
        value = self._get(key, None)
        if not isinstance(value, list) or len(value) > most:
            raise self._wrong(key, f"a list of at most {most}")
        return value

    def section(self, key: str) -> Options:
        return Options(self._values.get(key), f"{self._where} {key}")

    def sections(self, key: str, most: int = MAX_LAYERS) -> Iterator[Options]:
        value = self._values.get(key)
        if not isinstance(value, list) or len(value) > most:
            raise self._wrong(key, f"a list of at most {most}")
        return (Options(part, f"{self._where} {key}[{index}]") for index, part in enumerate(value))

    def texts(self, key: str, most: int = 10_000) -> list[str]:
        value = self._values.get(key)
        if not isinstance(value, list) or len(value) > most or not all(isinstance(part, str) for part in value):
            raise self._wrong(key, "a list of names")
        return value

    def _get(self, key: str, default: Any) -> Any:
        value = self._values.get(key)
        value = default if value is None else value
        if value is None:
            raise self._wrong(key, "a value")
        return value

    def _wrong(self, key: str, expected: str) -> TlganError:
        value = self._values.get(key)
        shown = (
            repr(value)[:40] if isinstance(value, int | float | str | None) and len(str(value)[:99]) < 99 else "that"
        )
        return TlganError(f"{self._where}: {key} is {shown}: expected {expected}")
