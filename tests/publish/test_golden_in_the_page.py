"""The page's JavaScript gives the committed numbers that Python is tested on in `tests/editing/test_golden_edits.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests import golden
from tests.publish.test_algebra import OPEN, given_axes, given_edit

pytestmark = pytest.mark.browser
JavaScript = Callable[..., Any]

GOLDEN = golden.read()
# The networks of the golden vectors, and what is seen of their pictures.
LOOK = """
const { refine } = await load("local/refine.js");
const { mix, bend } = given.bars;
const dot = (row, latent) => row.reduce((sum, value, k) => sum + value * latent[k], 0);
const look = async (latent) => {
  const bars = mix.map((row, i) =>
    2 * Math.tanh(0.6 * (dot(row, latent) + 0.5 * latent[0]) + 0.3 * Math.sin(1.5 * dot(bend[i], latent))));
  const plain = axes.positions(bars);
  const other = axes.positions(bars.toReversed());
  return { plain, mean: plain.map((value, k) => (given.symmetric[k] ? (value + other[k]) / 2 : value)) };
};
const found = await refine(axes, edit, look, axes.facts.looks[given.quality]);
"""
SAY = "return [Array.from(found.latent), Array.from(found.reached), found.share, found.in_the_way];"


def agree(found: Any, wanted: dict[str, Any], tolerance: float) -> None:
    """The same latent, and the same said of it."""
    latent, reached, share, blocked = found
    np.testing.assert_allclose(latent, wanted["latent"], atol=tolerance)
    np.testing.assert_allclose(reached, wanted["reached"], atol=tolerance)
    assert share == pytest.approx(wanted["share"], abs=tolerance)
    assert blocked == wanted["in_the_way"]


@pytest.mark.parametrize("case", GOLDEN["latents"], ids=lambda case: str(case["of"]))
def test_latents(javascript: JavaScript, case: dict[str, Any]) -> None:
    body = 'const { sampleLatent } = await load("local/latents.js");'
    found = javascript(body + "return Array.from(sampleLatent(...given.of));", of=case["of"])
    np.testing.assert_array_max_ulp(np.float32(found), np.float32(case["latent"]), maxulp=1)


@pytest.mark.parametrize("case", GOLDEN["solved"], ids=lambda case: f"{case['edit']['space']} {case['name']}")
def test_solves(javascript: JavaScript, case: dict[str, Any]) -> None:
    body = 'const { solve } = await load("local/solve.js"); const found = solve(axes, edit);'
    given = {
        **given_axes(golden.axes_of(GOLDEN, case["edit"]["space"])),
        "edit": given_edit(golden.edit_of(GOLDEN, case)),
    }
    agree(javascript(OPEN + body + SAY, **given), case, 1e-5)


# The page has no gradients.
@pytest.mark.parametrize(
    "case",
    [case for case in GOLDEN["refined"] if not case["gradients"]],
    ids=lambda case: f"{case['name']} {case['quality']}",
)
def test_exact_edits(javascript: JavaScript, case: dict[str, Any]) -> None:
    given = {**given_axes(golden.axes_of(GOLDEN, "z")), "edit": given_edit(golden.edit_of(GOLDEN, case))}
    given |= {"bars": GOLDEN["bars"], "symmetric": GOLDEN["symmetric"], "quality": case["quality"]}
    agree(javascript(OPEN + LOOK + SAY, **given), case, 1e-3)


def test_a_saved_state(javascript: JavaScript) -> None:
    body = """const { decode, fromState, toState } = await load("local/faces.js");
    const face = fromState(axes, given.state);
    return [face.seed, toState(axes, face, Float32Array.from(given.state.latent)), Array.from(decode(face.reached.latent, axes.dim))];"""
    axes = golden.axes_of(GOLDEN, "z")
    seed, state, reached = javascript(OPEN + body, **given_axes(axes), state=GOLDEN["state"])
    assert seed == GOLDEN["state"]["seed"] == 3
    assert state == GOLDEN["state"]
    np.testing.assert_allclose(reached, GOLDEN["refined"][-1]["latent"], atol=1e-5)
