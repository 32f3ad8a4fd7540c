"""A pg-GAN of the released size (1024 pixels, 512 latents, 23 million parameters) on this machine, with random weights.

    python benchmarks/large_generator.py

Prints what loading needs (memory beside the size of the file, at most 2.2 times as much), pictures a second while
`discover` paints and measures, whole and at labelling resolution, and from that what 40 sliders take. A whole `discover`
runs at labelling resolution, with as many samples as 512-dimensional axes need at least. Random weights paint no
faces, so this is about time and memory alone. On a GPU, where there is one, the same is timed there.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.generators import official
from tlgan.extractors import load_extractor
from tlgan.extractors.combined import CombinedExtractor
from tlgan.generators import batch_size, load_generator
from tlgan.samples import Recipe, paint_rows
from tlgan.workspace import DEFAULT_EXTRACTORS, Settings
from tlgan.workspace.discover import discover

SAMPLES = 10_000  # what 40 sliders are taken to need here; `discover` stops by itself when its axes are sure
_LOAD = """
import resource, sys, time
import tlgan.generators.loading, torch
from tlgan.generators import load_generator
def resident():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024
before, began = resident(), time.perf_counter()
generator = load_generator(sys.argv[1])
print(time.perf_counter() - began, resident() - before)
"""


def rate(generator: object, extractor: CombinedExtractor, rows: int, resolution: int | None) -> float:
    """Rows a second, painted and measured."""
    recipe = Recipe(
        "", "z", generator.latent_dim, 0, (), tuple(f.name for f in extractor.features), resolution=resolution
    )  # type: ignore[attr-defined]
    paint_rows(generator, extractor, recipe, 0, 1)  # type: ignore[arg-type]
    began = time.perf_counter()
    paint_rows(generator, extractor, recipe, 1, rows)  # type: ignore[arg-type]
    return rows / (time.perf_counter() - began)


def show(what: str, value: str) -> None:
    print(f"{what:<64} {value}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resolution", type=int, default=1024, help="of the network")
    parser.add_argument("--rows", type=int, default=12, help="whole pictures to time")
    parser.add_argument("--labelling", type=int, default=64, help="pixels of the small pictures")
    parser.add_argument("--discover", type=int, default=2100, help="samples of the run of discover; 0 for none")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.pkl"
        big = {"resolution": options.resolution, "latent_size": 512, "fmap_base": 8192, "fmap_max": 512}
        official.write(path, tuple(official.pggan_network(seed, **big) for seed in range(3)))
        size = path.stat().st_size / 2**20
        done = subprocess.run([sys.executable, "-c", _LOAD, str(path)], capture_output=True, text=True, check=True)
        seconds, memory = map(float, done.stdout.split())
        show("file, MB", f"{size:.0f}")
        show("loading: seconds; memory, MB; times the file's size", f"{seconds:.1f}; {memory:.0f}; {memory / size:.2f}")
        extractor = CombinedExtractor([load_extractor(ref) for ref in DEFAULT_EXTRACTORS])
        for device in ["cpu"] + ["cuda"] * torch.cuda.is_available():
            generator = load_generator(path, device=device)
            name = torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
            rows = options.rows * (20 if device == "cuda" else 1)
            for side in (None, options.labelling):
                pace = rate(generator, extractor, rows if side is None else 20 * rows, side)
                painted = side or generator.resolution
                show(f"{name}: {painted} px, batch {batch_size(generator, side)}, pictures/s", f"{pace:.2f}")
                what = (
                    f"  {len(extractor.features)} sliders from {SAMPLES:,} samples at that pace (extrapolated), minutes"
                )
                show(what, f"{SAMPLES / pace / 60:.1f}")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        show("peak memory while painting and measuring, MB", f"{peak:.0f}")
        del generator
        if options.discover:
            settings = Settings(str(path), max_samples=options.discover, resolution=options.labelling)
            began = time.perf_counter()
            workspace = discover(Path(folder) / "ws", settings)
            seconds = time.perf_counter() - began
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            report = (Path(folder) / "ws" / "report.html").stat().st_size / 2**20
            what = f"discover at {options.labelling} px, {workspace.axes.samples} samples, report and all: seconds"
            show(what, f"{seconds:.0f}")
            show("  peak memory, MB; report, MB", f"{peak:.0f}; {report:.1f}")


if __name__ == "__main__":
    main()
