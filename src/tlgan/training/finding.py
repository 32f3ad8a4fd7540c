"""Finds the picture on disk that a label names, where the table was written on another system: by the tail of its path, other cases, other endings."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tlgan.errors import TlganError

PICTURES = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"),
}
_Parts = tuple[str, ...]


def is_litter(path: Path) -> bool:
    """What systems and tools leave beside pictures: hidden files and folders, macOS's resource forks."""
    return path.name.startswith(".") or path.name == "__MACOSX"


def is_picture_in(path: Path, folder: Path) -> bool:
    """Is this a picture's name, and no part of it below `folder` litter?"""
    inside = path.relative_to(folder)
    return is_picture_name(path.name) and not any(is_litter(Path(part)) for part in inside.parts)


def is_picture_name(name: str) -> bool:
    """Does it end as pictures do?"""
    return Path(name.strip()).suffix.lower() in PICTURES


def find_pictures(folder: Path, names: Sequence[str]) -> tuple[list[Path], str]:
    """A path for each name, and what is to be said of those that are not called so on disk ("" where all are).

    A name means the file of just this path. Where there is none, it means the one picture whose path in `folder` is the
    tail of the name's, or has the name as its tail: first letter by letter, then in any case, then with any ending or none.
    A name without a picture keeps its path, at which there is nothing. Raises TlganError where a name means several
    pictures, or two names one.
    """
    paths = [folder / name for name in names]
    odd = [at for at, path in enumerate(paths) if not path.is_file()]
    if not odd:
        return paths, ""
    tables = [_Table(folder, form) for form in (_as_it_is, str.casefold, _bare)]
    taken = {path: names[at] for at, path in enumerate(paths) if path.is_file()}
    found = 0
    for at in odd:
        hits = next((hits for table in tables if (hits := table.find(names[at]))), [])
        if len(hits) > 1:
            several = ", ".join(str(path.relative_to(folder)) for path in hits[:3])
            raise TlganError(f"the label {names[at]!r} may mean several pictures of {folder}: {several}")
        for path in hits:
            if taken.setdefault(path, names[at]) != names[at]:
                raise TlganError(f"the labels {taken[path]!r} and {names[at]!r} both mean {path}: name their folders")
            paths[at], found = path, found + 1
    if not found:
        return paths, ""
    first = next(at for at in odd if paths[at] != folder / names[at])
    example = f"{names[first]!r} is {paths[first].relative_to(folder).as_posix()}"
    return paths, f"{found} of {len(names)} pictures have other names on disk: {example}"


class _Table:
    """The pictures of a folder by their paths and by every tail of these, in one form of the letters."""

    def __init__(self, folder: Path, form: Callable[[str], str]) -> None:
        self._form = form
        self._whole: dict[_Parts, list[Path]] = defaultdict(list)
        self._tails: dict[_Parts, list[Path]] = defaultdict(list)
        for path in sorted(path for path in folder.rglob("*") if is_picture_in(path, folder)):
            parts = self._key(path.relative_to(folder).parts)
            self._whole[parts].append(path)
            for start in range(len(parts)):
                self._tails[parts[start:]].append(path)

    def find(self, name: str) -> list[Path]:
        parts = self._key(part for part in re.split(r"[\\/]", name.strip()) if part not in ("", "."))
        tails = (parts[start:] for start in range(1, len(parts)))
        return (
            self._whole.get(parts)
            or self._tails.get(parts)
            or next((hits for tail in tails if (hits := self._whole.get(tail))), [])
        )

    def _key(self, parts: Iterable[str]) -> _Parts:
        return tuple(self._form(unicodedata.normalize("NFC", part)) for part in parts)


def _as_it_is(part: str) -> str:
    return part


def _bare(part: str) -> str:
    folded = part.casefold()
    return folded[: folded.rindex(".")] if is_picture_name(folded) else folded
