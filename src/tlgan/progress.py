"""Progress callbacks of long work: what a caller may see while `discover`, `add`, `evaluate`, `publish` or a download run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from tlgan.axes import Learned


class Progress:
    """Override the methods that you want called; each does nothing by default. They run between pieces of the work, so
    an exception that one raises ends the work as Ctrl-C does."""

    def stage(self, words: str) -> None:
        """A new stage has begun: one line of text."""

    def step(self, what: str, done: int, total: int | None = None, words: str = "") -> None:
        """`done` of `total` are there (None where the total is unknown), counted in `what`: "download" (bytes),
        "samples", "pictures", "steps" ...; `words` adds figures, such as a loss."""

    def axes(self, learned: Learned) -> None:
        """The axes were fitted to the samples so far: how well each is known."""


#: What functions take: an object with the methods above, a function of one line of text, or nothing.
ProgressLike: TypeAlias = "Progress | Callable[[str], None] | None"


class _Lines(Progress):
    """Hands on the stages only."""

    def __init__(self, line: Callable[[str], None]) -> None:
        self.stage = line  # type: ignore[method-assign, assignment]


def as_progress(given: ProgressLike) -> Progress:
    """The callbacks that a caller gave, whole."""
    if given is None:
        return Progress()
    return given if isinstance(given, Progress) else _Lines(given)
