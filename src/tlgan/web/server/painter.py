"""Paints the frames of the studio. Generator and extractor are used from here alone, by one thread at a time: see `turns`.

Calls are synchronous. `Painter.run` is for those that take milliseconds, a frame somebody is dragging for; `Painter.long`
is for those that take longer (a gallery, a strip, a film, an exact edit), in pieces, so that a frame waits for one piece.
"""

from __future__ import annotations

import copy
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from tlgan import pieces
from tlgan.editing.edit import stacked

from .keyframes import Keyframes
from .turns import Turns

if TYPE_CHECKING:
    from tlgan.editing import Canvas, Edit, Solution
    from tlgan.workspace import Workspace

P = ParamSpec("P")
T = TypeVar("T")

SLOW = 0.020  # seconds of a small picture
LOOKS = 5  # at an exact edit, each with a gradient a feature
REMEMBERED = 512  # faces whose own place is kept, and edits whose solution is


@dataclass(frozen=True)
class Frame:
    """A picture and its numbers, all in population standard deviations.

    `measured` [f]: where the extractor sees this picture; `own` [f]: where it sees the face without edits;
    `reached` [f]: the change the solve expects; `latent` [d] is what was painted; `share`: the part of the
    wishes that was granted; `in_the_way`: the locks that cost most where it is less than all; `quality` and `by` are
    those of `Reached`.
    """

    picture: NDArray[np.uint8]
    measured: NDArray[np.float32]
    own: NDArray[np.float32]
    reached: NDArray[np.float32]
    latent: NDArray[np.float32]
    share: float = 1.0
    in_the_way: tuple[str, ...] = ()
    quality: str = "final"
    by: str = "axes"


@dataclass(frozen=True)
class Painted:
    """A picture that is there before its numbers are: `measure()` looks at it, once, at a turn. ``mixed``: of two others."""

    picture: NDArray[np.uint8]
    measure: Callable[[], Frame]
    mixed: bool = False


