"""Measures pictures with extractor and judge, and checks both against what was asked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tlgan.axes import to_response
from tlgan.errors import TlganError
from tlgan.evaluation.judging import Evaluator, Judge
from tlgan.io.pixels import in_colour, to_bytes

from .conditions import Box, Interval

if TYPE_CHECKING:
    from tlgan.editing import Canvas

    from .request import Plan

#: Plain pictures that give the judge its scale, and their seed.
PLAIN, SEED = 128, 2**40 + 2
#: A picture nearer to an earlier one than this share of what plain pictures usually are to their nearest, or than this part
#: of the distance of two strangers, shows the same face.
NEAREST, STRANGERS = 0.2, 0.25
#: Numbers of the embedding that are kept of every picture, to know it again (random projection).
CODE = 32


@dataclass(frozen=True, eq=False)
class Seen:
    """n pictures uint8 [n, H, W, 3]; where the extractor places them, ``own`` [n, f] in sd; the judge's ``places`` [n, j]
    in its sd and ``values`` [n, j] in natural units; ``code`` float16 [n, 32], in which a distance of 1 is that of two
    strangers."""

    pictures: np.ndarray
    own: np.ndarray
    places: np.ndarray
    values: np.ndarray
    code: np.ndarray

    def __getitem__(self, rows: np.ndarray | list[int]) -> Seen:
        return Seen(self.pictures[rows], self.own[rows], self.places[rows], self.values[rows], self.code[rows])


class Looker:
    """Paints latents, and lets extractor and judge look. Raises TlganError where the judge knows nothing of what is
    asked."""

    def __init__(self, canvas: Canvas, evaluator: Evaluator, plan: Plan) -> None:
        known = {feature.name for feature in evaluator.features}
        self.canvas, self.plan = canvas, plan
        self.judged = tuple(name for name in canvas.axes.names if name in known)
        self.unjudged = tuple(name for name in plan.asked if name not in known)
        if len(self.unjudged) == len(plan.asked):
            raise TlganError(
                f"the judge {evaluator.name} knows none of {', '.join(plan.asked)}: name one that does with --judge"
            )
        self._judge = Judge(canvas.small, evaluator, self.judged, canvas.sample(PLAIN, seed=SEED))
        self._rows = {name: row for row, name in enumerate(self.judged)}

    def look(self, latents: np.ndarray, *, small: bool = False) -> Seen:
        """Paint latents [n, d], as `small` as edits look at them or as they are kept, and look."""
        parts, axes, first = [], self.canvas.axes, 0
        for images in (self.canvas.small if small else self.canvas).source.pictures(latents):
            rows = latents[first : first + len(images)]
            first += len(images)
            measured = self._judge.measure_pictures(rows, images)
            own = axes.positions(self.canvas.extractor.extract(images).numpy(force=True))
            code = (measured.embedding @ self._projection).astype(np.float16)
            parts.append((in_colour(to_bytes(images)), own, measured.positions, measured.values, code))
        return Seen(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    @cached_property
    def _projection(self) -> np.ndarray:
        """[e, 32], scaled so that two strangers are 1 apart on average (Johnson and Lindenstrauss 1984)."""
        plain = self._judge.plain_embedding
        rng = np.random.default_rng(0)
        projection = np.eye(plain.shape[1]) if plain.shape[1] <= CODE else rng.normal(size=(plain.shape[1], CODE))
        apart = plain[: PLAIN // 2] @ projection - plain[PLAIN // 2 :] @ projection
        return np.asarray(projection / max(np.linalg.norm(apart, axis=1).mean(), 1e-12))

    @cached_property
    def twin(self) -> float:
        """The distance between codes under which two pictures show the same face."""
        code = self._judge.plain_embedding @ self._projection
        apart = np.linalg.norm(code[:, None] - code[None], axis=2) + np.diag(np.full(len(code), np.inf))
        return float(min(STRANGERS, NEAREST * np.median(apart.min(axis=1))))

    def agree(self, seen: Seen, boxes: tuple[Box, ...], margin: float) -> tuple[np.ndarray, np.ndarray]:
        """Which pictures the extractor sees in one of the boxes, `margin` sd inside, and which the judge: bool [n] each.

        The judge says yes to what it does not know.
        """
        own, judged = np.zeros(len(seen.own), dtype=bool), np.zeros(len(seen.own), dtype=bool)
        for box in boxes:
            gaps = self.gaps(seen, box, margin)
            own |= np.all([own_gap == 0 for own_gap, _ in gaps.values()], axis=0)
            judged |= np.all([judged_gap == 0 for _, judged_gap in gaps.values()], axis=0)
        return own, judged

    def gaps(self, seen: Seen, box: Box, margin: float) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """By feature, how many sd extractor and judge see pictures off a box that is narrowed by `margin`: [n] each,
        positive below it, negative above it, 0 inside."""
        found = {}
        for name, aim in self.aims(box, margin).items():
            judged = np.zeros(len(seen.own))
            if name in self._rows:
                judged = _off(
                    seen.places[:, self._rows[name]], _narrowed(self._judge_interval(name, box[name]), margin)
                )
            found[name] = _off(seen.own[:, self.canvas.axes.index(name)], aim), judged
        return found

    def aims(self, box: Box, margin: float) -> dict[str, Interval]:
        """The intervals of a box in population sd, each narrowed by `margin`, or a quarter where it is narrow."""
        return {name: _narrowed(self.plan.axes_interval(name, interval), margin) for name, interval in box.items()}

    def _judge_interval(self, name: str, interval: Interval) -> Interval:
        """An interval in natural units in the judge's own sd."""
        row = self._rows[name]
        feature = self._judge.features[row]
        if feature.kind == "probability":  # a bound that every probability keeps is none
            interval = tuple(
                np.where((np.array(interval) > 0) & (np.array(interval) <= 1), interval, (-np.inf, np.inf))
            )
        ends = np.array(interval, dtype=np.float64)
        finite = np.isfinite(ends)
        ends[finite] = to_response([feature] * int(finite.sum()), ends[finite])
        low, high = (ends - self._judge.mean[row]) / self._judge.sd[row]
        return float(low), float(high)


def _narrowed(interval: Interval, margin: float) -> Interval:
    low, high = interval
    by = min(margin, (high - low) / 4)
    return low + by, high - by


def _off(places: np.ndarray, interval: Interval) -> np.ndarray:
    low, high = interval
    return np.where(places < low, low - places, np.where(places >= high, np.minimum(high - places, -1e-9), 0.0))
