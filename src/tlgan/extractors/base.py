"""What a feature and an extractor are.

An extractor turns pictures into named numbers. Everything downstream (the axes, the sliders, the studio) knows
pictures only through this interface, so anything that can name what is in a picture can become a slider.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from abc import ABC
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tlgan.errors import TlganError

if TYPE_CHECKING:
    from torch import Tensor

#: Probabilities nearer than this to 0 or 1 are taken as this one before the logit: a float32 sigmoid is exact only to
#: about 6e-8, and one saturated picture must not outweigh a thousand.
EDGE = 1e-4


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
    """sha256 over texts, in their order: an extractor's `fingerprint` from those of its parts."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class Extractor(ABC):
    """Pictures in, named numbers out.

    A subclass sets ``name`` (short, as written into samples and axes files), ``features`` (the columns of `extract`) and
    ``input_size`` (side in pixels at which it looks at a picture; None where it takes pictures as they are), and writes
    `logits`, or `_forward` where its numbers can't be differentiated. Objects of other classes with these three fields
    and `extract` serve too, see `as_extractor`.
    """

    name: str
    features: tuple[Feature, ...]
    input_size: int | None
    fingerprint: str = ""  # sha256 over all that the numbers depend on; "" for one that is code
    differentiable: bool = False  # whether there are `logits`
    embeds: bool = False  # whether there is an `embedding`
    batch: int = 64  # pictures at a time: bounds memory whatever is asked, and stays in the caches

    def extract(self, images: Tensor) -> Tensor:
        """Measure every feature of every picture.

        ``images``: float [n, C, H, W] in [-1, 1], C 1 or 3, any size. Returns float32 [n, len(features)]: probabilities
        in [0, 1], quantities in their unit. Raises TlganError for other pictures, and where what was measured is not
        finite or no probability.
        """
        import torch

        from .images import check_images
        from .values import check_values

        check_images(images)
        with torch.no_grad():
            parts = [self._forward(part) for part in torch.split(images, self.batch) if len(part)]
        values = torch.cat(parts) if parts else torch.zeros(0, len(self.features))
        return check_values(values, len(images), self.features, self.name)

    def logits(self, images: Tensor) -> Tensor:
        """[n, C, H, W] -> [n, f], differentiable: the logit of each probability, each quantity in its unit."""
        raise TlganError(f"extractor {self.name!r} can't be differentiated: use one that is a torch network")

    def embedding(self, images: Tensor) -> Tensor:
        """[n, C, H, W] -> [n, e], points among which like pictures lie near; differentiable where `logits` are."""
        raise TlganError(f"extractor {self.name!r} gives no embedding that a new feature could be read from")

    def responses(self, images: Tensor) -> Tensor:
        """What axes are fitted to, [n, f]: `logits`, or the same computed from `extract` where there are none."""
        import torch

        if self.differentiable:
            return self.logits(images)
        values = self.extract(images)
        probability = torch.tensor([feature.kind == "probability" for feature in self.features], dtype=torch.bool)
        return torch.where(probability, torch.logit(values, eps=EDGE), values)

    def _forward(self, images: Tensor) -> Tensor:
        """Values [n, f] of at most `batch` pictures."""
        import torch

        raw = self.logits(images)
        probability = torch.tensor([feature.kind == "probability" for feature in self.features], dtype=torch.bool)
        return torch.where(probability.to(raw.device), raw.sigmoid(), raw)


class _Adapted(Extractor):
    """An object of another class that measures pictures; what it has beyond that stays reachable."""

    def __init__(self, other: Any) -> None:
        self.other = other
        self.name, self.features, self.input_size = other.name, tuple(other.features), other.input_size
        self.fingerprint = str(getattr(other, "fingerprint", ""))
        self.differentiable, self.embeds = hasattr(other, "logits"), hasattr(other, "embedding")
        self.extract, self.logits, self.embedding = (  # type: ignore[method-assign]
            getattr(other, name, getattr(self, name)) for name in ("extract", "logits", "embedding")
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["other"], name)


def is_extractor(found: object) -> bool:
    """Whether this is an extractor, or an object that can serve as one."""
    return isinstance(found, Extractor) or all(
        hasattr(found, name) for name in ("name", "features", "input_size", "extract")
    )


def as_extractor(found: Any) -> Extractor:
    """An extractor as it is, or an object with its `name`, `features`, `input_size` and `extract` as one."""
    return found if isinstance(found, Extractor) else _Adapted(found)
