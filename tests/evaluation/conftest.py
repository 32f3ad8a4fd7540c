"""A drawn world with its axes, made once: what reads its faces has errors of its own, and the truth is known."""

from __future__ import annotations

import pytest

from tests.evaluation.drawn_faces import LATENT_DIM, drawn_faces
from tlgan.axes import AxisLearner
from tlgan.editing import Canvas
from tlgan.evaluation import Truth


@pytest.fixture(scope="session")
def drawn() -> tuple[Canvas, Truth]:
    """Axes that a network's word was regressed on, and the truth."""
    generator, reader, truth = drawn_faces(seed=3)
    learner = AxisLearner(reader.features, LATENT_DIM)
    z = generator.sample(2000, seed=1)
    learner.add(z.numpy(), reader.extract(generator.synthesize(z)).numpy())
    return Canvas(generator, reader, learner.axes(generator=generator.fingerprint, space="z")), truth
