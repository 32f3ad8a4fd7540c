"""The page's algebra against Python's own numbers: latents, geometry, solves, the closed loop."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tlgan.axes import Axes, AxisLearner, Metric
from tlgan.editing import Edit, solve
from tlgan.editing.between import between
from tlgan.extractors import Feature
from tlgan.generators.latents import sample_latents
from tlgan.web.publish import data

pytestmark = pytest.mark.browser
JavaScript = Callable[..., Any]

OPEN = """
const { Axes } = await load("local/axes.js");
const { read } = await load("local/safetensors.js");
const bytes = Uint8Array.from(atob(given.file), (letter) => letter.charCodeAt(0));
const axes = new Axes(given.facts, read(bytes));
const edit = given.edit && { ...given.edit, latent: Float32Array.from(given.edit.latent) };
"""


def random_axes(space: str, dim: int, count: int = 9) -> Axes:
    """Axes of random features; in w with a covariance that spans five orders of magnitude."""
    rng = np.random.default_rng(dim)
    kinds = ["probability" if row % 3 == 0 else "quantity" for row in range(count)]
    features = [Feature(f"feature_{row}", kind, high="more") for row, kind in enumerate(kinds)]
    latents = rng.normal(size=(6 * dim, dim))
    if space == "w":
        mixing = np.linalg.qr(rng.normal(size=(dim, dim)))[0] * np.geomspace(1, 3e-3, dim)
        latents = latents @ mixing.T + rng.normal(size=dim)
    responses = latents @ rng.normal(size=(dim, count)) / np.sqrt(dim) + rng.normal(size=(len(latents), count))
    population = Metric.around(latents, latents.mean(axis=0), np.cov(latents.T)) if space == "w" else None
    learner = AxisLearner(features, dim, population=population)
    values = np.where(np.array(kinds) == "probability", 1 / (1 + np.exp(-responses)), 3 * responses - 2)
    learner.add(latents.astype(np.float32), values.astype(np.float32))
    return learner.axes(generator="0" * 64, space=space, base=("feature_1",))


def given_axes(axes: Axes) -> dict[str, Any]:
    """The axes as a site carries them."""
    generator: Any = SimpleNamespace(latent_dim=axes.latent_dim, w_dim=axes.latent_dim, channels=3, resolution=8)
    nothing = np.zeros((0, len(axes.features)), dtype=np.int8)
    facts = data.facts(axes, generator, resolution=8, columns=list(range(len(axes.features))), samples=0)
    return {"facts": facts, "file": base64.b64encode(data.axes_file(axes, nothing)).decode()}


def given_edit(edit: Edit) -> dict[str, Any]:
    """An edit as the page's algebra takes it."""
    return {
        "latent": [float(value) for value in edit.latent],
        "asked": dict(edit.asked),
        "locks": sorted(edit.locks),
        "soft": dict(edit.soft),
        "exact": edit.exact,
    }


@pytest.mark.parametrize(("seed", "row", "dim"), [(0, 0, 100), (7, 3, 512), (2**31 - 1, 41, 6), (123456789, 2**20, 33)])
def test_latents_are_those_of_python(javascript: JavaScript, seed: int, row: int, dim: int) -> None:
    body = 'const { sampleLatent } = await load("local/latents.js");'
    drawn = javascript(body + "return Array.from(sampleLatent(...given.of));", of=[seed, row, dim])
    wanted = sample_latents(1, dim, seed=seed, start=row)[0]
    np.testing.assert_array_max_ulp(np.array(drawn, dtype=np.float32), wanted, maxulp=1)


def test_the_random_words_are_philox(javascript: JavaScript) -> None:
    body = """const { philox } = await load("local/latents.js");
    return philox(BigInt(given.counter), BigInt(given.seed)).map(String);"""
    counter, seed = 2**200 + 12345, 2**64 - 3
    words = np.random.Philox(key=seed, counter=counter - 1).random_raw(4)
    assert [int(word) for word in javascript(body, counter=str(counter), seed=str(seed))] == words.tolist()


