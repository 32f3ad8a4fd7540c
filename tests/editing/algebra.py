"""Random axes and random edits, for statements that must hold for all of them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from tlgan.axes import Axes
from tlgan.editing import Edit
from tlgan.extractors import Feature


def axes_of(directions: np.ndarray, *, covariance: np.ndarray | None = None, **changes: object) -> Axes:
    """Axes [f, d] over a population with response sd 1 and mean 0; features f0, f1, ..."""
    f, d = directions.shape
    radius = float(np.sqrt(d) + 1.7)
    plain = {
        "features": tuple(Feature(f"f{k}", "quantity") for k in range(f)),
        "space": "z" if covariance is None else "w",
        "generator": "0" * 64,
        "samples": 1000,
        "directions": directions.astype(np.float32),
        "intercepts": np.zeros(f, np.float32),
        "mean": np.zeros(f, np.float32),
        "sd": np.ones(f, np.float32),
        "quantile_levels": np.array([0.01, 0.99], np.float32),
        "quantiles": np.tile(np.array([-2.3, 2.3], np.float32), (f, 1)),
        "r2": np.full(f, 0.5, np.float32),
        "auc": np.full(f, np.nan, np.float32),
        "calibration": np.ones(f, np.float32),
        "agreement": np.ones(f, np.float32),
        "weak": np.zeros(f, bool),
        "correlation": np.eye(f, dtype=np.float32),
        "latent_mean": np.zeros(d, np.float32),
        "latent_radius": radius,
        "latent_covariance": None if covariance is None else covariance.astype(np.float32),
    }
    return Axes(**{**plain, **changes})


def random_axes(rng: np.random.Generator, dim: int, count: int, *, white: bool) -> Axes:
    """`count` axes that correlate, in `dim` dimensions."""
    common = rng.normal(size=(1, dim))
    directions = (rng.normal(size=(count, dim)) + 0.7 * common) * 0.7 / np.sqrt(dim)
    if white:
        return axes_of(directions)
    basis, _ = np.linalg.qr(rng.normal(size=(dim, dim)))
    covariance = (basis * np.exp(rng.normal(size=dim))) @ basis.T
    return axes_of(directions, covariance=covariance, latent_mean=rng.normal(size=dim).astype(np.float32))


@st.composite
def edits(draw: st.DrawFn, *, count: int = 6, dim: int = 24, far: bool = False) -> tuple[Axes, Edit]:
    """Axes and an edit of a drawn face with one to three wishes and any locks."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    axes = random_axes(rng, dim, count, white=draw(st.booleans()))
    latent = axes.metric.colour(rng.normal(size=dim)).astype(np.float32)
    names = draw(st.permutations(axes.names))
    moved = draw(st.integers(1, min(3, count)))
    size = 8.0 if far else 2.0
    asked = {name: draw(st.floats(0.25, size)) * draw(st.sampled_from((-1, 1))) for name in names[:moved]}
    locks = frozenset(names[moved : moved + draw(st.integers(0, count - moved))])
    return axes, Edit(latent, asked=asked, locks=locks)
