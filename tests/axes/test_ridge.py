"""Shrunk axes: equal to a library's ridge, told as they are on rows never seen, and there after a few hundred rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file
from sklearn.linear_model import Ridge

from tlgan.axes import Axes, AxisLearner, Learned, Metric
from tlgan.axes.estimate import r2_errors
from tlgan.axes.moments import Moments
from tlgan.axes.ridge import FOLDS, STRENGTHS, _Path, ridge
from tlgan.extractors import Feature


class World:
    """Latents as a mapping network makes them: correlated, heavy-tailed, of a spectrum that falls by three orders of
    magnitude. Slopes are even in latent units, so that features follow what varies most."""

    def __init__(self, dim: int, features: int = 12, noise: float = 0.8, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.basis = np.linalg.qr(rng.normal(size=(dim, dim)))[0]
        self.deviation = np.geomspace(3, 0.06, dim)
        self.mean = rng.normal(size=dim)
        slopes = rng.normal(size=(features, dim))
        self.slopes = slopes / np.sqrt(((slopes @ self.basis * self.deviation) ** 2).sum(axis=1, keepdims=True))
        self.noise = noise
        self.features = tuple(Feature(f"f{row}", "quantity") for row in range(features))

    def latents(self, n: int, seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        tails = np.sqrt(6 / rng.chisquare(6 + 2, size=(n, 1)))  # a t distribution: some faces are far from all others
        points = rng.normal(size=(n, len(self.mean))) * tails * self.deviation
        return (points @ self.basis.T + self.mean).astype(np.float32)

    def rows(self, n: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
        latents = self.latents(n, seed)
        values = (latents - self.mean) @ self.slopes.T
        return latents, values + self.noise * np.random.default_rng(seed + 1000).normal(size=values.shape)

    def population(self) -> Metric:
        known = self.latents(8000, 77).astype(np.float64)
        return Metric.around(known, known.mean(axis=0), np.cov(known.T))

    def learner(self, **known: np.ndarray) -> AxisLearner:
        return AxisLearner(self.features, len(self.mean), population=self.population(), priors=known)


def r2(axes: Axes, latents: np.ndarray, values: np.ndarray) -> np.ndarray:
    predicted = latents @ axes.directions.T + axes.intercepts
    return np.asarray(1 - ((values - predicted) ** 2).sum(axis=0) / ((values - values.mean(axis=0)) ** 2).sum(axis=0))


def folds_of(latents: np.ndarray, responses: np.ndarray) -> list[Moments]:
    folds = [Moments(latents.shape[1], responses.shape[1]) for _ in range(FOLDS)]
    for number, fold in enumerate(folds):
        fold.add(latents[number::FOLDS], responses[number::FOLDS])
    return folds


@pytest.mark.parametrize("root", [np.linspace(0.2, 1, 20), np.random.default_rng(3).normal(size=(20, 20))])
def test_slopes_and_errors_are_scikit_learns(root: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    latents, responses = rng.normal(size=(40, 20)), rng.normal(size=(40, 3)) * [1, 5, 0.1]
    moments, rest = Moments(20, 3), Moments(20, 3)
    moments.add(latents[:15], responses[:15])  # fewer rows than dimensions
    rest.add(latents[15:], responses[15:])
    path = _Path.of(moments, root, np.float64)
    whole = np.diag(root) if root.ndim == 1 else root
    errors = path.errors(rest)
    for number in (0, 7, 15):
        library = Ridge(alpha=STRENGTHS[number]).fit(latents[:15] @ whole, responses[:15])
        found = path.fit(np.full(3, STRENGTHS[number]))
        np.testing.assert_allclose(found.slopes, library.coef_ @ whole.T, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(found.intercepts, library.intercept_, rtol=1e-6, atol=1e-9)
        missed = ((library.predict(latents[15:] @ whole) - responses[15:]) ** 2).sum(axis=0)
        np.testing.assert_allclose(errors[number], missed, rtol=1e-4)


def test_three_hundred_rows_in_five_hundred_dimensions() -> None:
    world = World(512)
    learner = world.learner()
    latents, values = world.rows(300)
    learner.add(latents, values)
    axes = learner.axes(generator="g", space="w")
    fresh = world.rows(4000, seed=5)
    real = r2(axes, *fresh)
    assert axes.prior == "latent"
    assert real.mean() > 0.3  # endless rows reach .6; least squares, which has no answer here, would reach nothing
    assert axes.mean_r2 is not None
    value, low, high = axes.mean_r2
    # What is told is of fits to five sixths of the rows, so it promises rather too little.
    assert low < real.mean() < high + 0.05
    assert value == pytest.approx(axes.r2.mean(), abs=1e-6)
    assert (axes.r2_interval[:, 0] < real).all()
    assert (real < axes.r2_interval[:, 1] + 0.05).mean() > 0.7
    assert axes.calibration.mean() == pytest.approx(1, abs=0.15)
    assert axes.latent_covariance is not None
    np.testing.assert_allclose(np.diag(axes.latent_covariance), np.diag(np.cov(world.latents(8000, 78).T)), rtol=0.2)


def test_more_rows_than_dimensions_end_at_the_truth() -> None:
    world = World(24, noise=0.3)
    learner = world.learner()
    learner.add(*world.rows(5000))
    axes = learner.axes(generator="g", space="w")
    clear = (world.latents(2000, 4) - world.mean) @ world.slopes.T
    found = axes.mean + axes.sd * axes.predict(world.latents(2000, 4))
    np.testing.assert_allclose(found, clear, atol=0.2 * clear.std())
    assert np.corrcoef(found[:, 0], clear[:, 0])[0, 1] > 0.999
    assert axes.agreement.min() > 0.99


def test_what_the_generator_says_of_slopes_helps_where_it_is_true_only() -> None:
    world = World(256, features=8)
    few = np.random.default_rng(2).normal(size=(10, 256))  # all slopes are mixtures of ten
    world.slopes = np.random.default_rng(3).normal(size=(8, 10)) @ few
    spread = world.slopes @ world.basis * world.deviation
    world.slopes /= np.linalg.norm(spread, axis=1, keepdims=True)
    false = np.random.default_rng(4).normal(size=(10, 256))
    fresh = world.rows(2000, seed=9)
    found = {}
    for name, known in (("nothing", {}), ("truth", {"styles": few.T @ few}), ("lie", {"styles": false.T @ false})):
        learner = world.learner(**known)
        learner.add(*world.rows(150))
        axes = learner.axes(generator="g", space="w")
        found[name] = axes.prior, r2(axes, *fresh).mean()
    assert found["truth"][0] == "styles"
    assert found["truth"][1] > found["nothing"][1] + 0.05
    assert found["lie"] == found["nothing"]


def test_one_strength_or_one_for_each() -> None:
    rng = np.random.default_rng(6)
    latents = rng.normal(size=(600, 60))
    slopes = rng.normal(size=(60, 8))
    clear = latents @ slopes + rng.normal(size=(600, 8))
    assert len(set(ridge(folds_of(latents, clear), {"whitened": np.ones(60)}).strength)) == 1
    mixed = clear + rng.normal(size=(600, 8)) * np.array([0, 0, 0, 0, 60, 60, 60, 60])
    strength = ridge(folds_of(latents, mixed), {"whitened": np.ones(60)}).strength
    assert strength[:4].max() < strength[4:].min()


def test_a_feature_that_never_changes_disturbs_no_other() -> None:
    world = World(40, features=3)
    latents, values = world.rows(400)
    values[:, 1] = 7.0
    learner = world.learner()
    learner.add(latents, values)
    axes = learner.axes(generator="g", space="w")
    assert list(axes.weak) == [False, True, False]
    assert np.isfinite(axes.directions).all()
    assert axes.r2[1] == 0


def progress_after(world: World, rows: int, sure: float) -> Learned:
    learner = world.learner()
    learner.add(*world.rows(rows))
    return learner.progress(sure)


def test_drawing_stops_where_doubling_gains_no_more() -> None:
    world = World(64, noise=3.0)  # no axis explains more than a tenth of what is seen, plus the one that does
    world.slopes *= np.linspace(1, 4, 12)[:, None]
    early, late = progress_after(world, 100, 0.95), progress_after(world, 6000, 0.95)
    assert not early.sure
    assert early.gained > late.gained
    assert late.sure
    assert not progress_after(world, 6000, 1.0).sure
    assert progress_after(world, 100, 0.0).sure


def test_the_interval_is_that_of_a_bootstrap() -> None:
    rng = np.random.default_rng(8)
    predicted = rng.standard_t(5, size=(800, 3))
    responses = predicted + rng.normal(size=(800, 3)) * [0.5, 1, 3]
    errors, mean_error = r2_errors(responses, predicted)
    drawn = []
    for _ in range(400):
        some = rng.integers(0, 800, 800)
        r, p = responses[some], predicted[some]
        drawn.append(1 - ((r - p) ** 2).sum(axis=0) / ((r - r.mean(axis=0)) ** 2).sum(axis=0))
    np.testing.assert_allclose(errors, np.std(drawn, axis=0), rtol=0.2)
    assert mean_error == pytest.approx(np.mean(drawn, axis=1).std(), rel=0.2)


def test_a_file_of_an_earlier_version_opens(tmp_path: Path) -> None:
    import json

    world = World(12, features=3)
    learner = world.learner()
    learner.add(*world.rows(300))
    axes = learner.axes(generator="g", space="w")
    path = tmp_path / "axes.safetensors"
    axes.save(path)
    again = Axes.load(path)
    assert again.mean_r2 == axes.mean_r2
    assert again.prior == axes.prior
    np.testing.assert_array_equal(again.r2_interval, axes.r2_interval)
    np.testing.assert_array_equal(again.strength, axes.strength)
    with safe_open(path, framework="numpy") as file:
        metadata = json.loads(file.metadata()["tlgan"])
        arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    for key in ("mean_r2", "prior", "effects_by"):
        del metadata[key]
    for key in ("r2_interval", "strength"):
        del arrays[key]
    save_file(arrays, path, metadata={"tlgan": json.dumps(metadata)})
    old = Axes.load(path)
    assert old.mean_r2 is None
    assert old.r2_interval is None
    assert old.prior == ""
    np.testing.assert_array_equal(old.directions, axes.directions)
