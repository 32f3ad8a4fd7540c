"""Every verb with an output that is closed, full or not read.

    python benchmarks/outputs.py                                        # every verb, every way
    python benchmarks/outputs.py --verbs compare,audit --ways "2>&-"

What verbs need is imported once, and one small world is made (that of `faults.py`); each trial is a fork in a copy of it.
Where standard output can't be written, a verb does its work, says so in one line and exits with 1; where nobody reads it
(`| head`), it says nothing; where standard error can't be written, all is as ever. `studio` serves either way, until Ctrl-C. One JSON object a trial; exit with 1 where anything was otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

import faults

SETUP = ("g.pth", "-e", "features:corners", "--max-samples", "600", "--sure", "1")
VERBS: dict[str, list[str]] = {
    "discover": ["discover", *SETUP, "-o", "new"],
    "add": ["add", "ws", "-e", "features:redness", "--method", "samples"],
    "edit": ["edit", "ws", "top=+1", "-o", "out.png"],
    "convert": ["convert", "g.pth", "-o", "out.safetensors"],
    "inspect": ["inspect", "g.pth"],
    "move-generator": ["move-generator", "ws", "moved.pth"],
    "publish": ["publish", "ws", "-o", "site"],
    "label": ["label", "ws", "reddish", "-e", "features:corners", "--port", "0", "--no-browser"],
    "studio": ["studio", "ws", "--port", "0", "--no-browser"],
    "train-extractor": ["train-extractor", "--images", "pictures", "--labels", "labels.csv", "--backbone", "scratch",
                        "--steps", "2", "-o", "out.onnx"],
    "dataset": ["dataset", "ws", "--balance", "top", "--bins", "top=q2", "-n", "8", "--select", "--judge",
                "features:judge", "-o", "data"],
    "audit": ["audit", "ws", "-o", "audit.html"],
    "audit --model": ["audit", "ws", "--model", "features:redness", "--judge", "features:judge", "--faces", "12", "-o", "audit.html"],
    "compare": ["compare", "ws", "--judge", "features:judge", "--faces", "4", "--plain", "50"],
    "evaluate": ["evaluate", "ws", "--judge", "features:judge", "--faces", "4"],
    "report": ["report", "ws"],
    "verify": ["verify", "face.png"],
    "invert": ["invert", "ws", "pictures/00.png", "--box", "0,0,32", "-o", "inverted.npz"],
    "make-key": ["make-key", "-o", "keys"],
    "import-axes": ["import-axes", "ws", "direction.npy", "--name", "top"],
    "doctor": ["doctor"],
}  # fmt: skip


def full(number: int) -> None:
    os.dup2(os.open("/dev/full", os.O_WRONLY), number)
    begun(number)


def closed(number: int) -> None:
    os.close(number)
    begun(number)


def unread(number: int) -> None:
    reading, writing = os.pipe()
    os.dup2(writing, number)
    os.close(reading)
    os.close(writing)
    begun(number)


def begun(number: int) -> None:
    """The stream as Python makes it where it starts like that."""
    try:
        stream = open(number, "w", closefd=False)  # noqa: SIM115
    except OSError:
        stream = None
    setattr(sys, "stdout" if number == 1 else "stderr", stream)


WAYS: dict[str, tuple[Callable[[int], None], tuple[int, ...]]] = {
    ">/dev/full": (full, (1,)),
    ">&-": (closed, (1,)),
    "| head -0": (unread, (1,)),
    "2>/dev/full": (full, (2,)),
    "2>&-": (closed, (2,)),
    "2>&- >&-": (closed, (1, 2)),
}
FULL, CLOSED = (
    "standard output can't be written (No space left on device)",
    "standard output can't be written (it is closed)",
)
SAYS = {">/dev/full": FULL, ">&-": CLOSED, "2>&- >&-": CLOSED}  # and exits with 1


def tried(words: list[str], way: str, world: Path) -> dict[str, Any]:
    """Exit code and what was said, also to a standard error that nobody has."""
    with tempfile.TemporaryDirectory() as scratch:
        here = Path(scratch) / "here"
        shutil.copytree(world, here)
        notes = [Path(scratch) / name for name in ("out", "err", "said")]
        pid = os.fork()
        if not pid:
            code = 99
            try:
                os.chdir(here)
                for number, note in enumerate(notes[:2], 1):
                    os.dup2(os.open(note, os.O_CREAT | os.O_WRONLY), number)
                interrupted()
                make, numbers = WAYS[way]
                for number in numbers:
                    make(number)
                code = run(words, notes[2])
            except BaseException as error:
                notes[2].write_text(f"raised {error!r}")
            finally:
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        out, err, said = (note.read_text("utf-8", "replace") if note.exists() else "" for note in notes)
        return {"words": words, "way": way, "code": code, "out": out, "err": err, "said": said}


def interrupted() -> None:
    """Let Ctrl-C be pressed once a server is up."""
    import uvicorn

    up = uvicorn.Server.startup

    async def started(self: Any, *rest: Any, **named: Any) -> None:
        await up(self, *rest, **named)
        os.kill(os.getpid(), signal.SIGINT)

    uvicorn.Server.startup = started  # type: ignore[method-assign]


def run(words: list[str], note: Path) -> int:
    """A verb; what it says is wrong is kept in `note` too."""
    from tlgan.cli import terminal

    told = terminal.print_error

    def noted(message: str) -> None:
        note.write_text(message)
        told(message)

    terminal.print_error = noted
    return faults.tlgan(*words)


def wrong(found: dict[str, Any]) -> str:
    """What should have been otherwise, or nothing."""
    way, code, said, lines = found["way"], found["code"], found["said"], found["err"].splitlines()
    errors = [line for line in lines if line.startswith("error:")]
    silent = way == "| head -0"
    expected, words = int(way in SAYS or silent), SAYS.get(way, "")
    if found["words"][0] == "studio":  # serves whoever reads its address
        expected, words = 0, ""
    told = int(bool(words) and not way.startswith("2"))
    if code != expected:
        return f"exit {code}, not {expected}"
    if not said.startswith(words) or bool(said) != bool(words):
        return "it says something else"
    return "" if len(errors) == told and not any("Traceback" in line for line in lines) else "not one line"


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--verbs", default=",".join(VERBS))
    parser.add_argument("--ways", default=",".join(WAYS))
    options = parser.parse_args()
    torch.set_num_threads(1)  # a forked process has none of its parent's threads
    threadpool_limits(1)
    bad = False
    with tempfile.TemporaryDirectory() as scratch:
        world, modules = Path(scratch) / "world", Path(scratch) / "modules"
        for folder in (world, modules):
            folder.mkdir()
        (modules / "features.py").write_text(faults.FEATURES)
        sys.path.insert(0, str(modules))
        os.environ["TLGAN_CACHE"] = str(Path(scratch) / "cache")
        os.chdir(world)
        faults.make_world(world)
        faults.quick_export()
        shutil.copy("g.pth", "moved.pth")
        np.save("direction.npy", np.eye(16, dtype=np.float32)[0])
        for words in (["discover", *SETUP, "-o", "ws"], ["edit", "ws", "-o", "face.png"]):
            code, said, exit_code = faults.in_child(partial(faults.tlgan, *words))
            assert code == exit_code == 0, said
        for verb in options.verbs.split(","):
            for way in options.ways.split(","):
                found = tried(VERBS[verb], way, world)
                problem = wrong(found)
                bad |= bool(problem)
                print(json.dumps({"verb": verb, **found, "wrong": problem}), flush=True)
        os.chdir("/")
    raise SystemExit(bad)


if __name__ == "__main__":
    main()
