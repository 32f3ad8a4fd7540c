"""Is a data set what was asked? Cells, labels as a judge sees them that had no part in it, and what it costs.

    python benchmarks/dataset.py                             # 2,000 pictures of the default generator
    python benchmarks/dataset.py --generator photo64 -n 256

Claim: each cell of `--balance male,eyeglasses,young` is within 1 % of what was asked, and for each feature a network that
neither made nor verified a picture (`second_judge.onnx`) agrees with its label in at least 95 %. Plain pictures of the same
generator, labelled by the extractor alone, stand beside it. A run that is cut off half-way has to end with the same bytes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from tlgan.cli.demo import DEFAULT_GENERATOR
from tlgan.dataset import Request, make_dataset
from tlgan.dataset.make import ROWS
from tlgan.dataset.run import Silent
from tlgan.evaluation.judging import ExtractorEvaluator
from tlgan.evaluation.statistics import wilson
from tlgan.extractors import load_extractor
from tlgan.workspace import Settings, Workspace, open_workspace
from tlgan.workspace.discover import discover

NAMES = ("male", "eyeglasses", "young")
SECOND = Path(__file__).parent / "second_judge.onnx"
PLAIN_SEED = 2**40 + 7


class Stop(Silent):
    """Cuts a run off after its first part."""

    def rows(self, done: int, of: int, painted: int, thrown: int) -> None:
        if done >= ROWS:
            raise InterruptedError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", default=DEFAULT_GENERATOR)
    parser.add_argument("--workspace", type=Path, help="use this one instead of discovering a new one")
    parser.add_argument("-n", type=int, default=2000)
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--source", choices=("both", "edit", "select"), default="both")
    parser.add_argument("--no-resume", action="store_true", help="leave the second, interrupted run out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        workspace = (
            open_workspace(options.workspace)
            if options.workspace
            else discover(work / "ws", Settings(options.generator))
        )
        print(json.dumps(run(workspace, work, options), indent=1))


def run(workspace: Workspace, work: Path, options: argparse.Namespace) -> dict[str, Any]:
    request = Request(
        options.n,
        balance=NAMES,
        source=options.source,
        resolution=min(options.resolution, workspace.generator.resolution),
    )
    began = time.perf_counter()
    result = make_dataset(workspace, work / "data", request, form="parquet")
    seconds = time.perf_counter() - began
    found: dict[str, Any] = {
        "generator": workspace.settings.generator,
        "rows": result.rows,
        "cells asked, made": {cell.words: (cell.asked, cell.made, cell.edited) for cell in result.cells},
        "pictures a second": round(result.pictures / seconds, 2),
        "painted": result.painted,
        "share thrown away": round(result.thrown, 3),
        "refused": result.refused,
        "verifying judge agreed before refusal": str(result.agreed),
        "edited": sum(cell.edited for cell in result.cells),
    }
    labels, pictures = _read(work / "data")
    said = _second(pictures)
    found["agreement with the second judge"] = {n: str(_agree(labels[:, k], said[:, k])) for k, n in enumerate(NAMES)}
    canvas = workspace.canvas.small if request.resolution != workspace.generator.resolution else workspace.canvas
    latents = canvas.sample(min(options.n, 1000), seed=PLAIN_SEED)
    own = canvas.axes.values(canvas.measure(latents))[:, canvas.axes.indices(NAMES)] >= 0.5
    plain = _second(canvas.paint(latents))
    found["agreement on plain pictures"] = {n: str(_agree(own[:, k], plain[:, k])) for k, n in enumerate(NAMES)}
    found["share of each in plain pictures"] = {n: round(float(own[:, k].mean()), 3) for k, n in enumerate(NAMES)}
    if not options.no_resume:
        try:
            make_dataset(workspace, work / "again", request, form="parquet", listener=Stop())
        except InterruptedError:
            make_dataset(workspace, work / "again", request, form="parquet")
        files = sorted(path.relative_to(work / "data") for path in (work / "data").rglob("*") if path.is_file())
        same = [(work / "data" / name).read_bytes() == (work / "again" / name).read_bytes() for name in files]
        found["resumed run identical"] = all(same)
    return found


def _read(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Labels bool [n, 3] and pictures uint8 [n, H, W, 3]."""
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image

    table = pa.concat_tables([pq.read_table(path) for path in sorted((folder / "data").glob("*.parquet"))])
    labels = np.stack([np.array(table[f"{name}_asked"].to_pylist()) == "1" for name in NAMES], axis=1)
    pictures = [
        np.asarray(Image.open(io.BytesIO(entry["bytes"])).convert("RGB")) for entry in table["image"].to_pylist()
    ]
    return labels, np.stack(pictures)


def _second(pictures: np.ndarray) -> np.ndarray:
    """What the second judge says, averaged over views: bool [n, 3]."""
    import torch

    evaluator = ExtractorEvaluator(load_extractor(str(SECOND)))
    rows = [next(k for k, feature in enumerate(evaluator.features) if feature.name == name) for name in NAMES]
    said = []
    for first in range(0, len(pictures), 128):
        images = torch.from_numpy(pictures[first : first + 128].copy()).permute(0, 3, 1, 2).float() / 127.5 - 1
        said.append(evaluator.measure(np.zeros((len(images), 1)), images)[0][:, rows])
    return np.concatenate(said) > 0


def _agree(one: np.ndarray, other: np.ndarray) -> Any:
    return wilson(int((one == other).sum()), len(one))


if __name__ == "__main__":
    main()
