"""The page's closed loop against Python's, where neither can differentiate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.publish.test_algebra import OPEN, given_axes, given_edit
from tlgan.editing import QUALITIES, Edit, resolve
from tlgan.workspace import Workspace

pytestmark = pytest.mark.browser

# What the extractor of the two-halves world sees of the generator's pictures, and of their mirror images.
LOOK = """
const { refine } = await load("local/refine.js");
const look = async (latent) => {
  const levels = given.directions.map((row) => Math.tanh(row.reduce((sum, value, k) => sum + value * latent[k], 0)));
  const plain = axes.positions([levels[0], 2 * levels[1], 0]);
  const other = axes.positions([levels[1], 2 * levels[0], 0]);
  return { plain, mean: plain.map((value, k) => (given.symmetric[k] ? (value + other[k]) / 2 : value)) };
};
const { latent, reached, share } = await refine(axes, edit, look, axes.facts.looks[given.quality]);
return [Array.from(latent), Array.from(reached), share];
"""


@pytest.mark.parametrize(
    ("asked", "locks", "soft"),
    [
        ({"left": 1.2}, {"right_bright"}, {}),
        ({"left": -0.8, "right_bright": 0.5}, set(), {}),
        ({"left": 30.0}, set(), {}),
        ({"left": 1.0}, set(), {"right_bright": 0.7}),
    ],
)
@pytest.mark.parametrize("quality", QUALITIES)
def test_the_same_iteration(
    halves: Workspace, javascript: Callable[..., Any], asked: Any, locks: Any, soft: Any, quality: str
) -> None:
    axes = halves.axes
    edit = Edit(halves.canvas.start(0), asked=asked, locks=frozenset(locks), soft=soft, exact=True)
    assert not halves.canvas.differentiable(np.array([0, 1]))
    wanted = resolve(halves.canvas, edit, quality)
    assert wanted.by == "looks"
    directions = halves.generator.module.directions.tolist()  # type: ignore[attr-defined]
    given = {**given_axes(axes), "edit": given_edit(edit), "directions": directions, "quality": quality}
    given["symmetric"] = halves.canvas.symmetric.tolist()
    latent, reached, share = javascript(OPEN + LOOK, **given)
    np.testing.assert_allclose(latent, wanted.latent, atol=2e-3)
    np.testing.assert_allclose(reached[:2], wanted.reached[:2], atol=2e-3)
    assert share == pytest.approx(wanted.share, abs=2e-3)
    if asked == {"left": 1.2}:
        assert share > 0.9
