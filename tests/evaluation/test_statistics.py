"""Figures against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from tlgan.evaluation.statistics import bootstrap, cosine, frechet_distance


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        sample = rng.normal(3.0, 2.0, size=60)
        estimate = bootstrap(60, lambda rows, s=sample: float(s[rows].mean()), seed=trial)
        assert estimate.low <= estimate.value <= estimate.high
        covered += estimate.low <= 3.0 <= estimate.high
    assert 0.88 <= covered / 200 <= 0.99


def test_the_frechet_distance_is_that_of_the_gaussians() -> None:
    rng = np.random.default_rng(1)
    scale, shift = np.array([1.0, 2.0, 0.5]), np.array([1.0, 0.0, -2.0])
    one, other = rng.normal(size=(40_000, 3)), rng.normal(size=(40_000, 3)) * scale + shift
    # For commuting covariances: |Δmean|² + Σ (σ - τ)².
    assert frechet_distance(one, other) == pytest.approx(5.0 + 1.0 + 0.25, rel=0.05)
    assert frechet_distance(one, one) == pytest.approx(0.0, abs=1e-9)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    assert frechet_distance(one @ turn, other @ turn) == pytest.approx(frechet_distance(one, other), rel=1e-6)


def test_cosines_are_those_of_rows() -> None:
    found = cosine(np.array([[1.0, 0], [1, 1], [0, 0]]), np.array([[2.0, 0], [1, -1], [1, 0]]))
    np.testing.assert_allclose(found, [1, 0, 0], atol=1e-9)
