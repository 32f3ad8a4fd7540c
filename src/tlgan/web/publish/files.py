"""A site as a folder: names that tell the content, what is compressed before any host sees it, and a change from the old
site to the new one that leaves neither half there.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tlgan.errors import TlganError
from tlgan.io.files import replacing, sweep, to_write, writing
from tlgan.io.foreign import json_of
from tlgan.io.lock import LOCK, locked
from tlgan.io.step import PENDING, Step, finish, held, is_ours, move, pending

#: The list of a site's files, in the site: what may be replaced the next time.
MARKER = "site.json"


def digest(content: bytes) -> str:
    """Twelve letters that change with the content."""
    return hashlib.sha256(content).hexdigest()[:12]


class SiteFiles:
    """Files of a site, in memory until `write`."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.manifest: dict[str, dict[str, Any]] = {}

    def add(self, path: str, content: bytes | str) -> None:
        """A file under a name of its own."""
        self.contents[path] = content.encode() if isinstance(content, str) else content

    def add_data(self, name: str, content: bytes) -> None:
        """What the engine fetches as `name`: compressed here, since few static hosts compress such files."""
        stored = gzip.compress(content, 9, mtime=0)
        self._enter(name, f"data/{name}-{digest(content)}.bin", stored, len(content))

    def add_script(self, name: str, content: bytes) -> None:
        """A module that the engine imports as `name`."""
        self._enter(name, f"data/{name}-{digest(content)}.mjs", content, len(content))

    def _enter(self, name: str, path: str, stored: bytes, size: int) -> None:
        self.contents[path] = stored
        self.manifest[name] = {"path": path, "bytes": len(stored), "size": size}

    def bytes_of(self, name: str) -> int:
        """What a visitor downloads for `name`."""
        return int(self.manifest[name]["bytes"])

    def write(self, out: Path, says: Callable[[str], None] = lambda words: None) -> None:
        """Write all files into the folder `out`; an older site there is replaced, other things in it stay.

        Raises TlganError where `out` holds other things and no site, or can't be written; what was there is then kept.
        """
        check_free(out)
        self.add(MARKER, json.dumps({"tlgan": 1, "files": sorted([*self.contents, MARKER])}, indent=1) + "\n")
        with locked(out / LOCK, says):
            check_free(out)
            _settle(out, out)
            sweep(out)
            with Step(out, settle=_settle) as step:
                for path, content in self.contents.items():
                    with replacing(step.path(path)) as temporary:
                        temporary.write_bytes(content)


def _settle(out: Path, at: Path) -> None:
    """Put the files of a new site in place and remove those of the old one that it has not.

    The page comes after its files: until then the old one finds all of its own, and so does the new one from then on. The
    list comes last: while it is that of the old site, what is to be removed is known.
    """
    new = pending(at)
    if MARKER in new:
        old = _listed(out / MARKER) or []
        move(out, at, sorted((name for name in new if name != MARKER), key=lambda name: (name.endswith(".html"), name)))
        gone = [to_write(out, name) for name in set(old) - set(_listed(at / PENDING / MARKER) or old)]
        with writing(out):
            for path in gone:
                path.unlink(missing_ok=True)
            for folder in sorted({path.parent for path in gone} - {out}, reverse=True):
                if folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()
    finish(out, at)


def check_free(out: Path) -> list[str]:
    """The files of the site in folder `out`, none where there is no site yet.

    Raises TlganError where the folder holds other things: nothing of a user's is ever overwritten.
    """
    if out.exists() and not out.is_dir():
        raise TlganError(f"{out} is a file: name a folder for the site")
    ignored = (".git", "CNAME")
    if not out.is_dir() or not any(entry.name not in ignored and not is_ours(entry.name) for entry in out.iterdir()):
        return []
    paths = _listed(held(out, MARKER))
    if paths is None:
        raise TlganError(f"{out} holds other things and no site of tlgan: name a new or empty folder")
    return paths


def _listed(marker: Path) -> list[str] | None:
    """The files that a site's list names, all of them below it; None where it is no such list."""
    try:
        document = json_of(marker.read_text("utf-8"))
        paths = [str(path) for path in document["files"]] if document.get("tlgan") == 1 else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if paths is None or any(Path(path).is_absolute() or ".." in Path(path).parts for path in paths):
        return None
    return paths
