"""Peak memory of `discover` by number of samples: it must not grow.

Claim: 200,000 samples need no more memory than 20,000, and less than 1.5 GB. Each count runs in a process of its own,
on the default generator. Run: `python benchmarks/sampling_memory.py`.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def run(generator: str, extractor: str, samples: int) -> None:
    """Discover with exactly `samples` samples; print seconds and peak memory in MB."""
    from tlgan.workspace import Settings
    from tlgan.workspace.discover import discover

    settings = Settings(generator, extractors=(extractor,), max_samples=samples, base=())
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        discover(Path(folder) / "ws", settings, sure=1.0)  # never sure: draws all of them
        seconds = time.perf_counter() - begun
    print(f"{seconds:.1f} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}")


def main() -> None:
    from tlgan.cli.demo import OFFLINE_GENERATOR

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--generator", default=OFFLINE_GENERATOR)
    parser.add_argument("--extractor", default="colour")
    parser.add_argument("--samples", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--only", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        run(options.generator, options.extractor, options.only)
        return
    print(f"{'samples':>10} {'seconds':>10} {'peak MB':>10}")
    for samples in options.samples:
        command = [sys.executable, __file__, "--generator", options.generator, "--extractor", options.extractor]
        done = subprocess.run([*command, "--only", str(samples)], check=True, capture_output=True, text=True)
        seconds, peak = done.stdout.split()
        print(f"{samples:>10,} {seconds:>10} {peak:>10}")


if __name__ == "__main__":
    main()
