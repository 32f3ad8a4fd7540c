"""Wrong labels blur an axis but do not turn it."""

from __future__ import annotations

import numpy as np
import pytest

from tlgan.axes import AxisLearner
from tlgan.extractors import Feature


@pytest.mark.parametrize("share", [0.5, 0.2])
def test_one_label_in_ten_flipped_keeps_the_axis(share: float) -> None:
    rng = np.random.default_rng(0)
    latents = rng.normal(size=(10_000, 100)).astype(np.float32)
    truth = rng.normal(size=100)
    truth /= np.linalg.norm(truth)
    score = latents @ truth + 0.7 * rng.normal(size=len(latents))
    shown = score > np.quantile(score, 1 - share)
    flipped = shown ^ (rng.random(len(shown)) < 0.1)
    found = []
    for labels in (shown, flipped):
        learner = AxisLearner([Feature("f", "probability")], 100)
        learner.add(latents, labels[:, None].astype(float))
        direction = learner.axes(generator="", space="z").directions[0]
        found.append(direction / np.linalg.norm(direction))
    assert found[0] @ found[1] > 0.9
    assert found[1] @ truth > 0.9
