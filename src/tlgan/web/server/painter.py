"""What paints. Generator and extractor are used from here alone, by one thread at a time: `turns` says which.

Calls are synchronous. `Painter.run` is for those that take milliseconds, a frame somebody is dragging for; `Painter.long`
is for those that take longer (a gallery, a strip, a film, an exact edit), in pieces, so that a frame waits for one piece.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from .turns import Turns

if TYPE_CHECKING:
    from tlgan.editing import Edit, Solution
    from tlgan.workspace import Workspace

P = ParamSpec("P")
T = TypeVar("T")

LOOKS = 5  # at an exact edit, each with a gradient a feature
REMEMBERED = 512  # faces whose own place is kept


@dataclass(frozen=True)
class Frame:
    """A picture and its numbers, all in population standard deviations.

    `measured` [f]: where the extractor sees this picture; `own` [f]: where it sees the face without edits;
    `reached` [f]: the change the solve expects; `latent` [d] is what was painted; `share`: the part of the
    wishes that was granted; `in_the_way`: the locks that cost most where it is less than all.
    """

    picture: NDArray[np.uint8]
    measured: NDArray[np.float32]
    own: NDArray[np.float32]
    reached: NDArray[np.float32]
    latent: NDArray[np.float32]
    share: float = 1.0
    in_the_way: tuple[str, ...] = ()


@dataclass(frozen=True)
class Painted:
    """A picture that is there before its numbers are: `measure()` looks at it, once, at a turn."""

    picture: NDArray[np.uint8]
    latent: NDArray[np.float32]
    measure: Callable[[], Frame]


class Painter:
    """Paints faces of one workspace, away from the thread that answers."""

    def __init__(self, workspace: Workspace, *, threads: int | None = None) -> None:
        self.axes = workspace.axes
        self.canvas = workspace.canvas
        self._own: OrderedDict[bytes, NDArray[np.float32]] = OrderedDict()
        self._seeds: OrderedDict[int, NDArray[np.float32]] = OrderedDict()
        self.exact_cost = LOOKS * len(self.axes.features)  # pictures that one exact edit takes, about
        self._turns = Turns(partial(_set_threads, threads or _threads()))

    async def run(self, task: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`task(*args)`, which takes milliseconds, at this client's turn."""
        return await self._turns.frame(partial(task, *args, **kwargs))

    async def long(
        self, pictures: int, task: Callable[..., T], *args: Any, wanted: Callable[[], bool] = lambda: True
    ) -> T:
        """`task(*args)` in pieces, between frames. `pictures` and `wanted` as for `Turns.long`, and what it raises."""
        return await self._turns.long(pictures, partial(task, *args), wanted)

    def close(self) -> None:
        """Let the threads go."""
        self._turns.close()

    # -- what runs at a turn ------------------------------------------------------------------------------------

    def latent_of(self, seed: int) -> NDArray[np.float32]:
        """Where face `seed` starts: [d]."""
        if seed not in self._seeds:
            _remember(self._seeds, seed, self.canvas.start(seed))
        return self._seeds[seed]

    def paint(self, edit: Edit) -> Painted:
        """The face with its edits by the axes alone: one synthesis, and a look where it is asked for."""
        from tlgan.editing import solve

        return self._paint(edit, solve(self.axes, edit))

    def frame(self, edit: Edit) -> Frame:
        """The face with its edits by the axes alone, and what is measured on it."""
        return self.paint(edit).measure()

    def refined(self, edit: Edit) -> Frame:
        """The same edit with the loop closed: what was asked is measured and corrected, with one gradient to save time."""
        from tlgan.editing import refine

        return self._paint(edit, refine(self.canvas, edit, gradients=1)).measure()

    def plain(self, latent: NDArray[np.float32]) -> Painted:
        """A latent as it is."""
        from tlgan.editing import Edit, Solution

        return self._paint(Edit(latent), Solution(latent, np.zeros(len(self.axes.features), dtype=np.float32)))

    def place(self, edit: Edit) -> NDArray[np.float32]:
        """The latent that an edit leads to: [d]."""
        from tlgan.editing import refine, solve

        return (refine(self.canvas, edit) if edit.exact else solve(self.axes, edit)).latent

    def strip(self, edit: Edit, name: str, asks: Sequence[float]) -> NDArray[np.float32]:
        """Latents [n, d] of one slider at several places."""
        from tlgan.editing import path

        return path(self.canvas, edit, name, asks)

    def walk(self, start: Edit, end: Edit, places: Sequence[float]) -> NDArray[np.float32]:
        """Latents [n, d] on the way between two faces, at `places` in [0, 1]."""
        from tlgan.editing import between

        return between(self.axes, self.place(start), self.place(end), places)

    def typical(self, among: int = 64) -> int:
        """The seed, of the first few, whose latent is nearest to the middle: the first face shown. Generators paint best
        there, which is why truncation works."""
        whitened = self.axes.metric.whiten(np.stack([self.latent_of(seed) for seed in range(among)]))
        return int(np.argmin(np.linalg.norm(whitened, axis=1)))

    def _paint(self, edit: Edit, solution: Solution) -> Painted:
        key = edit.latent.tobytes()
        own = self._own.get(key) if solution.own is None else solution.own
        edited = not np.array_equal(solution.latent, edit.latent)
        rows = np.stack([solution.latent, edit.latent]) if edited and own is None else solution.latent[None]
        pictures, look = self.canvas.paint_first(rows)

        def measure() -> Frame:
            # A closed loop has looked at both faces already.
            measured = look() if solution.own is None else (solution.own + solution.reached)[None]
            start = own if own is not None else measured[-1]
            _remember(self._own, key, start)
            return Frame(
                picture=pictures[0],
                measured=measured[0],
                own=start,
                reached=solution.reached,
                latent=solution.latent,
                share=solution.share,
                in_the_way=tuple(solution.in_the_way),
            )

        return Painted(pictures[0], solution.latent, measure)


def _remember(cache: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    cache[key] = value
    while len(cache) > REMEMBERED:
        cache.popitem(last=False)


def _threads() -> int:
    """Half of the cores, at most four: the browser that shows the pictures wants some too."""
    return max(1, min(4, (os.cpu_count() or 2) // 2))


def _set_threads(count: int) -> None:
    import torch

    torch.set_num_threads(count)
