"""How long from nothing drawn to forty sliders, beside what the method's first recipe would cost here.

Claim: with the default generator and extractors, 40 sliders take under 60 seconds on two CPU cores and under 1.5 GB.
The original recipe drew a fixed 256,000 samples and had no stopping rule; its time here is extrapolated from the rate
measured in the same run. Run: `python benchmarks/forty_sliders.py`.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

from tlgan.cli.demo import DEFAULT_GENERATOR
from tlgan.workspace import Settings
from tlgan.workspace.discover import discover
from tlgan.workspace.progress import Watcher

ORIGINAL_SAMPLES = 256_000


class Clock(Watcher):
    """Notes when every stage began."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, float]] = []

    def stage(self, words: str) -> None:
        self.stages.append((words, time.perf_counter()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--generator", default=DEFAULT_GENERATOR)
    parser.add_argument("--extractor", action="append")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    settings = Settings(options.generator, extractors=tuple(options.extractor or Settings("").extractors))
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        workspace = discover(Path(folder) / "faces", settings, watcher=clock)
        ended = time.perf_counter()
    axes = workspace.axes
    ends = [moment for _, moment in clock.stages[1:]] + [ended]
    stages = {words: round(end - start, 2) for (words, start), end in zip(clock.stages, ends, strict=True)}
    drawing = next(seconds for words, seconds in stages.items() if words.startswith("drawing"))
    rate = axes.samples / drawing
    result = {
        "sliders": len(axes.features),
        "not weak": int((~axes.weak).sum()),
        "mean held-out R²": round(float(axes.r2.mean()), 3),
        "samples": axes.samples,
        "seconds in all": round(ended - begun, 1),
        "seconds by stage": stages,
        "samples a second": round(rate),
        "peak memory MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "original recipe, seconds (256,000 samples, extrapolated from this rate)": round(ORIGINAL_SAMPLES / rate),
    }
    if options.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:<72} {value}")


if __name__ == "__main__":
    main()
