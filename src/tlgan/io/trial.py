"""A stranger's ONNX file is tried in a process of its own before this one loads it.

Making a session folds constants, so a few hundred bytes of graph can ask for hours or for all memory. The trial
(`trial_child`) reads the file, makes its session and runs it on a few rows, with limits of processor time and memory,
without this process's environment, working folder or open files. What has passed is remembered in the cache by the
sha256 of everything that was tried.
"""

from __future__ import annotations

import hashlib
import json
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tlgan.errors import BadFile, TlganError

from . import hub, isolation, trial_child
from .files import replacing
from .foreign import json_of

_LIBRARIES = ("numpy", "onnx", "onnxruntime")
#: Variables that a child process gets: where its libraries are and how they compute, and nothing that could be a secret.
PASSED_ON = (
    "PATH", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR", "TEMP", "LANG", "LC_ALL",
    "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE",
)  # fmt: skip


@dataclass(frozen=True)
class Tried:
    """``sha256`` of the file; ``data``: sha256 of every file beside it that holds its numbers, by the graph's name."""

    sha256: str
    data: dict[str, str]

    @property
    def fingerprint(self) -> str:
        """sha256 over all bytes that matter: that of the file, where there are no others."""
        if not self.data:
            return self.sha256
        return hashlib.sha256(json.dumps([self.sha256, sorted(self.data.items())]).encode()).hexdigest()


@dataclass(frozen=True)
class Limits:
    """``seconds`` of processor time to make the session, and as many again for each run; ``bytes`` of memory beyond
    what the libraries take. To both come 20 seconds a GB and four times the bytes of the files themselves."""

    seconds: int = 20
    bytes: int = 4 * 2**30


def try_onnx(
    path: Path, title: str, *, rows: Sequence[int], side: int, trust: bool = False, limits: Limits | None = None
) -> Tried:
    """Try the ONNX file at `path` on batches of `rows`; open sizes of its inputs are taken as `side`.

    ``title`` names it in messages; ``trust`` spares the trial. Raises TlganError, in one line, where the file asks for
    more than the limits, names data that is not there or lies outside its folder, or ends the process.
    """
    limits = limits or Limits()
    for library in _LIBRARIES:
        if not isolation.importable(library):
            raise TlganError(f"{title} is ONNX: pip install 'tlgan[onnx]' ({library} is missing)")
    if trust:
        return Tried(hub.sha256_of(path), _data(path, _in_here(path, title)))
    asked: dict[str, Any] = {"rows": list(rows), "side": side, **asdict(limits)}
    sha256 = hub.sha256_of(path)
    note = hub.cache_dir() / "trials" / f"{_key(sha256, asked)}.json"
    if (known := _remembered(note, path)) is not None:
        return Tried(sha256, known)
    answer = _child(path, title, asked)
    if problem := answer.get("problem"):
        raise BadFile(f"{title} {problem}")
    data = _data(path, answer["data"])
    with suppress(TlganError, OSError):  # a cache that can't be written only costs time
        note.parent.mkdir(parents=True, exist_ok=True)
        with replacing(note) as temporary:
            temporary.write_text(json.dumps({"data": data}), "utf-8")
    return Tried(sha256, data)


def _key(sha256: str, asked: dict[str, Any]) -> str:
    text = json.dumps([sha256, asked, isolation.version_of("onnxruntime"), trial_child.VERSION])
    return hashlib.sha256(text.encode()).hexdigest()


def _remembered(note: Path, path: Path) -> dict[str, str] | None:
    """The data of a file that has passed, if all of it is still the same."""
    try:
        data = json_of(note.read_text("utf-8"))["data"]
        return data if _data(path, list(data)) == data else None
    except (OSError, ValueError, KeyError, TypeError, TlganError):
        return None


def _data(path: Path, names: Sequence[str]) -> dict[str, str]:
    return {name: hub.sha256_of(path.parent / name) for name in names}


def _in_here(path: Path, title: str) -> list[str]:
    import onnx

    try:
        return trial_child.data_files(onnx.load(str(path), load_external_data=False), path.parent)
    except trial_child.Refused as error:
        raise BadFile(f"{title} {error}") from error
    except Exception as error:  # protobuf's errors are its own
        raise BadFile(f"{title} can't be read as an ONNX model: {' '.join(str(error).split())[:200]}") from error


def _child(path: Path, title: str, asked: dict[str, Any]) -> dict[str, Any]:
    folders = sorted({folder for name in _LIBRARIES if (folder := isolation.site_of(name)) is not None})
    size = path.stat().st_size
    task = json.dumps({"path": str(path.resolve()), "libraries": folders, **asked})
    seconds = (asked["seconds"] + 20 * size / 1e9) * (1 + len(asked["rows"]))
    try:
        # a busy machine gives a process less than a processor
        code, printed, said = isolation.isolated(
            trial_child.__file__, task, variables=PASSED_ON, seconds=60 + 5 * seconds
        )
    except isolation.TimedOut:
        return {"problem": _TIME}
    except OSError as error:
        raise TlganError(f"{title} can't be tried: {error.strerror or error}; pass --trust if you trust it") from error
    with suppress(ValueError, IndexError):
        answer = json.loads(printed.splitlines()[-1])
        if isinstance(answer, dict):
            return answer
    if code in (-getattr(signal, "SIGXCPU", 0), -getattr(signal, "SIGKILL", 0)):
        return {"problem": _TIME}
    reason = " ".join(said.split())[-120:]
    if any(word in said for word in trial_child.OUT_OF_MEMORY):
        return {"problem": trial_child.MEMORY}
    return {"problem": f"ended the process that tried it (status {code}, {reason or 'no reason given'}): not loaded"}


_TIME = (
    "asks for more processor time than any picture needs before it has painted or measured one: not loaded; "
    "pass --trust if you know it"
)
