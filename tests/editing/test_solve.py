"""The algebra of edits: what must hold for any axes, any face and any wishes."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.editing.algebra import axes_of, edits, random_axes
from tlgan.editing import Edit, solve
from tlgan.editing.edit import HOLD
from tlgan.editing.solve import FAR, TRUST
from tlgan.errors import TlganError

SMALL = st.floats(0.1, 1.5).flatmap(lambda x: st.sampled_from((x, -x)))


def move(axes, edit):
    """The move in whitened coordinates, float64 [d]."""
    metric = axes.metric
    return metric.whiten(solve(axes, edit).latent) - metric.whiten(edit.latent)


@given(case=edits(), order=st.randoms(use_true_random=False))
def test_order_of_clicks_does_not_matter(case, order):
    axes, edit = case
    clicks = [("ask", {name: value}) for name, value in edit.asked.items()]
    clicks += [("lock", {name}) for name in edit.locks]
    order.shuffle(clicks)
    clicked = Edit(edit.latent)
    for verb, what in clicks:
        clicked = getattr(clicked, verb)(what)
    np.testing.assert_array_equal(solve(axes, clicked).latent, solve(axes, edit).latent)


@given(case=edits())
def test_unlocking_takes_a_lock_back_whole(case):
    axes, edit = case
    once = edit.lock({"f0"}).unlock({"f0"})
    without = edit.unlock({"f0"})
    np.testing.assert_array_equal(solve(axes, once).latent, solve(axes, without).latent)


@given(case=edits())
def test_a_lock_changes_no_axis(case):
    axes, edit = case
    before = axes.directions.copy()
    solve(axes, edit)
    np.testing.assert_array_equal(axes.directions, before)
    plain = Edit(edit.latent).ask({"f0": 1.0})
    locked_elsewhere = solve(axes, plain.lock({"f1"}).unlock({"f1"})).latent
    np.testing.assert_array_equal(locked_elsewhere, solve(axes, plain).latent)


@given(case=edits())
def test_promises_are_kept_or_said_not_to_be(case):
    axes, edit = case
    solution = solve(axes, edit)
    rows = axes.indices(edit.asked)
    asked = np.array([edit.asked[name] for name in edit.asked])
    got = solution.reached[rows]
    held = solution.reached[axes.indices(edit.locks - set(edit.asked))]
    np.testing.assert_allclose(held, 0, atol=2e-3 * max(1, np.abs(asked).max()))
    if solution.share > 0.999:
        np.testing.assert_allclose(got, asked, atol=5e-3 * np.abs(asked).max())
    else:
        assert np.linalg.norm(got - asked) > 1e-4


@given(case=edits(count=3), value=SMALL)
def test_one_base_axis_is_exactly_the_projection(case, value):
    axes, _ = case
    axes = replace(axes, base=("f1",))
    slopes = axes.whitened_slopes
    moved, base = slopes[0], slopes[1] / np.linalg.norm(slopes[1])
    projected = moved - (moved @ base) * base
    expected = projected * value / (projected @ moved)
    if np.linalg.norm(expected) < 0.5 * TRUST * axes.metric.radius:
        face = Edit(np.zeros(axes.latent_dim, np.float32) + axes.latent_mean).ask({"f0": value})
        # From the mean no norm has to be kept inside an inner wall: the start itself is within it.
        np.testing.assert_allclose(move(axes, face), expected, atol=1e-4 * float(np.linalg.norm(expected)))


@given(case=edits(count=3), values=st.tuples(SMALL, SMALL))
def test_several_sliders_are_one_solve_and_add_up(case, values):
    """With the same rows constrained, the move is linear in what is asked."""
    axes, _ = case
    centre = Edit(axes.latent_mean.astype(np.float32))
    one = centre.ask({"f0": values[0]}).lock({"f1", "f2"})
    other = centre.ask({"f1": values[1]}).lock({"f0", "f2"})
    both = centre.ask({"f0": values[0], "f1": values[1]}).lock({"f2"})
    if min(solve(axes, e).share for e in (one, other, both)) > 0.9999:
        np.testing.assert_allclose(move(axes, both), move(axes, one) + move(axes, other), atol=1e-3)


@given(case=edits())
def test_no_shorter_move_does_the_same(case):
    """Minimality: the move lies in the span of the rows, so it is at right angles to everything that changes no row."""
    axes, edit = case
    centre = replace(edit, latent=axes.latent_mean.astype(np.float32))
    u = move(axes, centre)
    rows = axes.indices(sorted({*edit.asked, *edit.locks}))
    _, scale, right = np.linalg.svd(axes.whitened_slopes[rows], full_matrices=True)
    null = right[(scale > 1e-9).sum() :]
    np.testing.assert_allclose(null @ u, 0, atol=1e-3 * max(1.0, np.linalg.norm(u)))


@given(case=edits(count=40, dim=60, far=True))
@settings(max_examples=60)
def test_many_locks_never_leave_the_population(case):
    axes, edit = case
    edit = edit.lock({name for name in axes.names if name not in edit.asked})
    solution = solve(axes, edit)
    start = np.linalg.norm(axes.metric.whiten(edit.latent))
    end = np.linalg.norm(axes.metric.whiten(solution.latent))
    assert np.isfinite(solution.latent).all()
    assert end <= max(axes.metric.radius, start) * (1 + 1e-5)


@pytest.mark.parametrize("white", [True, False])
def test_locks_in_the_way_are_named(white):
    """f1 is nearly f0: with f1 locked, f0 can hardly move, and it is f1 that is named."""
    rng = np.random.default_rng(0)
    axes = random_axes(rng, 20, 4, white=white)
    directions = axes.directions.copy()
    directions[1] = directions[0] + 0.01 * directions[2]
    axes = replace(axes, directions=directions)
    edit = Edit(axes.latent_mean.astype(np.float32)).ask({"f0": 2.0}).lock({"f1", "f3"})
    solution = solve(axes, edit)
    assert solution.share < 0.5
    assert next(iter(solution.in_the_way)) == "f1"
    assert solution.in_the_way["f1"] > 0.9
    freed = solve(axes, edit.unlock({"f1"}))
    assert freed.share > 0.99
    assert not freed.in_the_way


def test_locks_on_nearly_everything_become_soft_where_they_lead_too_far():
    """Eight features that are nearly one another: held by constraints, one moves by a way that is nearly all theirs."""
    rng = np.random.default_rng(0)
    common, own = rng.normal(size=(1, 24)), rng.normal(size=(8, 24))
    axes = axes_of((common + 0.1 * own) / np.sqrt(24))
    edit = Edit(np.zeros(24, np.float32)).ask({"f0": 0.2})
    few, all_others = (edit.lock({f"f{k}" for k in range(1, count)}) for count in (5, 8))
    assert np.abs(solve(axes, few).reached[1:5]).max() < 1e-4
    assert np.linalg.norm(move(axes, few)) > FAR * np.linalg.norm(move(axes, edit))
    held = edit.lock({f"f{k}" for k in range(1, 8)}, HOLD)
    np.testing.assert_allclose(move(axes, all_others), move(axes, held), atol=1e-5)
    assert solve(axes, all_others).reached[0] == pytest.approx(0.2, abs=1e-4)
    clear = axes_of(own / np.sqrt(24))  # features that are not
    assert np.abs(solve(clear, all_others).reached[1:]).max() < 1e-4


def test_the_price_of_a_lock_is_what_leaving_it_out_saves():
    rng = np.random.default_rng(3)
    axes = random_axes(rng, 12, 5, white=True)
    edit = Edit(np.zeros(12, np.float32)).ask({"f0": 90.0}).lock({"f1", "f2", "f3"})
    solution = solve(axes, edit)
    assert solution.in_the_way

    def length(e):
        rows = axes.indices(sorted({*e.asked, *e.locks}))
        wanted = np.array([e.asked.get(axes.names[row], 0.0) for row in rows])
        return np.linalg.norm(np.linalg.pinv(axes.whitened_slopes[rows]) @ wanted)

    for name, share in solution.in_the_way.items():
        assert share == pytest.approx(1 - length(edit.unlock({name})) / length(edit), rel=1e-4)


def test_soft_locks_lie_between_none_and_hard():
    axes = random_axes(np.random.default_rng(5), 30, 3, white=True)
    edit = Edit(np.zeros(30, np.float32)).ask({"f0": 1.0})
    drift = [abs(solve(axes, e).reached[1]) for e in (edit, *(edit.lock({"f1"}, w) for w in (0.1, 1.0, 10.0, 1e4)))]
    assert all(a > b for a, b in pairwise(drift))
    assert drift[-1] < 1e-3
    assert solve(axes, edit.lock({"f1"}, 1e5)).latent == pytest.approx(solve(axes, edit.lock({"f1"})).latent, abs=1e-3)


def test_the_move_follows_the_population_in_w():
    """Two directions do the same; the one along which latents vary ten times more is taken."""
    covariance = np.diag([100.0, 1.0])
    axes = axes_of(np.array([[1.0, 1.0]]), covariance=covariance)
    change = solve(axes, Edit(np.zeros(2, np.float32)).ask({"f0": 0.1})).latent
    assert change[0] == pytest.approx(100 * change[1], rel=1e-4)


def test_a_long_request_is_cut_back_not_refused():
    axes = random_axes(np.random.default_rng(7), 16, 3, white=True)
    face = Edit(np.random.default_rng(8).normal(size=16).astype(np.float32)).ask({"f0": 1000.0})
    solution = solve(axes, face)
    assert 0 < solution.share < 0.1
    assert solution.reached[0] > 0


def test_unknown_features_are_named():
    axes = random_axes(np.random.default_rng(0), 8, 2, white=True)
    with pytest.raises(TlganError, match="unknown feature 'f9'"):
        solve(axes, Edit(np.zeros(8, np.float32)).ask({"f9": 1.0}))
