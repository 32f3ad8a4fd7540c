"""What a person sees in the terminal: progress bars, tables, one clear line for an error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from .axes import Axes
    from .axes import Progress as LearningProgress

#: Words for people go to the error stream, so that what a verb prints with --json can be piped.
console = Console(stderr=True, highlight=False)


class DiscoverDisplay:
    """Shows `discover` at work: a line a stage, and a bar of samples with how many axes are known."""

    def __init__(self, max_samples: int, sure: float) -> None:
        self._sure = sure
        self._max = max_samples
        self._bar = Progress(
            TextColumn("  samples"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[known]}"),
            console=console,
            transient=False,
        )
        self._task: Any = None
        self._drawn = 0

    def stage(self, words: str) -> None:
        """A new stage has begun."""
        console.print(f"[bold]•[/bold] {words}")

    def rows(self, n: int) -> None:
        """More rows were painted and measured."""
        if self._task is None:
            self._task = self._bar.add_task("samples", total=self._max, known="", speed="")
            self._bar.start()
        self._bar.update(self._task, advance=n)
        speed = self._bar.tasks[0].speed
        self._bar.update(self._task, speed=f"{speed:,.0f}/s" if speed else "")

    def progress(self, progress: LearningProgress) -> None:
        """A part was learned from."""
        learnable = progress.learnable
        known = int((learnable & (progress.agreement >= self._sure)).sum())
        self._bar.update(self._task, known=f"{known} of {int(learnable.sum())} learnable axes known")
        if progress.sure:
            self._bar.update(self._task, total=progress.samples)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._bar.stop()


@contextmanager
def discovering(max_samples: int, sure: float) -> Iterator[DiscoverDisplay]:
    """A `DiscoverDisplay` that is closed whatever happens."""
    display = DiscoverDisplay(max_samples, sure)
    try:
        yield display
    finally:
        display.close()


def print_axes(axes: Axes) -> None:
    """A table of all sliders: how well each is supported."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("slider", "held-out R²", "AUC", "agreement", ""):
        table.add_column(heading, justify="left" if heading in ("slider", "") else "right")
    for row in sorted(range(len(axes.features)), key=lambda r: -axes.r2[r]):
        auc = "" if axes.auc[row] != axes.auc[row] else f"{axes.auc[row]:.2f}"
        note = "[yellow]weak on this generator[/yellow]" if axes.weak[row] else ""
        table.add_row(axes.names[row], f"{axes.r2[row]:.2f}", auc, f"{axes.agreement[row]:.3f}", note)
    console.print(table)


def print_json(values: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(values, indent=2, default=_plain) + "\n")


def print_fields(fields: Mapping[str, Any]) -> None:
    """Names and values, aligned, on standard output."""
    width = max(map(len, fields), default=0)
    for name, value in fields.items():
        sys.stdout.write(f"{name:<{width}}  {value}\n")


def print_error(message: str) -> None:
    """One line that says what is wrong."""
    console.print(f"[bold red]error:[/bold red] {_escaped(message)}", soft_wrap=True)


def _escaped(message: str) -> str:
    from rich.markup import escape

    return escape(" ".join(message.split()))


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)
