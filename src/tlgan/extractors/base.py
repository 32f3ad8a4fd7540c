"""What a feature and an extractor are.

An extractor turns pictures into named numbers. Everything downstream (the axes, the sliders, the studio) knows
pictures only through this interface, so anything that can name what is in a picture can become a slider.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from tlgan.errors import TlganError

if TYPE_CHECKING:
    from torch import Tensor


def is_snake_case(name: str) -> bool:
    """Whether a name is made of lower-case letters, digits and underscores only; vowel signs belong to their letters."""
    letters = all(char == "_" or unicodedata.category(char)[0] in "LNM" for char in name)
    return letters and name[:1] not in ("", "_") and name == name.lower()


@dataclass(frozen=True)
class Feature:
    """A named number of a picture.

    ``name`` is snake_case, in the letters and digits of any script, and unique in a workspace; ``kind`` is ``"probability"`` (values in [0, 1]) or
    ``"quantity"`` (any real number, in ``unit``). ``label``, ``low``, ``high`` and ``group`` are words for people:
    what a slider shows, what its two ends mean, and which sliders it stands with.
    """

    name: str
    kind: Literal["probability", "quantity"]
    unit: str = ""
    label: str = ""
    low: str = ""
    high: str = ""
    group: str = ""

    def __post_init__(self) -> None:
        if not is_snake_case(self.name):
            raise TlganError(
                f"feature name {self.name!r} is not snake_case: use lower-case letters, digits and underscores"
            )
        if self.kind not in ("probability", "quantity"):
            raise TlganError(
                f"feature {self.name!r} has kind {self.kind!r}: expected 'probability' (in [0, 1]) or 'quantity'"
            )


def identity(*parts: str) -> str:
    """sha256 over texts, in their order: what an extractor is known by (its `fingerprint`) from those of its parts."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def fingerprint_of(extractor: object) -> str:
    """sha256 over all that an extractor's numbers depend on; "" for one that is code (built in, or a function)."""
    return str(getattr(extractor, "fingerprint", ""))


@runtime_checkable
class Extractor(Protocol):
    """Pictures in, named numbers out. One that is read from files has a `fingerprint` too, see `fingerprint_of`."""

    @property
    def name(self) -> str:
        """Short name, as written into samples and axes files."""
        ...

    @property
    def features(self) -> tuple[Feature, ...]:
        """The columns of :meth:`extract`, in order."""
        ...

    @property
    def input_size(self) -> int | None:
        """Side in pixels at which the extractor looks at a picture; ``None`` where it takes pictures as they are."""
        ...

    def extract(self, images: Tensor) -> Tensor:
        """Measure every feature of every picture.

        ``images``: float [n, C, H, W] in [-1, 1], C 1 or 3, any size.
        Returns float32 [n, len(features)]: probabilities in [0, 1], quantities in their unit.
        """
        ...


@runtime_checkable
class EmbeddingExtractor(Extractor, Protocol):
    """An extractor that can say more of a picture than its features: points among which the same face lies near."""

    def embedding(self, images: Tensor) -> Tensor:
        """[n, C, H, W] -> [n, e], differentiable where the extractor is."""
        ...


@runtime_checkable
class DifferentiableExtractor(Extractor, Protocol):
    """An extractor that gradients can be taken through."""

    def logits(self, images: Tensor) -> Tensor:
        """[n, C, H, W] -> [n, len(features)]: the logit of each probability, each quantity in its unit."""
        ...
