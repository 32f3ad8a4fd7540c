"""New axes beside old ones: what `add` does to `axes.safetensors`.

The old axes stay exactly as they are. The new ones are learned from as many rows as they need, and what is needed of
both together (the correlations) comes from those rows.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tlgan.errors import TlganError

from .axes import Axes
from .estimate import Z95, r2_errors
from .glm import LinearFit, calibration, explained
from .learner import WEAK_R2, AxisLearner, axis_auc
from .moments import Moments

#: Numbers of an `Axes` that have one row a feature.
_ROWS = ("directions", "intercepts", "mean", "sd", "quantiles", "r2", "auc", "calibration", "agreement", "weak")


def extended(old: Axes, fresh: Axes) -> Axes:
    """The old axes, and after them those of `fresh` that are not among them.

    ``fresh`` are axes of all features (old ones first) from the rows that the new ones were measured on. Raises
    TlganError where they do not begin with the old features.
    """
    count = len(old.features)
    if fresh.names[:count] != old.names:
        raise TlganError(f"axes of {', '.join(old.names)} can't be extended by those of {', '.join(fresh.names)}")
    correlation = fresh.correlation.copy()
    correlation[:count, :count] = old.correlation
    rows = {key: np.concatenate([getattr(old, key), getattr(fresh, key)[count:]]) for key in _ROWS}
    for key in ("r2_interval", "strength"):
        before, after = getattr(old, key), getattr(fresh, key)
        if after is not None:
            unknown = np.full_like(after[:count], np.nan)
            rows[key] = np.concatenate([unknown if before is None else before, after[count:]])
    if old.effects is not None:
        effects = np.full(correlation.shape, np.nan, dtype=np.float32)
        effects[:count, :count] = old.effects
        rows["effects"] = effects
    by = (old.found_by or ("",) * count) + ("",) * (len(fresh.features) - count) if old.found_by else ()
    return replace(
        old,
        features=fresh.features,
        found_by=by,
        correlation=correlation,
        extractors=fresh.extractors,
        mean_r2=None,
        prior=old.prior or fresh.prior,
        **rows,  # type: ignore[arg-type]
    )


def with_slopes(axes: Axes, learner: AxisLearner, slopes: np.ndarray, agreement: np.ndarray, first: int) -> Axes:
    """The same axes with the last features' slopes replaced by `slopes` float64 [f - first, d] found in another way.

    How good those are is measured on all rows of the learner, none of which they were made from.
    """
    moments: Moments = learner.moments()
    last = slice(first, None)
    all_slopes = axes.directions.astype(np.float64)
    all_slopes[last] = slopes
    fitted = LinearFit(all_slopes, moments.response_mean - all_slopes @ moments.latent_mean)
    r2, scale = explained(fitted, moments), calibration(fitted, moments)
    responses, latents = learner.survey()
    predicted = latents @ fitted.slopes.T + fitted.intercepts
    auc = axis_auc(axes.features, responses, predicted)
    half = Z95 * r2_errors(responses, predicted)[0] * np.sqrt(len(responses) / moments.count)
    changed = {
        "directions": fitted.slopes,
        "intercepts": fitted.intercepts,
        "r2": r2,
        "calibration": scale,
        "r2_interval": np.stack([r2 - half, r2 + half], axis=1),
        "auc": auc,
        "weak": r2 < WEAK_R2,
    }
    rows = {key: getattr(axes, key).copy() for key in (*changed, "agreement")}
    for key, values in changed.items():
        rows[key][last] = values[last]
    rows["agreement"][last] = agreement
    return replace(axes, mean_r2=None, **rows)
