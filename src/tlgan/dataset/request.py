"""What a data set is asked to be, as a plain value, and the cells and quotas that follow from it.

A cell is one combination of bins of the asked features. How many rows each cell gets is settled before the first
picture, and which cell row i belongs to is a function of the request and i alone.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from tlgan.axes import Axes
from tlgan.errors import TlganError

from .conditions import Box, Interval, meet_any, parse_where, yes_or_no

Source = Literal["both", "edit", "select"]
#: Bins of a quantity for which none are given: thirds of the population.
QUANTILES = 3
#: A place further than this from the population's mean, in sd, is none that any picture has.
REACH = 6.0
MAX_CELLS = 20_000
MAX_ROWS = 100_000_000


@dataclass(frozen=True)
class Request:
    """All that the rows of a data set depend on besides the workspace.

    ``n`` rows; ``balance``: features uniform over all combinations; ``marginals``: (feature, shares of its bins);
    ``where``: a condition that every row fulfils; ``like``: (features, counts by their bins) of a table;
    ``bins``: (feature, inner edges in its unit); ``source``: plain samples only ("select"), every row moved from an
    unchosen start ("edit"), or plain samples that fit and edits for the rest ("both"); ``quality`` of the edits as in
    `tlgan.editing.resolve`; ``margin``: how far inside its cell the extractor must see a picture, in sd; ``pairs``: a
    feature that each face is shown with and without; ``resolution``: side of the pictures, None for the generator's.
    """

    n: int
    balance: tuple[str, ...] = ()
    marginals: tuple[tuple[str, tuple[float, ...]], ...] = ()
    where: str = ""
    like: tuple[tuple[str, ...], tuple[tuple[tuple[int, ...], int], ...]] = ((), ())
    bins: tuple[tuple[str, tuple[float, ...]], ...] = ()
    seed: int = 0
    source: Source = "both"
    quality: str = "quick"
    margin: float = 0.25
    pairs: str = ""
    resolution: int | None = None
    judge: str = "judge40"

    def __post_init__(self) -> None:
        if not 1 <= self.n <= MAX_ROWS:
            raise TlganError(f"{self.n:,} rows were asked for: expected 1 to {MAX_ROWS:,}")
        if not 0 <= self.seed < 2**32:
            raise TlganError(f"seed {self.seed} is out of range: expected 0 to 2^32 - 1")
        if not 0 <= self.margin <= 2:
            raise TlganError(f"a margin of {self.margin:g} sd makes no sense: expected 0 to 2")
        if self.pairs and self.source == "select":
            raise TlganError(
                "the other face of a pair is an edit, and plain samples alone are asked for: leave --select or --pairs out"
            )
        names = [*self.balance, *self.like[0], *(name for name, _ in self.marginals)]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise TlganError(f"{twice!r} is asked for twice (--balance, --like, --marginal): give each feature once")
        if not names and not self.where and not self.pairs:
            raise TlganError("nothing is asked of the pictures: give --balance, --like, --marginal, --where or --pairs")

    def digest(self, *more: str) -> str:
        """A short name of the request together with what else its rows depend on."""
        return hashlib.sha256(json.dumps([asdict(self), *more]).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Bin:
    """``words`` for people and files; ``value`` as a label: 1 or 0 of a probability, the words of a quantity's bin."""

    words: str
    value: int | str
    interval: Interval


@dataclass(frozen=True)
class Cell:
    """``bins``: feature to its bin; ``boxes``: alternatives, of which one has to hold; ``rows``: how many are asked;
    ``impossible``: why it can't be filled, known from the axes alone, or empty."""

    words: str
    bins: Mapping[str, Bin]
    boxes: tuple[Box, ...]
    rows: int
    impossible: str = ""


def bins_of(axes: Axes, name: str, edges: Sequence[float] | None = None) -> tuple[Bin, ...]:
    """The bins of a feature: yes and no of a probability, else between the inner `edges`, by default thirds of the
    population. Raises TlganError for an unknown feature, or edges that don't rise."""
    row = axes.index(name)
    feature = axes.features[row]
    if feature.kind == "probability" and not edges:
        return Bin(f"not {name}", 0, yes_or_no(False)), Bin(name, 1, yes_or_no(True))
    inner = list(edges or quantile_edges(axes, name, QUANTILES))
    if any(b <= a for a, b in itertools.pairwise(inner)):
        raise TlganError(f"the bins of {name} must rise: {', '.join(f'{edge:g}' for edge in inner)} do not")
    ends = [-math.inf, *inner, math.inf]
    unit = f" {feature.unit}" if feature.unit else ""
    words = [
        f"{name} under {high:g}{unit}" if low == -math.inf
        else f"{name} {low:g} or more{unit}" if high == math.inf
        else f"{name} {low:g} to {high:g}{unit}"
        for low, high in itertools.pairwise(ends)
    ]  # fmt: skip
    return tuple(Bin(w, w.removeprefix(f"{name} "), i) for w, i in zip(words, itertools.pairwise(ends), strict=True))


