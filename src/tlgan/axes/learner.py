"""Fits axes to a stream of rows, and estimates their uncertainty at any moment.

Rows go in turn into folds. Each fold is predicted by a fit that has not seen it (R² on rows not seen), the fits of two
halves are compared (the correlation of what they predict over the population), and the axes kept are those of all rows
together. A small white z is fitted by least squares on two folds; other spaces, whose dimensions are many or correlated,
by ridge regression on six.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tlgan.errors import TlganError
from tlgan.extractors import Feature

from .axes import Axes
from .estimate import Z95, Estimate, in_latents, least_squares, r2_errors, summed
from .glm import LinearFit, agreement
from .metric import Metric
from .moments import Moments
from .response import to_response
from .ridge import FOLDS, ridge

#: An axis that explains less than this share of its feature's variance on rows it has not seen is marked weak: the
#: generator hardly varies the feature, or the extractor does not see it the same way twice.
WEAK_R2 = 0.15
#: Split-half agreement at which an axis counts as known. The axis from both halves then agrees with the axis from
#: endless rows to about sqrt(2 * .95 / 1.95) = .987 (Spearman and Brown's formula).
SURE = 0.95
#: A white space of at most so many dimensions is fitted by least squares.
SMALL = 256
#: Rows after which shrunk axes are first asked whether they are known.
FIRST = 200
#: Rows kept for what moments do not determine: quantiles, AUC and intervals. Rows are independent, so the first are as good
#: as any.
SURVEY_ROWS = 10_000
#: Moments of more bytes than this stay where they were made: rows are fewer.
MOST_SENT = 2**26
QUANTILE_LEVELS = (0.001, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.999)


@dataclass(frozen=True)
class Learned:
    """How far learning is: ``r2`` and ``agreement`` [f], the most that the last doubling of the samples ``gained`` in
    mean R² (infinite where that is not known), and whether more samples are not needed: ``sure``."""

    samples: int
    r2: np.ndarray
    agreement: np.ndarray
    sure: bool
    gained: float = np.inf

    @property
    def learnable(self) -> np.ndarray:
        """Which axes [f] seem to be learnable on this generator."""
        return self.r2 >= WEAK_R2


@dataclass(frozen=True, eq=False)
class Lesson:
    """What the learner takes of consecutive rows from ``start`` on: ``folds``, their moments, and the first
    `SURVEY_ROWS` of all rows themselves, ``latents`` float32 [n, d] and ``responses`` float32 [n, f]."""

    start: int
    rows: int
    folds: list[Moments]
    latents: np.ndarray
    responses: np.ndarray


@dataclass(frozen=True, eq=False)
class Study:
    """Makes lessons of rows, wherever they are: a lesson is a function of its rows and where they begin. ``folds``: how
    many there are, into which rows go in turn."""

    features: tuple[Feature, ...]
    population: Metric | None
    folds: int

    def lesson(self, start: int, latents: np.ndarray, values: np.ndarray) -> Lesson:
        """Of the latents [n, d] and feature values [n, f] of rows `start` onwards."""
        responses = to_response(self.features, values)
        points = latents if self.population is None else self.population.whiten(latents)
        folds = []
        for fold in range(self.folds):
            first = (fold - start) % self.folds
            folds.append(Moments(latents.shape[1], len(self.features)))
            folds[-1].add(points[first :: self.folds], responses[first :: self.folds])
        room = max(SURVEY_ROWS - start, 0)
        kept = latents[:room].astype(np.float32), responses[:room].astype(np.float32)
        return Lesson(start, len(latents), folds, *kept)

    def digest(self, start: int, latents: np.ndarray, values: np.ndarray) -> Lesson | tuple[np.ndarray, np.ndarray]:
        """The lesson, or the rows themselves where its moments would be too much to send about."""
        size = 8 * self.folds * (latents.shape[1] + len(self.features)) ** 2
        return (latents, values) if size > MOST_SENT else self.lesson(start, latents, values)


class AxisLearner:
    """Collects rows of latents [n, d] and feature values [n, f]; `progress` and `axes` may be asked at any time."""

    def __init__(
        self,
        features: Sequence[Feature],
        latent_dim: int,
        *,
        population: Metric | None = None,
        priors: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """``population``: the latents' geometry where they are not white (`axes.population`), None in z. ``priors``:
        what is known of slopes before anything is measured, their covariances [d, d] in latent coordinates."""
        self.features = tuple(features)
        self.population = population
        self.shrunk = population is not None or latent_dim > SMALL
        self._folds = [Moments(latent_dim, len(features)) for _ in range(FOLDS if self.shrunk else 2)]
        self._priors = _priors(latent_dim, population, priors or {}) if self.shrunk else {}
        self._survey: list[tuple[np.ndarray, np.ndarray]] = []
        self._rows = 0
        self._estimated: tuple[int, Estimate] | None = None

    def add(self, latents: np.ndarray, values: np.ndarray) -> None:
        """Take in the next rows, in the order of their index."""
        self.take(self.study.lesson(self._rows, latents, values))

    @property
    def study(self) -> Study:
        """Makes lessons for this learner."""
        return Study(self.features, self.population, len(self._folds))

    def take(self, lesson: Lesson) -> None:
        """Take in a lesson on the next rows. To the last bit, the result depends on where lessons begin and end."""
        assert lesson.start == self._rows, "lessons come in the order of their rows"
        for mine, theirs in zip(self._folds, lesson.folds, strict=True):
            mine.merge(theirs)
        if len(lesson.latents):
            self._survey.append((lesson.latents, lesson.responses))
        self._rows += lesson.rows

    @property
    def fewest(self) -> int:
        """Rows below which there are no axes."""
        return 8 * FOLDS if self.shrunk else 2 * (self._folds[0].latent_dim + 2)

    def progress(self, sure: float = SURE, *, first: int = 0) -> Learned:
        """R² on unseen rows and split-half agreement so far. Too few rows to tell give zeros.

        More samples are not needed where every learnable axis from feature `first` on agrees to `sure`. Shrunk axes need no more either where
        the last doubling gained no more R² than it does for axes of that agreement, (1 - sure) / 2; a `sure` of 1 is
        never reached.
        """
        if self._few():
            nothing = np.zeros(len(self.features))
            return Learned(self._rows, nothing, nothing, False)
        return self._progress(self._estimate(), sure, first)

    def axes(self, *, generator: str, space: str, base: Sequence[str] = (), **origin: object) -> Axes:
        """The axes of all rows so far, with their quality. ``origin``: seed, truncation, label, extractors.

        Raises TlganError where there are fewer rows than a fit needs.
        """
        if self._few():
            raise TlganError(
                f"{self._rows} samples are too few for axes in {self._folds[0].latent_dim} dimensions: "
                f"draw at least {2 * self.fewest}"
            )
        both = summed(self._folds)
        estimate = self._estimate()
        progress = self._progress(estimate)
        deviation = np.sqrt(np.diag(both.response_scatter) / both.count)
        safe = np.where(deviation > 0, deviation, 1.0)
        survey_responses, survey_latents = self.survey()
        predicted = self._unseen(estimate, survey_latents)
        errors, mean_error = r2_errors(survey_responses, predicted)
        width = Z95 * float(np.sqrt(len(survey_latents) / self._rows))
        half, mean_half, mean_r2 = width * errors, width * mean_error, float(progress.r2.mean())
        whole = self._in_latents(estimate.whole)
        population = self.population or Metric.around_zero(survey_latents)
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
            r2_interval=np.stack([progress.r2 - half, progress.r2 + half], axis=1).astype(np.float32),
            mean_r2=(mean_r2, mean_r2 - mean_half, mean_r2 + mean_half),
            auc=axis_auc(self.features, survey_responses, predicted),
            calibration=estimate.calibration.astype(np.float32),
            agreement=progress.agreement.astype(np.float32),
            weak=(progress.r2 < WEAK_R2) | (deviation <= 0),
            correlation=(both.response_scatter / both.count / np.outer(safe, safe)).astype(np.float32),
            latent_mean=population.mean.astype(np.float32),
            latent_covariance=None if self.population is None else population.covariance.astype(np.float32),
            latent_radius=population.radius,
            strength=None if estimate.strength is None else estimate.strength.astype(np.float32),
            prior=estimate.prior,
            base=tuple(base),
            **origin,  # type: ignore[arg-type]
        )

    def moments(self) -> Moments:
        """Moments of all rows so far, of whitened latents where they are not white."""
        return summed(self._folds)

    def survey(self) -> tuple[np.ndarray, np.ndarray]:
        """Responses [n, f] and latents [n, d] of the first rows."""
        responses = np.concatenate([responses for _, responses in self._survey])
        return responses, np.concatenate([latents for latents, _ in self._survey])

    def _few(self) -> bool:
        if self.shrunk:
            return self._rows < self.fewest
        return min(fold.count for fold in self._folds) <= self._folds[0].latent_dim + 1

    def _estimate(self) -> Estimate:
        if self._estimated is None or self._estimated[0] != self._rows:  # asked for progress first, and then for axes
            made = ridge(self._folds, self._priors) if self.shrunk else least_squares(self._folds)
            self._estimated = self._rows, made
        return self._estimated[1]

    def _progress(self, estimate: Estimate, sure: float = SURE, first: int = 0) -> Learned:
        cosines = agreement(*estimate.halves, np.eye(self._folds[0].latent_dim))
        learnable = estimate.r2 >= WEAK_R2
        learnable[:first] = False
        gained = estimate.gain(learnable)
        known = bool(learnable.any() and (cosines[learnable] >= sure).all())
        return Learned(self._rows, estimate.r2, cosines, known or gained < (1 - sure) / 2, gained)

    def _in_latents(self, fitted: LinearFit) -> LinearFit:
        """A fit as one to the latents themselves."""
        if self.population is None:
            return fitted
        return in_latents(fitted, self.population.mean, self.population.inverse)

    def _unseen(self, estimate: Estimate, latents: np.ndarray) -> np.ndarray:
        """Responses [n, f] of the first rows' latents [n, d], each predicted by the fit that has not seen it."""
        predicted = np.empty((len(latents), len(self.features)))
        for fold, fitted in enumerate(map(self._in_latents, estimate.unseen)):
            predicted[fold :: len(self._folds)] = (
                latents[fold :: len(self._folds)] @ fitted.slopes.T + fitted.intercepts
            )
        return predicted


def axis_auc(features: Sequence[Feature], responses: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """AUC [f] of "probability over one half" from what the axes predict of rows [n, f] that they have not seen."""
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


def _priors(dim: int, population: Metric | None, known: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Roots of the slopes' covariance in whitened coordinates: equal along all components of the population, equal along
    all latent coordinates (so that features vary with what varies most), and those that are known."""
    priors = {"whitened": np.ones(dim)}
    if population is not None:
        priors["latent"] = np.linalg.norm(population.root, axis=0)
    root = np.eye(dim) if population is None else population.root
    return priors | {name: _root(root.T @ covariance @ root) for name, covariance in known.items()}


def _root(covariance: np.ndarray) -> np.ndarray:
    """A root [d, d] of a covariance [d, d]."""
    scale, basis = np.linalg.eigh(covariance)
    return np.asarray(basis * np.sqrt(np.maximum(scale, 0)))
