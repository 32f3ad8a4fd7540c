"""Latents, solves, exact edits and a saved state give the committed numbers; `tests/publish/test_golden_in_the_page.py`
asks the same of the page."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests import golden
from tlgan.editing import Solution, resolve, solve
from tlgan.editing.state import from_json, to_json
from tlgan.generators.latents import sample_latents

GOLDEN = golden.read()


def agree(found: Solution, wanted: dict[str, Any], tolerance: float) -> None:
    """The same latent, and the same said of it."""
    np.testing.assert_allclose(found.latent, wanted["latent"], atol=tolerance)
    np.testing.assert_allclose(found.reached, wanted["reached"], atol=tolerance)
    assert found.share == pytest.approx(wanted["share"], abs=tolerance)
    shares = [found.in_the_way[name] for name in wanted["in_the_way"]]
    assert len(shares) == len(found.in_the_way)
    assert (np.diff(shares) < tolerance).all()  # the costliest first; equally costly ones in either order


@pytest.mark.parametrize("case", GOLDEN["latents"], ids=lambda case: str(case["of"]))
def test_latents(case: dict[str, Any]) -> None:
    seed, row, dim = case["of"]
    found = sample_latents(1, dim, seed=seed, start=row)[0]
    np.testing.assert_array_max_ulp(found, np.float32(case["latent"]), maxulp=1)


@pytest.mark.parametrize("case", GOLDEN["solved"], ids=lambda case: f"{case['edit']['space']} {case['name']}")
def test_solves(case: dict[str, Any]) -> None:
    edit = golden.edit_of(GOLDEN, case)
    agree(solve(golden.axes_of(GOLDEN, case["edit"]["space"]), edit), case, 1e-5)


@pytest.mark.parametrize(
    "case", GOLDEN["refined"], ids=lambda case: f"{case['name']} {case['quality']} by {case['by']}"
)
def test_exact_edits(case: dict[str, Any]) -> None:
    canvas = golden.canvas_of(GOLDEN, gradients=case["gradients"])
    assert canvas.symmetric.tolist() == GOLDEN["symmetric"]
    found = resolve(canvas, golden.edit_of(GOLDEN, case), case["quality"])
    assert found.by == case["by"]
    agree(found, case, 1e-3)


def test_a_saved_state() -> None:
    axes = golden.axes_of(GOLDEN, "z")
    edit = from_json(GOLDEN["state"], axes)
    assert edit.reached is not None
    assert to_json(edit, axes) == GOLDEN["state"]
