"""From a workspace and a request to a folder with a data set: goes on where it was cut off, and hands over all at once."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tlgan.editing import Canvas
from tlgan.editing.claims import claim_of
from tlgan.editing.state import png_with_state, to_json
from tlgan.errors import TlganError
from tlgan.evaluation.evaluate import as_evaluator
from tlgan.evaluation.statistics import Estimate, wilson
from tlgan.io.files import replacing, sweep, to_read, to_write
from tlgan.io.lock import LOCK, locked
from tlgan.io.step import PENDING, Step, finish, is_ours
from tlgan.progress import Progress, ProgressLike, as_progress
from tlgan.samples.engines import mapped

from .card import write_card
from .export import format_named
from .look import Looker
from .make import ROWS, History, Maker, Tally
from .parts import Parts
from .request import Plan, Request

if TYPE_CHECKING:
    from tlgan.evaluation.judging import Evaluator
    from tlgan.extractors import Extractor
    from tlgan.hooks import SamplingEngine
    from tlgan.workspace import Workspace

WORK = ".tlgan-dataset"
RESULT_FILE = "dataset.json"
ENDING = "png"


@dataclass(frozen=True)
class CellResult:
    """``asked`` and ``made`` rows; ``edited`` ones; ``diversity``: mean distance in the judge's embedding between its
    faces, where plain faces are 1 apart; ``reason``: why rows are missing, or empty."""

    words: str
    asked: int
    made: int
    edited: int
    diversity: float
    reason: str


@dataclass(frozen=True)
class Result:
    """What `make_dataset` made. ``thrown``: share of the painted pictures that were refused, ``refused`` by reason;
    ``agreed``: of the pictures that the extractor saw in their cell, the share that the judge saw there too, before any was
    refused; ``unjudged``: features asked for that the judge does not know; ``twin``: the distance under which a face was the same."""

    rows: int
    pictures: int
    cells: tuple[CellResult, ...]
    painted: int
    thrown: float
    refused: dict[str, int]
    judge: str
    agreed: Estimate
    unjudged: tuple[str, ...]
    twin: float
    request: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def make_dataset(
    workspace: Workspace,
    out: str | Path,
    request: Request,
    *,
    form: str = "folder",
    judge: Extractor | Evaluator | None = None,
    progress: ProgressLike = None,
    engine: SamplingEngine | None = None,
) -> Result:
    """Make the rows of `request` and write them into the folder `out`, in a form that `FORMATS` names.

    ``judge``: in place of the one that the request names; ``progress`` counts "rows"; ``engine``: where rows are made, None
    for this process. Cut off at any moment, the same call goes on, and ends with the
    same bytes. Raises TlganError where the request can't be met at all, or the folder holds something else.
    """
    from tlgan.extractors import load_extractor

    out, progress = Path(out), as_progress(progress)
    write = format_named(form)
    if out.exists() and not out.is_dir():
        raise TlganError(f"{out} is a file: name a folder with -o, a new or an empty one")
    workspace.check_judge(request.judge)
    plan = Plan(request, workspace.axes)
    evaluator = as_evaluator(judge if judge is not None else load_extractor(request.judge))
    weak = [name for name in plan.asked if workspace.axes.weak[workspace.axes.index(name)]]
    if weak and request.source == "edit":
        raise TlganError(f"{', '.join(weak)} can't be edited: the axis is weak on this generator; leave --edit out")
    if request.resolution is not None and not 1 <= request.resolution <= workspace.generator.resolution:
        raise TlganError(f"resolution {request.resolution} is out of range: {workspace.generator.name} paints 1 to "
                         f"{workspace.generator.resolution} px")  # fmt: skip
    canvas = Canvas(workspace.generator, workspace.extractor, workspace.axes, resolution=request.resolution)
    digest = request.digest(workspace.axes.generator, _axes_digest(workspace), evaluator.name)
    with locked(out / LOCK, progress.stage):
        finish(out)
        sweep(out)
        done = _finished(out, digest, form)
        if done is not None:
            shutil.rmtree(out / WORK, ignore_errors=True)
            progress.stage(f"{out} holds this data set already")
            return done
        work = to_write(out, WORK)
        progress.stage(f"{evaluator.name} looks at plain pictures, to know the scale")
        looker = Looker(canvas, evaluator, plan)
        parts = Parts(work, digest, _columns(plan, looker))
        maker = Maker(canvas, looker, plan)
        history = _made(parts, maker, progress, engine)
        result = _result(parts, plan, history, evaluator.name, looker)
        progress.stage(f"writing {out}")
        with Step(out) as step:
            write(parts, step.path, ENDING)
            write_card(step.path("README.md"), workspace, result, parts, form)
            document = {"digest": digest, "format": form, "result": result.to_json()}
            with replacing(step.path(RESULT_FILE)) as temporary:
                temporary.write_text(json.dumps(document, indent=1), encoding="utf-8")
        shutil.rmtree(work, ignore_errors=True)
    return result


def _made(parts: Parts, maker: Maker, progress: Progress, engine: SamplingEngine | None) -> History:
    """All parts, those that are there read and the others made."""
    history, n = History(), maker.request.n
    for number in range(parts.count()):
        history.add(*parts.left(number))
    painted = thrown = 0
    before = rows = min(parts.count() * ROWS, n)
    began = time.monotonic()
    progress.step("rows", rows, n)
    if parts.folder.is_dir():
        sweep(parts.folder)
    task = _Written(maker, parts)
    asked = ((number, len(history.codes)) for number in range(parts.count(), maker.parts()))
    for number, (known, code, tally) in enumerate(mapped(engine, task, asked, progress.stage), parts.count()):
        if not maker.stands(code, tally, history, known):
            _, code, tally = task((number, number))
        parts.take_in(number)
        history.add(code, tally)
        painted += sum(counted.painted for counted in tally.values())
        thrown += sum(sum(counted.refused.values()) for counted in tally.values())
        rows = min(rows + ROWS, n)
        seconds = max(time.monotonic() - began, 1e-6)
        words = f"{painted / seconds:.1f} pictures/s, {thrown / max(painted, 1):.0%} thrown away"
        progress.step("rows", rows, n, f"{words}, {(n - rows) / max(rows - before, 1) * seconds / 60:.0f} min to go")
    return history


class _Written:
    """Makes parts and writes them ahead, wherever it is. What earlier parts leave is read from their files."""

    def __init__(self, maker: Maker, parts: Parts) -> None:
        self.maker, self.parts, self.history = maker, parts, History()

    def __call__(self, item: tuple[int, int]) -> tuple[int, np.ndarray, dict[int, Tally]]:
        """Of (number, how many parts there are for sure): how many were looked at, the codes, the tallies."""
        number, sure = item
        while len(self.history.codes) < sure:
            self.history.add(*self.parts.left(len(self.history.codes)))
        known = len(self.history.codes)
        part = self.maker.part(number, self.history)
        for record in part.records:
            edit = record["edit_state"]
            claim = claim_of(self.maker.canvas, edit)
            record["image"] = png_with_state(record["picture"], to_json(edit, self.maker.axes), claim)
        self.parts.write(number, part.records, part.code, part.tally)
        return known, part.code, part.tally


def _columns(plan: Plan, looker: Looker) -> dict[str, str]:
    columns = {"row": "int", "cell": "string", "side": "string"}
    columns |= {f"{name}_asked": "string" for name in plan.asked}
    columns |= {f"{name}_extractor": "float" for name in plan.axes.names}
    columns |= {f"{name}_judge": "float" for name in looker.judged}
    columns |= {"edited": "bool", "drift_extractor": "float", "drift_judge": "float", "seed": "int", "draw": "int"}
    return columns | {"start": "string", "latent": "string", "edit": "string"}


def _result(parts: Parts, plan: Plan, history: History, judge: str, looker: Looker) -> Result:
    tally = history.tally
    diversity = _diversity(parts)
    cells = []
    for number, cell in enumerate(plan.cells):
        counted = tally.get(number, Tally())
        reason = "" if counted.made == cell.rows else cell.impossible or counted.why(judge)
        cells.append(
            CellResult(cell.words, cell.rows, counted.made, counted.edited, diversity.get(cell.words, 0.0), reason)
        )
    refused: dict[str, int] = {}
    for counted in tally.values():
        for reason, count in counted.refused.items():
            refused[reason] = refused.get(reason, 0) + count
    painted, made = sum(t.painted for t in tally.values()), sum(t.made for t in tally.values())
    if not made:
        raise TlganError(f"not one row could be made: {cells[0].reason}; ask for less, or for another judge")
    return Result(
        rows=made,
        pictures=sum(len(code) for code in history.codes),
        cells=tuple(cells),
        painted=painted,
        thrown=sum(refused.values()) / max(painted, 1),
        refused=refused,
        judge=judge,
        agreed=wilson(
            painted - refused.get("extractor", 0) - refused.get("judge", 0), painted - refused.get("extractor", 0)
        ),
        unjudged=looker.unjudged,
        twin=looker.twin,
        request=asdict(plan.request) | {"like": list(plan.request.like[0])},
    )


def _diversity(parts: Parts) -> dict[str, float]:
    """By cell, the root of the mean squared distance between two of its faces: twice the trace of their covariance."""
    sums: dict[str, list[Any]] = {}
    for table in parts.read(["cell", "code"]):
        for words, raw in zip(table["cell"].to_pylist(), table["code"].to_pylist(), strict=True):
            code = np.frombuffer(raw, np.float16).astype(np.float64)
            found = sums.setdefault(words, [0, 0.0, 0.0])
            found[0], found[1], found[2] = found[0] + 1, found[1] + code, found[2] + float(code @ code)
    return {
        words: float(np.sqrt(max(2 * (squares - total @ total / count) / (count - 1), 0.0))) if count > 1 else 0.0
        for words, (count, total, squares) in sums.items()
    }


def _axes_digest(workspace: Workspace) -> str:
    axes = workspace.axes
    numbers = (axes.directions, axes.intercepts, axes.mean, axes.sd, axes.r2, axes.weak, axes.quantiles)
    return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in numbers)).hexdigest()


def _finished(out: Path, digest: str, form: str) -> Result | None:
    """The data set that the folder holds already; None where it is empty or holds one that was begun.

    Raises TlganError where it holds something else.
    """
    names = {path.name for path in out.iterdir() if not is_ours(path.name)} if out.is_dir() else set()
    names -= {WORK, PENDING}
    if not names:
        return None
    file = to_read(out, RESULT_FILE)
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        if document["digest"] == digest and document["format"] == form:
            values = document["result"]
            cells = tuple(CellResult(**cell) for cell in values.pop("cells"))
            words: dict[str, Any] = {
                "unjudged": tuple(values.pop("unjudged")),
                "agreed": Estimate(**values.pop("agreed")),
            }
            return Result(cells=cells, **words, **values)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise TlganError(
        f"{out} holds something else already ({min(names)}): name another folder with -o, or empty this one"
    )
