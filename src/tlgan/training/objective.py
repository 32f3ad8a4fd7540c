"""The loss of training, for labels of every kind, and the figures that are reported by label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .targets import Target


@dataclass(frozen=True)
class Figures:
    """One label on pictures that were not trained on. ``count`` known, ``share`` of the rarer side (NaN for numbers);
    ``auc`` and ``balanced`` accuracy (mean over classes); ``error`` (mean absolute, in the label's unit) and ``r2``."""

    name: str
    kind: str
    count: int
    share: float = float("nan")
    auc: float = float("nan")
    balanced: float = float("nan")
    error: float = float("nan")
    r2: float = float("nan")


def loss(output: Tensor, values: Tensor, targets: Sequence[Target]) -> Tensor:
    """Mean over labels of their cross-entropy (probabilities, classes) or smooth L1 in spreads (numbers).

    ``output`` [n, outputs] raw; ``values`` [n, labels] with NaN where nobody said, which does not count.
    """
    losses = []
    column = 0
    for at, target in enumerate(targets):
        raw, value = output[:, column : column + target.width], values[:, at]
        column += target.width
        known = ~value.isnan()
        if not known.any():
            continue
        raw, value = raw[known], value[known]
        if target.kind == "binary":
            losses.append(F.binary_cross_entropy_with_logits(raw[:, 0], value))
        elif target.kind == "classes":
            losses.append(F.cross_entropy(raw, value.long()))
        else:
            losses.append(F.smooth_l1_loss(raw[:, 0], (value - target.centre) / target.spread, beta=0.3))
    return torch.stack(losses).mean() if losses else output.sum() * 0


def figures(output: np.ndarray, values: np.ndarray, targets: Sequence[Target]) -> list[Figures]:
    """Figures of every label from raw outputs [n, outputs] and labels [n, labels]."""
    table = []
    column = 0
    for at, target in enumerate(targets):
        known = ~np.isnan(values[:, at])
        raw, value = output[known, column : column + target.width], values[known, at]
        column += target.width
        table.append(_figures(target, raw, value))
    return table


def _figures(target: Target, raw: np.ndarray, value: np.ndarray) -> Figures:
    from sklearn.metrics import balanced_accuracy_score, roc_auc_score

    if target.kind == "number":
        said = raw[:, 0] * target.spread + target.centre
        spread = float(((value - value.mean()) ** 2).sum()) or 1.0
        r2 = 1 - float(((value - said) ** 2).sum()) / spread
        return Figures(target.name, "number", len(value), error=float(np.abs(value - said).mean()), r2=r2)
    if target.kind == "binary":
        auc = float(roc_auc_score(value, raw[:, 0]))
        balanced = float(balanced_accuracy_score(value, raw[:, 0] > 0))
        share = float(min(value.mean(), 1 - value.mean()))
    else:
        one_against_rest = [roc_auc_score(value == k, raw[:, k]) for k in np.unique(value).astype(int)]
        auc = float(np.mean(one_against_rest))
        balanced = float(balanced_accuracy_score(value, raw.argmax(axis=1)))
        share = float(min((value == k).mean() for k in np.unique(value)))
    return Figures(target.name, target.kind, len(value), share, auc, balanced)


def headline(table: Sequence[Figures]) -> str:
    """The mean figures on one line."""
    words = []
    told = [row for row in table if row.kind != "number"]
    if told:
        auc, balanced = (np.mean([getattr(row, key) for row in told]) for key in ("auc", "balanced"))
        words.append(f"AUC {auc:.4f}, balanced accuracy {balanced:.4f}")
    words += [f"{row.name} off by {row.error:.3g}" for row in table if row.kind == "number"]
    return ", ".join(words)
