"""Is a data set what was asked? Cells, labels as a judge sees them that had no part in it, and what it costs.

    python benchmarks/dataset.py                             # 2,000 pictures of the default generator
    python benchmarks/dataset.py --workspace faces --out big # goes on where it was cut off
    python benchmarks/dataset.py --workspace faces --out big --so-far    # the rows that are there
    python benchmarks/dataset.py --generator photo64 -n 256

Claim: each cell of `--balance male,eyeglasses,young` is within 1 % of what was asked, and for each feature a network that
neither made nor verified a picture (`--judge`, by default `second_judge.onnx`) agrees with its label in at least 95 %. Plain
pictures of the same generator, labelled by the extractor alone, stand beside it. A smaller run (`--resume-rows`) that is cut off
half-way has to end with the same bytes.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from tlgan.cli.demo import DEFAULT_GENERATOR
from tlgan.dataset import Plan, Request, make_dataset
from tlgan.dataset.make import ROWS, Tally
from tlgan.dataset.run import WORK
from tlgan.editing import Canvas
from tlgan.evaluation.judging import ExtractorEvaluator
from tlgan.evaluation.statistics import wilson
from tlgan.extractors import load_extractor
from tlgan.progress import Progress
from tlgan.workspace import Settings, Workspace, open_workspace
from tlgan.workspace.discover import discover

NAMES = ("male", "eyeglasses", "young")
SECOND = Path(__file__).parent / "second_judge.onnx"
PLAIN_SEED = 2**40 + 7


class Stop(Progress):
    """Cuts a run off after its first part."""

    def step(self, what: str, done: int, total: int | None = None, words: str = "") -> None:
        if what == "rows" and done >= ROWS:
            raise InterruptedError


class Paced(Progress):
    """Prints each step, with seconds of the clock and of the processor."""

    def __init__(self) -> None:
        self.began, self.cpu = time.perf_counter(), time.process_time()

    def step(self, what: str, done: int, total: int | None = None, words: str = "") -> None:
        clock, cpu = time.perf_counter() - self.began, time.process_time() - self.cpu
        print(f"{done} of {total} {what}, {words}, {clock:.0f} s, {cpu:.0f} s of processor", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", default=DEFAULT_GENERATOR)
    parser.add_argument("--workspace", type=Path, help="use this one instead of discovering a new one")
    parser.add_argument("-n", type=int, default=2000)
    parser.add_argument("--resolution", type=int, default=128)
    parser.add_argument("--margin", type=float, default=Request.margin)
    parser.add_argument("--source", choices=("both", "edit", "select"), default="both")
    parser.add_argument("--judge", default=str(SECOND), help="an extractor that neither made nor verified the pictures")
    parser.add_argument("--plain", type=int, default=500, help="plain pictures beside it")
    parser.add_argument("--out", type=Path, help="keep the data set, and go on with it")
    parser.add_argument("--so-far", action="store_true", help="only look at the rows that --out holds already")
    parser.add_argument("--resume-rows", type=int, default=2 * ROWS, help="rows of the run that is cut off; 0: none")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        workspace = (
            open_workspace(options.workspace)
            if options.workspace
            else discover(work / "ws", Settings(options.generator))
        )
        print(json.dumps(run(workspace, options.out or work / "data", work, options), indent=1))


def run(workspace: Workspace, out: Path, work: Path, options: argparse.Namespace) -> dict[str, Any]:
    side = min(options.resolution, workspace.generator.resolution)
    request = Request(options.n, NAMES, source=options.source, resolution=side, margin=options.margin)
    if not options.so_far:
        make_dataset(workspace, out, request, form="parquet", progress=Paced())
    labels, pictures, found = _read(out, Plan(request, workspace.axes))
    second = ExtractorEvaluator(load_extractor(options.judge))
    agreed = labels == (second_responses(pictures, second) > 0)
    found["agreement with the second judge"] = {n: str(_share(agreed[:, k])) for k, n in enumerate(NAMES)}
    canvas = Canvas(workspace.generator, workspace.extractor, workspace.axes, resolution=side)
    images, places = canvas.look(canvas.sample(options.plain, seed=PLAIN_SEED))
    own = canvas.axes.values(places)[:, canvas.axes.indices(NAMES)] >= 0.5
    agreed = own == (second_responses(images, second) > 0)
    found["agreement on plain pictures"] = {n: str(_share(agreed[:, k])) for k, n in enumerate(NAMES)}
    found["share of each in plain pictures"] = {n: round(float(own[:, k].mean()), 3) for k, n in enumerate(NAMES)}
    if options.resume_rows:
        found["resumed run identical"] = _resumes(workspace, work, replace(request, n=options.resume_rows))
    return found


def _resumes(workspace: Workspace, work: Path, request: Request) -> bool:
    """Whether a run that is cut off after its first part ends with the bytes of one that is not."""
    make_dataset(workspace, work / "whole", request, form="parquet")
    try:
        make_dataset(workspace, work / "again", request, form="parquet", progress=Stop())
    except InterruptedError:
        make_dataset(workspace, work / "again", request, form="parquet")
    files = sorted(path.relative_to(work / "whole") for path in (work / "whole").rglob("*.parquet"))
    return all((work / "whole" / name).read_bytes() == (work / "again" / name).read_bytes() for name in files)


def _read(out: Path, plan: Plan) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Labels bool [n, 3] and pictures uint8 [n, H, W, 3] of a data set, or of the parts of one that is not finished; and what
    became of its cells."""
    done = sorted((out / "data").glob("*.parquet"))
    parts = sorted((out / WORK).glob("part-*.parquet"))
    table = pa.concat_tables([pq.read_table(path).replace_schema_metadata() for path in done or parts])
    labels = np.stack([np.array(table[f"{name}_asked"].to_pylist()) == "1" for name in NAMES], axis=1)
    images = [entry["bytes"] if isinstance(entry, dict) else entry for entry in table["image"].to_pylist()]
    pictures = np.stack([np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) for data in images])
    if done:
        rows, tally = plan.request.n, json.loads((out / "dataset.json").read_text())["result"]
        counts = {"painted": tally["painted"], "refused": tally["refused"]}
    else:
        rows, total = len(parts) * ROWS, Tally()
        for path in parts:
            words = json.loads(pq.read_schema(path).metadata[b"tlgan.dataset"])["tally"]
            for one in words.values():
                total.add(Tally(**one))
        counts = {"painted": total.painted, "refused": total.refused}
    asked = Counter(plan.cells[plan.cell_of(row)].words for row in range(rows))
    made, edited = Counter(table["cell"].to_pylist()), np.array(table["edited"].to_pylist())
    drift = np.array(table["drift_judge"].to_pylist())[edited]
    cells = {words: (count, made[words]) for words, count in asked.items()}
    return (
        labels,
        pictures,
        {
            "rows asked, made": (rows, len(labels)),
            "cells asked, made": cells,
            "furthest from what was asked, share of a cell": max(abs(m - a) / a for a, m in cells.values()),
            **counts,
            "share thrown away": round(sum(counts["refused"].values()) / counts["painted"], 3),
            "edited": int(edited.sum()),
            "mean drift of what was locked, sd by the verifying judge": round(float(drift.mean()), 3),
        },
    )


def second_responses(pictures: np.ndarray, evaluator: ExtractorEvaluator) -> np.ndarray:
    """What a judge says of pictures uint8 [n, H, W, 3], averaged over views: logits [n, 3]."""
    rows = [next(k for k, feature in enumerate(evaluator.features) if feature.name == name) for name in NAMES]
    said = []
    for first in range(0, len(pictures), 128):
        images = torch.from_numpy(pictures[first : first + 128].copy()).permute(0, 3, 1, 2).float() / 127.5 - 1
        said.append(evaluator.measure(np.zeros((len(images), 1)), images)[0][:, rows])
    return np.concatenate(said)


def _share(agreed: np.ndarray) -> Any:
    return wilson(int(agreed.sum()), len(agreed))


if __name__ == "__main__":
    main()
