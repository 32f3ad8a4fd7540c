"""A site as a folder: names that tell the content, what is compressed before any host sees it, and a change from the old
site to the new one that leaves neither half there.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from tlgan.errors import TlganError

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

    def write(self, out: Path) -> None:
        """Write all files into the folder `out`; an older site there is replaced, other things in it stay.

        Raises TlganError where `out` holds other things and no site, or can't be written; what was there is then kept.
        """
        old = check_free(out)
        self.add(MARKER, json.dumps({"tlgan": 1, "files": sorted([*self.contents, MARKER])}, indent=1) + "\n")
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        except OSError as error:
            raise TlganError(f"{out} can't be written: {error.strerror or error}") from error
        try:
            for path, content in self.contents.items():
                file = temporary / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            self._move(temporary, out, old)
        except OSError as error:
            raise TlganError(f"the site could not be written to {out}: {error.strerror or error}") from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _move(self, temporary: Path, out: Path, old: list[str]) -> None:
        out.mkdir(exist_ok=True)
        # The page comes last: until then the old one finds all of its files, and so does the new one from then on.
        for path in sorted(self.contents, key=lambda path: (path.endswith(".html"), path == MARKER)):
            target = out / path
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(temporary / path, target)
        for path in set(old) - set(self.contents):
            (out / path).unlink(missing_ok=True)
        for folder in sorted({(out / path).parent for path in old} - {out}, reverse=True):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def check_free(out: Path) -> list[str]:
    """The files of the site in folder `out`, none where there is no site yet.

    Raises TlganError where the folder holds other things: nothing of a user's is ever overwritten.
    """
    if out.exists() and not out.is_dir():
        raise TlganError(f"{out} is a file: name a folder for the site")
    if not out.is_dir() or not any(entry.name not in (".git", "CNAME") for entry in out.iterdir()):
        return []
    try:
        marker = json.loads((out / MARKER).read_text("utf-8"))
        paths = [str(path) for path in marker["files"]] if marker.get("tlgan") == 1 else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        paths = None
    if paths is None or any(Path(path).is_absolute() or ".." in Path(path).parts for path in paths):
        raise TlganError(f"{out} holds other things and no site of tlgan: name a new or empty folder")
    return paths
