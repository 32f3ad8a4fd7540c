"""Axes: true where the truth is known, equal to a library's fit, honest about themselves, safe to read back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from sklearn.linear_model import LinearRegression

from tlgan.axes import Axes, AxisLearner, Metric, from_response, to_response
from tlgan.axes.glm import agreement, calibration, explained, fit
from tlgan.axes.moments import Moments
from tlgan.errors import TlganError
from tlgan.extractors import Feature
from tlgan.workspace import Workspace

FEATURES = (Feature("size", "quantity"), Feature("round", "probability"), Feature("noise", "quantity"))


def world(
    n: int, d: int = 12, seed: int = 0, scales: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Latents, feature values, and the true slopes of size and round."""
    rng = np.random.default_rng(seed)
    slopes = np.random.default_rng(99).normal(size=(2, d))
    latents = rng.normal(size=(n, d)) * (1 if scales is None else scales)
    size = latents @ slopes[0] + rng.normal(size=n) + 3
    logit = latents @ slopes[1] * 0.3 + 0.2 * rng.normal(size=n)
    values = np.stack([size, 1 / (1 + np.exp(-logit)), rng.normal(size=n)], axis=1)
    return latents.astype(np.float32), values.astype(np.float32), slopes


def of_rows(latents: np.ndarray) -> Metric:
    return Metric.around(latents, latents.mean(axis=0), np.cov(latents.T, bias=True))


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def learned(n: int = 4000, white: bool = True, **kwargs: object) -> tuple[Axes, np.ndarray]:
    latents, values, slopes = world(n, **kwargs)
    learner = AxisLearner(FEATURES, latents.shape[1], population=None if white else of_rows(latents))
    learner.add(latents, values)
    return learner.axes(generator="f" * 64, space="z" if white else "w"), slopes


def test_the_fit_is_ordinary_least_squares() -> None:
    latents, values, _ = world(500)
    moments = Moments(12, 3)
    moments.add(latents, values)
    ours, library = fit(moments), LinearRegression().fit(latents.astype(np.float64), values.astype(np.float64))
    np.testing.assert_allclose(ours.slopes, library.coef_, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(ours.intercepts, library.intercept_, rtol=1e-4, atol=1e-6)


def test_held_out_quality_is_that_of_the_rows_themselves() -> None:
    latents, values, _ = world(600)
    train, rest = Moments(12, 3), Moments(12, 3)
    train.add(latents[:400], values[:400])
    rest.add(latents[400:], values[400:])
    fitted = fit(train)
    predicted = latents[400:].astype(np.float64) @ fitted.slopes.T + fitted.intercepts
    residual, measured = values[400:] - predicted, values[400:].astype(np.float64)
    np.testing.assert_allclose(
        explained(fitted, rest), 1 - (residual**2).sum(0) / ((measured - measured.mean(0)) ** 2).sum(0), atol=1e-9
    )
    for column in range(3):
        slope = np.polyfit(predicted[:, column], measured[:, column], 1)[0]
        assert calibration(fitted, rest)[column] == pytest.approx(slope, rel=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=6), st.integers(0, 2**32 - 1))
def test_moments_do_not_depend_on_how_rows_were_split(sizes: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(sum(sizes), 5)) + 100
    whole, pieces = Moments(3, 2), Moments(3, 2)
    whole.add(rows[:, :3], rows[:, 3:])
    for piece in np.split(rows, np.cumsum(sizes)[:-1]):
        other = Moments(3, 2)
        other.add(piece[:, :3], piece[:, 3:])
        pieces = pieces + other
    assert pieces.count == whole.count
    np.testing.assert_allclose(pieces.mean, whole.mean, rtol=1e-12, atol=1e-10)
    np.testing.assert_allclose(pieces.scatter, whole.scatter, rtol=1e-9, atol=1e-8)


def test_the_true_axes_are_found() -> None:
    axes, slopes = learned(8000)
    assert cosine(axes.directions[0], slopes[0]) > 0.995
    assert cosine(axes.directions[1], slopes[1]) > 0.995
    np.testing.assert_allclose(axes.directions[0], slopes[0], atol=0.1)


def test_in_a_space_that_is_not_white_the_covariance_is_taken_out() -> None:
    scales = np.geomspace(0.05, 3, 12)
    axes, slopes = learned(8000, white=False, scales=scales)
    raw = (world(8000, scales=scales)[0] * world(8000, scales=scales)[1][:, :1]).mean(0)
    assert cosine(axes.directions[0], slopes[0]) > 0.98 > cosine(raw, slopes[0])
    assert axes.latent_covariance is not None
    np.testing.assert_allclose(np.sqrt(np.diag(axes.latent_covariance)), scales, rtol=0.05)


def test_a_feature_that_no_latent_moves_is_marked_weak() -> None:
    axes, _ = learned()
    assert list(axes.weak) == [False, False, True]
    assert axes.r2[2] < 0.02


