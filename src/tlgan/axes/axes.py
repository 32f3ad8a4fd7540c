"""Feature axes: the slopes, together with everything they were made from.

An axis is worth nothing without its generator, its space and its scale, so they travel in one file
(`axes.safetensors`: tensors, and JSON in its header; nothing in it can execute).
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tlgan.errors import BadFile, UnknownFeature
from tlgan.extractors import Feature
from tlgan.extractors.attributes import CELEBA_ATTRIBUTES
from tlgan.io.foreign import json_of
from tlgan.io.tensors import read_tensors, write_tensors

from .metric import Metric
from .response import from_response, to_response

FORMAT = 2
#: Format 1 had no groups of layers and did not say who found a direction.
READ = (1, 2)
_NEAR = 0.65  # share of letters in common from which on a name may be meant: "side_light" is not meant by "smiling"
_FACES = {feature.name for feature in CELEBA_ATTRIBUTES}
#: A slider disturbs a feature that changes by this share of what the slider changes itself.
DISTURBED = 0.25


@dataclass(frozen=True, eq=False)
class Axes:
    """The axes of f features in a latent space of d dimensions, and the population they were measured on.

    Arrays (float32 unless said): ``directions`` [f, d], slope of each response per latent unit; ``intercepts`` [f];
    ``mean`` and ``sd`` [f] of the responses over the population; ``quantiles`` [f, q] of the responses at
    ``quantile_levels`` [q]; ``r2`` [f] on held-out rows; ``auc`` [f] of "probability over one half"
    from the axis, NaN for quantities and where one side is nearly empty; ``calibration`` [f], slope of measured on
    predicted; ``agreement`` [f], correlation over the population of what the axes from two halves of the rows predict;
    ``weak`` [f] bool; ``correlation`` [f, f] of the measured responses; ``latent_mean`` [d]; ``latent_covariance``
    [d, d], None where the space is white (z); ``latent_radius``, the 99 % quantile of the Mahalanobis norm;
    ``r2_interval`` [f, 2], 95 % interval of ``r2`` over rows, and ``mean_r2``, the mean over features with its interval,
    None where files of an earlier version or added sliders have none; ``strength`` [f] of the ridge penalty, in rows,
    and the name of its ``prior``, None and "" for least squares; ``effects`` [f, f], mean change of every
    feature (column) in sd when a slider (row) is asked for one sd more, measured on pictures by ``effects_by``; NaN
    where a feature was not measured, None where none was.
    ``groups``: in w+ the first layer of each group that has a w of its own, a latent being these w side by side;
    ``found_by``: the axis method of each feature's direction, none where all are regression's.
    "Response" is the logit of a probability, or the quantity itself.
    """

    features: tuple[Feature, ...]
    space: str
    generator: str
    samples: int
    directions: np.ndarray
    intercepts: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    quantile_levels: np.ndarray
    quantiles: np.ndarray
    r2: np.ndarray
    auc: np.ndarray
    calibration: np.ndarray
    agreement: np.ndarray
    weak: np.ndarray
    correlation: np.ndarray
    latent_mean: np.ndarray
    latent_radius: float
    latent_covariance: np.ndarray | None = None
    r2_interval: np.ndarray | None = None
    mean_r2: tuple[float, float, float] | None = None
    strength: np.ndarray | None = None
    prior: str = ""
    effects: np.ndarray | None = None
    effects_by: str = ""
    base: tuple[str, ...] = ()
    seed: int = 0
    truncation: float = 1.0
    label: int | None = None
    extractors: tuple[str, ...] = ()
    family: str = "gaussian on the response (logit of probabilities, identity of quantities)"
    groups: tuple[int, ...] = ()
    found_by: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unknown = [name for name in self.base if name not in self.names]
        if unknown:
            raise UnknownFeature(f"base axis {unknown[0]!r} is not among the features: {', '.join(self.names)}")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Feature names in order."""
        return tuple(feature.name for feature in self.features)

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.names)}

    @cached_property
    def metric(self) -> Metric:
        """The latents' own geometry."""
        return Metric.of(self.latent_mean, self.latent_covariance, self.latent_radius)

    @cached_property
    def whitened_slopes(self) -> np.ndarray:
        """Slopes float64 [f, d] in standard deviations of each feature per whitened latent unit."""
        slopes = self.directions.astype(np.float64) / self.sd.astype(np.float64)[:, None]
        return np.asarray(slopes @ self.metric.root)

    @property
    def latent_dim(self) -> int:
        """d."""
        return int(self.directions.shape[1])

    def index(self, name: str) -> int:
        """Row of a feature. An unknown name raises TlganError with the nearest known ones."""
        known = unicodedata.normalize("NFKC", name)  # a keyboard or a file system may compose otherwise
        if known in self._positions:
            return self._positions[known]
        near = difflib.get_close_matches(name, self._positions, 3, _NEAR)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(self.names)}"
        if name in _FACES and not near:
            hint = f"it is a feature of celeba40, which this workspace does not use; {hint}"
        raise UnknownFeature(f"unknown feature {name!r}: {hint}")

    def indices(self, names: Iterable[str]) -> list[int]:
        """Rows of several features."""
        return [self.index(name) for name in names]

    def positions(self, values: np.ndarray) -> np.ndarray:
        """Feature values [..., f] as places in the population: (response - mean) / sd, float32."""
        place: np.ndarray = (to_response(self.features, values) - self.mean) / self.sd
        return place.astype(np.float32)

    def values(self, positions: np.ndarray) -> np.ndarray:
        """The inverse of `positions`: probabilities and quantities, float64 [..., f]."""
        return from_response(self.features, np.asarray(positions, dtype=np.float64) * self.sd + self.mean)

    def position_of(self, name: str, value: float) -> float:
        """Where one feature's natural value (a probability, years, ...) stands, in population standard deviations."""
        row = self.index(name)
        response = to_response(self.features[row : row + 1], np.array([value], dtype=np.float64))[0]
        return float((response - self.mean[row]) / self.sd[row])

    def predict(self, latents: np.ndarray) -> np.ndarray:
        """Predictions of the axes for latents [n, d]: positions float32 [n, f] in population standard deviations."""
        response = latents @ self.directions.T + self.intercepts
        place: np.ndarray = (response - self.mean) / self.sd
        return place.astype(np.float32)

    def correlation_of_axes(self) -> np.ndarray:
        """Correlation float32 [f, f] over the population of what the axes predict: cosines of the whitened slopes."""
        length = np.linalg.norm(self.whitened_slopes, axis=1, keepdims=True)
        unit = self.whitened_slopes / np.maximum(length, 1e-30)
        return np.asarray(unit @ unit.T, dtype=np.float32)

    def disturbed(self, names: Iterable[str]) -> tuple[str, ...]:
        """Features that moving `names` is known to change too, the most disturbed first: what to lock by default.

        Weak features are left out, since no axis can hold them. Before anybody has looked at pictures, what the axes
        themselves have in common stands in for it.
        """
        rows = self.indices(names)
        table = self.effects if self.effects is not None else self.correlation_of_axes()
        own = np.abs(np.diag(table))[:, None]
        size = np.abs(np.nan_to_num(table / np.maximum(own, DISTURBED)))[rows].max(axis=0, initial=0.0)
        size[rows] = 0.0
        size[self.weak] = 0.0
        return tuple(self.names[row] for row in np.argsort(-size, kind="stable") if size[row] >= DISTURBED)

    def save(self, path: str | Path) -> None:
        """Write `axes.safetensors`, atomically."""
        metadata = {key: getattr(self, key) for key in _PLAIN}
        metadata |= {"format": FORMAT, "features": [asdict(feature) for feature in self.features]}
        metadata |= {key: getattr(self, key) for key in _LATER}
        arrays = {key: getattr(self, key) for key in (*_ARRAYS, *_OPTIONAL)}
        given = {key: np.asarray(array) for key, array in arrays.items() if array is not None}
        write_tensors(Path(path), given, {"tlgan": metadata})

    @classmethod
    def load(cls, path: str | Path) -> Axes:
        """Read what `save` wrote; any other file raises TlganError."""
        path = Path(path)
        if not path.exists():
            raise BadFile(f"no axes at {path}: run `tlgan discover` first")
        try:
            arrays, words = read_tensors(path, "numpy")
            metadata = json_of(words["tlgan"])
            if metadata["format"] not in READ:
                raise BadFile(
                    f"{path} has axes of format {metadata['format']}, this tlgan reads {' and '.join(map(str, READ))}: discover again"
                )
            features = tuple(Feature(**feature) for feature in metadata["features"])
            plain: dict[str, Any] = {key: metadata[key] for key in _PLAIN}
            plain["base"], plain["extractors"] = tuple(plain["base"]), tuple(plain["extractors"])
            plain |= {key: metadata[key] for key in _LATER if key in metadata}
            plain |= {key: tuple(plain[key]) for key in ("groups", "found_by") if key in plain}
            if plain.get("mean_r2") is not None:
                value, low, high = plain["mean_r2"]
                plain["mean_r2"] = float(value), float(low), float(high)
            plain |= {key: arrays.get(key) for key in _OPTIONAL} | {key: arrays[key] for key in _ARRAYS}
            axes = cls(features=features, **plain)
        except (ValueError, KeyError, TypeError) as error:
            raise BadFile(f"{path} is not an axes file of tlgan ({error}): run `tlgan discover` again") from error
        if axes.directions.ndim != 2 or len(axes.directions) != len(features):
            raise BadFile(
                f"{path} has {len(features)} features but slopes of shape {axes.directions.shape}: discover again"
            )
        f = len(features)
        for what, array, shape in (
            ("side effects", axes.effects, (f, f)),
            ("intervals", axes.r2_interval, (f, 2)),
            ("strengths", axes.strength, (f,)),
        ):
            if array is not None and array.shape != shape:
                raise BadFile(f"{path} has {f} features but {what} of shape {array.shape}: discover again")
        return axes


_PLAIN = (
    "space",
    "generator",
    "samples",
    "latent_radius",
    "base",
    "seed",
    "truncation",
    "label",
    "extractors",
    "family",
)
_ARRAYS = (
    "directions",
    "intercepts",
    "mean",
    "sd",
    "quantile_levels",
    "quantiles",
    "r2",
    "auc",
    "calibration",
    "agreement",
    "weak",
    "correlation",
    "latent_mean",
)
#: What an earlier version did not write.
_LATER = ("effects_by", "mean_r2", "prior", "groups", "found_by")
_OPTIONAL = ("latent_covariance", "r2_interval", "strength", "effects")
