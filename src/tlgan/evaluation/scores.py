"""The scores of an evaluation, as plain values that are written into `evaluation.json`, the report, the studio.

Changes are in standard deviations of the judge over plain pictures, counted along what was asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from .statistics import Estimate


@dataclass(frozen=True)
class SliderScore:
    """One slider by one method.

    ``got`` with ``spread`` (sd over faces) against ``asked``; ``error``, mean |got - asked|; ``drift``, mean |change|
    of the others; ``leak``, drift / got; ``own_got`` and ``own_drift``, by the extractor that made the edit;
    ``effects``, mean |change| of every feature evaluated, and ``signed``, mean change; ``rescored``, mean change in
    natural units (probabilities), as InterFaceGAN and HiGAN re-score their edits.
    """

    name: str
    asked: float
    got: Estimate
    spread: float
    error: Estimate
    drift: Estimate
    leak: Estimate
    own_got: float
    own_drift: float
    effects: tuple[float, ...]
    signed: tuple[float, ...]
    rescored: tuple[float, ...]


@dataclass(frozen=True)
class Dependency:
    """Edits that changed their target by about as much: ``change`` of it, mean |change| of the others (attribute
    dependency, Wu et al. 2021), ``identity`` kept, and how many ``edits`` they are."""

    change: float
    others: float
    identity: float
    edits: int


@dataclass(frozen=True)
class MethodScore:
    """All sliders by one method.

    ``identity``: mean cosine in the judge's embedding between before and after, 0 for two strangers; ``norm``: mean
    whitened norm of the edited latents in units of the population's 99 % quantile, ``furthest`` the largest;
    ``frechet``: distance between edited and plain pictures in the judge's embedding; ``seconds``: of an edit, in
    batches; ``more``: further metrics that were asked for, by name.
    """

    method: str
    words: str
    sliders: tuple[SliderScore, ...]
    got: Estimate
    spread: float
    error: Estimate
    drift: Estimate
    leak: Estimate
    own_got: float
    own_drift: float
    identity: Estimate
    norm: float
    furthest: float
    frechet: float
    dependency: tuple[Dependency, ...]
    seconds: float
    more: Mapping[str, Estimate] = field(default_factory=dict)

    def slider(self, name: str) -> SliderScore | None:
        """The score of one slider, None where it was not evaluated."""
        return next((score for score in self.sliders if score.name == name), None)


@dataclass(frozen=True)
class Evaluation:
    """Methods beside each other on the same faces, by one judge. ``frechet_floor``: the distance between two sets of
    plain pictures, of the sizes compared; ``agreement``: correlation of judge and extractor on plain pictures."""

    judge: str
    extractor: str
    generator: str
    features: tuple[str, ...]
    amount: float
    faces: int
    agreement: tuple[float, ...]
    frechet_floor: float
    methods: tuple[MethodScore, ...]

    def __getitem__(self, method: str) -> MethodScore:
        for score in self.methods:
            if score.method == method:
                return score
        raise KeyError(method)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Evaluation:
        """The inverse of `to_json`. Raises KeyError or TypeError for anything else."""
        return cls(
            **{key: values[key] for key in ("judge", "extractor", "generator", "amount", "faces", "frechet_floor")},
            features=tuple(values["features"]),
            agreement=tuple(values["agreement"]),
            methods=tuple(_method(method) for method in values["methods"]),
        )


def _method(values: dict[str, Any]) -> MethodScore:
    changed = {
        "sliders": tuple(_slider(slider) for slider in values["sliders"]),
        "dependency": tuple(Dependency(**entry) for entry in values["dependency"]),
        "more": {name: Estimate(**value) for name, value in values.get("more", {}).items()},
    }
    return MethodScore(**(_estimates(values) | changed))


def _slider(values: dict[str, Any]) -> SliderScore:
    lists = {key: tuple(values[key]) for key in ("effects", "signed", "rescored")}
    return SliderScore(**(_estimates(values) | lists))


def _estimates(values: dict[str, Any]) -> dict[str, Any]:
    estimates = ("got", "error", "drift", "leak", "identity")
    return {key: Estimate(**value) if key in estimates else value for key, value in values.items()}