def test_quality_says_what_it_claims() -> None:
    axes, slopes = learned(6000)
    signal = (slopes[0] ** 2).sum()
    assert axes.r2[0] == pytest.approx(signal / (signal + 1), abs=0.02)
    assert axes.auc[1] > 0.95
    assert np.isnan(axes.auc[0])
    assert axes.calibration[0] == pytest.approx(1, abs=0.05)
    assert axes.agreement[0] > 0.99 > 0.5 > abs(axes.agreement[2])
    assert axes.correlation[0, 0] == pytest.approx(1, abs=1e-5)


def test_agreement_is_the_correlation_of_predictions() -> None:
    latents, values, _ = world(4000, scales=np.geomspace(0.2, 2, 12))
    one, other = Moments(12, 3), Moments(12, 3)
    one.add(latents[:150], values[:150])
    other.add(latents[150:300], values[150:300])
    fits = fit(one), fit(other)
    expected = [np.corrcoef(latents @ fits[0].slopes[k], latents @ fits[1].slopes[k])[0, 1] for k in range(3)]
    np.testing.assert_allclose(agreement(*fits, np.cov(latents.T)), expected, atol=0.03)


def test_learning_is_sure_only_with_enough_rows() -> None:
    latents, values, _ = world(4000)
    learner = AxisLearner(FEATURES, 12)
    learner.add(latents[:20], values[:20])
    assert not learner.progress().sure
    with pytest.raises(TlganError, match="too few"):
        learner.axes(generator="f", space="z")
    learner.add(latents[20:], values[20:])
    assert learner.progress(0.95).sure
    assert not learner.progress(0.999999).sure


def test_rows_may_come_in_odd_pieces() -> None:
    latents, values, _ = world(1000)
    whole, pieces = AxisLearner(FEATURES, 12), AxisLearner(FEATURES, 12)
    whole.add(latents, values)
    for piece in np.array_split(np.arange(1000), 7):
        pieces.add(latents[piece], values[piece])
    np.testing.assert_allclose(whole.progress().r2, pieces.progress().r2, atol=1e-9)


@given(st.lists(st.floats(-8, 8), min_size=3, max_size=3))
def test_the_link_and_its_inverse(response: list[float]) -> None:
    values = from_response(FEATURES, np.array(response))
    assert 0 <= values[1] <= 1
    np.testing.assert_allclose(to_response(FEATURES, values), response, atol=1e-6)


def test_positions_and_values_are_inverse(halves: Workspace) -> None:
    axes = halves.axes
    values = np.array([[0.2, 0.7, 0.5]])
    np.testing.assert_allclose(axes.values(axes.positions(values)), values, atol=1e-5)
    assert axes.position_of("right_bright", 0.7) == pytest.approx(float(axes.positions(values)[0, 1]), abs=1e-5)


def test_an_unknown_feature_names_the_nearest(halves: Workspace) -> None:
    with pytest.raises(TlganError, match="did you mean right_bright"):
        halves.axes.index("right_brigth")
    with pytest.raises(TlganError, match=f"known are {', '.join(halves.axes.names)}$"):
        halves.axes.index("smiling")  # letters in common are no nearness


def test_saved_and_read_back(tmp_path: Path) -> None:
    axes, _ = learned(white=False)
    axes.save(tmp_path / "axes.safetensors")
    again = Axes.load(tmp_path / "axes.safetensors")
    assert again.features == axes.features
    assert again.latent_radius == axes.latent_radius
    for name in ("directions", "sd", "quantiles", "weak", "latent_covariance"):
        np.testing.assert_array_equal(getattr(again, name), getattr(axes, name))
    assert [path.name for path in tmp_path.iterdir()] == ["axes.safetensors"]


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "axes.safetensors"
    with pytest.raises(TlganError, match="discover"):
        Axes.load(path)
    path.write_bytes(b"garbage")
    with pytest.raises(TlganError, match="not an axes file"):
        Axes.load(path)
    save_file({"directions": np.zeros((1, 2), np.float32)}, path)
    with pytest.raises(TlganError, match="not an axes file"):
        Axes.load(path)
    save_file({"directions": np.zeros((1, 2), np.float32)}, path, metadata={"tlgan": json.dumps({"format": 99})})
    with pytest.raises(TlganError, match="format 99"):
        Axes.load(path)


def test_auc_is_scikit_learns():
    from sklearn.metrics import roc_auc_score

    from tlgan.axes.learner import _auc

    rng = np.random.default_rng(4)
    shown = rng.random(300) < 0.3
    score = np.round(rng.normal(size=300) + shown, 1)  # with ties
    assert _auc(shown, score) == pytest.approx(roc_auc_score(shown, score))


def test_slopes_are_scikit_learns():
    from sklearn.linear_model import LinearRegression

    from tlgan.axes.glm import fit
    from tlgan.axes.moments import Moments

    rng = np.random.default_rng(5)
    latents, responses = rng.normal(size=(200, 6)), rng.normal(size=(200, 3))
    moments = Moments(6, 3)
    moments.add(latents, responses)
    expected = LinearRegression().fit(latents, responses)
    found = fit(moments)
    np.testing.assert_allclose(found.slopes, expected.coef_, atol=1e-4)
    np.testing.assert_allclose(found.intercepts, expected.intercept_, atol=1e-4)
