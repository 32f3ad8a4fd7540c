"""What a command leaves where the disk, or the machine, fails in the midst of it.

    python benchmarks/faults.py                                   # every point of every command, every fault
    python benchmarks/faults.py --commands add,label --faults kill,ENOSPC --points 6

A command runs once to count what it does to its files: making one, writing, syncing, renaming, removing. Then it runs
again. At each of these points its folder is copied, half a write done: that is what a kill leaves. At each of them the
process is forked too, once for each error, into a copy of the folder: there the system refuses (no space, an
input/output error, no permission), and the fork goes on from that. So no run is begun anew for a point. What other
threads do is done at once by the one that asks for it: a fork has no other threads, and every run has the same points.
Four things are looked at, once for all faults that leave the same bytes under the same names:

- who reads the folder sees what was there before, or what was to become of it, and nothing between;
- a command that was refused something says so in one line and exits with 1;
- the same command again ends as it would have ended at once;
- nothing is left over.

A world of its own keeps one run short: a generator of 16 pixels, features that are Python functions. In
training, the exporter to ONNX is replaced by one that writes the weights; in publishing, the networks are bytes.
"""

from __future__ import annotations

import argparse
import builtins
import contextlib
import ctypes
import errno
import fcntl
import gc
import hashlib
import importlib
import io
import json
import os
import pickle
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.live import _RefreshThread
from threadpoolctl import threadpool_limits

FAULTS = ("kill", "ENOSPC", "EIO", "EACCES")
SECONDS, TICK = 300, 0.005  # a run that takes longer hangs; how often it is looked at
SETTLED = "already"  # what a command says that has nothing left to do

FEATURES = """
import torch

def redness(pictures):
    return {"redness": pictures[:, 0].mean((1, 2))}

class Corners:
    name, input_size = "corners", 16
    from tlgan.extractors import Feature
    features = (Feature("top", "quantity"), Feature("bottom", "quantity"))

    def extract(self, pictures):
        return torch.stack([pictures[:, :, :8].mean((1, 2, 3)), pictures[:, :, 8:].mean((1, 2, 3))], dim=1)

    def embedding(self, pictures):
        seen = self.extract(pictures)
        return torch.cat([seen, seen**2, pictures.mean((2, 3))], dim=1)

corners = Corners()

class Judge:
    name, input_size = "judge", 16
    from tlgan.extractors import Feature
    features = (Feature("top", "quantity"), Feature("bottom", "quantity"))

    def extract(self, pictures):
        return torch.stack([pictures[:, 0, 2:6].mean((1, 2)), pictures[:, 0, 10:14].mean((1, 2))], dim=1)

judge = Judge()
"""


