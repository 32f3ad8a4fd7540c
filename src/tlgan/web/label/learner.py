"""Active learning of one yes-or-no question on an embedding: which picture to show next, and how good the answer is.

A linear model is fitted to the clicks so far, and the pictures it is least sure of are asked about. Such pictures are
the hard ones, so a figure measured on them would be too low, and one measured on clicks it was fitted to too high:
every fourth picture is therefore drawn at random, and the estimate is made on those, each told by models that have
not seen it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PROBE_EVERY = 4
ENOUGH_OF_EACH = 8
ENOUGH = 24
_STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0)  # of the inverse regularisation, on a standardised embedding
_FOLDS = 5
_UNSURE = 8  # the next picture is one of so many: the very first would often be like the one before
_FEW = 4  # of each answer among the random pictures, under which the estimate falls back to all clicks


@dataclass(frozen=True)
class Estimate:
    """How often the model, shown a picture with and one without, tells which is which (AUC), with a 90 % interval.

    ``pictures`` it was measured on; ``at_random``: whether they were drawn at random, or are the hard ones too.
    """

    auc: float
    low: float
    high: float
    pictures: int
    at_random: bool


class ClickLearner:
    """``embeddings`` [n, e] of the pool; rows that are not known yet are NaN. Answers are given by row."""

    def __init__(self, embeddings: np.ndarray, seed: int = 0) -> None:
        self.embeddings = embeddings
        self.answers: dict[int, bool] = {}
        self.probes: set[int] = set()  # rows that were shown because they were drawn at random
        self.skipped: set[int] = set()
        self._rng = np.random.default_rng(seed)
        self._cached: tuple[tuple[tuple[tuple[int, bool], ...], float], LinearModel] | None = None
        self._strength = _STRENGTHS[1]

    @property
    def counts(self) -> tuple[int, int]:
        """(yes, no) so far."""
        yes = sum(self.answers.values())
        return yes, len(self.answers) - yes

    @property
    def ready(self) -> bool:
        """Whether there is enough for a slider."""
        return min(self.counts) >= ENOUGH_OF_EACH and len(self.answers) >= ENOUGH

    def next_row(self) -> tuple[int, bool]:
        """The picture to ask about next, and whether it was drawn at random."""
        known = ~np.isnan(self.embeddings[:, 0])
        open_rows = np.array(
            [r for r in range(len(self.embeddings)) if r not in self.answers and r not in self.skipped]
        )
        if len(open_rows) == 0:
            self.skipped.clear()
            return self.next_row()
        asked = len(self.answers) + len(self.skipped)
        model = self.model()
        usable = open_rows[known[open_rows]]
        if model is None and len(usable) and asked >= 8 and len(self.answers):
            # One answer only so far: what is asked for is rare, so look where nobody has looked yet.
            return int(usable[np.argmax(self._distance(usable))]), False
        if model is None or len(usable) == 0 or asked % PROBE_EVERY == 0:
            return int(self._rng.choice(open_rows)), True
        unsure = usable[np.argsort(np.abs(model.logit(self.embeddings[usable])), kind="stable")[:_UNSURE]]
        return int(self._rng.choice(unsure)), False

    def model(self) -> LinearModel | None:
        """The model of all answers so far; None while only one answer was given."""
        answered = self._answered()
        key = tuple(self.answers.items()), self._strength
        if answered is not None and (self._cached is None or self._cached[0] != key):
            self._cached = key, fit_linear(*answered, self._strength)
        return None if answered is None or self._cached is None else self._cached[1]

    def estimate(self) -> Estimate | None:
        """The model's cross-validated quality; None while there are too few answers for it."""
        answered = self._answered()
        if answered is None or min(self.counts) < _FEW:
            return None
        self._strength, told = cross_validated(*answered)
        rows = self._known_answers()
        truth = np.array([self.answers[row] for row in rows])
        random = np.array([row in self.probes for row in rows])
        at_random = min((truth & random).sum(), (~truth & random).sum()) >= _FEW
        if at_random:
            truth, told = truth[random], told[random]
        auc, low, high = auc_with_interval(truth, told)
        return Estimate(auc, low, high, len(truth), bool(at_random))

    def extremes(self, n: int) -> tuple[list[int], list[int]]:
        """The pool's rows that the model is surest of: (yes, no), the surest first."""
        model = self.model()
        known = np.flatnonzero(~np.isnan(self.embeddings[:, 0]))
        if model is None or len(known) < 2 * n:
            return [], []
        order = known[np.argsort(model.logit(self.embeddings[known]), kind="stable")]
        return [int(row) for row in order[::-1][:n]], [int(row) for row in order[:n]]

    def _known_answers(self) -> list[int]:
        return [row for row in self.answers if not np.isnan(self.embeddings[row, 0])]

    def _distance(self, rows: np.ndarray) -> np.ndarray:
        """Squared distance of rows to the nearest answered one."""
        answered = self.embeddings[self._known_answers()]
        if len(answered) == 0:
            return np.zeros(len(rows))
        here = self.embeddings[rows]
        squares = (here**2).sum(1)[:, None] - 2 * here @ answered.T + (answered**2).sum(1)
        return np.asarray(squares.min(axis=1))

    def _answered(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Embeddings float64 [n, e] and answers bool [n]; None while there is one answer only."""
        rows = self._known_answers()
        truth = np.array([self.answers[row] for row in rows], dtype=bool)
        if len(rows) == 0 or truth.all() or not truth.any():
            return None
        return self.embeddings[rows].astype(np.float64), truth


@dataclass(frozen=True, eq=False)
class LinearModel:
    """logit = embedding · weight + bias; ``weight`` [e]."""

    weight: np.ndarray
    bias: float

    def logit(self, embeddings: np.ndarray) -> np.ndarray:
        """[n, e] -> [n]."""
        return np.asarray(embeddings @ self.weight + self.bias)


def fit_linear(embeddings: np.ndarray, truth: np.ndarray, strength: float) -> LinearModel:
    """Logistic regression of `truth` bool [n] on embeddings [n, e], standardised; ``strength``: scikit-learn's C."""
    from sklearn.linear_model import LogisticRegression

    mean, sd = embeddings.mean(axis=0), embeddings.std(axis=0)
    sd = np.where(sd > 1e-6 * sd.max(initial=1e-30), sd, np.inf)
    model = LogisticRegression(C=strength, max_iter=500).fit((embeddings - mean) / sd, truth)
    weight = model.coef_[0] / sd
    return LinearModel(weight, float(model.intercept_[0] - weight @ mean))


def cross_validated(embeddings: np.ndarray, truth: np.ndarray) -> tuple[float, np.ndarray]:
    """The strength of regularisation that does best on rows it has not seen, and what is then said of them (logits [n])."""
    from sklearn.model_selection import StratifiedKFold

    folds = min(_FOLDS, int(truth.sum()), int((~truth).sum()))
    splits = list(StratifiedKFold(folds, shuffle=True, random_state=0).split(embeddings, truth))
    best, told, strength = np.inf, np.zeros(len(truth)), _STRENGTHS[1]
    for candidate in _STRENGTHS:
        logits = np.zeros(len(truth))
        for train, test in splits:
            logits[test] = fit_linear(embeddings[train], truth[train], candidate).logit(embeddings[test])
        worse = float(np.logaddexp(0, np.where(truth, -logits, logits)).mean())
        if worse < best:
            best, told, strength = worse, logits, candidate
    return strength, told


def auc_with_interval(truth: np.ndarray, told: np.ndarray) -> tuple[float, float, float]:
    """AUC and its 90 % interval, by Hanley and McNeil's formula (1982), which stays honest for few pictures."""
    from sklearn.metrics import roc_auc_score

    auc = float(roc_auc_score(truth, told))
    yes, no = int(truth.sum()), int((~truth).sum())
    a = float(np.clip(auc, 0.5 / (yes * no), 1 - 0.5 / (yes * no)))  # a perfect score on few pictures is not certain
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    variance = (a * (1 - a) + (yes - 1) * (q1 - a * a) + (no - 1) * (q2 - a * a)) / (yes * no)
    reach = 1.645 * float(np.sqrt(max(variance, 0.0)))
    return auc, max(0.0, a - reach), min(1.0, a + reach)