def quantile_edges(axes: Axes, name: str, count: int) -> tuple[float, ...]:
    """Inner edges of `count` bins that hold equal shares of the population, rounded to three digits."""
    row = axes.index(name)
    found = np.interp(np.arange(1, count) / count, axes.quantile_levels, axes.quantiles[row])
    position = (found - axes.mean[row]) / axes.sd[row]
    values = [axes.values(np.where(np.arange(len(axes.features)) == row, p, 0))[row] for p in position]
    return tuple(float(f"{value:.3g}") for value in values)


class Plan:
    """The cells of a request, and the cell of every row."""

    def __init__(self, request: Request, axes: Axes) -> None:
        self.request = request
        self.axes = axes
        edges = dict(request.bins)
        self.names = (*request.balance, *request.like[0], *(name for name, _ in request.marginals))
        for name in edges:
            axes.index(name)
            if name not in self.names:
                raise TlganError(
                    f"bins of {name} are given, and nothing is asked of it: name it with --balance, --marginal or --like"
                )
        self.bins = {name: bins_of(axes, name, edges.get(name)) for name in self.names}
        if request.pairs:
            if axes.features[axes.index(request.pairs)].kind != "probability":
                raise TlganError(f"pairs need a feature with yes and no: {request.pairs} is a quantity")
            if axes.weak[axes.index(request.pairs)]:
                raise TlganError(
                    f"{request.pairs} is weak on this generator: it can't be moved, so there are no pairs of it"
                )
            if request.pairs in self.names:
                raise TlganError(
                    f"each face is shown with and without {request.pairs} already: ask for it nowhere else"
                )
        where = parse_where(request.where, axes) if request.where else [{}]
        cells = []
        for bins, weight in self._weighted():
            box = {name: chosen.interval for name, chosen in bins.items()}
            boxes = meet_any([box], where)
            if boxes and weight > 0:
                cells.append((bins, tuple(boxes), weight))
        if not cells:
            raise TlganError(f"the conditions contradict each other: no cell is left where {request.where!r} holds")
        if len(cells) > request.n:
            raise TlganError(
                f"{len(cells):,} cells are asked for, but only {request.n:,} rows: give a larger -n, fewer features or fewer bins"
            )
        quotas = largest_remainders([weight for *_, weight in cells], request.n)
        self.cells = tuple(
            Cell(self._words(bins), bins, boxes, quota, self._impossible(boxes))
            for (bins, boxes, _), quota in zip(cells, quotas, strict=True)
        )
        if request.pairs and any(request.pairs in box for cell in self.cells for box in cell.boxes):
            raise TlganError(f"each face is shown with and without {request.pairs} already: leave it out of --where")
        if all(cell.impossible for cell in self.cells):
            raise TlganError(f"no cell can be filled: {self.cells[0].impossible}")

    @cached_property
    def asked(self) -> tuple[str, ...]:
        """Every feature that the request speaks of, in a stable order."""
        mentioned = [name for cell in self.cells for box in cell.boxes for name in sorted(box)]
        return tuple(dict.fromkeys([*self.names, *mentioned, *([self.request.pairs] if self.request.pairs else [])]))

    @cached_property
    def _ends(self) -> np.ndarray:
        return np.cumsum([cell.rows for cell in self.cells])

    @cached_property
    def _stride(self) -> int:
        """About n over the golden ratio and without a common divisor: neighbouring rows lie in far cells."""
        n = self.request.n
        return next(s for s in range(max(1, round(n * 0.618)), 2 * n + 2) if math.gcd(s, n) == 1)

    def cell_of(self, row: int) -> int:
        """The number of the cell that a row belongs to; all rows together give every cell its quota exactly."""
        place = (row * self._stride + self.request.seed) % self.request.n
        return int(np.searchsorted(self._ends, place, side="right"))

    def count(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """How many of n pictures, whose `values` [n] by feature are in natural units, lie in each cell: int [cells]."""

        def inside(box: Box) -> np.ndarray:
            parts = [(values[name] >= low) & (values[name] < high) for name, (low, high) in box.items()]
            return np.asarray(np.all(parts, axis=0))

        return np.array([int(np.any([inside(box) for box in cell.boxes], axis=0).sum()) for cell in self.cells])

    def _weighted(self) -> list[tuple[dict[str, Bin], float]]:
        """Every combination of bins with its share: uniform, as in the table, or by marginals, independent of each other."""
        request = self.request
        count = math.prod(len(self.bins[name]) for name in request.balance)
        parts: list[list[tuple[dict[str, Bin], float]]] = [
            [({name: b}, 1.0) for b in self.bins[name]] for name in request.balance
        ]
        for name, shares in request.marginals:
            if len(shares) != len(self.bins[name]):
                raise TlganError(f"{len(shares)} shares are given for {name}, which has {len(self.bins[name])} bins: "
                                 f"{', '.join(b.words for b in self.bins[name])}")  # fmt: skip
            parts.append([({name: b}, share) for b, share in zip(self.bins[name], shares, strict=True)])
        names, table = request.like
        if names:
            rows = sum(number for _, number in table)
            parts.append(
                [
                    ({n: self.bins[n][b] for n, b in zip(names, key, strict=True)}, number / rows)
                    for key, number in table
                ]
            )
        if math.prod(map(len, parts)) > MAX_CELLS:
            raise TlganError(
                f"{math.prod(map(len, parts)):,} cells are asked for (balanced over {count:,}): expected at most {MAX_CELLS:,}"
            )
        combined = []
        for chosen in itertools.product(*parts):
            bins: dict[str, Bin] = {}
            for some, _ in chosen:
                bins |= some
            combined.append((bins, math.prod(weight for _, weight in chosen)))
        return combined

    def _words(self, bins: Mapping[str, Bin]) -> str:
        return (
            ", ".join(chosen.words for chosen in bins.values())
            or self.request.where
            or f"with and without {self.request.pairs}"
        )

    def _impossible(self, boxes: Sequence[Box]) -> str:
        """Why no picture can be in any of these boxes, as far as the population tells; empty where one may."""
        reasons = []
        for box in boxes:
            far = [(name, *self.axes_interval(name, box[name])) for name in box]
            wrong = next(((n, low, high) for n, low, high in far if low > REACH or high < -REACH), None)
            if wrong is None:
                return ""
            name, low, high = wrong
            off = low if low > REACH else high
            reasons.append(f"{name} would have to lie {abs(off):.1f} sd {'above' if off > 0 else 'below'} the mean of this "
                           f"generator's pictures, which reach about {REACH:g}")  # fmt: skip
        return reasons[0]

    def axes_interval(self, name: str, interval: Interval) -> Interval:
        """An interval in natural units as one in population sd."""
        probability = self.axes.features[self.axes.index(name)].kind == "probability"
        low, high = interval
        place = [
            -math.inf if end == -math.inf or (probability and end <= 0)
            else math.inf if end == math.inf or (probability and end > 1)
            else self.axes.position_of(name, end)
            for end in (low, high)
        ]  # fmt: skip
        return place[0], place[1]


def largest_remainders(weights: Sequence[float], total: int) -> list[int]:
    """`total` shared out by weights in whole numbers, each within one of its exact share (Hamilton's method)."""
    exact = np.asarray(weights, dtype=np.float64) / np.sum(weights) * total
    counts = np.floor(exact).astype(np.int64)
    for row in np.argsort(counts - exact, kind="stable")[: total - int(counts.sum())]:
        counts[row] += 1
    return [int(count) for count in counts]


def read_like(path: str | Path, axes: Axes, bins: Mapping[str, Sequence[float]], only: Sequence[str] = ()) -> tuple[
    tuple[str, ...], tuple[tuple[tuple[int, ...], int], ...]
]:  # fmt: skip
    """The features of a table (CSV or Parquet) and how many of its rows lie in each combination of their bins.

    `only`: these columns; else all that name features. Rows without a value in one of them don't count. Raises
    TlganError for a file that is no table, and where no column names a feature.
    """
    columns = read_table(path)
    names = [name for name in (only or columns) if only or name in axes.names]
    missing = [name for name in names if name not in columns]
    if missing or not names:
        wanted = repr(missing[0]) if missing else "that names a feature"
        raise TlganError(f"{path} has no column of numbers {wanted}: it has {', '.join(list(columns)[:20]) or 'none'}")
    values = np.stack([columns[name] for name in names], axis=1)
    values = values[np.isfinite(values).all(axis=1)]
    if not len(values):
        raise TlganError(f"no row of {path} has a number for each of {', '.join(names)}")
    inner = []
    for at, name in enumerate(names):
        chosen = bins_of(axes, name, bins.get(name))
        if axes.features[axes.index(name)].kind == "probability" and values[:, at].min() == -1:  # CelebA's -1 and 1
            values[:, at] = (values[:, at] + 1) / 2
        inner.append([b.interval[1] for b in chosen[:-1]])
    keys = np.stack([np.digitize(values[:, at], edges) for at, edges in enumerate(inner)], axis=1)
    found, counts = np.unique(keys, axis=0, return_counts=True)
    return tuple(names), tuple((tuple(map(int, key)), int(count)) for key, count in zip(found, counts, strict=True))


def read_table(path: str | Path) -> dict[str, np.ndarray]:
    """The numeric columns of a CSV or Parquet file, float64 with NaN for what is missing, by lower-case names."""
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet as pq

    path = Path(path)
    try:
        if path.suffix.lower() == ".parquet":
            schema = pq.read_schema(path.absolute())
            numeric = [
                f.name
                for f in schema
                if pa.types.is_floating(f.type) or pa.types.is_integer(f.type) or pa.types.is_boolean(f.type)
            ]
            table = pq.read_table(path.absolute(), columns=numeric, partitioning=None)
        else:
            table = pyarrow.csv.read_csv(path.absolute())
        columns = {}
        for name in table.column_names:
            kind = table[name].type
            if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind):
                columns[name.strip().lower()] = (
                    table[name].cast(pa.float64(), safe=False).to_numpy().astype(np.float64, copy=True)
                )
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise TlganError(
            f"{path} can't be read as a table ({str(error).partition(chr(10))[0][:100]}): expected CSV or Parquet"
        ) from error
    return columns
