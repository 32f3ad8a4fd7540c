"""Figures on pictures that were not trained on: accuracy, AUC, age error."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from .data import AGE_MEAN, AGE_SD, ATTRIBUTES

Predict = Callable[[Tensor], Tensor]  # [n, 3, 64, 64] -> raw outputs [n, 41]


@torch.inference_mode()
def predict(model: Predict, x: Tensor, batch: int = 256) -> Tensor:
    """Raw outputs float32 [n, 41], batch by batch."""
    return torch.cat([model(part).float() for part in x.split(batch)])


def attribute_table(outputs: Tensor, targets: Tensor) -> dict[str, tuple[float, float]]:
    """``{attribute: (accuracy at one half, AUC)}``; AUC is NaN where only one class occurs."""
    logits, labels = outputs[:, : len(ATTRIBUTES)].numpy(), targets[:, : len(ATTRIBUTES)].numpy()
    table = {}
    for j, name in enumerate(ATTRIBUTES):
        accuracy = float(np.mean((logits[:, j] > 0) == (labels[:, j] > 0.5)))
        both = 0 < labels[:, j].mean() < 1
        table[name] = (accuracy, float(roc_auc_score(labels[:, j], logits[:, j])) if both else float("nan"))
    return table


def summary(outputs: Tensor, targets: Tensor) -> tuple[float, float]:
    """(mean accuracy, mean AUC) over the attributes."""
    figures = np.array(list(attribute_table(outputs, targets).values()))
    return float(figures[:, 0].mean()), float(np.nanmean(figures[:, 1]))


def years(column: Tensor) -> Tensor:
    """Standardised age as the networks give it -> years."""
    return column * AGE_SD + AGE_MEAN


def age_error(outputs: Tensor, targets: Tensor) -> float:
    """Mean absolute error in years."""
    return float((years(outputs[:, -1]) - years(targets[:, -1])).abs().mean())
