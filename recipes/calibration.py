"""Are judges honest on photographs that they were not trained on, and does isotonic calibration make them more so?

    python recipes/calibration.py --celeba celeba.parquet

Every judge looks at the photographs as it looks at faces in an evaluation, on average over its views. Isotonic regression
(Zadrozny and Elkan 2002), with the centres of its blocks joined by lines (Oron and Flournoy 2017) so that small changes are
still seen, is fitted to four folds of them and told on the fifth. docs/method.md, "Judged", has the figures: the networks
are calibrated as they are, and a curve from a thousand photographs brings more noise than it takes away. So none ships.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from sklearn.isotonic import IsotonicRegression

from celeba40.augment import plain_view
from celeba40.data import ATTRIBUTES, read_celeba, split
from tlgan.evaluation.judging import ExtractorEvaluator
from tlgan.extractors import load_extractor

JUDGES = ("celeba40", "judge40", str(Path(__file__).parent.parent / "benchmarks" / "second_judge.onnx"))
HELD_OUT = 1000  # as in train_celeba40.py and second_judge.py: none of them saw these
FEWEST = 20  # photographs with a feature, and without
FOLDS = 5
BINS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--celeba", type=Path, required=True, help="Parquet: image, and the 40 attributes")
    options = parser.parse_args()
    _, photographs = split(read_celeba(options.celeba), HELD_OUT, seed=None)
    images, labels = plain_view(photographs), photographs.targets.numpy()
    for ref in JUDGES:
        extractor = load_extractor(ref)
        judge = ExtractorEvaluator(extractor)
        with torch.inference_mode():
            logits = np.concatenate([judge.measure(np.empty(0), part)[0] for part in images.split(100)])
        told = []
        for column, feature in enumerate(extractor.features):
            truth = labels[:, ATTRIBUTES.index(feature.name)] if feature.name in ATTRIBUTES else np.zeros(len(labels))
            if min(truth.sum(), (1 - truth).sum()) >= FEWEST:
                told.append([scores(word, truth) for word in (logits[:, column], folded(logits[:, column], truth))])
        before, after = np.mean(told, axis=0)
        print(f"{extractor.name}: {len(told)} features; off (ECE) {before[0]:.3f} -> {after[0]:.3f}, "
              f"Brier {before[1]:.4f} -> {after[1]:.4f}, log loss {before[2]:.3f} -> {after[2]:.3f}", flush=True)  # fmt: skip


def folded(logits: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Calibrated logits [n], each told by the other folds."""
    calibrated, fold = np.empty(len(truth)), np.arange(len(truth)) % FOLDS
    for k in range(FOLDS):
        x, y = curve(logits[fold != k], truth[fold != k])
        given = logits[fold == k]
        calibrated[fold == k] = np.interp(given, x, y) + given - np.clip(given, x[0], x[-1])
    return calibrated


def curve(logits: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centres of the blocks of isotonic regression, in rising order, and the logit of the share in each."""
    share = IsotonicRegression(y_min=0.0, y_max=1.0).fit_transform(logits, truth)
    values, block, size = np.unique(share, return_inverse=True, return_counts=True)
    centre = np.bincount(block, logits) / size
    honest = np.maximum.accumulate(np.clip(values, 0.5 / size, 1 - 0.5 / size))  # ten without one don't prove none
    rising = np.concatenate([[True], np.diff(honest) > 1e-9])
    return centre[rising], np.log(honest[rising] / (1 - honest[rising]))


def scores(logits: np.ndarray, truth: np.ndarray) -> tuple[float, float, float]:
    """Expected calibration error in ten bins of equal size, Brier score, log loss."""
    said = 1 / (1 + np.exp(-logits))
    bins = np.array_split(np.argsort(said), BINS)
    off = sum(len(rows) * abs(said[rows].mean() - truth[rows].mean()) for rows in bins) / len(said)
    clipped = np.clip(said, 1e-6, 1 - 1e-6)
    loss = -(truth * np.log(clipped) + (1 - truth) * np.log(1 - clipped)).mean()
    return float(off), float(((said - truth) ** 2).mean()), float(loss)


if __name__ == "__main__":
    main()
