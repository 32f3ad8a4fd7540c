"""Who hears of long work while it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tlgan.axes import Progress


class Watcher:
    """What a caller may want to hear while `discover` works; every method may be overridden, none has to be."""

    def stage(self, words: str) -> None:
        """A new stage has begun."""

    def download(self, done: int, total: int | None) -> None:
        """So many bytes of a generator have arrived, of so many where that is known."""

    def step(self, what: str, done: int, of: int) -> None:
        """`done` of `of` are there, what is counted in words: whole pictures, steps of the small pictures' training."""

    def rows(self, n: int) -> None:
        """`n` more rows were painted and measured."""

    def progress(self, progress: Progress) -> None:
        """A part was learned from."""
