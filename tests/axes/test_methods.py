"""Every axis method: against the truth of a world where it is known, and against a library's or a formula's numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.svm import LinearSVC

from tlgan.axes import AxisLearner, Metric
from tlgan.axes.directions import Directions, Labelled, axes_by, turned
from tlgan.axes.layers import groups_of, layer_effects
from tlgan.axes.population import population, priors
from tlgan.editing import Canvas, Edit, solve
from tlgan.errors import TlganError
from tlgan.extractors import Feature
from tlgan.generators import LatentGenerator, load_generator
from tlgan.hooks import AXIS_METHODS
from tlgan.samples import Source

CHECKPOINTS = Path(__file__).parent.parent / "checkpoints"
FEATURES = (Feature("size", "quantity"), Feature("round", "probability"), Feature("old", "probability"))
DIM = 10


def linear_world(rows: int = 3000, scales: np.ndarray | None = None, seed: int = 0) -> tuple[Labelled, np.ndarray]:
    """Samples whose responses are linear in the latent but for noise, and the true slopes [3, DIM]."""
    rng = np.random.default_rng(seed)
    slopes = np.random.default_rng(9).normal(size=(3, DIM))
    latents = (rng.normal(size=(rows, DIM)) * (1 if scales is None else scales)).astype(np.float32)
    responses = latents @ slopes.T + 0.3 * rng.normal(size=(rows, 3))
    values = responses.copy()
    values[:, 1:] = 1 / (1 + np.exp(-responses[:, 1:]))
    white = scales is None
    metric = None if white else Metric.around(latents, latents.mean(axis=0), np.cov(latents.T, bias=True))
    learner = AxisLearner(FEATURES, DIM, population=metric)
    learner.add(latents, values)
    axes = learner.axes(generator="f" * 64, space="z" if white else "w", base=("old",))
    return Labelled(axes, latents, values.astype(np.float32)), slopes


def cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.abs((one * other).sum(1)) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)


@pytest.mark.parametrize("name", ["regression", "svm", "mean-difference"])
def test_in_a_linear_white_world_every_method_finds_the_truth(name: str) -> None:
    samples, slopes = linear_world()
    directions = AXIS_METHODS.make(name).fit(samples)
    assert directions.names == samples.axes.names
    assert (cosines(directions.moves, slopes) > 0.98).all()


def test_regression_moves_by_the_covariance_and_gives_its_own_axes_back() -> None:
    samples, slopes = linear_world(scales=np.geomspace(0.2, 2, DIM))
    directions = AXIS_METHODS.make("regression").fit(samples)
    assert (cosines(directions.moves, slopes @ samples.axes.metric.covariance) > 0.995).all()
    again = axes_by(AXIS_METHODS.make("regression"), samples)
    np.testing.assert_allclose(again.directions, samples.axes.directions, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(again.r2, samples.axes.r2, atol=0.02)  # measured on rows that it was fitted to


@pytest.mark.filterwarnings("ignore:Liblinear failed to converge")
def test_the_svm_is_that_of_a_library_on_the_surest_samples() -> None:
    samples, _ = linear_world(400)
    found = AXIS_METHODS.make("svm").fit(samples).moves
    for row, response in enumerate(samples.responses.T):
        order = np.argsort(response)
        chosen = np.concatenate([order[:100], order[-100:]])  # a quarter of 400 a side
        library = LinearSVC(loss="hinge", tol=1e-8, max_iter=20_000, intercept_scaling=100.0)
        library.fit(samples.latents[chosen], np.repeat([0, 1], 100))
        assert cosines(found[row : row + 1], library.coef_)[0] > 0.99
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1)


def test_conditional_normals_are_orthogonal_to_the_base_and_the_base_stays() -> None:
    samples, _ = linear_world(400)
    plain, cleared = (AXIS_METHODS.make(name).fit(samples).moves for name in ("svm", "svm-conditional"))
    np.testing.assert_allclose(cleared[:2] @ plain[2], 0, atol=1e-9)
    np.testing.assert_allclose(cleared[2], plain[2])
    expected = plain[0] - (plain[0] @ plain[2]) * plain[2]  # n1 - (n1·n2) n2, the paper's formula
    np.testing.assert_allclose(cleared[0], expected, atol=1e-9)


def test_mean_difference_is_the_difference_of_means() -> None:
    samples, _ = linear_world(300)
    moves = AXIS_METHODS.make("mean-difference").fit(samples).moves
    shown = samples.values[:, 1] > 0.5
    np.testing.assert_allclose(moves[1], samples.latents[shown].mean(0) - samples.latents[~shown].mean(0), atol=1e-6)
    big = samples.values[:, 0] > np.median(samples.values[:, 0])
    np.testing.assert_allclose(moves[0], samples.latents[big].mean(0) - samples.latents[~big].mean(0), atol=1e-6)


def test_a_feature_that_never_changes_has_no_direction_and_is_weak() -> None:
    samples, _ = linear_world(300)
    values = samples.values.copy()
    values[:, 0] = 1.0
    for name in ("svm", "mean-difference"):
        found = axes_by(AXIS_METHODS.make(name), replace(samples, values=values))
        assert found.weak[0]
        assert np.isfinite(found.directions).all()


def test_pca_is_the_librarys() -> None:
    samples, _ = linear_world(scales=np.geomspace(0.2, 2, DIM))
    directions = AXIS_METHODS.make("pca:4").fit(samples)
    assert directions.names == ("pca_1", "pca_2", "pca_3", "pca_4")
    library = PCA(4).fit(samples.latents)
    assert (cosines(directions.moves, library.components_) > 0.999).all()
    np.testing.assert_allclose(
        np.linalg.norm(directions.moves, axis=1), np.sqrt(library.explained_variance_), rtol=0.01
    )
    with pytest.raises(TlganError, match="white"):
        AXIS_METHODS.make("pca").fit(linear_world(300)[0])
    with pytest.raises(TlganError, match="pca:0"):
        AXIS_METHODS.make("pca:0")


def on_checkpoint(name: str, space: str) -> Labelled:
    generator = load_generator(CHECKPOINTS / name)
    source = Source(generator, space)
    samples, _ = linear_world(300)
    d = source.latent_dim
    metric = population(source, seed=0, rows=2000)
    axes = replace(
        samples.axes, space=space, directions=np.eye(3, d, dtype=np.float32), generator=generator.fingerprint,
        latent_mean=np.zeros(d, dtype=np.float32) if metric is None else metric.mean.astype(np.float32),
        latent_covariance=None if metric is None else metric.covariance.astype(np.float32), base=(),
    )  # fmt: skip
    latents = source.sample(50, seed=0)[space].numpy()
    return Labelled(axes, latents, samples.values[:50], source)


@pytest.mark.parametrize(("name", "space"), [("sg2_64.pkl", "w"), ("sg3t_32.pkl", "w"), ("pggan_64_fused.pkl", "z")])
def test_sefa_answers_most_of_all_directions(name: str, space: str) -> None:
    samples = on_checkpoint(name, space)
    generator = samples.source.generator
    maps = generator.style_maps() if space == "w" else generator.first_maps()
    weights = np.concatenate([weight.double().numpy() for weight in maps])
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    moves = AXIS_METHODS.make("sefa:5").fit(samples).moves
    answers = np.linalg.norm(weights @ moves.T, axis=0)
    _, scale, library = np.linalg.svd(weights)  # the right singular vectors are the eigenvectors of AᵀA
    np.testing.assert_allclose(answers, scale[:5], rtol=1e-6)
    assert (cosines(moves[:1], library[:1]) > 1 - 1e-6).all()


def test_pca_of_the_first_features_where_there_is_no_w() -> None:
    samples = on_checkpoint("pggan_64_fused.pkl", "z")
    if not samples.source.generator.feature_sides:
        with pytest.raises(TlganError, match="no features"):
            AXIS_METHODS.make("pca").fit(samples)
        return
    moves = AXIS_METHODS.make("pca:3").fit(samples).moves
    assert moves.shape == (3, samples.axes.latent_dim)


def test_a_move_is_followed_by_the_axis_that_is_made_of_it() -> None:
    samples, _ = linear_world(scales=np.geomspace(0.2, 2, DIM))
    axes = samples.axes
    move = np.random.default_rng(1).normal(size=(1, DIM))
    new = turned(axes, Directions(("size",), move, "mine"), np.array([0.5]))
    slope = new.whitened_slopes[0]
    least = new.metric.root @ slope / (slope @ slope)  # what the solve moves for one sd
    assert cosines(least[None], move)[0] > 1 - 1e-6
    assert np.linalg.norm(slope) == pytest.approx(0.5, rel=1e-4)
    assert new.found_by == ("mine", "", "")
    np.testing.assert_array_equal(new.directions[1:], axes.directions[1:])


def test_wrong_moves_are_refused() -> None:
    samples, _ = linear_world(300)
    with pytest.raises(TlganError, match="expected one row a name"):
        Directions(("a",), np.zeros((2, 3)), "x")
    with pytest.raises(TlganError, match="not finite"):
        Directions(("a",), np.full((1, 3), np.nan), "x")
    with pytest.raises(TlganError, match="don't fit a space of 10"):
        turned(samples.axes, Directions(("size",), np.ones((1, 3)), "x"))


# -- groups of layers ----------------------------------------------------------------------------------------------


def test_layers_that_change_the_same_are_one_group() -> None:
    rng = np.random.default_rng(0)
    kinds = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
    effects = np.repeat(kinds, [3, 5, 2], axis=0) + 0.05 * rng.normal(size=(10, 3))
    assert groups_of(effects) == (0, 3, 8)
    assert groups_of(effects, 1) == (0,)
    assert groups_of(effects[:2]) == (0, 1)


class Grey:
    """The mean level of a picture."""

    name, input_size, features = "grey", None, (Feature("grey", "quantity"),)

    def extract(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean(dim=(1, 2, 3))[:, None]


def test_mixed_latents_paint_each_group_with_its_own_w() -> None:
    generator = load_generator(CHECKPOINTS / "sg2_64.pkl")
    layers = generator.num_ws
    source = Source(generator, "w+", groups=(0, 2, 5))
    assert source.layers == [2, 3, layers - 5]
    mixed = source.sample(2, seed=3, mixed=True)["w+"]
    parts = mixed.unflatten(1, (3, generator.w_dim))
    assert not torch.equal(parts[:, 0], parts[:, 1])
    rows = torch.cat([parts[:, g : g + 1].expand(-1, n, -1) for g, n in enumerate(source.layers)], dim=1)
    torch.testing.assert_close(source.synthesize(mixed), generator.synthesize(rows, space="w+"))
    plain = source.sample(2, seed=3)["w+"]
    w = Source(generator, "w").sample(2, seed=3)["w"]
    torch.testing.assert_close(source.synthesize(plain), generator.synthesize(w, space="w"))
    assert layer_effects(Source(generator, "w"), Grey(), seed=0, faces=4).shape == (layers, 1)


def test_the_population_of_groups_is_that_of_w_in_each() -> None:
    generator = load_generator(CHECKPOINTS / "sg2_64.pkl")
    one = population(Source(generator, "w"), seed=0)
    both = population(Source(generator, "w+", groups=(0, 4)), seed=0)
    assert one is not None
    assert both is not None
    d = generator.w_dim
    np.testing.assert_allclose(both.covariance[d:, d:], one.covariance, atol=1e-6)
    np.testing.assert_allclose(both.covariance[d:, :d], 0, atol=1e-9)
    w = Source(generator, "w").sample(500, seed=5)["w"].numpy()
    inside = (np.linalg.norm(both.whiten(np.tile(w, (1, 2))), axis=1) <= both.radius).mean()
    assert inside == pytest.approx(0.99, abs=0.015)  # an ordinary face has the same w twice
    blocks = priors(Source(generator, "w+", groups=(0, 4)))
    if blocks:
        np.testing.assert_allclose(blocks["styles"][:d, d:], 0)


class Layers(LatentGenerator):
    """w = M z in three layers: the first sets the left half of a picture, the last the right half, along directions that
    go together in w."""

    spaces: tuple[str, ...] = ("z", "w", "w+")
    w_dim, num_ws = 4, 3

    def __init__(self) -> None:
        rng = torch.Generator().manual_seed(0)
        self.mapping = torch.randn(4, 4, generator=rng)
        self.left = torch.tensor([1.0, 0.5, 0.0, 0.0])
        self.right = torch.tensor([1.0, -0.3, 0.2, 0.0])
        super().__init__(name="layers", fingerprint="a" * 64, latent_dim=4, resolution=8, channels=3)

    def _map(self, z: torch.Tensor, label: torch.Tensor | None) -> torch.Tensor:
        return z @ self.mapping.T

    def _w_mean(self) -> torch.Tensor:
        return torch.zeros(4)

    def _paint(self, latents: torch.Tensor, **options: object) -> torch.Tensor:
        levels = torch.tanh(0.2 * torch.stack([latents[:, 0] @ self.left, latents[:, 2] @ self.right], dim=1))
        return levels.repeat_interleave(4, dim=1)[:, None, None].expand(-1, 3, 8, -1)


class BothHalves:
    """The level of each half of a picture, as it was before tanh."""

    name, input_size = "halves", None
    features: tuple[Feature, ...] = (Feature("left", "quantity"), Feature("right", "quantity"))

    def extract(self, images: torch.Tensor) -> torch.Tensor:
        halves = torch.stack([images[..., :4].mean((1, 2, 3)), images[..., 4:].mean((1, 2, 3))], dim=1)
        return torch.atanh(halves.clamp(-0.999, 0.999))


@pytest.mark.parametrize(("groups", "drift"), [((), None), ((0, 1, 2), 0.0)])
def test_axes_by_layer_move_only_the_layers_where_a_feature_lives(groups: tuple[int, ...], drift: float | None) -> None:
    generator, extractor = Layers(), BothHalves()
    source = Source(generator, "w+" if groups else "w", groups=groups)
    latents = source.sample(2000, seed=0, mixed=bool(groups))[source.space].numpy()
    values = torch.cat([extractor.extract(images) for images in source.pictures(latents)]).numpy()
    learner = AxisLearner(extractor.features, source.latent_dim, population=population(source, seed=0))
    learner.add(latents, values)
    axes = learner.axes(generator=generator.fingerprint, space=source.space, groups=groups)
    canvas = Canvas(generator, extractor, axes)
    starts = canvas.sample(20, seed=1)
    edited = np.stack([solve(axes, Edit(start, asked={"left": 1.0})).latent for start in starts])
    change = (canvas.measure(edited) - canvas.measure(starts)).mean(axis=0)
    if drift is None:  # one w: what goes together in the population moves together
        together = np.corrcoef(values.T)[0, 1]
        assert abs(together) > 0.3
        assert change[1] / change[0] == pytest.approx(together * 1.0, abs=0.15)
    else:
        assert change[0] == pytest.approx(1.0, abs=0.15)
        assert change[1] == pytest.approx(drift, abs=0.03)