class Painter:
    """Paints faces of one workspace, away from the thread that answers."""

    def __init__(self, workspace: Workspace, *, threads: int | None = None) -> None:
        self.axes = workspace.axes
        self.canvas = workspace.canvas
        self.laid: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] = lambda picture: picture
        self._own: OrderedDict[bytes, NDArray[np.float32]] = OrderedDict()
        self._seeds: OrderedDict[int, NDArray[np.float32]] = OrderedDict()
        self._solutions: OrderedDict[tuple[object, ...], Solution] = OrderedDict()
        self._keyframes = Keyframes(self._at_places)
        self.exact_cost = LOOKS * len(self.axes.features)  # pictures that one exact edit takes, about
        self._turns = Turns(partial(_set_threads, threads or _threads(self.canvas)))

    def beside(self, canvas: Canvas, laid: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]) -> Painter:
        """A painter of another canvas that takes turns with this one; `laid` makes of a painted picture what is shown."""
        other = copy.copy(self)
        other.canvas, other.laid = canvas, laid
        other._own, other._seeds, other._solutions = OrderedDict(), OrderedDict(), OrderedDict()
        other._keyframes = Keyframes(other._at_places)
        return other

    async def run(self, task: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`task(*args)`, which takes milliseconds, at this client's turn."""
        return await self._turns.frame(partial(task, *args, **kwargs))

    async def long(
        self, pictures: int, task: Callable[..., T], *args: Any, wanted: Callable[[], bool] = lambda: True
    ) -> T:
        """`task(*args)` in pieces, between frames. `pictures` and `wanted` as for `Turns.long`, and what it raises."""
        return await self._turns.long(pictures, partial(task, *args), wanted)

    @property
    def sketches(self) -> bool:
        """Whether small pictures come before whole ones."""
        return self.canvas.small is not self.canvas

    def close(self) -> None:
        """Let the threads go."""
        self._turns.close()

    # -- what runs at a turn ------------------------------------------------------------------------------------

    def latent_of(self, seed: int) -> NDArray[np.float32]:
        """Where face `seed` starts: [d]."""
        if seed not in self._seeds:
            _remember(self._seeds, seed, self.canvas.start(seed))
        return self._seeds[seed]

    def paint(self, edit: Edit, *, small: bool = False) -> Painted:
        """The face at once, with no look before it: as it was resolved, or else by the axes alone."""
        from tlgan.editing import solve
        from tlgan.editing.resolve import needs_looks

        solution = solve(self.axes, edit) if needs_looks(edit) else self.solution(edit)
        return self._paint(edit, solution, small=small)

    def sketch(self, edit: Edit) -> Painted:
        """What a moving hand is shown: small where the generator has a head for it, and then mixed from the pictures
        beside it where only one slider has moved."""
        return self._between(edit, paint=True) or self.paint(edit, small=True)

    def ready(self, edit: Edit) -> Painted | None:
        """`sketch` where nothing has to be painted for it: at no turn, from any thread."""
        return self._between(edit, paint=False)

    def ahead(self, edit: Edit) -> None:
        """Paint what the hand that moves a slider is going to need."""
        line = self._keyframes.line(edit) if self.sketches else None
        if line is not None:
            for _ in self._keyframes.ahead(line):
                pieces.done()

    def near(self, edit: Edit, name: str) -> None:
        """Paint what a hand is going to need that begins to move a slider."""
        if self.sketches and edit.reached is None:
            for _ in self._keyframes.near(edit, name):
                pieces.done()

    def knows(self, seed: int) -> bool:
        """Whether `latent_of` a seed needs no painting."""
        return seed in self._seeds

    def frame(self, edit: Edit) -> Frame:
        """The whole picture at once, and what is measured on it."""
        return self.paint(edit).measure()

    def refined(self, edit: Edit, quality: str = "live") -> Frame:
        """The face as `resolve` has it at that quality, small where that can be, and what is measured on it."""
        return self._paint(edit, self.solution(edit, quality), quality, small=True).measure()

    def solution(self, edit: Edit, quality: str = "final") -> Solution:
        """Where an edit leads at that quality; what looks found is kept."""
        return self.solutions([edit], quality)[0]

    def solutions(self, edits: Sequence[Edit], quality: str = "final") -> list[Solution]:
        """`solution` for several edits."""
        from tlgan.editing.resolve import needs_looks, resolve_all

        keys = [(edit.key, quality) if needs_looks(edit) else None for edit in edits]
        known = {key: self._solutions[key] for key in keys if key is not None and key in self._solutions}
        missing = [edit for edit, key in zip(edits, keys, strict=True) if key not in known]
        found = iter(resolve_all(self.canvas, missing, quality))
        solutions = [known[key] if key in known else next(found) for key in keys]
        for key, solution in zip(keys, solutions, strict=True):
            if key is not None:
                _remember(self._solutions, key, solution)
        return solutions

    def strip(self, edit: Edit, name: str, asks: Sequence[float], quality: str = "final") -> NDArray[np.float32]:
        """Latents [n, d] of one slider at several places, each that of the face with the slider there."""
        edits = [edit.ask({name: ask}) for ask in asks]
        return stacked([solution.latent for solution in self.solutions(edits, quality)])

    def typical(self, among: int = 64) -> int:
        """The seed, of the first few, whose latent is nearest to the middle: the first face shown. Generators paint best
        there, which is why truncation works."""
        whitened = self.axes.metric.whiten(np.stack([self.latent_of(seed) for seed in range(among)]))
        return int(np.argmin(np.linalg.norm(whitened, axis=1)))

    def _paint(self, edit: Edit, solution: Solution, quality: str = "final", *, small: bool = False) -> Painted:
        canvas = self.canvas.small if small else self.canvas
        looked = solution.own if canvas is self.canvas.small else None  # looks are at small pictures
        key = edit.latent.tobytes() + bytes([canvas is self.canvas])
        own = self._own.get(key) if looked is None else looked
        edited = not np.array_equal(solution.latent, edit.latent)
        rows = [solution.latent, edit.latent] if edited and own is None else [solution.latent]
        pictures, look = canvas.paint_first(stacked(rows))
        picture = self.laid(pictures[0])

        def measure() -> Frame:
            # A closed loop has looked at both faces already.
            measured = look() if looked is None else (looked + solution.reached)[None]
            start = own if own is not None else measured[-1]
            _remember(self._own, key, start)
            return self._measured(edit, solution, picture, measured[0], start, quality)

        return Painted(picture, measure)

    def _between(self, edit: Edit, *, paint: bool) -> Painted | None:
        line = self._keyframes.moving(edit) if self.sketches else None
        mixed = None if line is None else self._keyframes.mix(line, paint=paint)
        return None if mixed is None else self._mixed(edit, mixed)

    def _mixed(self, edit: Edit, painted: NDArray[np.uint8]) -> Painted:
        picture = self.laid(painted)

        def measure() -> Frame:
            from tlgan.editing import solve

            small, key = self.canvas.small, edit.latent.tobytes() + bytes([False])
            if key not in self._own:
                _remember(self._own, key, small.measure(edit.latent[None])[0])
            measured = small.measure_pictures(painted[None])[0]
            return self._measured(edit, solve(self.axes, edit), picture, measured, self._own[key], "final")

        return Painted(picture, measure, mixed=True)

    def _measured(
        self,
        edit: Edit,
        solution: Solution,
        picture: NDArray[np.uint8],
        measured: NDArray[np.float32],
        own: NDArray[np.float32],
        quality: str,
    ) -> Frame:
        from tlgan.editing.solve import share_of

        trusted = solution.by == "axes"
        change = solution.reached if trusted else measured - own
        return Frame(
            picture=picture,
            measured=measured,
            own=own,
            reached=change,
            latent=solution.latent,
            share=solution.share if trusted else share_of(self.axes, edit, change),
            in_the_way=tuple(solution.in_the_way),
            quality=edit.reached.quality if edit.reached else quality,
            by=solution.by,
        )

    def _at_places(self, edits: Sequence[Edit]) -> NDArray[np.uint8]:
        from tlgan.editing import solve

        return self.canvas.small.paint(stacked([solve(self.axes, edit).latent for edit in edits]))


def _remember(cache: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    cache[key] = value
    while len(cache) > REMEMBERED:
        cache.popitem(last=False)


def _threads(canvas: Canvas) -> int:
    """Half of the cores, at most four: the browser that shows the pictures wants some too. Twice as many where the small
    picture that follows a moving hand takes them longer than `SLOW`: then it is painting that a hand waits for."""
    cores = os.cpu_count() or 2
    half = max(1, min(4, cores // 2))
    if canvas.small is canvas:
        return half
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(half)
    try:
        latent = canvas.start(0)[None]
        seconds = min(_timed(lambda: canvas.small.paint_first(latent)) for _ in range(4))
    finally:
        torch.set_num_threads(before)
    return min(cores, 2 * half) if seconds > SLOW else half


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _set_threads(count: int) -> None:
    import torch

    torch.set_num_threads(count)
