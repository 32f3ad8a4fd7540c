"""How long an exact edit takes when somebody waits: one slider moved, seven locked, one face, as the studio does it.

The open-loop picture is shown at once and the corrected one replaces it; 150 ms on two cores is the aim.
Run: `python benchmarks/exact_latency.py`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from edit_quality import EIGHT
from tlgan.cli.demo import DEFAULT_GENERATOR
from tlgan.editing import Edit
from tlgan.web.server.painter import Painter
from tlgan.workspace import Settings, Workspace, open_workspace
from tlgan.workspace.discover import discover


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", default=DEFAULT_GENERATOR)
    parser.add_argument("--workspace", type=Path, help="use this one instead of discovering a new one")
    parser.add_argument("--edits", type=int, default=40)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.workspace is not None:
        result = run(open_workspace(options.workspace), options.edits, options.threads)
    else:
        with tempfile.TemporaryDirectory() as folder:
            workspace = discover(Path(folder) / "faces", Settings(options.generator))
            result = run(workspace, options.edits, options.threads)
    if options.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:<36} {value}")


def run(workspace: Workspace, edits: int, threads: int) -> dict[str, float | int]:
    import torch

    torch.set_num_threads(threads)
    painter = Painter(workspace, threads=threads)
    first, corrected = [], []
    for number in range(-3, edits):  # the first three warm up
        name = EIGHT[number % len(EIGHT)]
        edit = Edit(painter.latent_of(number + 100), {name: 1.5}, frozenset(EIGHT) - {name}, exact=True)
        began = time.perf_counter()
        painter.paint(edit)
        shown = time.perf_counter()
        painter.refined(edit)
        done = time.perf_counter()
        if number >= 0:
            first.append(1000 * (shown - began))
            corrected.append(1000 * (done - shown))
    return {
        "threads": threads,
        "edits": edits,
        "open-loop picture, ms, median": round(float(np.median(first)), 1),
        "corrected picture, ms, median": round(float(np.median(corrected)), 1),
        "corrected picture, ms, 95 %": round(float(np.quantile(corrected, 0.95)), 1),
    }


if __name__ == "__main__":
    main()