@pytest.mark.parametrize(("space", "dim"), [("z", 24), ("w", 64)])
def test_geometry_and_positions(javascript: JavaScript, space: str, dim: int) -> None:
    axes = random_axes(space, dim)
    rng = np.random.default_rng(1)
    latent = axes.metric.colour(rng.normal(size=dim)).astype(np.float32)
    responses = rng.normal(size=len(axes.features)) * 20
    body = """const white = axes.whiten(given.latent);
    return [Array.from(white), Array.from(axes.colour(white)), Array.from(axes.positions(given.responses)),
            Array.from(axes.slopes)];"""
    found = javascript(
        OPEN + body, **given_axes(axes), latent=[float(v) for v in latent], responses=[float(v) for v in responses]
    )
    white, back, positions, slopes = found
    np.testing.assert_allclose(white, axes.metric.whiten(latent), atol=1e-5)
    np.testing.assert_allclose(back, latent, atol=1e-6)
    with np.errstate(over="ignore"):
        probabilities = 1 / (1 + np.exp(-responses))
    kinds = np.array([feature.kind == "probability" for feature in axes.features])
    wanted = axes.positions(np.where(kinds, probabilities, responses))
    np.testing.assert_allclose(positions, wanted, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(np.reshape(slopes, (-1, dim)), axes.whitened_slopes, rtol=1e-9, atol=1e-12)


EDITS: dict[str, dict[str, Any]] = {
    "nothing": {"locks": frozenset({"feature_2"})},
    "one": {"asked": {"feature_0": 1.5}},
    "the base itself": {"asked": {"feature_1": -1.0}},
    "several and locks": {
        "asked": {"feature_0": 1.0, "feature_5": -0.7},
        "locks": frozenset({"feature_2", "feature_8"}),
    },
    "soft locks": {
        "asked": {"feature_0": 1.5},
        "locks": frozenset({"feature_2"}),
        "soft": {"feature_2": 1.0, "feature_3": 0.5, "feature_6": 40.0},
    },
    "a lock on what moves": {"asked": {"feature_0": 1.0}, "locks": frozenset({"feature_0", "feature_3"})},
    "all others": {"asked": {"feature_4": 2.0}, "locks": frozenset(f"feature_{row}" for row in range(9) if row != 4)},
    "too much": {"asked": {"feature_0": 60.0, "feature_3": 40.0}, "locks": frozenset({"feature_7"})},
}


@pytest.mark.parametrize(("space", "dim"), [("z", 24), ("w", 64)])
@pytest.mark.parametrize("name", EDITS)
def test_solves_are_those_of_python(javascript: JavaScript, space: str, dim: int, name: str) -> None:
    axes = random_axes(space, dim)
    body = """const { solve } = await load("local/solve.js");
    const { latent, reached, share, in_the_way } = solve(axes, edit);
    return [Array.from(latent), Array.from(reached), share, in_the_way];"""
    rng = np.random.default_rng(2)
    for length in (0.6, 1.0, 1.25):  # inside the shell, on it, outside of it
        latent = axes.metric.colour(rng.normal(size=dim) * length).astype(np.float32)
        edit = Edit(latent, **EDITS[name])
        wanted = solve(axes, edit)
        found, reached, share, blocked = javascript(OPEN + body, **given_axes(axes), edit=given_edit(edit))
        scale = float(np.abs(wanted.latent).max())
        np.testing.assert_allclose(found, wanted.latent, atol=1e-5 * max(scale, 1))
        np.testing.assert_allclose(reached, wanted.reached, atol=1e-5 * max(1, float(np.abs(wanted.reached).max())))
        assert share == pytest.approx(wanted.share, abs=1e-5)
        assert blocked == list(wanted.in_the_way)
        if name == "too much":
            assert wanted.share < 0.9


def test_locks_on_nearly_everything_become_soft_in_both(javascript: JavaScript) -> None:
    axes = random_axes("w", 64)
    axes = replace(axes, directions=axes.directions[4] + 0.1 * axes.directions)
    edit = Edit(axes.latent_mean.astype(np.float32), **EDITS["all others"])
    body = """const { solve } = await load("local/solve.js"); return Array.from(solve(axes, edit).reached);"""
    wanted = solve(axes, edit).reached
    assert np.abs(np.delete(wanted, 4)).max() > 0.5
    np.testing.assert_allclose(javascript(OPEN + body, **given_axes(axes), edit=given_edit(edit)), wanted, atol=1e-4)


def test_contradicting_wishes_are_met_half_way_in_both(javascript: JavaScript) -> None:
    """Two features with the same slopes, asked to go opposite ways: the Gram matrix is singular."""
    axes = random_axes("z", 24)
    twin = axes.directions.copy()
    twin[3] = twin[2] * axes.sd[3] / axes.sd[2]
    axes = replace(axes, directions=twin)
    edit = Edit(np.zeros(24, dtype=np.float32), asked={"feature_2": 1.0, "feature_3": -0.5})
    body = """const { solve } = await load("local/solve.js"); return Array.from(solve(axes, edit).reached);"""
    reached = javascript(OPEN + body, **given_axes(axes), edit=given_edit(edit))
    np.testing.assert_allclose(reached, solve(axes, edit).reached, atol=1e-5)
    assert reached[2] == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize(("space", "dim"), [("z", 24), ("w", 64)])
def test_the_way_between_two_faces(javascript: JavaScript, space: str, dim: int) -> None:
    axes = random_axes(space, dim)
    rng = np.random.default_rng(3)
    ends = axes.metric.colour(rng.normal(size=(2, dim))).astype(np.float32)
    body = """const { between } = await load("local/solve.js");
    return given.places.map((at) => Array.from(between(axes, given.ends[0], given.ends[1], at)));"""
    places = [0, 0.25, 0.5, 1]
    found = javascript(OPEN + body, **given_axes(axes), ends=ends.tolist(), places=places)
    np.testing.assert_allclose(found, between(axes, ends[0], ends[1], places), atol=1e-5)


def test_eigenvalues_of_a_large_matrix(javascript: JavaScript) -> None:
    rng = np.random.default_rng(4)
    factor = rng.normal(size=(54, 30))
    matrix = factor @ factor.T  # rank 30
    body = """const { eigen } = await load("local/eigen.js");
    const { values, vectors } = eigen(Float64Array.from(given.matrix), 54); return [values, Array.from(vectors)];"""
    values, vectors = javascript(body, matrix=matrix.reshape(-1).tolist())
    basis = np.reshape(vectors, (54, 54))
    np.testing.assert_allclose(sorted(values), np.linalg.eigvalsh(matrix), atol=1e-10)
    np.testing.assert_allclose(basis @ np.diag(values) @ basis.T, matrix, atol=1e-10)
    np.testing.assert_allclose(basis.T @ basis, np.eye(54), atol=1e-12)
