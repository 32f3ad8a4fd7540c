"""Mutated checkpoints against the reader: every one must load or end in one clear line.

    python benchmarks/fuzz_checkpoints.py --runs 200000 --seed 0

Each run takes a real file (those of `tests/checkpoints`, and small ones made here in every torch format), damages it
(bytes flipped, cut, repeated, spliced from another file, opcodes and lengths replaced) and reads it up to the finished
generator, and as `tlgan inspect` does. A run fails where anything but `TlganError` comes out, where it takes more than a second of CPU time or more
than 200 MB, or where Python reports that something was executed, imported or opened for writing.
"""

from __future__ import annotations

import argparse
import codecs
import io
import pickle
import random
import resource
import struct
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from tlgan.errors import TlganError
from tlgan.generators.checkpoint.reader import parse_checkpoint
from tlgan.generators.formats.converted import write_blueprint
from tlgan.generators.formats.inspection import sizes_of
from tlgan.generators.formats.kinds import blueprint_of, build

CHECKPOINTS = Path(__file__).parents[1] / "tests" / "checkpoints"
SECONDS, MEGABYTES = 1.0, 200
_FORBIDDEN = ("exec", "compile", "os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.", "shutil.")
_OPCODES = bytes(pickle.__dict__[name][0] for name in pickle.__all__ if isinstance(pickle.__dict__[name], bytes))
_LENGTHS = (0, 1, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1)


class Watch:
    """Notes what Python's audit events say was done while `on`."""

    def __init__(self) -> None:
        self.on = False
        self.seen: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event.startswith(_FORBIDDEN) or (
            event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+")
        ):
            self.seen.append(f"{event} {args!r}"[:200])
        elif event == "import" and args[0].partition(".")[0] not in ("torch", "numpy", "tlgan", "scipy"):
            self.seen.append(f"import {args[0]}")


def corpus() -> dict[str, bytes]:
    """Real files by name, and small ones in every format of torch.save."""
    files = {
        path.name: path.read_bytes()
        for path in sorted(path for path in CHECKPOINTS.iterdir() if path.suffix in (".pt", ".pth", ".ckpt", ".pkl"))
    }
    generator = torch.Generator().manual_seed(0)
    state = {}
    for index, (inputs, outputs) in enumerate([(8, 8), (8, 4), (4, 3)]):
        state[f"main.{3 * index}.weight"] = torch.randn(inputs, outputs, 4, 4, generator=generator)
        if index < 2:
            for leaf in ("weight", "bias", "running_mean", "running_var"):
                state[f"main.{3 * index + 1}.{leaf}"] = torch.rand(outputs, generator=generator)
    for name, tree in (("bare", state), ("nested", {"netG": state, "epoch": 3, "loss": [0.5, 1.5]})):
        for zipped in (True, False):
            for protocol in (2, 4):
                buffer = io.BytesIO()
                torch.save(tree, buffer, _use_new_zipfile_serialization=zipped, pickle_protocol=protocol)
                files[f"{name}-{'zip' if zipped else 'legacy'}-{protocol}.pt"] = buffer.getvalue()
    with tempfile.TemporaryDirectory() as folder:
        for name in ("bare-zip-2.pt", "sg3r_32.pkl"):
            blueprint = blueprint_of(parse_checkpoint(Path(name), memoryview(files[name])))
            write_blueprint(blueprint, converted := Path(folder) / "converted.safetensors")
            files[f"{name}.safetensors"] = converted.read_bytes()
    return files


def weights_of(files: dict[str, bytes]) -> list[float]:
    """Small files are quick to read, so they are taken more often."""
    return [1 / (2000 + len(data)) ** 0.7 for data in files.values()]


