"""Runs programs and imports modules from where they are installed, never from the working folder.

That folder may come from a stranger: a `pip.py`, an `npm` or a package's metadata in it must not be run or believed.
Every child process, and every search for a program, a module or an entry point, goes through here.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import EntryPoint as EntryPoint
from pathlib import Path
from typing import Any

_WATCHED = 0.2  # seconds between two looks at what has arrived


@contextmanager
def installed_only() -> Iterator[None]:
    """Imports inside see no relative entry of `sys.path`, so nothing that follows the working folder."""
    relative = [entry for entry in sys.path if not os.path.isabs(entry)]
    sys.path[:] = [entry for entry in sys.path if os.path.isabs(entry)]
    try:
        yield
    finally:
        sys.path[:0] = relative


def forget_working_folder() -> None:
    """For the command line: import nothing from the working folder and look for no program in it, from now on.

    It stays where `PYTHONPATH` names it by its absolute path, or where this package itself lies in it.
    """
    os.environ["PATH"] = _absolute(os.environ.get("PATH", os.defpath))
    os.environ["NODEFAULTCURRENTDIRECTORYINEXEPATH"] = "1"  # Windows looks there first
    named = _absolute(os.environ.get("PYTHONPATH", "")).split(os.pathsep)
    unwanted = {os.path.realpath(os.curdir)}
    unwanted -= {os.path.realpath(entry) for entry in (*named, str(Path(__file__).parents[2])) if entry}
    sys.path[:] = [entry for entry in sys.path if os.path.isabs(entry) and os.path.realpath(entry) not in unwanted]


def importable(name: str) -> bool:
    """Whether a package of that name is installed; nothing is imported."""
    with installed_only():
        return importlib.util.find_spec(name) is not None


def entry_points(group: str) -> list[EntryPoint]:
    """The entry points of a group in installed packages, by name."""
    with installed_only():
        return sorted(importlib.metadata.entry_points(group=group), key=lambda entry: entry.name)


def load(entry: EntryPoint) -> Any:
    """The object that an entry point names."""
    with installed_only():
        return entry.load()


def program(*names: str) -> str | None:
    """Absolute path of the first of these programs that is on the PATH; relative entries of the PATH do not count."""
    path = _absolute(os.environ.get("PATH", os.defpath))
    for name in names:
        found = shutil.which(name, path=path)
        if found is not None and os.path.isabs(found):
            return found
    return None


def python_module(name: str) -> list[str]:
    """The start of a command that runs an installed module with this Python."""
    return [sys.executable, "-P", "-m", name]


def run(
    command: Sequence[str], folder: Path, *, temporary: Path | None = None, watch: Callable[[], None] | None = None
) -> tuple[int, str]:
    """Run a program, named by its absolute path, in `folder`, which should be empty and its caller's own.

    Returns its exit code and what it said on standard error. It has no input, and relative entries of the search paths
    are not handed on. `temporary` is where it puts temporary files; `watch` is called every 0.2 s.
    """
    if not os.path.isabs(command[0]):
        raise ValueError(f"{command[0]!r} is no absolute path")
    environment = _environment() | (dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary)) if temporary else {})
    streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=folder, env=environment, text=True, errors="replace", **streams) as process:
        try:
            while True:
                try:
                    _, stderr = process.communicate(timeout=_WATCHED)
                    return process.returncode, stderr
                except subprocess.TimeoutExpired:
                    if watch is not None:
                        watch()
        except BaseException:
            process.kill()
            raise


class TimedOut(Exception):
    """An isolated script took too long and was ended."""


def isolated(script: str, task: str, *, variables: Sequence[str], seconds: float) -> tuple[int, str, str]:
    """Run a Python file of this package alone: `task` on its standard input, an empty working folder, no site packages
    of the person's, and of the environment only `variables`. Returns its exit code, standard
    output and standard error.

    Raises TimedOut after `seconds` of wall clock, and OSError where it can't be started.
    """
    with tempfile.TemporaryDirectory(prefix="tlgan-") as folder:
        try:
            done = subprocess.run(
                [os.path.abspath(sys.executable), "-I", script],
                input=task,
                capture_output=True,
                text=True,
                errors="replace",
                cwd=folder,
                env={name: os.environ[name] for name in variables if name in os.environ},
                timeout=seconds,
            )
        except subprocess.TimeoutExpired as error:
            raise TimedOut from error
    return done.returncode, done.stdout, done.stderr


class Worker:
    """A child process that answers questions, one at a time, in the order in which they are asked."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process, self._turn = process, threading.Lock()

    def ask(self, question: Any) -> Any:
        """The answer. Raises what the child raised, and RuntimeError where the child ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._turn:
            try:
                pickle.dump(question, self._process.stdin)
                self._process.stdin.flush()
                answer, raised = pickle.load(self._process.stdout)
            except (EOFError, OSError, pickle.UnpicklingError) as error:
                raise RuntimeError(f"a process that helped has ended (exit code {self._process.poll()})") from error
        if raised is not None:
            raise raised
        return answer

    def stop(self) -> None:
        """End the child; who waits for an answer gets RuntimeError."""
        self._process.kill()


@contextmanager
def worker(module: str, task: bytes) -> Iterator[Worker]:
    """A child process of this Python in which ``module.start(task)`` of this package makes what answers questions.

    Only bytes that this process pickled itself go to it, and it can import what this process can. What it prints goes
    to standard error; it is ended with the context, and by itself where this process is gone.
    """
    command = [sys.executable, "-P", os.path.abspath(__file__), module]
    environment = _environment() | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if os.path.isabs(entry))}
    streams: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with tempfile.TemporaryDirectory(prefix="tlgan-") as folder:
        process = subprocess.Popen(command, cwd=folder, env=environment, **streams)
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(len(task).to_bytes(8, "little") + task)
            process.stdin.flush()
            yield Worker(process)
        finally:
            process.kill()
            with suppress(BrokenPipeError):  # what it was still to be sent
                process.stdin.close()
            process.wait()
            process.stdout.close()


def _serve(module: str) -> None:
    """The child's side of `worker`."""
    asked, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    task = asked.read(int.from_bytes(asked.read(8), "little"))
    failed: Exception | None = None
    try:
        answer_to = importlib.import_module(module).start(pickle.loads(task))
    except Exception as error:
        failed = error
    while True:
        try:
            question = pickle.load(asked)
        except EOFError:
            return
        try:
            said = (None, failed) if failed else (answer_to(question), None)
        except Exception as error:
            said = (None, error)
        pickle.dump(said, answers)
        answers.flush()


