"""Audits: planted biases are found at their size, clean classifiers acquitted; what a generator leaves out is named."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from tests.evaluation.drawn_faces import LATENT_DIM, FaceReader
from tlgan.audit import audit_classifier, audit_generator
from tlgan.audit.classifier import effects_of
from tlgan.audit.population import Reference
from tlgan.editing import Canvas
from tlgan.errors import TlganError
from tlgan.evaluation import Truth
from tlgan.evaluation.statistics import difference, holm, wilson
from tlgan.extractors import Feature


class SmileDetector:
    """Trained on pictures labelled smiling or not. In a `confounded` set whoever smiles wears glasses, too; otherwise pictures are
    weighted so that smiling goes with nothing else (inverse propensities)."""

    name, input_size = "smile-detector", None
    features: tuple[Feature, ...] = (Feature("smile_seen", "probability"),)

    def __init__(self, canvas: Canvas, truth: Truth, *, confounded: bool) -> None:
        world: Any = canvas.generator
        self.reader = FaceReader(world.module, seed=9)
        z = world.sample(6000, seed=77)
        factors = truth.measure(z.numpy(), z)[0]
        smiles, glasses = factors[:, 0] > 0, factors[:, 3] > 0
        kept = np.flatnonzero(smiles == glasses)[:2000] if confounded else np.arange(4000)
        weight = np.ones(len(kept))
        if not confounded:
            others = np.delete(factors[kept], 0, axis=1)
            chance = LogisticRegression().fit(others, smiles[kept]).predict_proba(others)[:, 1]
            weight = np.where(smiles[kept], 1 / chance, 1 / (1 - chance)).clip(max=20)
        with torch.no_grad():
            layers = torch.cat([self._layers(world.synthesize(part)) for part in torch.split(z[kept], 500)]).numpy()
        self.centre, self.scale = layers.mean(0), layers.std(0) + 1e-6
        self.model = LogisticRegression(C=0.003, max_iter=300).fit(
            (layers - self.centre) / self.scale, smiles[kept], weight
        )

    def _layers(self, images: torch.Tensor) -> torch.Tensor:
        return self.reader.network.embed(images)

    def extract(self, images: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            layers = (self._layers(images).numpy() - self.centre) / self.scale
        return torch.from_numpy(self.model.predict_proba(layers)[:, 1:]).float()


@pytest.mark.parametrize("confounded", [True, False])
def test_a_biased_classifier_is_found_and_a_clean_one_acquitted(drawn: tuple[Canvas, Truth], confounded: bool) -> None:
    canvas, truth = drawn
    sliders = ["smile", "glasses", "skin_lightness", "hair_lightness"]
    audit, moved = audit_classifier(
        canvas,
        SmileDetector(canvas, truth, confounded=confounded),
        truth,
        features=sliders,
        expected=("smile",),
        faces=48,
        plain=300,
    )
    assert moved.latents.shape == (48, 4, LATENT_DIM)
    assert audit.effects[0].verdict == "found"
    by = {effect.slider: effect for effect in audit.effects}
    assert by["smile"].verdict == "found"
    assert by["smile"].flips.value > 0.2
    assert [effect.slider for effect in audit.found] == (["glasses"] if confounded else [])
    if confounded:
        assert by["glasses"].effect.low > audit.least
        assert by["glasses"].pairs
    assert by["glasses"].faces > 0


def test_effects_are_those_planted_whatever_leaks_and_however_noisy_the_judge() -> None:
    """y = β · (true changes); every edit moves others too, and the judge errs."""
    rng = np.random.default_rng(0)
    n, k = 200, 4
    leak = np.eye(k) * 1.5 + rng.normal(0, 0.3, (k, k)) * ~np.eye(k, dtype=bool)
    planted = np.array([[0.8], [0.3], [0.0], [-0.2]])
    inside = []
    for seed in range(40):
        draw = np.random.default_rng(seed + 1)
        true = leak + draw.normal(0, 0.2, (n, k, k))
        changes = true @ planted + draw.normal(0, 0.2, (n, k, 1))
        found = effects_of(true + draw.normal(0, 0.4, (n, k, k)), changes, np.ones((n, k), dtype=bool), seed=seed)
        inside.append((found.low <= planted) & (planted <= found.high))
        assert found.p[0, 0] < 1e-6
    # 160 intervals of 95 %: fewer than 88 % has a chance under one in a thousand
    assert np.mean(inside) > 0.88


def test_a_slider_that_could_not_be_moved_is_said_so() -> None:
    seen, changes = np.ones((20, 2, 2)), np.ones((20, 2, 1))
    counts = np.array([[True, False]] * 20)
    seen[:, 0, 1] = 0
    found = effects_of(seen, changes, counts)
    assert found.value[0, 0] == pytest.approx(1.0)
    assert (found.value[1, 0], found.low[1, 0]) == (0.0, -math.inf)


def test_bad_audits_get_one_line(drawn: tuple[Canvas, Truth]) -> None:
    canvas, truth = drawn

    class Blind:
        name, input_size, features = "blind", None, (Feature("nothing", "quantity"),)

        def extract(self, images: torch.Tensor) -> torch.Tensor:
            return torch.zeros(len(images), 1)

    with pytest.raises(TlganError, match="says the same of every picture"):
        audit_classifier(canvas, Blind(), truth, features=["smile", "glasses"], faces=12, plain=50)
    with pytest.raises(TlganError, match="faces 3 is out of range"):
        audit_classifier(canvas, Blind(), truth, faces=3)
    with pytest.raises(TlganError, match="unknown feature"):
        audit_classifier(canvas, Blind(), truth, expected=["smirk"], faces=12)


# -- generators ----------------------------------------------------------------------------------------------------

FEATURES = (
    Feature("glasses", "probability"),
    Feature("old", "probability"),
    Feature("male", "probability"),
    Feature("age", "quantity"),
)


def people(n: int, glasses: float, seed: int, tie: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    old = rng.random(n) < 0.4
    wears = rng.random(n) < glasses + tie * (old - 0.4)
    return np.stack([wears, old, rng.random(n) < 0.5, 40 + 20 * old + rng.normal(0, 5, n)], axis=1).astype(float)


def test_shares_ties_and_missing_cells_of_a_generator() -> None:
    made = people(2000, 0.05, 1)
    made[(made[:, 0] == 1) & (made[:, 1] == 0), 0] = 0  # no young people with glasses
    audit = audit_generator(
        FEATURES,
        made,
        reference=Reference("photographs", people(3000, 0.2, 2), {}),
        intersect=[("glasses", "old"), ("male", "old")],
    )
    shares = {share.name: share for share in audit.shares}
    glasses = shares["glasses"]
    assert glasses.p is not None
    assert glasses.p < 1e-10
    assert glasses.difference is not None
    assert glasses.difference.low < -0.15 < glasses.difference.high + 0.05
    assert shares["male"].p is not None
    assert shares["male"].p > 0.05
    assert shares["age"].kind == "mean"
    assert [m.name for m in audit.missing] == ["glasses, not old"]
    assert audit.missing[0].at_most == pytest.approx(wilson(0, 2000).high)
    assert set(audit.ties[0].names) == {"glasses", "old"}


def test_two_samples_of_one_population_are_told_apart_as_seldom_as_promised() -> None:
    """Holm keeps the chance of any false alarm in a family at 5 %: in 60 audits, 10 or more would be one in a thousand."""
    alarms = 0
    for seed in range(60):
        audit = audit_generator(
            FEATURES, people(800, 0.2, seed), reference=Reference("same", people(900, 0.2, 1000 + seed), {})
        )
        alarms += any(share.p is not None and share.p < 0.05 for share in audit.shares)
    assert alarms < 10


def test_the_extractors_errors_by_group_and_shares_without_them() -> None:
    rng = np.random.default_rng(5)
    truth = people(4000, 0.2, 3)
    seen = truth.copy()
    wrong = rng.random(4000) < np.where(truth[:, 2] == 1, 0.3, 0.05)  # glasses of men are missed or invented more often
    seen[wrong, 0] = 1 - seen[wrong, 0]
    labels = {"glasses": truth[:, 0], "male": truth[:, 2]}
    made = people(4000, 0.2, 4)
    flipped = rng.random(4000) < np.where(made[:, 2] == 1, 0.3, 0.05)
    made[flipped, 0] = 1 - made[flipped, 0]
    audit = audit_generator(FEATURES, made, reference=Reference("labelled", seen, labels))
    rates = {errors.group: errors for errors in audit.errors if errors.feature == "glasses"}
    assert rates["male"].wrong_yes.low < 0.3 < rates["male"].wrong_yes.high
    assert rates["not male"].wrong_yes.low < 0.05 < rates["not male"].wrong_yes.high
    glasses = next(share for share in audit.shares if share.name == "glasses")
    assert glasses.generator.low > 0.25  # as measured
    assert glasses.corrected == pytest.approx(0.2, abs=0.03)


def test_bad_intersections_get_one_line() -> None:
    with pytest.raises(TlganError, match="unknown feature 'glases'"):
        audit_generator(FEATURES, people(50, 0.2, 0), intersect=[("glases",)])
    with pytest.raises(TlganError, match="age is a quantity"):
        audit_generator(FEATURES, people(50, 0.2, 0), intersect=[("age",)])


# -- statistics ----------------------------------------------------------------------------------------------------


def test_published_intervals() -> None:
    """Newcombe 1998, table II: 56/70 against 48/80; Wilson 81/263 from his first paper of that year."""
    found = difference(56, 70, 48, 80)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    one = wilson(81, 263)
    assert (one.low, one.high) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20).low == 0
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