def mutate(data: bytes, other: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        if not changed:
            break
        # most of a file is weights; its structure is at the ends, or wherever text is
        where = rng.randrange(len(changed))
        if rng.random() < 0.7:
            where = min(rng.randrange(min(4000, len(changed))), len(changed) - 1)
        if rng.random() < 0.3:
            where = len(changed) - 1 - where
        size = rng.choice((1, 1, 2, 4, 8, 64, 1000))
        match rng.randrange(9):
            case 0:
                changed[where] ^= 1 << rng.randrange(8)
            case 1:
                changed[where] = rng.choice(_OPCODES)
            case 2:
                changed[where : where + 4] = struct.pack("<I", rng.choice(_LENGTHS))
            case 3:
                changed[where : where + 8] = struct.pack("<Q", rng.choice(_LENGTHS) << rng.choice((0, 8, 31)))
            case 4:
                del changed[where : where + size]
            case 5:
                changed[where:where] = changed[where : where + size] * rng.choice((1, 2, 100))
            case 6:
                start = rng.randrange(len(other))
                changed[where : where + size] = other[start : start + size]
            case 7:
                del changed[where:]
            case 8:
                changed[where:where] = bytes(rng.choice(_OPCODES) for _ in range(size % 100))
    return bytes(changed)


def read_whole(name: str, data: bytes, path: Path | None = None) -> str:
    """Read up to the finished generator; -> "loaded" or "refused". `path` holds the same bytes, for safetensors."""
    try:
        blueprint = blueprint_of(parse_checkpoint(path or Path(name), memoryview(data)))
        sizes_of(blueprint)
        build(blueprint, name=name)
    except TlganError as error:
        line = str(error)
        assert "\n" not in line, f"more than one line: {line!r}"
        assert len(line) < 700, f"a line of {len(line)} characters"
        assert "MemoryError" not in line, line
        return "refused"
    return "loaded"


def fuzz(runs: int, seed: int, keep: Path | None = None, report: int = 0) -> Counter[str]:
    """Counts of "loaded" and "refused"; raises `AssertionError` with the run's number at the first failure."""
    rng, watch, files, counts = random.Random(seed), _watch(), corpus(), Counter[str]()
    names, weights = list(files), weights_of(files)
    for codec in ("ascii", "latin-1", "raw-unicode-escape", "utf-8"):
        codecs.lookup(codec)  # imported on first use, which is no fault of the file's
    scratch = tempfile.TemporaryDirectory()

    def placed(name: str, data: bytes) -> Path | None:
        """Safetensors are read from the disk."""
        if not name.endswith(".safetensors"):
            return None
        path = Path(scratch.name) / "damaged.safetensors"
        path.unlink(missing_ok=True)  # the one before may still be mapped
        path.write_bytes(data)
        return path

    for name in names:
        assert read_whole(name, files[name], placed(name, files[name])) == "loaded", name
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for run in range(runs):
        name, other = rng.choices(names, weights, k=2)
        data = mutate(files[name], files[other], rng)
        path = placed(name, data)
        start = time.process_time()
        try:
            watch.on = True
            counts[read_whole(name, data, path)] += 1
            watch.on = False
            seconds = time.process_time() - start
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - resident) / 1024
            assert seconds < SECONDS, f"{seconds:.2f} seconds"
            assert grown < MEGABYTES, f"{grown:.0f} MB"
            assert not watch.seen, f"did {watch.seen}"
        except BaseException as error:
            watch.on = False
            if keep is not None:
                keep.write_bytes(data)
            raise AssertionError(
                f"run {run} of seed {seed}, a damaged {name}: {type(error).__name__} {error}"
            ) from error
        if report and (run + 1) % report == 0:
            print(f"{run + 1} runs, {dict(counts)}, {grown:.0f} MB more than at the start", flush=True)
    scratch.cleanup()
    return counts


_WATCHES: list[Watch] = []


def _watch() -> Watch:
    if not _WATCHES:  # audit hooks can't be taken off
        _WATCHES.append(Watch())
    return _WATCHES[0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failure.bin"), help="where a failing file is written")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    began = time.perf_counter()
    total = fuzz(arguments.runs, arguments.seed, arguments.keep, report=10_000)
    minutes = (time.perf_counter() - began) / 60
    print(f"{sum(total.values())} runs without a failure in {minutes:.1f} minutes: {dict(total)}")