def site_of(name: str) -> str | None:
    """The folder that an installed package is imported from; nothing is imported."""
    with installed_only():
        spec = importlib.util.find_spec(name)
    return str(Path(spec.origin).resolve().parents[1]) if spec is not None and spec.origin else None


def version_of(package: str) -> str:
    """The version of an installed package."""
    with installed_only():
        return importlib.metadata.version(package)


def open_browser(address: str) -> bool:
    """Show an address in the person's browser; whether one was started."""
    import webbrowser

    path = os.environ.get("PATH")
    os.environ["PATH"] = _absolute(path or os.defpath)  # the module looks for browsers there
    try:
        return webbrowser.open(address)
    finally:
        if path is None:
            del os.environ["PATH"]
        else:
            os.environ["PATH"] = path


def _environment() -> dict[str, str]:
    environment = dict(os.environ)
    for name in ("PATH", "PYTHONPATH"):
        if name in environment:
            environment[name] = _absolute(environment[name])
    if not environment.get("PYTHONPATH"):
        environment.pop("PYTHONPATH", None)
    return environment | {"PYTHONSAFEPATH": "1"}


def _absolute(path: str) -> str:
    """A search path without its relative and empty entries."""
    return os.pathsep.join(entry for entry in path.split(os.pathsep) if os.path.isabs(entry))


if __name__ == "__main__":
    _serve(sys.argv[1])
