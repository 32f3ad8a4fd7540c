"""What wrong labels do to an axis: a share of them is flipped before anything is learned.

Claim: with 10 % of labels flipped the axis keeps a cosine of at least .9 to the clean one at the default sample count.
Two readings are measured, both on the default generator. (a) The labels of samples are flipped: every picture's yes or
no (celeba40's answer at one half), 10 % of them wrong, and the axis fitted as always. (b) The labels an extractor is
learned from are flipped: 2,000 labelled pictures, a linear head fitted to them, that head measured on all samples, and
the axis of what it says. Run: `python benchmarks/label_noise.py`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

import numpy as np
import torch

import tlgan
from tlgan.axes import AxisLearner
from tlgan.cli.demo import OFFLINE_GENERATOR
from tlgan.extractors import Extractor, Feature
from tlgan.generators import Generator
from tlgan.web.label.learner import fit_linear

FEATURES = ("smiling", "male", "young", "eyeglasses", "bangs", "mouth_slightly_open", "pale_skin", "black_hair")
LABELLED = 2000
RAREST = 0.02  # what fewer pictures than this show, this generator does not vary


def measured(generator: Generator, extractor: Extractor, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Latents [n, d], probabilities [n, f] of FEATURES, embeddings [n, e]."""
    columns = [[feature.name for feature in extractor.features].index(name) for name in FEATURES]
    latents, values, embeddings = [], [], []
    with torch.inference_mode():
        for start in range(0, rows, 250):
            z = generator.sample(min(250, rows - start), seed=0, start=start)
            images = generator.synthesize(z).clamp(-1, 1)
            latents.append(z.numpy())
            values.append(extractor.extract(images)[:, columns].numpy())
            embeddings.append(extractor.embedding(images).float().numpy())
    return np.concatenate(latents), np.concatenate(values), np.concatenate(embeddings)


def axes(latents: np.ndarray, values: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Directions [f, d] of probabilities [n, f]."""
    learner = AxisLearner([Feature(name, "probability") for name in names], latents.shape[1])
    learner.add(latents, values)
    return np.asarray(learner.axes(generator="", space="z").directions)


def cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Row by row."""
    return np.asarray((one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", default=OFFLINE_GENERATOR)
    parser.add_argument("--samples", type=int, default=11_000, help="rows; `discover` draws so many by itself")
    parser.add_argument("--flipped", type=float, default=0.1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    generator, extractor = tlgan.load_generator(options.generator), tlgan.load_extractor("celeba40")
    latents, values, embeddings = measured(generator, extractor, options.samples)
    shown = values > 0.5
    common = np.minimum(shown.mean(0), 1 - shown.mean(0)) >= RAREST
    names = [name for name, kept in zip(FEATURES, common, strict=True) if kept]
    values, shown = values[:, common], shown[:, common]
    flips = rng.random(shown.shape) < options.flipped
    by_samples = cosines(axes(latents, shown.astype(float), names), axes(latents, (shown ^ flips).astype(float), names))
    clean, noisy = np.empty_like(values), np.empty_like(values)
    labelled = slice(0, LABELLED)
    for column in range(len(names)):
        for truth, out in ((shown[labelled, column], clean), ((shown ^ flips)[labelled, column], noisy)):
            logits = fit_linear(embeddings[labelled].astype(np.float64), truth, 1e-2).logit(embeddings)
            out[:, column] = 1 / (1 + np.exp(-logits))
    by_training = cosines(axes(latents, clean, names), axes(latents, noisy, names))
    rare = np.minimum(shown.mean(0), 1 - shown.mean(0))
    rows = [
        {
            "feature": n,
            "rarer side": round(float(r), 3),
            "labels of samples": round(float(a), 3),
            "labels learned from": round(float(b), 3),
        }
        for n, r, a, b in zip(names, rare, by_samples, by_training, strict=True)
    ]
    if options.json:
        print(json.dumps(rows))
        return
    for row in rows:
        print("  ".join(f"{key} {value!s:<20}" for key, value in row.items()))


if __name__ == "__main__":
    main()
