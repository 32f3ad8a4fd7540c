"""Methods before a judge who knows the truth, and what an evaluation says of them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.evaluation.drawn_faces import ATTRIBUTES, FEATURES, DrawnFaces, FaceReader
from tlgan.editing import QUALITIES, Canvas, Edit, Face, refine, resolve, solve
from tlgan.errors import TlganError
from tlgan.evaluation import METHODS, Evaluation, Method, Truth, evaluate
from tlgan.evaluation.bench import Bench
from tlgan.evaluation.evaluate import PLAIN_START, SEED
from tlgan.evaluation.judging import Judge

FACES = 24


@pytest.fixture(scope="module")
def found(drawn: tuple[Canvas, Truth]) -> Evaluation:
    canvas, truth = drawn
    return evaluate(canvas, truth, methods=("plain", "joint", "exact"), faces=FACES, plain=600)


def test_exact_edits_are_truer_than_an_axis(found: Evaluation) -> None:
    plain, exact = found["plain"], found["exact"]
    assert exact.leak.value < 0.75 * plain.leak.value
    assert exact.error.value < 1.2 * plain.error.value
    assert exact.got.value > 0.85 * found.amount
    assert exact.leak.high < plain.leak.low  # no matter of luck


def test_nothing_leaves_the_prior(found: Evaluation) -> None:
    for score in found.methods:
        assert score.furthest <= 1.25  # a face drawn from outside of the 99 % may stay where it is
        assert score.norm < 1.0


def test_the_network_that_made_an_edit_flatters_it(found: Evaluation) -> None:
    exact = found["exact"]
    assert exact.own_drift < exact.drift.value
    assert exact.own_drift < found["plain"].own_drift


def test_figures_are_those_of_the_truth(drawn: tuple[Canvas, Truth]) -> None:
    """The evaluation's numbers, computed again from nothing but the world's own attributes."""
    canvas, truth = drawn
    names = ("smile", "glasses", "width")
    found = evaluate(canvas, truth, features=names, methods=["plain"], faces=8, plain=300)["plain"]
    columns = [ATTRIBUTES.index(name) for name in names]
    starts = canvas.sample(8, seed=SEED)
    signs = np.where(np.arange(8) % 2 == 0, 1.0, -1.0)
    _, scale = truth.measure(canvas.sample(300, seed=SEED, start=PLAIN_START), torch.empty(0))
    sd = scale[:, columns].std(axis=0)
    axes = replace(canvas.axes, base=())
    for k, name in enumerate(names):
        ends = np.stack(
            [solve(axes, Edit(z, asked={name: 1.5 * s})).latent for z, s in zip(starts, signs, strict=True)]
        )
        before, after = (truth.measure(latents, torch.empty(0))[0][:, columns] for latents in (starts, ends))
        change = (after - before) / sd * signs[:, None]
        slider = found.slider(name)
        assert slider is not None
        assert slider.got.value == pytest.approx(change[:, k].mean(), abs=1e-4)
        assert slider.error.value == pytest.approx(np.abs(change[:, k] - 1.5).mean(), abs=1e-4)
        np.testing.assert_allclose(slider.signed, change.mean(axis=0), atol=1e-4)
        np.testing.assert_allclose(slider.effects, np.abs(change).mean(axis=0), atol=1e-4)
        assert slider.drift.value == pytest.approx(np.abs(np.delete(change, k, axis=1)).mean(), abs=1e-4)


def test_every_method_is_tried_and_none_harms_the_picture(drawn: tuple[Canvas, Truth]) -> None:
    canvas, truth = drawn
    found = evaluate(canvas, truth, features=ATTRIBUTES[:3], methods=list(METHODS), faces=6, plain=200)
    assert [score.method for score in found.methods] == list(METHODS)
    for score in found.methods:
        assert score.got.value > 0.2, score.method
        assert score.got.low <= score.got.value <= score.got.high
        assert np.isfinite([score.frechet, score.norm, score.seconds]).all()
        assert sum(entry.edits for entry in score.dependency) <= 6 * 3


def test_what_ships_is_judged(drawn: tuple[Canvas, Truth]) -> None:
    """Every quality has a method, and the method's latents are those that the quality gives to anybody, but for rounding:
    three faces at once take their slopes in another order than one."""
    canvas, _ = drawn
    assert {method.quality for method in METHODS.values() if not method.identity} - {""} == set(QUALITIES)
    starts, asks = canvas.sample(3, seed=8), np.array([1.0, -1.0, 0.5])
    for method in METHODS.values():
        if method.identity or not method.quality:
            continue
        judged = method.latents(canvas, starts, ATTRIBUTES[0], asks, ATTRIBUTES[:3])
        for start, ask, latent in zip(starts, asks, judged, strict=True):
            edit = Edit(start, {ATTRIBUTES[0]: float(ask)}, frozenset(ATTRIBUTES[1:3]), exact=True)
            np.testing.assert_allclose(latent, resolve(canvas, edit, method.quality).latent, atol=5e-3)
            if method.quality == "final":
                np.testing.assert_allclose(latent, Face(canvas, edit).latent, atol=5e-3)


def test_an_evaluation_travels_as_json(found: Evaluation) -> None:
    assert Evaluation.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_identity_is_one_for_the_same_picture_and_none_for_a_stranger(drawn: tuple[Canvas, Truth]) -> None:
    canvas, truth = drawn
    bench = Bench(canvas, ATTRIBUTES, canvas.sample(40, seed=5))
    judge = Judge(canvas, truth, ATTRIBUTES, canvas.sample(300, seed=6))

    class Nothing(Method):
        def latents(self, canvas, starts, name, asks, others):
            return starts

    class Another(Method):
        def latents(self, canvas, starts, name, asks, others):
            return np.roll(starts, 1, axis=0)

    for method, wanted in ((Nothing("same", "", "none"), 1.0), (Another("other", "", "none"), 0.0)):
        measured = bench.measure(judge, bench.try_out(method, 1.0))
        assert measured.identity.mean() == pytest.approx(wanted, abs=0.15)


def test_what_can_not_be_judged_is_refused_in_a_line(drawn: tuple[Canvas, Truth]) -> None:
    canvas, truth = drawn
    with pytest.raises(TlganError, match="at least 4"):
        evaluate(canvas, truth, faces=3)
    with pytest.raises(TlganError, match="unknown feature 'smil'"):
        evaluate(canvas, truth, features=["smil", "glasses"])
    with pytest.raises(TlganError, match="at least two"):
        evaluate(canvas, truth, features=["smile"])
    with pytest.raises(TlganError, match="unknown method"):
        evaluate(canvas, truth, methods=["magic"])
    knows_little = Truth("a stranger", FEATURES[:1], lambda z: z[:, :1])
    with pytest.raises(TlganError, match="fewer than two"):
        evaluate(canvas, knows_little)
    with pytest.raises(TlganError, match="knows no glasses"):
        evaluate(canvas, knows_little, features=["smile", "glasses"])


def test_the_world_draws_what_it_says() -> None:
    """Each attribute changes the picture where it should, and another network reads it back."""
    world = DrawnFaces(seed=3)
    z = torch.randn(600, 32, generator=torch.Generator().manual_seed(9))
    truth = world.attributes(z)
    assert torch.allclose(truth.std(dim=0), torch.ones(8), atol=0.15)
    with torch.no_grad():
        read = FaceReader(world, seed=8).extract(world(z))
    for k, name in enumerate(ATTRIBUTES):
        assert np.corrcoef(truth[:, k], read[:, k])[0, 1] > 0.8, name


def test_a_refused_wish_says_what_is_in_the_way(drawn: tuple[Canvas, Truth]) -> None:
    canvas, _ = drawn
    far = Edit(canvas.start(1), asked={"smile": 12.0}, locks=frozenset(ATTRIBUTES) - {"smile"})
    solution = refine(canvas, far)
    assert solution.share < 0.9
    assert set(solution.in_the_way) <= set(ATTRIBUTES) - {"smile"}
