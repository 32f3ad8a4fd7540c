"""Every verb with an output that is closed, full or not read: prints what each did, as JSON.

A script, run by `test_terminal.py`, since a process without standard streams is not one that tests run in. It imports
once what verbs need and makes one small world; each trial is a fork of it in a copy of that world.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import torch

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
    "invert": ["invert", "ws", "pictures/00.png", "--align", "none", "--steps-small", "3", "--steps-whole", "3", "-o", "inverted.npz"],
    "make-key": ["make-key", "keys"],
    "import-axes": ["import-axes", "ws", "direction.npy", "--name", "top"],
    "doctor": ["doctor"],
}  # fmt: skip
SERVING = ("label", "studio")  # until Ctrl-C


def full(number: int) -> None:
    os.dup2(os.open("/dev/full", os.O_WRONLY), number)


def closed(number: int) -> None:
    setattr(sys, "stdout" if number == 1 else "stderr", None)  # as Python itself does where it starts like that
    os.close(number)


def unread(number: int) -> None:
    reading, writing = os.pipe()
    os.dup2(writing, number)
    os.close(reading)
    os.close(writing)


WAYS: dict[str, tuple[Callable[[int], None], tuple[int, ...]]] = {
    ">/dev/full": (full, (1,)),
    ">&-": (closed, (1,)),
    "| head -0": (unread, (1,)),
    "2>/dev/full": (full, (2,)),
    "2>&-": (closed, (2,)),
    "2>&- >&-": (closed, (1, 2)),
}


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
                if words[0] in SERVING:
                    threading.Thread(target=interrupt, daemon=True).start()
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


def interrupt() -> None:
    """Ctrl-C, once the server is up."""
    time.sleep(1)
    os.kill(os.getpid(), signal.SIGINT)


def run(words: list[str], note: Path) -> int:
    """A verb; what it says is wrong is kept in `note` too."""
    from tlgan.cli import terminal

    told = terminal.print_error

    def noted(message: str) -> None:
        note.write_text(message)
        told(message)

    terminal.print_error = noted
    return faults.tlgan(*words)


def main() -> None:
    """One JSON object a trial; arguments: verbs, all without any."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        world = Path(scratch) / "world"
        world.mkdir()
        (modules := Path(scratch) / "modules").mkdir()
        (modules / "features.py").write_text(faults._FEATURES)
        sys.path.insert(0, str(modules))
        os.environ["TLGAN_CACHE"] = str(Path(scratch) / "cache")
        os.chdir(world)
        faults.make_world(world)
        shutil.copy("g.pth", "moved.pth")
        faults.quick_export()
        assert not faults.in_child(lambda: faults.tlgan("discover", *SETUP, "-o", "ws"))[2]
        assert not faults.in_child(lambda: faults.tlgan("edit", "ws", "-o", "face.png"))[2]
        import numpy as np

        np.save("direction.npy", np.eye(16, dtype=np.float32)[0])
        for name in sys.argv[1:] or VERBS:
            for way in WAYS:
                begun = time.time()
                print(
                    json.dumps(
                        {"verb": name, **tried(VERBS[name], way, world), "seconds": round(time.time() - begun, 1)}
                    ),
                    flush=True,
                )


if __name__ == "__main__":
    main()
