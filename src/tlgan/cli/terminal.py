"""What a person sees in the terminal: progress bars, tables, one clear line for an error.

Everything that is printed goes through here. Names, references and messages may come from a stranger's file, so
nothing in them is an order to the terminal (`printable`) or to the library that draws tables (no markup is read).
"""

from __future__ import annotations

import json
import logging
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)
from rich.segment import Segment
from rich.table import Column, Table
from rich.text import Text

from tlgan.io.streams import abandon, printable, put, write
from tlgan.progress import Progress as Work

if TYPE_CHECKING:
    from tlgan.audit import ClassifierAudit, GeneratorAudit
    from tlgan.axes import Axes, Learned
    from tlgan.dataset.run import Result as DatasetResult
    from tlgan.evaluation import Evaluation
    from tlgan.evaluation.statistics import Estimate
    from tlgan.generators.catalogue import Family


class PlainConsole(Console):
    """A console that reads no markup and hands no control character of a text on; styles come as `rich.text.Text`."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(text, **{**options, "markup": False, "emoji": False, "highlight": False})

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text, keep="\n"), segment.style)


class _ErrorStream:
    """Standard error as it is now. Where it can't be written (closed, full), words are lost and the work goes on."""

    name, number = "stderr", 2

    def write(self, text: str) -> int:
        try:
            if sys.stderr is not None:
                sys.stderr.write(text)
                sys.stderr.flush()
        except (OSError, ValueError):
            abandon(sys.stderr)
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        stream = getattr(sys, self.name)
        return stream is not None and bool(stream.isatty())

    def fileno(self) -> int:
        return self.number

    @property
    def encoding(self) -> str:
        return getattr(getattr(sys, self.name), "encoding", None) or "utf-8"


class _ResultStream(_ErrorStream):
    """Standard output as it is now; where it can't be written, that is an error."""

    name, number = "stdout", 1

    def write(self, text: str) -> int:
        put(text)
        return len(text)


#: Words for people go to the error stream, so that what a verb prints with --json can be piped.
console = PlainConsole(file=_ErrorStream(), highlight=False)  # type: ignore[arg-type]
results = PlainConsole(file=_ResultStream(), highlight=False)  # type: ignore[arg-type]


def say(words: str) -> None:
    """One line for a person, on standard error: what is being done."""
    console.print(Text.assemble(("•", "bold"), " ", printable(words)))


def note(heading: str, words: str) -> None:
    """One line for a person, on standard error, that they should see."""
    console.print(Text.assemble((f"{heading}:", "yellow"), " ", printable(words)), soft_wrap=True)


def ask(what: str) -> bool:
    """Ask a person yes or no; no where there is no terminal."""
    if sys.stdin is None or not sys.stdin.isatty() or not console.is_terminal:
        return False
    console.print(
        Text.assemble(("?", "bold yellow"), " ", printable(what), ". Fetch it? [y/N] "), end="", soft_wrap=True
    )
    return sys.stdin.readline().strip().lower() in ("y", "yes")


class Said(logging.Handler):
    """Shows what the package logs as a line for a person."""

    def emit(self, record: logging.LogRecord) -> None:
        note("note", record.getMessage())


class Display(Work):
    """Shows long work: a line a stage, a bar for whatever is counted, one with bytes and their speed for a download.

    ``samples``, ``sure``: the cap of the samples, and the agreement from which an axis counts as known (None: `tlgan.axes.SURE`).
    """

    def __init__(self, samples: int = 0, sure: float | None = None) -> None:
        self._samples, self._sure = samples, sure
        columns = TextColumn("  download"), BarColumn(bar_width=32), DownloadColumn(), TransferSpeedColumn()
        self._download = Progress(*columns, console=console, transient=True)
        self._bar = Progress(
            TextColumn("  {task.description}", table_column=Column(min_width=17, no_wrap=True)),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[words]}"),
            console=console,
        )
        self._tasks: dict[str, Any] = {}

    def stage(self, words: str) -> None:
        """A new stage has begun."""
        say(words)

    def step(self, what: str, done: int, total: int | None = None, words: str = "") -> None:
        """So much of it is done."""
        if what == "download":
            self._arrived(done, total)
            return
        if what not in self._tasks:
            self._tasks[what] = self._bar.add_task(what, total=total, words="", speed="")
            self._bar.start()
        number = self._tasks[what]
        if what == "samples":
            total = self._samples or total
            speed = next(task for task in self._bar.tasks if task.id == number).speed
            self._bar.update(number, speed=f"{speed:,.0f}/s" if speed else "")
        self._bar.update(number, completed=done, total=total)
        if words:
            self._bar.update(number, words=words)

    def axes(self, learned: Learned) -> None:
        """A part was learned from."""
        from tlgan.axes import SURE

        learnable = learned.learnable
        known = int((learnable & (learned.agreement >= (SURE if self._sure is None else self._sure))).sum())
        words = f"{known} of {int(learnable.sum())} learnable axes known"
        if math.isfinite(learned.gained):
            words += f"; mean R² {learned.r2.mean():.2f}, the last doubling gained {max(learned.gained, 0):.3f} at most"
        if (number := self._tasks.get("samples")) is not None:
            self._bar.update(number, words=words)
            if learned.sure:
                self._bar.update(number, total=learned.samples)

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._download.task_ids:
            self._download.stop()
        if self._tasks:
            self._bar.stop()

    def _arrived(self, done: int, total: int | None) -> None:
        if not self._download.task_ids:
            self._download.add_task("download", total=total)
            self._download.start()
        self._download.update(self._download.task_ids[0], completed=done, total=total)
        if done == total:
            self._download.stop()


