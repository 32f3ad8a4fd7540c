"""Extractor and judge look at the same pictures, and say whether they are what was asked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tlgan.errors import TlganError
from tlgan.evaluation.judging import Evaluator, Judge
from tlgan.samples import thumbnails

from .conditions import Box

if TYPE_CHECKING:
    from tlgan.editing import Canvas

    from .request import Cell, Plan

#: Plain pictures that give the judge its scale, and their seed.
PLAIN, SEED = 256, 2**40 + 2
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
            pictures = thumbnails(images, images.shape[-1])
            own = axes.positions(self.canvas.extractor.extract(images).numpy(force=True))
            code = (measured.embedding @ self._projection).astype(np.float16)
            parts.append(
                (pictures.repeat(3 // pictures.shape[-1], axis=3), own, measured.positions, measured.values, code)
            )
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

    def extractor_agrees(self, own: np.ndarray, boxes: tuple[Box, ...], margin: float) -> np.ndarray:
        """Which of pictures at positions [n, f] lie in one of the boxes, `margin` sd inside: bool [n]."""
        fits = np.zeros(len(own), dtype=bool)
        for box in boxes:
            inside = np.ones(len(own), dtype=bool)
            for name, (low, high) in self.aims(box, margin).items():
                place = own[:, self.canvas.axes.index(name)]
                inside &= (place >= low) & (place < high)
            fits |= inside
        return fits

    def judge_agrees(self, values: np.ndarray, boxes: tuple[Box, ...]) -> np.ndarray:
        """Which of pictures with the judge's values [n, j] lie in one of the boxes, as far as the judge knows: bool [n]."""
        fits = np.zeros(len(values), dtype=bool)
        for box in boxes:
            inside = np.ones(len(values), dtype=bool)
            for name, (low, high) in box.items():
                if name in self._rows:
                    inside &= (values[:, self._rows[name]] >= low) & (values[:, self._rows[name]] < high)
            fits |= inside
        return fits

    def aims(self, box: Box, margin: float) -> dict[str, tuple[float, float]]:
        """The intervals of a box in population sd, each narrowed by `margin`, or a quarter where it is narrow."""
        aims = {}
        for name, interval in box.items():
            low, high = self.plan.axes_interval(name, interval)
            by = min(margin, (high - low) / 4)
            aims[name] = low + by, high - by
        return aims

    def in_cell(self, cell: Cell, seen: Seen, margin: float) -> tuple[np.ndarray, np.ndarray]:
        """Whether extractor and judge see pictures in a cell: bool [n] each."""
        return self.extractor_agrees(seen.own, cell.boxes, margin), self.judge_agrees(seen.values, cell.boxes)

    def value(self, seen: Seen, row: int, name: str) -> float:
        """The judge's value of one feature of one picture."""
        return float(seen.values[row, self._rows[name]])
