"""`describe()`: all that the page knows of a workspace, as JSON.

Positions are in standard deviations of a feature over the population, 0 its mean: the unit of every slider.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tlgan.editing.claims import claim_of
from tlgan.editing.state import MAX_ASKED
from tlgan.provenance import Claim, signing
from tlgan.provenance.claim import NAMESPACES

from . import wire

if TYPE_CHECKING:
    from tlgan.axes import Axes
    from tlgan.workspace import Workspace

BAND = (0.025, 0.975)  # where 95 % of all faces lie
RANGE = (0.001, 0.999)  # what the population holds
SIDE_EFFECTS = 5  # told of one slider
_FIRST = ("Expression", "Age and gender", "Hair", "Face", "Wearing", "Light and picture")


def describe(workspace: Workspace) -> wire.Json:
    """The generator, the features with their ranges and quality, their groups and correlations, and what the model is."""
    from tlgan.generators.base import picture_size

    axes, generator = workspace.axes, workspace.generator
    height, width = picture_size(generator)
    band, whole = positions(axes, BAND), positions(axes, RANGE)
    features = [
        {
            "name": feature.name,
            "label": feature.label or feature.name.replace("_", " ").capitalize(),
            "low": feature.low or "less",
            "high": feature.high or "more",
            "kind": feature.kind,
            "unit": feature.unit,
            "group": feature.group or "Other",
            "band": wire.numbers(band[k]),
            "range": wire.numbers(_usable(whole[k], band[k])),
            "mean": round(float(axes.mean[k]), 5),
            "sd": round(float(axes.sd[k]), 5),
            "r2": round(float(axes.r2[k]), 3),
            "agreement": round(float(axes.agreement[k]), 3),
            "weak": bool(axes.weak[k]),
            **_honesty(axes, k),
        }
        for k, feature in enumerate(axes.features)
    ]
    return {
        "version": wire.VERSION,
        "name": workspace.name,
        "generator": {
            "name": generator.name,
            "fingerprint": axes.generator,
            "resolution": generator.resolution,
            "width": width,
            "height": height,
            "space": axes.space,
            "dimensions": int(axes.directions.shape[1]),
        },
        "features": features,
        "groups": _groups(features),
        "foreign": _foreign(workspace),
        "base": list(axes.base),
        "effects_by": axes.effects_by,
        "samples": int(axes.samples),
        "correlations": {
            "measured": np.round(np.nan_to_num(axes.correlation), 2).tolist(),
            "axes": np.round(np.nan_to_num(axes.correlation_of_axes()), 2).tolist(),
        },
        "limits": {
            "asked": MAX_ASKED,
            "seeds": wire.SEEDS,
            "gallery": wire.GALLERY,
            "strip": wire.STRIP,
            "frames": wire.FILM_FRAMES,
            "bytes": wire.PNG_BYTES,
            "lossless": wire.LOSSLESS_SIDE,
        },
        "films": ["gif", "mp4"],
        "nearest": int(axes.samples) > 0,
        "about": dict(getattr(workspace, "about", None) or {}),
        "provenance": provenance(workspace),
    }


def provenance(workspace: Workspace, *, published: bool = False) -> wire.Json:
    """What the page needs to write claims into what it saves itself; see `page/provenance.js`."""
    return {
        "claim": claim_of(workspace.canvas).fields(),
        "edited": Claim(made="edited").source_type,
        "namespaces": NAMESPACES,
        "signed": not published and signing.signer() is not None,
        "published": published,
    }


def positions(axes: Axes, levels: tuple[float, float]) -> NDArray[np.float64]:
    """[f, 2]: where two quantiles of each feature lie, in standard deviations from its mean."""
    rows = [np.interp(levels, axes.quantile_levels, row) for row in axes.quantiles]
    return np.asarray((np.stack(rows) - axes.mean[:, None]) / np.maximum(axes.sd[:, None], 1e-12))


def _usable(whole: NDArray[np.float64], band: NDArray[np.float64]) -> NDArray[np.float64]:
    """A range that leaves room beyond the band, and that one outlier of a heavy tail doesn't stretch out of sight."""
    room = 0.25 * max(band[1] - band[0], 0.5)
    low = np.clip(whole[0], band[0] - 3 * room, band[0] - room)
    return np.array([low, np.clip(whole[1], band[1] + room, band[1] + 3 * room)])


def _groups(features: list[wire.Json]) -> list[wire.Json]:
    """Groups in the order people look for them, the truest slider first: by how much of what it changes is what it says,
    and by R² where that was not measured. The page marks weak ones."""
    names: list[str] = list(dict.fromkeys(feature["group"] for feature in features))
    names.sort(key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST))
    members: dict[str, list[Any]] = {name: [f for f in features if f["group"] == name] for name in names}
    return [{"name": name, "features": [f["name"] for f in sorted(rows, key=_rank)]} for name, rows in members.items()]


def _foreign(workspace: Workspace) -> list[wire.Json]:
    """The extractors that know no pictures of this kind: what to say of them, and the features whose words are theirs."""
    known, parts = set(workspace.axes.names), {part.name: part.features for part in workspace.extractor.parts}
    return [
        {"name": name, "words": words, "features": [f.name for f in parts.get(name, ()) if f.name in known]}
        for name, words in workspace.foreign.items()
    ]


def _rank(feature: wire.Json) -> tuple[float, float]:
    return -(feature["purity"] if feature["purity"] is not None else feature["r2"]), -feature["r2"]


def _honesty(axes: Axes, row: int) -> wire.Json:
    """What asking a slider for one sd more gives, and what else it changes, as measured; null where it was not.

    ``purity``: the share of its own change in all that it changes, of squares over the features that are not weak.
    """
    name = axes.names[row]
    disturbed = axes.disturbed([name])
    if axes.effects is None or not np.isfinite(axes.effects[row, row]):
        return {"got": None, "effects": [], "disturbs": list(disturbed), "purity": None}
    changes = axes.effects[row]
    squares = np.nan_to_num(changes.astype(np.float64)) ** 2
    all_of_it = squares[~axes.weak | (np.arange(len(squares)) == row)].sum()
    effects = [
        {"label": axes.features[k].label or axes.names[k], "change": round(float(changes[k]), 2)}
        for k in axes.indices(disturbed[:SIDE_EFFECTS])
    ]
    return {
        "got": round(float(changes[row]), 2),
        "effects": effects,
        "disturbs": list(disturbed),
        "purity": round(float(squares[row] / max(all_of_it, 1e-12)), 3),
    }
