"""Exact edits against a world whose truth is known: what is measured is what was asked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.editing.algebra import random_axes
from tests.worlds import BARS as DIM
from tests.worlds import Bars, DifferentiableRuler, Ruler
from tlgan import pieces
from tlgan.axes import AxisLearner
from tlgan.editing import QUALITIES, Canvas, Edit, Face, exact, path, refine, resolve, resolve_all, resolved, solve
from tlgan.editing.exact import _learned
from tlgan.errors import TlganError
from tlgan.generators import wrap_generator

# A mirrored picture of bars is another picture: these worlds are looked at straight.
pytestmark = pytest.mark.usefixtures("straight")


@pytest.fixture
def straight(monkeypatch):
    from tlgan.editing import views

    monkeypatch.setattr(views, "VIEWS", views.VIEWS[:1])


@pytest.fixture(scope="module")
def worlds() -> dict[str, Canvas]:
    generator = wrap_generator(Bars(), latent_dim=DIM)
    found = {}
    for name, extractor in (("gradients", DifferentiableRuler()), ("broyden", Ruler())):
        learner = AxisLearner(extractor.features, DIM)
        z = generator.sample(3000, seed=5)
        learner.add(z.numpy(), extractor.extract(generator.synthesize(z)).numpy())
        found[name] = Canvas(generator, extractor, learner.axes(generator=generator.fingerprint, space="z"))
    return found


@pytest.fixture(params=["gradients", "broyden"])
def canvas(request, worlds) -> Canvas:
    return worlds[request.param]


def changes(canvas: Canvas, edit: Edit, latent: np.ndarray) -> np.ndarray:
    before, after = canvas.measure(np.stack([edit.latent, latent]))
    return after - before


def faces(canvas: Canvas, count: int = 12) -> list[Edit]:
    return [
        Edit(canvas.start(seed), seed=seed).ask({"bar0": 1.0}).lock({"bar1", "bar2", "bar3"}) for seed in range(count)
    ]


def test_the_loop_closes(canvas):
    edits = faces(canvas)
    opened = np.stack([changes(canvas, e, solve(canvas.axes, e).latent) for e in edits])
    closed = np.stack([changes(canvas, e, refine(canvas, e, looks=6).latent) for e in edits])
    wanted = np.array([1.0, 0, 0, 0])
    assert np.abs(closed - wanted).mean() < 0.25 * np.abs(opened - wanted).mean()
    # The bars saturate: some faces can't be moved so far. Most can, and then they are where they should be.
    assert np.median(np.abs(closed - wanted).max(axis=1)) < 0.1


def test_reached_is_what_is_measured(canvas):
    for edit in faces(canvas, 4):
        solution = refine(canvas, edit)
        np.testing.assert_allclose(solution.reached, changes(canvas, edit, solution.latent), atol=1e-5)


def test_more_looks_do_no_harm(canvas):
    def miss(looks):
        return np.mean([np.abs(refine(canvas, e, looks).reached - [1, 0, 0, 0]).mean() for e in faces(canvas)])

    assert miss(8) < miss(3) < miss(1)


def test_gradients_learn_from_what_a_step_brought(worlds, monkeypatch):
    def off():
        canvas = worlds["gradients"]
        return np.median([np.abs(refine(canvas, e, 4).reached - [1, 0, 0, 0]).max() for e in faces(canvas)])

    learned = off()
    monkeypatch.setattr(exact, "_learned", lambda slopes, step, change: slopes)
    assert learned < 0.7 * off()


def test_one_gradient_and_what_is_seen_since_is_nearly_as_good(worlds):
    canvas = worlds["gradients"]
    wanted = np.array([1.0, 0, 0, 0])

    def off(**options):
        return np.mean([np.abs(refine(canvas, e, 5, **options).reached - wanted).mean() for e in faces(canvas)])

    opened = np.mean([np.abs(changes(canvas, e, solve(canvas.axes, e).latent) - wanted).mean() for e in faces(canvas)])
    assert off(gradients=1) < 0.5 * opened
    assert off() < opened


def test_many_edits_at_once_are_the_same_edits(canvas):
    edits = [*faces(canvas, 5), Edit(canvas.start(9)).ask({"bar2": -0.7}), Edit(canvas.start(10))]
    edits = [replace(edit, exact=True) for edit in edits]
    together = resolve_all(canvas, edits)
    for edit, solution in zip(edits, together, strict=True):
        np.testing.assert_allclose(solution.latent, resolve(canvas, edit).latent, atol=2e-4)


def test_nothing_asked_is_nothing_done(canvas):
    edit = Edit(canvas.start(1), locks=frozenset({"bar1"}))
    np.testing.assert_array_equal(refine(canvas, edit).latent, edit.latent)


def test_gradients_are_those_of_small_differences(worlds):
    from tlgan.editing.views import AveragedViews

    canvas = worlds["gradients"]
    views = AveragedViews(canvas, np.array([1, 3]))
    z = canvas.sample(3, seed=4)
    _, slopes = views.slopes(z)
    _, single = views.slopes(z[:1])
    np.testing.assert_allclose(single[0], slopes[0], atol=1e-5)
    step = 1e-2
    for k in range(DIM):
        e = np.zeros(DIM, np.float32)
        e[k] = step
        difference = (views.measure(z + e) - views.measure(z - e)) / (2 * step)
        np.testing.assert_allclose(slopes[:, :, k], difference, atol=5e-3)


def test_broyden_explains_the_last_step_and_nothing_else():
    rng = np.random.default_rng(0)
    slopes, step, change = rng.normal(size=(2, 3, 5)), rng.normal(size=(2, 5)), rng.normal(size=(2, 3))
    learned = _learned(slopes, step, change)
    np.testing.assert_allclose(np.einsum("nrd,nd->nr", learned, step), change, atol=1e-9)
    across = rng.normal(size=(2, 5))
    across -= step * ((across * step).sum(1) / (step**2).sum(1))[:, None]
    np.testing.assert_allclose(np.einsum("nrd,nd->nr", learned - slopes, across), 0, atol=1e-9)


def test_impossible_wishes_stay_in_the_population_and_are_told(canvas):
    edit = Edit(canvas.start(3)).ask({"bar0": 30.0}).lock({"bar1"})
    solution = refine(canvas, edit)
    start = np.linalg.norm(edit.latent)
    assert np.linalg.norm(solution.latent) <= max(canvas.axes.latent_radius, start) * 1.0001
    assert solution.share < 0.5


def test_a_path_is_linear_and_locks_hold_all_along(canvas):
    edit = Edit(canvas.start(2), exact=True).lock({"bar1", "bar2", "bar3"})
    asks = np.linspace(-0.6, 0.6, 9)
    latents = path(canvas, edit, "bar0", asks)
    own = canvas.measure(edit.latent[None])
    seen = canvas.measure(latents) - own
    np.testing.assert_allclose(seen[:, 0], asks, atol=0.06)
    np.testing.assert_allclose(seen[:, 1:], 0, atol=0.06)
    steps = np.linalg.norm(np.diff(latents, axis=0), axis=1)
    assert steps.max() < 4 * np.median(steps)
    np.testing.assert_allclose(latents[4], edit.latent, atol=1e-5)


@pytest.mark.parametrize("quality", QUALITIES)
def test_a_stop_of_a_path_is_the_face_with_the_slider_there(canvas, quality):
    edit = Edit(canvas.start(2), asked={"bar0": 0.4}, exact=True).lock({"bar1", "bar2", "bar3"})
    edit = resolved(edit, resolve(canvas, edit, quality), quality)
    asks = [-0.6, 0.0, 0.4, 0.8]
    latents = path(canvas, edit, "bar0", asks, quality)
    assert latents[2] is not edit.reached.latent
    np.testing.assert_array_equal(latents[2], edit.reached.latent)
    for ask, latent in zip(asks, latents, strict=True):
        np.testing.assert_allclose(latent, resolve(canvas, edit.ask({"bar0": ask}), quality).latent, atol=2e-4)


def test_what_was_reached_is_painted_without_a_look(canvas, monkeypatch):
    edit = Edit(canvas.start(6), asked={"bar0": 0.8}, exact=True).lock({"bar1"})
    reached = resolved(edit, resolve(canvas, edit, "live"), "live")
    assert reached.reached.quality == "live"
    assert reached.reached.by == ("gradients" if canvas.differentiable(np.array([0, 1])) else "looks")
    monkeypatch.setattr(type(canvas), "measure", lambda *_: pytest.fail("a look"))
    monkeypatch.setattr(type(canvas), "positions", lambda *_: pytest.fail("a look"))
    np.testing.assert_array_equal(resolve(canvas, reached).latent, reached.reached.latent)
    assert resolved(reached, resolve(canvas, reached)) is reached


@pytest.mark.parametrize(
    "change",
    [
        lambda edit: edit.ask({"bar0": 0.9}),
        lambda edit: edit.ask({"bar2": 0.1}),
        lambda edit: edit.lock({"bar2"}),
        lambda edit: edit.lock({"bar1"}, 3.0),
        lambda edit: edit.unlock({"bar1"}),
        lambda edit: edit.changed(exact=False),
        lambda edit: edit.changed(identity=True),
    ],
)
def test_another_wish_drops_what_was_reached_and_the_same_wish_keeps_it(canvas, change):
    edit = Edit(canvas.start(6), asked={"bar0": 0.8}, exact=True).lock({"bar1"})
    edit = resolved(edit, solve(canvas.axes, edit))
    assert change(edit).reached is None
    assert edit.ask({"bar0": 0.8}).lock({"bar1"}).unlock({"bar3"}).changed(exact=True).reached is edit.reached


def test_other_work_can_go_in_between_after_every_look(canvas):
    paused: list[str] = []
    for quality, effort in QUALITIES.items():
        paused.clear()
        with pieces.between(lambda: 100, lambda: paused.append("a piece")):
            resolve_all(canvas, faces(canvas, 2), quality)
            assert not paused  # plain edits: one solve
            resolve_all(canvas, [replace(edit, exact=True) for edit in faces(canvas, 2)], quality)
        assert len(paused) >= effort.looks


def test_an_unknown_quality_is_refused(canvas):
    with pytest.raises(TlganError, match="live or final"):
        resolve(canvas, faces(canvas, 1)[0], "best")


@pytest.mark.parametrize("change", [100.1, float("inf"), float("nan")])
def test_no_more_is_asked_for_than_a_saved_state_can_hold(canvas, change):
    with pytest.raises(TlganError, match="-100 to 100"):
        Face(canvas, Edit(canvas.start(0))).set(bar0=change)


def test_the_editor_closes_the_loop_when_exact(canvas):
    editor = Face(canvas, Edit(canvas.start(0), seed=0)).set(bar0=1.0).lock("all")
    assert set(editor.edit.locks) == {"bar1", "bar2", "bar3"}
    exact = editor.exact()
    assert abs(exact.changed()["bar0"] - 1) <= abs(editor.changed()["bar0"] - 1) + 1e-6
    assert exact.changed()["bar0"] == pytest.approx(1, abs=0.05)
    assert not exact.exact(False).edit.exact


def test_natural_units_are_reached(canvas):
    editor = Face(canvas, Edit(canvas.start(4))).exact().to(bar0=0.4, bar3=0.6, lock="all")
    assert editor.edit.locks == {"bar1", "bar2"}
    measured = editor.measured()
    assert measured["bar0"] == pytest.approx(0.4, abs=0.03)
    assert measured["bar3"] == pytest.approx(0.6, abs=0.03)


def test_identity_is_kept_where_it_can_be_seen(worlds):
    canvas = worlds["gradients"]
    edit = Edit(canvas.start(5)).ask({"bar0": 1.0})

    def distance(e):
        one, other = canvas.embed(np.stack([e.latent, refine(canvas, e, 6).latent]))
        return float((one - other).norm())

    assert distance(replace(edit, identity=True)) < distance(edit)
    with pytest.raises(TlganError, match="identity"):
        refine(worlds["broyden"], replace(edit, identity=True))


@pytest.mark.parametrize("looks", [0, -1, 10_000])
def test_a_senseless_number_of_looks_is_refused(canvas, looks):
    with pytest.raises(TlganError, match="looks"):
        refine(canvas, faces(canvas, 1)[0], looks)


def test_axes_of_another_generator_are_refused(worlds):
    canvas = worlds["gradients"]
    with pytest.raises(TlganError, match="another generator"):
        Canvas(canvas.generator, canvas.extractor, random_axes(np.random.default_rng(0), DIM, 4, white=True))
