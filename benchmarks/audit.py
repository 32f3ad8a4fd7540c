"""Are planted biases found at their size, and none where none was planted?

    python benchmarks/audit.py                 # 20 runs with and 20 without a bias, in a world whose truth is known

Each run draws a classifier: a small network that reads a smile from drawn faces (`tests/evaluation/drawn_faces.py`), to whose
output `--bias` times the glasses are added, as the same network reads them. The audit sees pictures and outputs alone; the truth
judges the edits. What was planted is told by drawing the same faces with other glasses, and is recovered where it lies within
the audit's 95 % interval.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.evaluation.drawn_faces import LATENT_DIM, FaceReader, drawn_faces
from tlgan.audit import audit_classifier
from tlgan.axes import AxisLearner
from tlgan.editing import Canvas
from tlgan.evaluation import Truth
from tlgan.extractors import Feature

SLIDERS = ("smile", "glasses", "skin_lightness", "hair_lightness", "fringe", "width", "mouth_open", "eye_opening")


class Planted:
    """smile + bias · glasses, each as a network reads it, in its sd over plain pictures."""

    name, input_size = "planted", None
    features = (Feature("score", "quantity"),)

    def __init__(self, canvas: Canvas, reader: FaceReader, bias: float) -> None:
        images = canvas.synthesize(torch.from_numpy(canvas.sample(1000, seed=11)))
        plain = reader.extract(images)
        self.reader, self.bias, self.scale = reader, bias, plain.std(dim=0)

    def _raw(self, images: torch.Tensor) -> torch.Tensor:
        seen = self.reader.extract(images) / self.scale
        return seen[:, :1] + self.bias * seen[:, 3:4]

    def extract(self, images: torch.Tensor) -> torch.Tensor:
        return self._raw(images)

    def planted(self, canvas: Canvas, truth: Truth, amount: float = 1.5) -> float:
        """What glasses alone do to the output, in its sd a sd: the same faces drawn with glasses moved by `amount` sd of their
        truth and nothing else, half up and half down."""
        latents = torch.from_numpy(canvas.sample(1000, seed=12))
        world: Any = canvas.generator
        module, sd = world.module, truth.measure(latents.numpy(), latents)[0][:, 3].std()
        signs = torch.where(torch.arange(len(latents)) % 2 == 0, 1.0, -1.0)
        shift = torch.zeros(len(latents), 8)
        shift[:, 3] = amount * float(sd) * signs
        with torch.no_grad():
            before = self.extract(module(latents))[:, 0]
            plain = module.attributes
            module.attributes = lambda z: plain(z) + shift
            after = self.extract(module(latents))[:, 0]
            del module.attributes
        return float((signs * (after - before)).mean() / amount / before.std())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--faces", type=int, default=60)
    parser.add_argument("--bias", type=float, default=0.4)
    parser.add_argument("--quality", default="", help="of exact edits (quick, live); by the axes alone without it")
    options = parser.parse_args()
    generator, reader, truth = drawn_faces(seed=3)
    learner = AxisLearner(reader.features, LATENT_DIM)
    z = generator.sample(2000, seed=1)
    learner.add(z.numpy(), reader.extract(generator.synthesize(z)).numpy())
    canvas = Canvas(generator, reader, learner.axes(generator=generator.fingerprint, space="z"))
    rows = []
    for run in range(options.runs):
        network = FaceReader(generator.module, seed=100 + run)
        for bias in (options.bias, 0.0):
            began = time.perf_counter()
            classifier = Planted(canvas, network, bias)
            audit, _ = audit_classifier(
                canvas,
                classifier,
                truth,
                features=SLIDERS,
                expected=("smile",),
                faces=options.faces,
                quality=options.quality,
                plain=500,
                seed=2**41 + run,
            )
            planted = classifier.planted(canvas, truth)
            by = {effect.slider: effect for effect in audit.effects}["glasses"]
            rows.append({
                "run": run, "bias": bias, "planted": round(planted, 3), "effect": [round(v, 3) for v in vars(by.effect).values()],
                "recovered": by.effect.low <= planted <= by.effect.high, "found": [e.slider for e in audit.found],
                "verdict": by.verdict, "seconds": round(time.perf_counter() - began, 1),
            })  # fmt: skip
            print(json.dumps(rows[-1]), flush=True)
    for name, some in (
        ("planted", [r for r in rows if r["bias"]]),
        ("none planted", [r for r in rows if not r["bias"]]),
    ):
        print(f"{name}: {len(some)} runs, recovered within the interval {np.mean([r['recovered'] for r in some]):.2f}, glasses found "
              f"{sum('glasses' in r['found'] for r in some)}, anything else found {sum(bool(set(r['found']) - {'glasses'}) for r in some)}")  # fmt: skip


if __name__ == "__main__":
    main()
