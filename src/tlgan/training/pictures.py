"""Pictures of any kind as squares of one size: decoded once, kept on disk in chunks, so that a kill loses one and a
hundred thousand pictures take no memory.

Grey, RGBA, palette, CMYK and 16-bit pictures and EXIF rotation are all brought to upright 8-bit RGB. What can't be
read is counted and named; training goes on without it, unless it is too much.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from tlgan.errors import TlganError
from tlgan.io.files import replacing
from tlgan.io.pictures import opened
from tlgan.io.pixels import rounded

from .readers import Labelled

CHUNK = 2048
MOST_UNREADABLE = 0.05
MOST_PIXELS = 100_000_000
CELEBA_TOP = 0.7  # CelebA's aligned pictures: the face's usual square starts at this share of what is cut off


def square(data: bytes | None, side: int, *, celeba: bool = False) -> np.ndarray | None:
    """One picture as uint8 [side, side, 3]: its middle square (CelebA's usual one), resized; None: can't be read."""
    from PIL import Image, ImageOps

    if not data:
        return None
    try:
        with opened(data) as image:
            if image.width * image.height > MOST_PIXELS:
                return None
            picture = _rgb(ImageOps.exif_transpose(image))
    except (OSError, ValueError, SyntaxError, MemoryError, EOFError, ArithmeticError, IndexError, TypeError):
        return None
    width, height = picture.size
    edge = min(width, height)
    left = (width - edge) / 2
    is_celeba = celeba and abs(width / height - 178 / 218) < 0.01
    top = (height - edge) * (CELEBA_TOP if is_celeba else 0.5)
    box = (left, top, left + edge, top + edge)
    return np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR, box=box))


def _rgb(picture: Any) -> Any:
    from PIL import Image

    if picture.mode in ("I", "I;16", "I;16B", "I;16L", "F"):
        levels = np.asarray(picture, dtype=np.float64)
        top = _white(float(levels.max(initial=0)), picture.mode)
        return Image.fromarray(rounded(levels / top * 255)).convert("RGB")
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, (255, 255, 255, 255)), rgba).convert("RGB")
    return picture.convert("RGB")


def _white(largest: float, mode: str) -> float:
    """The level that is white in a picture of more than 8 bits, from its largest one: floats of 0 to 1 or 0 to 255, whole
    numbers of 8 (in 32 only), 12 or 16 bits. A picture of 16 bits that is darker than 7 % everywhere is taken for 12."""
    if mode == "F" and largest <= 1:
        return 1.0
    if mode in ("I", "F") and largest <= 255:
        return 255.0
    return 4095.0 if largest <= 4095 else 65535.0


def decode(
    labelled: Labelled, side: int, folder: Path, told: Callable[[int], None] = lambda done: None
) -> tuple[list[np.ndarray], list[int]]:
    """All pictures as chunks uint8 [m, side, side, 3], mapped from files in `folder`, and the rows that can't be read.

    Chunks that are there already are not decoded again. Raises TlganError where more than 5 % can't be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    total = len(labelled.names)
    bad: list[int] = []
    source: Iterator[bytes | None] | None = None
    for start in range(0, total, CHUNK):
        path = _chunk(folder, start)
        if not path.exists():
            source = labelled.read(start) if source is None else source
            _decode_chunk(source, min(CHUNK, total - start), side, labelled.celeba, path)
        else:
            source = None
        bad += [start + row for row in json.loads(path.with_suffix(".json").read_text("utf-8"))]
        told(min(start + CHUNK, total))
        if len(bad) > MOST_UNREADABLE * total:
            raise TlganError(f"{unreadable(labelled, bad)}, over {MOST_UNREADABLE:.0%} of {total}: check the folder")
    return [np.load(_chunk(folder, start), mmap_mode="r") for start in range(0, total, CHUNK)], bad


def _chunk(folder: Path, start: int) -> Path:
    return folder / f"pictures-{start // CHUNK:05d}.npy"


def unreadable(labelled: Labelled, rows: list[int]) -> str:
    """ "3 pictures can't be read (a.jpg, b.jpg, c.jpg)"."""
    names = ", ".join(labelled.names[row] for row in rows[:5]) + (", ..." if len(rows) > 5 else "")
    return f"{len(rows)} picture{'' if len(rows) == 1 else 's'} can't be read ({names})"


def _decode_chunk(source: Iterator[bytes | None], count: int, side: int, celeba: bool, path: Path) -> None:
    with ThreadPoolExecutor(2) as workers:
        found = list(workers.map(lambda data: square(data, side, celeba=celeba), islice(source, count)))
    found += [None] * (count - len(found))
    bad = [row for row, picture in enumerate(found) if picture is None]
    blank = np.zeros((side, side, 3), dtype=np.uint8)
    stacked = np.stack([blank if picture is None else picture for picture in found])
    with replacing(path.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(bad), encoding="utf-8")
    with replacing(path) as temporary, open(temporary, "wb") as file:  # last: where it is, the chunk is whole
        np.save(file, stacked)
