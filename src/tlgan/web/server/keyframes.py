"""Pictures at even places of a slider: while a hand moves it, a frame is mixed from the two beside it.

A small picture of a large generator takes a laptop 20 to 40 ms, and a hand wants sixty a second. Where two pictures of a
face differ little, their weighted mean is the picture in between but for a grey level (`benchmarks/keyframes.py`). So a
drag paints a picture for each half to sixteenth of a standard deviation, the more the face changes the nearer, those to
come ahead of the hand; everything between costs an addition. A hand at rest is shown what the generator paints.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tlgan.editing import Edit

UNIT = 1 / 16  # standard deviations of the slider from one place to the next
FAR = 8  # places between two pictures, at most and to begin with
DIFFERENT = 9.0  # mean grey levels between two pictures from which on they are too far apart to be mixed,
MOVES = 4  # unless the hand is so quick that it passes them in fewer moves
AHEAD = 3  # pictures painted before the hand is there
AROUND = 4  # pictures painted on each side of a slider that a hand comes near
LINES = 32  # sliders of faces that are remembered
PICTURES = 1024  # of all of them: 50 MB of 128 pixels


Picture: TypeAlias = NDArray[np.uint8]  # [H, W, 3]


@dataclass(eq=False)
class Line:
    """A face of which one slider moves: ``edit`` is all but that, ``at`` where it was last, ``direction`` where it went."""

    edit: Edit
    name: str
    at: float = 0.0
    direction: int = 1
    stride: float = 0.0  # how far the last move was
    moved: bool = False  # and its picture there is not mixed yet
    step: int = FAR  # places between two pictures, where it was last
    pictures: OrderedDict[int, Picture] = field(default_factory=OrderedDict)

    def edit_at(self, place: int) -> Edit:
        """The edit whose picture stands at `place`, counted in `UNIT`."""
        return self.edit.ask({self.name: place * UNIT})

    @property
    def below(self) -> int:
        """The place of a picture at or before where the slider stands."""
        return math.floor(self.at / UNIT / self.step) * self.step


class Keyframes:
    """What is remembered of the sliders that were moved last. `paint` makes the pictures of several edits."""

    def __init__(self, paint: Callable[[Sequence[Edit]], NDArray[np.uint8]]) -> None:
        self._paint = paint
        self._lines: OrderedDict[tuple[object, ...], Line] = OrderedDict()
        self._lock = Lock()  # frames are mixed by the thread that answers, while another one paints

    def moving(self, edit: Edit) -> Line | None:
        """The slider that has moved since an earlier edit of the same face, with all else as it was; None where nothing
        has, or the edit was resolved to a latent of its own. The edit is remembered for those that follow."""
        if edit.reached is not None:
            return None
        with self._lock:
            known = {line.name for line in self._lines.values()}
            found = None
            for name in edit.asked.keys() | known:
                rest, at = edit.ask({name: 0.0}), edit.asked.get(name, 0.0)
                line = self._lines.get((rest.key, name))
                if line is None:
                    if name in edit.asked:
                        self._remember(rest, name, at)
                    continue
                if at != line.at:
                    line.direction, line.stride = (1 if at > line.at else -1), abs(at - line.at)
                    line.at, line.moved = at, True
                found = line if line.moved else found
            if found is not None:
                self._lines.move_to_end((found.edit.key, found.name))
            return found

    def near(self, edit: Edit, name: str) -> Iterator[None]:
        """Paint what a hand is going to need that begins to move slider `name`: one picture for each turn of the loop, those
        beside where it stands first, as close to one another as the face asks for."""
        rest, at = edit.ask({name: 0.0}), edit.asked.get(name, 0.0)
        with self._lock:
            line = self._lines.get((rest.key, name)) or self._remember(rest, name, at)
        yield from self._fill_each(line, [line.below, line.below + line.step])
        while line.step > 1 and self._apart(line) > DIFFERENT:
            line.step //= 2
            yield from self._fill_each(line, [line.below, line.below + line.step])
        for step in range(1, AROUND):
            yield from self._fill_each(line, [line.below + (step + 1) * line.step, line.below - step * line.step])

    def _remember(self, rest: Edit, name: str, at: float) -> Line:
        line = self._lines[(rest.key, name)] = Line(replace(rest, seed=None), name, at)
        while len(self._lines) > LINES:
            self._lines.popitem(last=False)
        return line

    def line(self, edit: Edit) -> Line | None:
        """The slider that moved last, where it is one of this edit."""
        with self._lock:
            line = next(reversed(self._lines.values()), None)
        same = (
            line is not None
            and line.name in edit.asked
            and (edit.ask({line.name: 0.0}).key, line.name) == (line.edit.key, line.name)
        )
        return line if same else None

    def mix(self, line: Line, *, paint: bool) -> Picture | None:
        """The picture where the slider stands; None where the face changes too fast there. With `paint`, what it needs is
        painted; otherwise None where that is not there."""
        low, high = line.below, line.below + line.step
        share = (line.at / UNIT - low) / line.step
        if paint:
            self._fill(line, [low, high] if share else [low])
        first, last = line.pictures.get(low), line.pictures.get(high)
        if first is not None and share == 0:
            line.moved = False
            return first
        if first is None or last is None:
            return None
        apart = self._apart(line)
        if apart > DIFFERENT and line.step * UNIT > MOVES * line.stride:
            line.step = max(1, line.step // 2)
            return None
        if apart < DIFFERENT / 4 or 2 * line.step * UNIT < MOVES * line.stride:
            line.step = min(FAR, line.step * 2)
        line.moved = False
        return np.rint((1 - share) * first.astype(np.float32) + share * last).astype(np.uint8)

    def ahead(self, line: Line) -> Iterator[None]:
        """Paint what the hand is going to need, nearest first: one picture for each turn of the loop."""
        steps = (step if line.direction > 0 else 1 - step for step in range(AHEAD + 2))
        yield from self._fill_each(line, (line.below + line.step * step for step in steps))

    @staticmethod
    def _apart(line: Line) -> float:
        first, last = (line.pictures[place].astype(np.int16) for place in (line.below, line.below + line.step))
        return float(np.abs(first - last).mean())

    def _fill_each(self, line: Line, places: Iterable[int]) -> Iterator[None]:
        for place in places:
            if place not in line.pictures:
                self._fill(line, [place])
                yield

    def _fill(self, line: Line, places: Sequence[int]) -> None:
        missing = [place for place in places if place not in line.pictures]
        if missing:
            for place, picture in zip(missing, self._paint([line.edit_at(p) for p in missing]), strict=True):
                line.pictures[place] = picture
            with self._lock:
                for old in self._lines.values():  # those that were moved last come last
                    while old.pictures and sum(len(one.pictures) for one in self._lines.values()) > PICTURES:
                        old.pictures.popitem(last=False)
