"""Rows of a data set: draw, score, edit, paint, measure, and keep what extractor and judge both accept.

Rows are made `ROWS` at a time, each in tries. Latents are drawn for all of them and scored by the axes; each try takes one that
surely lies in the row's cell, as far as the axes can tell. Where extractor and judge do not see it there, it is moved by the
axes, or by an exact edit, with everything else held. Where one of them disagrees still, or the face was there before, the next
try follows. The same request makes the same rows, wherever it was cut off.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tlgan.editing import Edit, resolve_all, resolved
from tlgan.editing.edit import HOLD
from tlgan.editing.state import encode_latent

from .conditions import Box, yes_or_no
from .look import Looker, Seen
from .request import Cell, Plan

if TYPE_CHECKING:
    from tlgan.editing import Canvas

#: Rows made together, the most that a kill loses.
ROWS = 64
#: Latents scored for each row that is made together with others, and tries for one row.
DRAWS, TRIES = 256, 16
#: After so many tries other latents are drawn: the best of the first ones are taken.
RENEWED = 4
#: A latent is taken by this power of the probability that it lies in the cell. By the probability itself, most of those taken
#: for a cell that one face in a hundred lies in are none of it.
SURE = 4.0
#: In the first tries a face is moved by the axes alone, and the ask corrected so often by what was seen; later ones are
#: exact edits, each of which costs as much as some seven pictures.
STRAIGHT, CORRECTIONS = 8, 2
#: How far inside the margin a face is moved, in sd: moving one feature of a cell shifts its others.
INSIDE = 0.25
#: Mean change of what was locked, by extractor or judge in sd, from which on an edit changed something else too.
DRIFT = 0.6
#: A cell none of whose first rows succeeded is given up.
HOPELESS = 6
#: Far from the seeds that samples and evaluations use.
STREAM = 2**41
REFUSALS = ("extractor", "judge", "drift", "seen before")


@dataclass
class Tally:
    """What became of a cell so far: rows ``made`` and ``failed``, ``edited`` ones, pictures ``painted``, and those that
    were refused by reason."""

    made: int = 0
    failed: int = 0
    edited: int = 0
    painted: int = 0
    refused: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REFUSALS, 0))

    def add(self, other: Tally) -> None:
        """Count what another tally counted, too."""
        self.made, self.failed, self.edited = (
            self.made + other.made,
            self.failed + other.failed,
            self.edited + other.edited,
        )
        self.painted += other.painted
        for reason, count in other.refused.items():
            self.refused[reason] += count

    @property
    def hopeless(self) -> bool:
        """Whether this cell is given up."""
        return self.made == 0 and self.failed >= HOPELESS

    def why(self, judge: str) -> str:
        """In words, why rows failed."""
        words = {"extractor": "the extractor saw something else", "judge": f"{judge} saw something else",
                 "drift": "something locked changed too", "seen before": "the face was there before"}  # fmt: skip
        said = [f"{count} times {words[reason]}" for reason, count in self.refused.items() if count]
        return f"of {self.painted} pictures: {', '.join(said)}" if said else "no latent could be moved there"


@dataclass(frozen=True, eq=False)
class Try:
    """One attempt at a row: the start, where it was drawn, and the edit that leads into the ``box``."""

    row: int
    cell: int
    box: Box
    draw: int
    edit: Edit


@dataclass(frozen=True, eq=False)
class Pool:
    """Latents that the rows of a part choose from, none twice: the place of the ``first`` in the stream, what the axes say of
    them, ``predicted`` [n, f], and which are ``taken``, bool [n]. ``scores``: by cell, the logarithm of the probability that a
    latent lies in it [n], and in which of its boxes [n]."""

    first: int
    predicted: np.ndarray
    taken: np.ndarray
    scores: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Part:
    """Rows made together: ``records`` (plain values but for ``picture`` uint8 [H, W, 3] and ``edit_state``), ``code`` of
    each, and what became of every cell."""

    records: list[dict[str, Any]]
    code: np.ndarray
    tally: dict[int, Tally]


@dataclass
class History:
    """What parts before this one leave: codes of all faces, and tallies by cell."""

    codes: list[np.ndarray] = field(default_factory=list)
    tally: dict[int, Tally] = field(default_factory=dict)

    def add(self, code: np.ndarray, tally: dict[int, Tally]) -> None:
        """One more part."""
        self.codes.append(code)
        for cell, counted in tally.items():
            self.tally.setdefault(cell, Tally()).add(counted)

    def nearest(self, code: np.ndarray) -> np.ndarray:
        """Distance [n] of codes [n, c] to the nearest of all earlier ones; infinite where there are none."""
        least = np.full(len(code), np.inf)
        mine = code.astype(np.float32)
        for part in self.codes:
            theirs = part.astype(np.float32)
            if len(theirs):
                squared = (mine**2).sum(1)[:, None] + (theirs**2).sum(1)[None] - 2 * mine @ theirs.T
                least = np.minimum(least, np.sqrt(np.maximum(squared, 0)).min(axis=1))
        return least


class Maker:
    """Makes the parts of one request."""

    def __init__(self, canvas: Canvas, looker: Looker, plan: Plan) -> None:
        self.canvas, self.looker, self.plan, self.request = canvas, looker, plan, plan.request
        self.axes = canvas.axes
        self._free = [name for row, name in enumerate(self.axes.names) if not self.axes.weak[row]]
        self._quantiles = (self.axes.quantiles - self.axes.mean[:, None]) / self.axes.sd[:, None]
        self._noise = np.sqrt(np.clip(1 - self.axes.r2, 0.02, 1.0))

    def parts(self) -> int:
        """How many parts the request has."""
        return -(-self.request.n // ROWS)

    def part(self, number: int, history: History) -> Part:
        """Make part `number`, whose forerunners left `history`."""
        rows = range(number * ROWS, min((number + 1) * ROWS, self.request.n))
        tally: dict[int, Tally] = {}
        waiting: list[int] = []
        for row in rows:
            cell = self.plan.cell_of(row)
            counted = tally.setdefault(cell, Tally())
            if self.plan.cells[cell].impossible or history.tally.get(cell, Tally()).hopeless:
                counted.failed += 1
            else:
                waiting.append(row)
        here = History(list(history.codes))
        found: dict[int, list[dict[str, Any]]] = {}
        codes: dict[int, np.ndarray] = {}
        pool: Pool | None = None
        for attempt in range(TRIES):
            if not waiting:
                break
            if attempt % RENEWED == 0 and self.request.source != "edit":
                pool = self._pool(number * (TRIES // RENEWED) + attempt // RENEWED, len(rows))
            for row, records, code in self._attempt(waiting, attempt, pool, here, tally):
                found[row], codes[row] = records, code
            waiting = [row for row in waiting if row not in found]
        for row in waiting:
            tally[self.plan.cell_of(row)].failed += 1
        order = sorted(found)
        code = np.concatenate([codes[row] for row in order]) if order else np.zeros((0, 1), dtype=np.float16)
        return Part([record for row in order for record in found[row]], code, tally)

    def stands(self, code: np.ndarray, tally: dict[int, Tally], history: History, known: int) -> bool:
        """Whether a part with these codes, made when `known` parts were, is what `part` makes after all of `history`: none
        of its faces is in those that came since, and none of its cells was given up by them."""
        since = History(history.codes[known:])
        for cell, counted in tally.items():
            if history.tally.get(cell, Tally()).hopeless and counted.painted:
                return False
        return not any(since.nearest(code[[row]])[0] < self.looker.twin for row in range(len(code)))

    def _attempt(
        self, rows: list[int], attempt: int, pool: Pool | None, here: History, tally: dict[int, Tally]
    ) -> Iterable[tuple[int, list[dict[str, Any]], np.ndarray]]:
        tries, seen, starts, reasons = self._proposed(rows, attempt, pool)
        for k, one in enumerate(tries):
            tally[one.cell].painted += 1
            if reasons[k]:
                tally[one.cell].refused[reasons[k]] += 1
        fits = [k for k, reason in enumerate(reasons) if not reason]
        twins = self._twins([tries[k] for k in fits], [seen[k] for k in fits], tally) if self.request.pairs else None
        for k in fits:
            one, counted = tries[k], tally[tries[k].cell]
            others = [] if twins is None else twins.get(one.row, [])
            if twins is not None and not others:
                continue
            if here.nearest(seen[k].code)[0] < self.looker.twin:
                counted.refused["seen before"] += 1
                continue
            records = [self._record(one, seen[k], starts.get(k)), *(self._record(*other) for other in others)]
            for record in records if others else []:
                yes = record[f"{self.request.pairs}_extractor"] >= 0.5
                record |= {"side": "with" if yes else "without", f"{self.request.pairs}_asked": str(int(yes))}
            here.codes.append(seen[k].code)
            counted.made += 1
            counted.edited += bool(one.edit.asked)
            yield one.row, records, np.concatenate([seen[k].code, *(other[1].code for other in others)])

    def _proposed(
        self, rows: list[int], attempt: int, pool: Pool | None
    ) -> tuple[list[Try], list[Seen], dict[int, Seen], list[str]]:
        """A try for each row, what was seen of it, what was seen of the starts of those that were moved, by the number of
        the try, and why it is refused or "".

        All are looked at small; only what is then to be kept is painted whole, and looked at again.
        """
        tries = [self._start(row, attempt, pool) for row in rows]
        look = self.looker.look
        starts = look(np.stack([one.edit.latent for one in tries]), small=True)
        seen: list[Seen] = [starts[[k]] for k in range(len(tries))]
        reasons = [self._refusal(one, starts[[k]], None) for k, one in enumerate(tries)]
        waiting = [k for k, reason in enumerate(reasons) if reason and self.request.source != "select"]
        exact = self.request.source == "edit" or attempt >= STRAIGHT
        moved: dict[int, Seen] = {}
        for _ in range(1 if exact else 1 + CORRECTIONS):
            edits = {k: self._edit(tries[k], seen[k], attempt, exact=exact) for k in waiting}
            waiting = [k for k in waiting if edits[k].asked]
            if not waiting:
                break
            solutions = resolve_all(self.canvas, [edits[k] for k in waiting], self.request.quality)
            for k, solution in zip(waiting, solutions, strict=True):
                tries[k] = replace(tries[k], edit=resolved(edits[k], solution, self.request.quality))
            looked = look(np.stack([_reached(tries[k].edit) for k in waiting]), small=True)
            for j, k in enumerate(waiting):
                seen[k], moved[k] = looked[[j]], starts[[k]]
                reasons[k] = self._refusal(tries[k], seen[k], moved[k])
            waiting = [k for k in waiting if reasons[k] in ("extractor", "judge")]
        fits = [k for k, reason in enumerate(reasons) if not reason]
        if fits and self.canvas.small is not self.canvas:
            whole = look(np.stack([_reached(tries[k].edit) for k in fits]))
            for j, k in enumerate(fits):
                reasons[k] = self._refusal(tries[k], whole[[j]], None)
                seen[k] = whole[[j]]
        return tries, seen, moved, reasons

    def _pool(self, number: int, rows: int) -> Pool:
        """Pool number `number` of the stream, for so many rows."""
        first, count = number * ROWS * DRAWS, rows * DRAWS
        blocks = [self._drawn(first + k, min(4 * DRAWS, count - k)) for k in range(0, count, 4 * DRAWS)]
        return Pool(first, np.concatenate([self.axes.predict(block) for block in blocks]), np.zeros(count, dtype=bool))

    def _drawn(self, place: int, count: int) -> np.ndarray:
        return self.canvas.sample(count, seed=STREAM + self.request.seed, start=place)

    def _chosen(self, row: int, attempt: int, number: int, pool: Pool) -> tuple[int, Box]:
        """The place of a latent of the pool for a row of cell `number`, taken by how surely it lies in there, and the box."""
        boxes = self.plan.cells[number].boxes
        if number not in pool.scores:
            chances = np.stack([self._chance(pool.predicted, box) for box in boxes], axis=1)
            pool.scores[number] = chances.max(axis=1), chances.argmax(axis=1)
        best, which = pool.scores[number]
        weight = np.exp(SURE * (best - best[~pool.taken].max())) * ~pool.taken
        chosen = int(self._chance_of(row, attempt).choice(len(weight), p=weight / weight.sum()))
        pool.taken[chosen] = True
        return pool.first + chosen, boxes[int(which[chosen])]

    def _chance_of(self, row: int, attempt: int) -> np.random.Generator:
        """A row's own source of chance."""
        return np.random.Generator(np.random.Philox(key=[self.request.seed, 1], counter=[row, attempt, 0, 0]))

    def _start(self, row: int, attempt: int, pool: Pool | None) -> Try:
        """A latent for a row: chosen from a pool, or without one the next of its own."""
        number = self.plan.cell_of(row)
        if pool is not None:
            place, box = self._chosen(row, attempt, number, pool)
            return Try(row, number, box, place, Edit(self._drawn(place, 1)[0]))
        place = (row * TRIES + attempt) * DRAWS
        latents = self._drawn(place, 1)
        boxes = self.plan.cells[number].boxes
        box = max(boxes, key=lambda box: float(self._chance(self.axes.predict(latents), box)[0]))
        return Try(row, number, box, place, Edit(latents[0]))

    def _chance(self, predicted: np.ndarray, box: Box) -> np.ndarray:
        """Log probability [n] that pictures which the axes predict at [n, f] lie in a box: what the axes do not explain is
        normal, with the variance 1 - R²."""
        from scipy.special import log_ndtr

        total = np.zeros(len(predicted))
        for name, interval in self.looker.aims(box, self.request.margin).items():
            row = self.axes.index(name)
            low, high = ((end - predicted[:, row]) / self._noise[row] for end in interval)
            # of the two tails that are equal by symmetry, the one that does not cancel
            low, high = np.where(low > 0, -high, low), np.where(low > 0, -low, high)
            above, below = log_ndtr(high), log_ndtr(low)
            total += above + np.log1p(-np.exp(np.minimum(below - above, -1e-12)))
        return total

    def _edit(self, one: Try, seen: Seen, attempt: int, *, exact: bool) -> Edit:
        """Move what is `seen` outside of the box, or near its edge, well inside; hold the box's other features where they are,
        and everything else by soft locks.

        What was asked before is asked on. A start that nobody chose goes to a place that the population has in the box.
        """
        asked, margin = dict(one.edit.asked), self.request.margin
        aims, rng = self.looker.aims(one.box, margin), self._chance_of(one.row, attempt)
        for name, (own, judged) in self.looker.gaps(seen, one.box, margin + INSIDE).items():
            by = float(max(own[0], judged[0], key=abs))
            if self.request.source == "edit" and own[0]:
                by = self._target(name, *aims[name], rng) - float(seen.own[0, self.axes.index(name)])
            asked[name] = asked.get(name, 0.0) + by
        edit = Edit(one.edit.latent, exact=exact).ask(asked)
        soft = [name for name in self._free if name not in one.box]
        return edit.lock([name for name in one.box if name not in edit.asked]).lock(soft, HOLD)

    def _target(self, name: str, low: float, high: float, rng: np.random.Generator) -> float:
        """A place in an interval, drawn as the population lies in it; where it has none there, just inside."""
        places, levels = self._quantiles[self.axes.index(name)], self.axes.quantile_levels
        bottom, top = np.interp([low, high], places, levels)
        if top - bottom > 1e-3:
            return float(np.clip(np.interp(rng.uniform(bottom, top), levels, places), low, high))
        return low + min(0.25, (high - low) / 2) if np.isfinite(low) else high - 0.25

    def _refusal(self, one: Try, seen: Seen, start: Seen | None) -> str:
        """Why a picture is not taken; empty where it is."""
        own, judged = self.looker.agree(seen, self.plan.cells[one.cell].boxes, self.request.margin)
        if not own[0]:
            return "extractor"
        if not judged[0]:
            return "judge"
        if start is not None and max(self._drift(one.edit, seen, start)) > DRIFT:
            return "drift"
        if self.request.pairs and not self._sure_side(seen):
            return "judge"
        return ""

    def _drift(self, edit: Edit, seen: Seen, start: Seen) -> tuple[float, float]:
        """Mean |change| of the locked features, by the extractor and by the judge."""
        held = {*edit.soft, *edit.locks}
        own = [self.axes.index(name) for name in sorted(held)]
        judged = [k for k, name in enumerate(self.looker.judged) if name in held]
        by_own = np.abs(seen.own[0, own] - start.own[0, own]).mean() if own else 0.0
        by_judge = np.abs(seen.places[0, judged] - start.places[0, judged]).mean() if judged else 0.0
        return float(by_own), float(by_judge)

    def _sure_side(self, seen: Seen, yes: bool | None = None) -> bool:
        """Whether extractor and judge see a picture on the same side of the pairs' feature, or on the side `yes`."""
        name = self.request.pairs
        own = bool(self.axes.values(seen.own[0])[self.axes.index(name)] >= 0.5)
        agree = all(k[0] for k in self.looker.agree(seen, ({name: yes_or_no(own)},), self.request.margin))
        return bool(agree and (yes is None or own == yes))

    def _twins(
        self, tries: list[Try], seen: list[Seen], tally: dict[int, Tally]
    ) -> dict[int, list[tuple[Try, Seen, Seen]]]:
        """Of each accepted face, the same one on the other side of the pairs' feature, by row; none where that failed."""
        if not tries:
            return {}
        name = self.request.pairs
        row = self.axes.index(name)
        edits = []
        for k, one in enumerate(tries):
            yes = bool(self.axes.values(seen[k].own[0])[row] >= 0.5)
            ((low, high),) = self.looker.aims({name: yes_or_no(not yes)}, self.request.margin).values()
            rng = np.random.Generator(np.random.Philox(key=[self.request.seed, 2], counter=[one.row, 0, 0, 0]))
            ask = self._target(name, low, high, rng) - float(seen[k].own[0, row])
            locks = [other for other in self._free if other != name]
            edits.append(Edit(_reached(one.edit), exact=True).ask({name: ask}).lock(locks, HOLD))
        solutions = resolve_all(self.canvas, edits, self.request.quality)
        edits = [
            resolved(edit, solution, self.request.quality) for edit, solution in zip(edits, solutions, strict=True)
        ]
        looked = self.looker.look(np.stack([_reached(edit) for edit in edits]))
        found = {}
        for k, (one, edit) in enumerate(zip(tries, edits, strict=True)):
            cell, other, counted = self.plan.cells[one.cell], looked[[k]], tally[one.cell]
            counted.painted += 1
            yes = bool(self.axes.values(seen[k].own[0])[row] >= 0.5)
            own, judged = self.looker.agree(other, cell.boxes, 0.0)
            if not own[0]:
                counted.refused["extractor"] += 1
            elif not judged[0] or not self._sure_side(other, not yes):
                counted.refused["judge"] += 1
            elif max(self._drift(edit, other, seen[k])) > DRIFT:
                counted.refused["drift"] += 1
            else:
                found[one.row] = [(Try(one.row, one.cell, one.box, one.draw, edit), other, seen[k])]
        return found

    def _record(self, one: Try, seen: Seen, start: Seen | None) -> dict[str, Any]:
        """One picture and everything that is known of it."""
        cell, edit = self.plan.cells[one.cell], one.edit
        values = self.axes.values(seen.own[0])
        record: dict[str, Any] = {
            "picture": seen.pictures[0],
            "edit_state": edit,
            "row": one.row,
            "cell": cell.words,
            "side": "",
            "edited": bool(edit.asked),
        }
        for name in self.plan.asked:
            record[f"{name}_asked"] = asked_value(cell, one.box, name)
        record |= {f"{name}_extractor": float(value) for name, value in zip(self.axes.names, values, strict=True)}
        record |= {
            f"{name}_judge": float(value) for name, value in zip(self.looker.judged, seen.values[0], strict=True)
        }
        drift = (
            (0.0, 0.0) if start is None or not edit.asked else self._drift(edit, seen, start)
        )  # never null: readers guess types
        record |= {"drift_extractor": drift[0], "drift_judge": drift[1]}
        words = {
            "asked": {name: round(change, 4) for name, change in sorted(edit.asked.items())},
            "locks": sorted({*edit.soft, *edit.locks}),
        }
        record |= {
            "seed": STREAM + self.request.seed,
            "draw": one.draw,
            "start": encode_latent(edit.latent),
            "latent": encode_latent(_reached(edit)),
            "edit": json.dumps(words) if edit.asked else "",
        }
        return record


def asked_value(cell: Cell, box: Box, name: str) -> str:
    """What is asked of a feature as a label: "1" or "0" of a probability, the words of a bin, "" where nothing is."""
    if name in cell.bins:
        return str(cell.bins[name].value)
    interval = box.get(name)
    return (
        ""
        if interval is None
        else {yes_or_no(True): "1", yes_or_no(False): "0"}.get(interval, f"{interval[0]:g} to {interval[1]:g}")
    )


def _reached(edit: Edit) -> np.ndarray:
    return edit.latent if edit.reached is None else edit.reached.latent