class Disk:
    """Stands between Python and the files below `folder`: counts what is done to them. At every point it asks `watch`,
    which gives the name of an error that the system answers with, or nothing."""

    def __init__(self, folder: Path, watch: Callable[[int], str] = lambda number: "") -> None:
        self.folder, self.watch = str(folder.resolve()), watch
        self.seen: list[str] = []
        self._asking = False  # what `watch` does to files is no point

    def install(self) -> None:
        """From now on, for the rest of this process."""
        ThreadPoolExecutor.submit = _at_once  # type: ignore[method-assign, assignment]
        _RefreshThread.run = lambda thread: None  # type: ignore[method-assign]
        for name in ("replace", "rename", "unlink", "remove", "rmdir", "mkdir"):
            setattr(os, name, self._guarded(name, getattr(os, name)))
        real_sync, real_open, real_file = os.fsync, os.open, io.open

        def sync(descriptor: Any) -> None:
            self._point(
                "fsync",
                os.readlink(f"/proc/self/fd/{descriptor if isinstance(descriptor, int) else descriptor.fileno()}"),
            )
            real_sync(descriptor)

        def opened(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
            if flags & os.O_CREAT:
                self._point("create", path, dir_fd)
            return real_open(path, flags, mode, dir_fd=dir_fd)

        def file(path: Any, mode: str = "r", buffering: int = -1, *rest: Any, **named: Any) -> Any:
            if isinstance(path, int) or not set(mode) & set("wax+") or not self._below(os.fspath(path)):
                return real_file(path, mode, buffering, *rest, **named)
            if not os.path.exists(path):
                self._point("create", path)
            raw = _Written(os.fspath(path), mode.replace("b", "").replace("t", ""), self)
            whole: Any = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            return whole if "b" in mode else io.TextIOWrapper(whole, *rest, **named)

        os.fsync, os.open = sync, opened
        io.open = builtins.open = file  # type: ignore[assignment]
        shutil._USE_CP_SENDFILE = False  # type: ignore[attr-defined]  # so that copies are written here too

    def write(self, raw: _Written, data: Any) -> int:
        """A write, of which a fault lets half through."""
        data = bytes(data)
        half = len(data) // 2
        io.FileIO.write(raw, data[:half])
        self._point("write", raw.name)
        io.FileIO.write(raw, data[half:])
        return len(data)

    def _guarded(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(path: Any, *rest: Any, **named: Any) -> Any:
            self._point({"replace": "rename", "remove": "unlink"}.get(name, name), path, named.get("dir_fd"))
            return real(path, *rest, **named)

        return guarded

    def _below(self, path: str) -> bool:
        return os.path.realpath(os.path.dirname(os.path.abspath(path))).startswith(self.folder)

    def _point(self, what: str, path: Any, dir_fd: int | None = None) -> None:
        place = os.fspath(path)
        if dir_fd is not None:
            place = os.path.join(os.readlink(f"/proc/self/fd/{dir_fd}"), place)
        if self._asking or not self._below(place):
            return
        self.seen.append(what)
        self._asking = True
        fault = self.watch(len(self.seen) - 1)
        self._asking = False
        if fault:
            code = getattr(errno, fault)
            raise OSError(code, os.strerror(code), place)


class _Written(io.FileIO):
    """A file that tells of its writes."""

    def __init__(self, path: str, mode: str, disk: Disk) -> None:
        super().__init__(path, mode)
        self._disk = disk

    def write(self, data: Any) -> int:
        """As `io.FileIO`."""
        return self._disk.write(self, data)


def _at_once(self: ThreadPoolExecutor, task: Callable[..., Any], /, *rest: Any, **named: Any) -> Future[Any]:
    """In place of `ThreadPoolExecutor.submit`."""
    future: Future[Any] = Future()
    try:
        future.set_result(task(*rest, **named))
    except BaseException as error:
        future.set_exception(error)
    return future


@dataclass(frozen=True)
class Command:
    """``before``: makes what the command works on, in an empty folder; ``run``: the command, returning its exit code;
    ``view``: what a reader sees, as plain values."""

    before: Callable[[Path], Any]
    run: Callable[[Path], int]
    view: Callable[[Path], Any]


# -- commands ------------------------------------------------------------------------------------------------------


def make_world(folder: Path) -> None:
    """A generator and features, as files."""
    torch.manual_seed(0)
    layers = [(16, 32, 4, 1, 0), (32, 16, 4, 2, 1), (16, 3, 4, 2, 1)]
    module = torch.nn.Sequential()
    for layer in layers:
        module.append(torch.nn.ConvTranspose2d(*layer)).append(torch.nn.ReLU())
    torch.save(module[:-1].state_dict(), folder / "g.pth")
    rng = np.random.default_rng(0)
    from PIL import Image

    (folder / "pictures").mkdir()
    lines = ["file,warm"]
    for row in range(40):
        warm = row % 2
        picture = rng.integers(0, 60, (32, 32, 3)) + np.array([150, 60, 0] if warm else [0, 60, 150])
        Image.fromarray(picture.astype(np.uint8)).save(folder / "pictures" / f"{row:02d}.png")
        lines.append(f"{row:02d}.png,{warm}")
    (folder / "labels.csv").write_text("\n".join(lines))


def tlgan(*arguments: str) -> int:
    """A verb of the command line, in this process; its exit code."""
    from tlgan.cli.app import main

    try:
        main(list(arguments))
    except SystemExit as end:
        return int(end.code or 0)
    raise AssertionError("main returned")


def discover(folder: Path) -> int:
    """Two parts of samples, one extractor."""
    return tlgan(
        "discover", "g.pth", "-e", "features:corners", "--max-samples", "1100", "--sure", "1", "-o", str(folder / "ws")
    )


def add(folder: Path) -> int:
    """A slider more."""
    return tlgan("add", str(folder / "ws"), "-e", "features:redness", "--method", "samples")


def label(folder: Path) -> int:
    """The last clicks of thirty, and the slider that comes of them."""
    from tlgan.cli.app import _guarded
    from tlgan.web.label import LabelSession

    def session() -> None:
        asked = LabelSession(folder / "ws", "reddish", extractor="features:corners", pool=60)
        asked.look()
        for row in range(len(asked.order), 30):
            asked._shown = row, True  # chance does not choose here, so that every run has the same clicks
            asked.answer(row, row % 3 == 0)
        asked.finish()

    return _guarded(session, debug=False)


def half_labelled(folder: Path) -> None:
    """A workspace, and 28 clicks."""
    discover(folder)
    clicks = [[row, row % 3 == 0, True] for row in range(28)]
    (folder / "ws" / "labels").mkdir()
    text = json.dumps({"question": "reddish", "extractor": "features:corners", "clicks": clicks})
    (folder / "ws" / "labels" / "reddish.json").write_text(text)


def quick_export() -> None:
    """Write the weights of what is trained in place of an ONNX file, which takes seconds."""
    from tlgan.io.files import replacing
    from tlgan.training import train as training

    def export(path: Path, network: Any, *_: Any) -> None:
        with replacing(path) as temporary:
            temporary.write_bytes(b"".join(value.numpy().tobytes() for value in network.state_dict().values()))

    training.export_onnx = export  # type: ignore[assignment]


def train(folder: Path) -> int:
    """An extractor from forty pictures, in two steps."""
    quick_export()
    out = str(folder / "made" / "warm.onnx")
    options = ("--labels", "labels.csv", "--backbone", "scratch", "--steps", "2", "-o", out)
    return tlgan("train-extractor", "--images", "pictures", *options)


def dataset(folder: Path) -> int:
    """Two parts of pictures above and below the middle."""
    out = ("--judge", "features:judge", "-o", str(folder / "made"))
    return tlgan("dataset", str(folder / "ws"), "--balance", "top", "--bins", "top=q2", "-n", "80", "--select", *out)


def publish(folder: Path, version: str = "new") -> int:
    """A site in place of another one."""
    from tlgan.cli.app import _guarded
    from tlgan.web.publish.files import SiteFiles

    site = SiteFiles()
    site.add("index.html", f"<p>{version}")
    site.add(f"{version}/only.txt", version)
    site.add_data("generator", version.encode() * 10_000)
    return _guarded(lambda: site.write(folder / "site"), debug=False)


def workspace_view(folder: Path) -> Any:
    """Settings, sliders, clicks and samples as `tlgan` reads them; None before there is a workspace."""
    from tlgan.io.step import held
    from tlgan.samples import SampleStore
    from tlgan.workspace import AXES_FILE, SETTINGS_FILE, open_workspace

    path = folder / "ws"
    if not held(path, SETTINGS_FILE).exists() or not held(path, AXES_FILE).exists():
        return None
    workspace = open_workspace(path)
    axes = workspace.axes
    canvas = workspace.canvas  # all that is named can be loaded
    rows = len(list((path / "samples").glob("part-*"))), SampleStore.open(path / "samples").recipe.seed
    return [
        replace(workspace.settings, generator=Path(workspace.settings.generator).name).to_toml(),
        rows,
        canvas.extractor.name.partition("-")[0],
        axes.names,
        axes.directions,
        axes.effects,
    ]


def training_view(folder: Path) -> Any:
    """The results, where all are there."""
    from tlgan.extractors import load_extractor
    from tlgan.io.step import held

    made = folder / "made"
    files = [held(made, f"warm.{ending}") for ending in ("onnx", "safetensors", "md")]
    inside = made / "warm.work"
    if not all(file.exists() for file in files):
        files = [held(inside, file.name) if inside.exists() else file for file in files]
    if not all(file.exists() for file in files):
        return None
    weights = np.frombuffer(files[0].read_bytes(), dtype=np.float32)
    return [weights, load_extractor(str(files[1])).features, files[2].read_text()]


def dataset_view(folder: Path) -> Any:
    """All files of a finished data set, in their places or not yet; None before it is finished."""
    from tlgan.dataset.run import RESULT_FILE, WORK
    from tlgan.io.step import held, is_ours, pending

    made = folder / "made"
    if not held(made, RESULT_FILE).exists():
        return None
    inside = {path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file()}
    inside = {name for name in inside if not (is_ours(name.partition("/")[0]) or name.startswith(f"{WORK}/"))}
    return [(name, held(made, name).read_bytes()) for name in sorted(inside | set(pending(made)))]


def site_view(folder: Path) -> Any:
    """What a visitor gets: the page, and whether it finds its files."""
    page = (folder / "site" / "index.html").read_text()
    version = page.removeprefix("<p>")
    assert (folder / "site" / version / "only.txt").read_text() == version
    assert len(list((folder / "site" / "data").iterdir())) >= 1
    return page


def files_view(name: str) -> Callable[[Path], Any]:
    """The bytes of all that is below `name`; None before it is there."""

    def view(folder: Path) -> Any:
        files = sorted(path for path in (folder / name).rglob("*") if path.is_file())
        return [(str(path.relative_to(folder)), path.read_bytes()) for path in files] or None

    return view


#: A verb more is one line here; `files_view` sees whole results of any kind.
COMMANDS = {
    "discover": Command(lambda folder: None, discover, workspace_view),
    "add": Command(discover, add, workspace_view),
    "label": Command(half_labelled, label, workspace_view),
    "dataset": Command(discover, dataset, dataset_view),
    "train-extractor": Command(lambda folder: (folder / "made").mkdir(), train, training_view),
    "publish": Command(lambda folder: publish(folder, "old"), publish, site_view),
}

# -- trying out ----------------------------------------------------------------------------------------------------


def in_child(action: Callable[[], Any]) -> tuple[int, str, Any]:
    """Run `action` in a process of its own: exit code, what it printed, what it returned."""
    with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as result:
        pid = os.fork()
        if not pid:
            code = 99
            try:
                _print_into(printed)
                pickle.dump(action(), result)
                result.flush()
                code = 0
            except BaseException:
                import traceback

                traceback.print_exc()
            finally:
                with contextlib.suppress(OSError, ValueError):
                    sys.stdout.flush()
                    sys.stderr.flush()
                os._exit(code)
        return _ended(pid, printed, result)


def _print_into(file: Any) -> None:
    os.dup2(file.fileno(), 1)
    os.dup2(file.fileno(), 2)


def _ended(pid: int, printed: Any, result: Any) -> tuple[int, str, Any]:
    """How a child ended, what it printed and what it returned. The time in which this process stands still too (the machine is
    stopped) does not count."""
    ticks = 0
    while not (ended := os.waitpid(pid, os.WNOHANG))[0]:
        time.sleep(TICK)
        ticks += 1
        if ticks * TICK > SECONDS:
            os.kill(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(ended[1])
    printed.seek(0)
    result.seek(0)
    return code, printed.read().decode("utf-8", "replace"), pickle.load(result) if code == 0 else None


def take_along(old: str, new: str) -> None:
    """Let the open files of this process below the folder `old` be their copies in `new`, at the same places and as locked."""
    for number in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(FileNotFoundError):  # of the listing itself, and of files that are removed already
            path = os.readlink(f"/proc/self/fd/{number}")
            if path != old and not path.startswith(f"{old}/"):
                continue
            about = Path(f"/proc/self/fdinfo/{number}").read_text()
            place, flags = (re.search(rf"^{what}:\s*(\d+)", about, re.MULTILINE)[1] for what in ("pos", "flags"))  # type: ignore[index]
            copy = os.open(new + path[len(old) :], int(flags, 8) & ~(os.O_CREAT | os.O_EXCL | os.O_TRUNC))
            if not os.path.isdir(path):
                os.lseek(copy, int(place), os.SEEK_SET)
            os.dup2(copy, number, inheritable=False)
            os.close(copy)
            if "lock:" in about:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)


def same(one: Any, other: Any) -> bool:
    """Whether two views are equal, up to what the order of sums changes."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.shape == other.shape and np.allclose(one, other, rtol=1e-4, atol=1e-5, equal_nan=True)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return bool(type(one) is type(other) and one == other)


def names(folder: Path) -> list[str]:
    """All files and folders below `folder`, but for a lock that a killed process left: nobody waits for it."""
    ignored = {"__pycache__", ".tlgan.lock", ".tlgan.owner.json"}
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not ignored & set(path.parts))


def digest(folder: Path) -> str:
    """Names and bytes of all that is below `folder`; the random part of temporary names does not count."""
    found = []
    for name in names(folder):
        path = folder / name
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found.append((re.sub(r"\.[0-9a-f]{16}\.tmp", ".tmp", name), content))
    return repr(sorted(found))


@dataclass(frozen=True)
class Left:
    """What a fault at a point left: how the process ended, what it printed, and the state of the folder, by its number."""

    at: int
    fault: str
    code: int
    said: str
    exit_code: int | None
    state: int


class Trial:
    """One command: an uncut run, and what becomes of every state that a fault leaves. All runs are in one folder."""

    def __init__(self, name: str, scratch: Path) -> None:
        self.name, self.command = name, COMMANDS[name]
        self.start, self.world, self.aside, self.states = (
            scratch / name / part for part in ("start", "world", "aside", "states")
        )
        self.start.mkdir(parents=True)
        self.states.mkdir()
        self.numbers: dict[str, int] = {}  # of states, by their digests
        self._branch: Any = None  # where a fork leaves its exit code
        self._away = 0.0

        def begin() -> set[str]:
            make_world(self.start)
            assert not self.command.before(self.start)
            return set(sys.modules)

        os.chdir(self.start)
        code, said, modules = in_child(begin)
        assert code == 0, said
        self.place(self.start)
        self.old = self.view()[2]
        code, said, (exit_code, self.kinds, more) = in_child(self._uncut)
        assert code == 0, said
        assert exit_code == 0, said
        code, said, self.new = self.view()
        assert code == 0, said
        self.expected = names(self.world)
        for module in sorted(modules | more):  # once here, so that no child spends a second on it
            with contextlib.suppress(Exception):
                importlib.import_module(module)
        gc.freeze()  # nor copies what it only reads

    def _uncut(self, watch: Callable[[int], str] = lambda number: "") -> tuple[int, list[str], set[str]]:
        disk = Disk(self.world, watch)
        disk.install()
        return self.command.run(self.world), disk.seen, set(sys.modules)

    def place(self, folder: Path, *, move: bool = False) -> None:
        """Make this the folder that the command works in."""
        os.chdir(self.start)
        shutil.rmtree(self.world, ignore_errors=True)
        shutil.move(folder, self.world) if move else shutil.copytree(folder, self.world)
        os.chdir(self.world)

    def view(self) -> tuple[int, str, Any]:
        """What a reader sees."""
        return in_child(lambda: self.command.view(self.world))

    def faults(self, faults: Sequence[str], chosen: Collection[int]) -> list[Left]:
        """What each fault leaves at each of the `chosen` points."""

        def run() -> list[Left]:
            found: list[Left] = []
            clock, timer = time.monotonic, time.perf_counter
            time.monotonic = lambda: clock() - self._away  # as of a run that does not wait for its forks
            time.perf_counter = lambda: timer() - self._away

            def watch(number: int) -> str:
                if self._branch is not None or number not in chosen:
                    return ""
                began = time.time()
                for fault in faults:
                    if fault == "kill":
                        found.append(Left(number, fault, 0, "", None, self._state(self.world)))
                    elif (left := self._refused(number, fault)) is None:
                        return fault
                    else:
                        found.append(left)
                self._away += time.time() - began
                return ""

            code, kinds, _ = self._uncut(watch)
            if self._branch is not None:
                pickle.dump(code, self._branch)
                self._branch.flush()
                os._exit(0)
            assert kinds == self.kinds, "another run has other points"
            return found

        self.place(self.start)
        code, said, found = in_child(run)
        assert code == 0, said
        return list(found)

    def _refused(self, number: int, fault: str) -> Left | None:
        """What a fork of this process leaves that is refused something here. None in the fork."""
        sys.stdout.flush()
        sys.stderr.flush()
        os.rename(self.world, self.aside)
        shutil.copytree(self.aside, self.world)
        with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as result:
            mine = os.getpid()
            pid = ctypes.PyDLL(None).fork()  # without what `os.fork` tells locks of it
            if not pid:
                os.getpid = lambda me=mine: me  # type: ignore[misc]  # it goes on as this process, locks and all
                _print_into(printed)
                self._branch = os.fdopen(os.dup(result.fileno()), "wb")
                take_along(str(self.aside), str(self.world))
                os.chdir(self.world)
                return None
            code, said, exit_code = _ended(pid, printed, result)
        state = self._state(self.world)
        shutil.rmtree(self.world)
        os.rename(self.aside, self.world)
        return Left(number, fault, code, said, exit_code, state)

    def _state(self, folder: Path) -> int:
        """The number of the state that a folder is in; it is kept where it is a new one."""
        number = self.numbers.setdefault(digest(folder), len(self.numbers))
        if not (self.states / str(number)).exists():
            shutil.copytree(folder, self.states / str(number))
        return number

    def wrong(self, found: Sequence[Left]) -> Iterator[str]:
        """What is wrong with what faults left, for those who asked for the work, for readers and for the next run."""
        states = {number: self._mended(number) for number in sorted({left.state for left in found})}
        for left in found:
            problems, seen = states[left.state]
            refused = left.fault != "kill"
            told = left.code or left.exit_code not in (0, 1) or "unforeseen" in left.said
            if refused and (told or (left.exit_code and left.said.count("error:") != 1)):
                problems = [f"exit {left.code or left.exit_code}: {left.said[-300:]}", *problems]
            elif refused and left.exit_code == 0 and not same(seen, self.new):
                problems = ["done, and not there", *problems]
            for problem in problems:
                yield f"{self.name}: {left.fault} at {left.at} ({self.kinds[left.at]}): {problem}"

    def _mended(self, number: int) -> tuple[list[str], Any]:
        """What is wrong with a state, for readers and for the next run; and what a reader sees in it."""
        self.place(self.states / str(number), move=True)
        problems = []
        code, said, first = self.view()
        if code or not (same(first, self.old) or same(first, self.new)):
            problems.append(f"a reader sees neither the old nor the new: {said[-300:]}")
        code, said, exit_code = in_child(lambda: self.command.run(self.world))
        if code or (exit_code and SETTLED not in said):
            problems.append(f"the same again: exit {code or exit_code}: {said[-300:]}")
        code, said, seen = self.view()
        if code or not same(seen, self.new):
            problems.append(f"the same again ends otherwise: {said[-300:]}")
        if (left := names(self.world)) != self.expected:
            problems.append(f"left over {set(left) ^ set(self.expected)}")
        return problems, first


def try_out(name: str, faults: tuple[str, ...], points: int, rng: random.Random, scratch: Path) -> dict[str, Any]:
    """Every fault at every point of a command (or at so many of them): counts, and what went wrong."""
    modules = scratch / "modules"  # in one place for all runs: where a function lies is a part of its permission
    modules.mkdir(exist_ok=True)
    (modules / "features.py").write_text(FEATURES)
    sys.path.insert(0, str(modules))
    os.environ["TLGAN_CACHE"] = str(scratch / "cache")
    trial = Trial(name, scratch)
    total = len(trial.kinds)
    chosen = range(total) if points <= 0 or points >= total else sorted(rng.sample(range(total), points))
    found = trial.faults(faults, set(chosen))
    wrong = list(trial.wrong(found))
    states = len({left.state for left in found})
    shutil.rmtree(scratch / name)
    return {"points": total, "kinds": dict(Counter(trial.kinds)), "runs": len(found), "states": states, "wrong": wrong}


def main() -> None:
    """Print counts, one JSON object a command; exit with 1 where anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--commands", default=",".join(COMMANDS))
    parser.add_argument("--faults", default=",".join(FAULTS))
    parser.add_argument("--points", type=int, default=0, help="so many of each command's points, by chance; 0: all")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)  # a forked process has none of its parent's threads
    threadpool_limits(1)

    rng = random.Random(options.seed)
    bad = False
    memory = Path("/dev/shm")  # where nothing waits for a disk
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as scratch:
        for name in options.commands.split(","):
            started = time.perf_counter()
            report = try_out(name, tuple(options.faults.split(",")), options.points, rng, Path(scratch))
            os.chdir("/")
            bad |= bool(report["wrong"])
            print(
                json.dumps({"command": name, **report, "seconds": round(time.perf_counter() - started, 1)}), flush=True
            )
    raise SystemExit(bad)


if __name__ == "__main__":
    main()