def working(samples: int = 0, sure: float | None = None) -> closing[Display]:
    """A `Display` that is closed whatever happens."""
    return closing(Display(samples, sure))


def _table(*headings: str, title: str | None = None, no_wrap: bool = False) -> Table:
    """A table without lines; a column whose heading ends in ">" stands to the right."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="dim")
    for heading in headings:
        justify: Any = "right" if heading.endswith(">") else "left"
        table.add_column(heading.removesuffix(">"), justify=justify, no_wrap=no_wrap)
    return table


def print_dataset(result: DatasetResult) -> None:
    """The cells of a data set, asked and made, on standard output."""
    table = _table("cell", "asked>", "made>", "edited>", "diversity>", "")
    for cell in result.cells:
        missing = Text(cell.reason, style="yellow")
        table.add_row(
            cell.words, f"{cell.asked:,}", f"{cell.made:,}", f"{cell.edited:,}", f"{cell.diversity:.2f}", missing
        )
    results.print(table)
    results.print(
        f"{result.thrown:.0%} of {result.painted:,} pictures thrown away; {result.judge} agreed with "
        f"{result.agreed.value:.0%} of what the extractor saw as asked"
    )


def print_audit(audit: ClassifierAudit | GeneratorAudit) -> None:
    """What an audit found, on standard output: a classifier's effects, or a generator's shares and missing cells."""
    from tlgan.audit import ClassifierAudit

    if isinstance(audit, ClassifierAudit):
        table = _table("slider", "output", "effect, sd>", "flips>", "p>", "verified>", "")
        for e in audit.effects:
            words = ", as expected" if e.verdict == "found" and e.slider in audit.expected else ""
            words += f", {e.faces} faces would tell" if e.verdict == "open" and e.faces else ""
            flips = "" if math.isnan(e.flips.value) else f"{e.flips.value:.0%}"
            row = e.slider, e.output, _bounded(e.effect), flips, f"{e.p:.2g}", f"{e.verified:.0%}", e.verdict + words
            table.add_row(*row, style="bold" if e.verdict == "found" else None)
        results.print(table)
        for i in audit.interactions:
            results.print(f"{i.sliders[0]} with {i.sliders[1]} on {i.output}: {i.effect}")
        return
    table = _table("feature", "generator>", "reference>", "p>")
    for share in (*audit.shares, *audit.intersections):
        reference = Text("") if share.reference is None else _bounded(share.reference)
        table.add_row(share.name, _bounded(share.generator), reference, "" if share.p is None else f"{share.p:.2g}")
    results.print(table)
    for missing in audit.missing:
        results.print(f"never seen: {missing.name} ({missing.expected:.0f} expected)")


def print_notes() -> None:
    """What a file leaves open and was assumed is said as a line of its own, not as a Python warning."""
    import warnings

    from tlgan.errors import AssumedWarning

    usual = warnings.showwarning

    def show(message: Any, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, AssumedWarning):
            console.print(Text.assemble(("note:", "yellow"), " ", printable(str(message))), soft_wrap=True)
        else:
            usual(message, category, *where, **more)

    warnings.showwarning = show


def print_candidates(tried: Sequence[Mapping[str, Any]]) -> None:
    """The ways to read a file, the most picture-like first, with the options to give."""
    for number, candidate in enumerate(tried, 1):
        statistics = candidate["statistics"]
        doubt = "" if statistics is None else f"off its batch statistics by {statistics:.2f} nats, "
        write(
            f"{number:>2}  {candidate['words']}  ({candidate['resolution']} px, {doubt}"
            f"roughness {candidate['roughness']:.2f}, {candidate['saturated']:.0%} saturated)"
        )
    write(f"painted, one row a candidate in this order: {tried[0]['picture']}")


def print_axes(axes: Axes) -> None:
    """A table of all sliders: how well each is supported."""
    table = _table("slider", "held-out R²>", "AUC>", "agreement>", "")
    for row in sorted(range(len(axes.features)), key=lambda r: -axes.r2[r]):
        auc = "" if axes.auc[row] != axes.auc[row] else f"{axes.auc[row]:.2f}"
        weak = Text("weak on this generator" if axes.weak[row] else "", style="yellow")
        table.add_row(axes.names[row], _r2(axes, row), auc, f"{axes.agreement[row]:.3f}", weak)
    console.print(table)
    if axes.mean_r2 is not None:
        value, low, high = axes.mean_r2
        console.print(f"mean held-out R² {value:.2f} ({low:.2f} to {high:.2f}) from {axes.samples:,} samples")


def _r2(axes: Axes, row: int) -> Text:
    low, high = (math.nan, math.nan) if axes.r2_interval is None else axes.r2_interval[row]
    bound = "" if math.isnan(low) else f" ±{(high - low) / 2:.2f}"
    return Text.assemble(f"{axes.r2[row]:.2f}", (bound, "dim"))


def print_evaluations(found: Sequence[tuple[str, Evaluation]]) -> None:
    """Methods beside each other, a block a workspace, on standard output; then every slider."""
    for workspace, evaluation in found:
        title = f"{workspace}: {evaluation.faces} faces, ±{evaluation.amount:g} sd, judged by {evaluation.judge}"
        headings = "got>", "off target>", "drift>", "drift/got>", "identity>", "Fréchet>", "norm>", "ms>"
        table = _table("method", *headings, title=title, no_wrap=True)
        for score in evaluation.methods:
            numbers = (score.got, score.error, score.drift, score.leak, score.identity)
            rest = f"{score.frechet:.2f}", f"{score.norm:.2f}", f"{1000 * score.seconds:.0f}"
            table.add_row(score.method, *(_bounded(number) for number in numbers), *rest)
        results.print(table)
        results.print(f"two sets of plain pictures are {evaluation.frechet_floor:.2f} apart (Fréchet)\n", style="dim")
        methods = [f"{score.method}: got, drift/got>" for score in evaluation.methods]
        sliders = _table("slider", "judge agrees>", *methods)
        for k, name in enumerate(evaluation.features):
            cells = [
                f"{s.got.value:.2f}, {s.leak.value:.2f}" for s in (score.sliders[k] for score in evaluation.methods)
            ]
            sliders.add_row(name, f"{evaluation.agreement[k]:.2f}", *cells)
        results.print(sliders)


def _bounded(estimate: Estimate) -> Text:
    return Text.assemble(f"{estimate.value:.2f} ", (f"±{(estimate.high - estimate.low) / 2:.2f}", "dim"))


def print_models(families: Iterable[Family]) -> None:
    """The families of generators on standard output: their publishers' pages, their terms, and their files known by name."""
    for family in sorted(families, key=lambda family: not family.models):
        write(f"{family.kind} · {family.terms} · {family.page}")
        for model in family.models:
            size = f"{model.size / 1e6:.0f} MB" if model.size else ""
            here = "here already" if model.cached else ("" if model.address else "by hand, from that page")
            write(f"  {model.name:<40} {model.resolution or '?':>4} px  {size:>7}  {here}".rstrip())


def print_json(values: Any) -> None:
    """One JSON document on standard output."""
    put(json.dumps(values, indent=2, default=_plain).replace("\x7f", "\\u007f") + "\n")


def print_fields(fields: Mapping[str, Any]) -> None:
    """Names and values, aligned, on standard output."""
    width = max(map(len, fields), default=0)
    for name, value in fields.items():
        write(f"{name:<{width}}  {value}")


def print_error(message: str) -> None:
    """One line that says what is wrong."""
    console.print(Text.assemble(("error:", "bold red"), " ", printable(" ".join(message.split()))), soft_wrap=True)


def print_traceback() -> None:
    """Where the exception that is being handled came from, on standard error."""
    import traceback

    console.print(Text(traceback.format_exc()), soft_wrap=True)


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)
