"""How long from nothing drawn to forty sliders, beside what the method's first recipe would cost here.

Claim: with the default generator and extractors, 40 sliders of 1024-pixel pictures take under 90 seconds on two CPU cores
and under 2 GB. What the axes explain is measured on whole pictures of latents never used before, by the extractor that
they were found with and by one that had no part in it. The original recipe drew a fixed 256,000 whole pictures and had no
stopping rule; its time here is extrapolated from the rate at which whole pictures are painted and measured in the same
run. Run: `python benchmarks/forty_sliders.py`, or with `--generator photo64`.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from tlgan import load_extractor
from tlgan.axes import to_response
from tlgan.cli.demo import DEFAULT_GENERATOR
from tlgan.progress import Progress
from tlgan.workspace import Settings, Workspace
from tlgan.workspace.discover import discover

ORIGINAL_SAMPLES = 256_000


class Clock(Progress):
    """Notes when every stage began."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, float]] = []

    def stage(self, words: str) -> None:
        self.stages.append((words, time.perf_counter()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--generator", default=DEFAULT_GENERATOR)
    parser.add_argument("--extractor", action="append")
    parser.add_argument("--whole", type=int, default=300, help="whole pictures to judge by in the end")
    parser.add_argument("--judge", default="judge40")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    settings = Settings(options.generator, extractors=tuple(options.extractor or Settings("").extractors))
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        workspace = discover(Path(folder) / "faces", settings, progress=clock)
        ended = time.perf_counter()
    axes = workspace.axes
    ends = [moment for _, moment in clock.stages[1:]] + [ended]
    stages = {words: round(end - start, 2) for (words, start), end in zip(clock.stages, ends, strict=True)}
    drawing = next(seconds for words, seconds in stages.items() if words.startswith("drawing"))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    own, judged, rate = whole_pictures(workspace, options.whole, options.judge)
    result = {
        "sliders": len(axes.features),
        "not weak": int((~axes.weak).sum()),
        "mean held-out R², as told": round(float(axes.r2.mean()), 3),
        "mean R² on whole pictures never used before": round(own, 3),
        f"the same of what {options.judge} measures": round(judged, 3),
        "samples": axes.samples,
        "seconds in all": round(ended - begun, 1),
        "seconds by stage": stages,
        "samples a second": round(axes.samples / drawing),
        "whole pictures a second": round(rate, 1),
        "peak memory MB": memory,
        "original recipe, seconds (256,000 samples, extrapolated from this rate)": round(ORIGINAL_SAMPLES / rate),
    }
    if options.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:<72} {value}")


def whole_pictures(workspace: Workspace, count: int, judge: str) -> tuple[float, float, float]:
    """Mean R² of the axes on `count` whole pictures by their own extractor; the mean squared correlation of what they
    predict with what `judge` measures, for the features that both have; and whole pictures a second."""
    axes, canvas, other = workspace.axes, workspace.canvas, load_extractor(judge)
    begun = time.perf_counter()
    latents = canvas.sample(count, seed=axes.seed + 4_321)
    own, judged = [], []
    for images in canvas.source.pictures(latents):
        own.append(to_response(axes.features, workspace.extractor.extract(images).numpy()))
        judged.append(to_response(other.features, other.extract(images).numpy()))
    rate = count / (time.perf_counter() - begun)
    true, predicted = np.concatenate(own), latents @ axes.directions.T + axes.intercepts
    r2 = 1 - ((true - predicted) ** 2).mean(axis=0) / true.var(axis=0)
    seen = np.concatenate(judged)
    shared = [(axes.index(f.name), k) for k, f in enumerate(other.features) if f.name in axes.names]
    agreed = [np.corrcoef(predicted[:, row], seen[:, k])[0, 1] ** 2 for row, k in shared]
    named = [row for row, _ in shared]
    return float(r2[named].mean()), float(np.mean(agreed)), rate


if __name__ == "__main__":
    main()
