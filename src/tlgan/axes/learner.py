"""Learn axes from a stream of rows, and know at any moment how sure they are.

Rows go alternately into two halves. Each half's fit is tried on the other half (R² on rows not seen), the two fits'
axes are compared (their cosine says how far more rows would still turn them), and the axes kept are those of both
halves together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tlgan.errors import TlganError
from tlgan.extractors import Feature

from .axes import Axes
from .glm import agreement, calibration, explained, fit
from .metric import Metric
from .moments import Moments
from .response import to_response

#: An axis that explains less than this share of its feature's variance on rows it has not seen is marked weak: the
#: generator hardly varies the feature, or the extractor does not see it the same way twice.
WEAK_R2 = 0.15
#: Split-half cosine at which an axis counts as known. The axis from both halves is then within a cosine of about
#: sqrt(2 * .95 / 1.95) = .987 of the axis from endless rows (Spearman and Brown's formula).
SURE = 0.95
#: Rows kept for what moments can't tell: quantiles and AUC. Rows are independent, so the first are as good as any.
SURVEY_ROWS = 10_000
QUANTILE_LEVELS = (0.001, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.999)


@dataclass(frozen=True)
class Progress:
    """How far learning is: ``r2`` and ``agreement`` [f], and whether every learnable axis is ``sure``."""

    samples: int
    r2: np.ndarray
    agreement: np.ndarray
    sure: bool

    @property
    def learnable(self) -> np.ndarray:
        """Which axes [f] the generator supports, as far as one can tell."""
        return self.r2 >= WEAK_R2


class AxisLearner:
    """Collects rows of latents [n, d] and feature values [n, f]; `progress` and `axes` may be asked at any time."""

    def __init__(self, features: Sequence[Feature], latent_dim: int, *, white: bool) -> None:
        self.features = tuple(features)
        self.white = white  # z: the prior's covariance is the identity and need not be learned
        self._halves = (Moments(latent_dim, len(features)), Moments(latent_dim, len(features)))
        self._survey: list[tuple[np.ndarray, np.ndarray]] = []
        self._rows = 0

    def add(self, latents: np.ndarray, values: np.ndarray) -> None:
        """Take in the next rows, in the order of their index."""
        responses = to_response(self.features, values)
        first = self._rows % 2
        self._halves[first].add(latents[::2], responses[::2])
        self._halves[1 - first].add(latents[1::2], responses[1::2])
        if self._rows < SURVEY_ROWS:
            room = SURVEY_ROWS - self._rows
            self._survey.append((latents[:room].astype(np.float32), responses[:room].astype(np.float32)))
        self._rows += len(latents)

    def progress(self, sure: float = SURE) -> Progress:
        """R² on unseen rows and split-half cosines so far. Too few rows to tell give zeros."""
        one, other = self._halves
        if min(one.count, other.count) <= one.latent_dim + 1:
            nothing = np.zeros(len(self.features))
            return Progress(self._rows, nothing, nothing, False)
        fits = fit(one), fit(other)
        r2 = (explained(fits[0], other) + explained(fits[1], one)) / 2
        cosines = agreement(*fits, self._covariance())
        learnable = r2 >= WEAK_R2
        return Progress(self._rows, r2, cosines, bool(learnable.any() and (cosines[learnable] >= sure).all()))

    def axes(self, *, generator: str, space: str, base: Sequence[str] = (), **origin: object) -> Axes:
        """The axes of all rows so far, with their quality. ``origin``: seed, truncation, label, extractors.

        Raises TlganError where there are fewer rows than a fit of each half needs.
        """
        one, other = self._halves
        if min(one.count, other.count) <= one.latent_dim + 1:
            raise TlganError(
                f"{self._rows} samples are too few for axes in {one.latent_dim} dimensions: "
                f"draw at least {4 * (one.latent_dim + 2)}"
            )
        both = one + other
        fits = fit(one), fit(other)
        whole = fit(both)
        progress = self.progress()
        deviation = np.sqrt(np.diag(both.response_scatter) / both.count)
        safe = np.where(deviation > 0, deviation, 1.0)
        survey_responses, survey_latents = self.survey()
        latent_mean = np.zeros(both.latent_dim) if self.white else both.latent_mean
        covariance = self._covariance()
        return Axes(
            features=self.features,
            space=space,
            generator=generator,
            samples=self._rows,
            directions=whole.slopes.astype(np.float32),
            intercepts=whole.intercepts.astype(np.float32),
            mean=both.response_mean.astype(np.float32),
            sd=safe.astype(np.float32),
            quantile_levels=np.array(QUANTILE_LEVELS, dtype=np.float32),
            quantiles=np.quantile(survey_responses, QUANTILE_LEVELS, axis=0).T.astype(np.float32),
            r2=progress.r2.astype(np.float32),
            auc=axis_auc(self.features, survey_responses, survey_latents, fits),
            calibration=((calibration(fits[0], other) + calibration(fits[1], one)) / 2).astype(np.float32),
            agreement=progress.agreement.astype(np.float32),
            weak=(progress.r2 < WEAK_R2) | (deviation <= 0),
            correlation=(both.response_scatter / both.count / np.outer(safe, safe)).astype(np.float32),
            latent_mean=latent_mean.astype(np.float32),
            latent_covariance=None if self.white else covariance.astype(np.float32),
            latent_radius=_radius(survey_latents, latent_mean, None if self.white else covariance),
            base=tuple(base),
            **origin,  # type: ignore[arg-type]
        )

    def moments(self) -> Moments:
        """Moments of all rows so far."""
        return self._halves[0] + self._halves[1]

    def survey(self) -> tuple[np.ndarray, np.ndarray]:
        """Responses [n, f] and latents [n, d] of the first rows."""
        responses = np.concatenate([responses for _, responses in self._survey])
        return responses, np.concatenate([latents for latents, _ in self._survey])

    def _covariance(self) -> np.ndarray:
        both = self._halves[0] + self._halves[1]
        if self.white:
            return np.eye(both.latent_dim)
        return np.asarray(both.latent_scatter / max(both.count, 1))


def axis_auc(features: Sequence[Feature], responses: np.ndarray, latents: np.ndarray, fits: tuple) -> np.ndarray:  # type: ignore[type-arg]
    """AUC [f] of "probability over one half" from the axis; every row is predicted by the half it is not in."""
    predicted = np.empty(responses.shape)
    for half, fitted in enumerate(reversed(fits)):  # rows 0, 2, ... are in the first half: the second predicts them
        predicted[half::2] = latents[half::2] @ fitted.slopes.T + fitted.intercepts
    auc = np.full(len(features), np.nan, dtype=np.float32)
    for row, feature in enumerate(features):
        shown = responses[:, row] > 0
        if feature.kind == "probability" and min(shown.sum(), (~shown).sum()) >= 20:
            auc[row] = _auc(shown, predicted[:, row])
    return auc


def _auc(shown: np.ndarray, score: np.ndarray) -> float:
    """The share of pairs, one shown bool [n] and one not, that a `score` [n] puts in order; a tie counts half.

    From the rank sum (Mann and Whitney 1947). What scikit-learn has is the same, and takes a second to import, a
    fifth of what adding a slider takes.
    """
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]  # from 1, ties in their middle
    positive, negative = int(shown.sum()), int((~shown).sum())
    return float((rank[shown].sum() - positive * (positive + 1) / 2) / (positive * negative))


def _radius(latents: np.ndarray, mean: np.ndarray, covariance: np.ndarray | None) -> float:
    """99 % quantile of the whitened norm of latents [n, d]."""
    return float(np.quantile(np.linalg.norm(Metric.of(mean, covariance, 0.0).whiten(latents), axis=1), 0.99))
