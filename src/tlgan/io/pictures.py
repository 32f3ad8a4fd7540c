"""Opens untrusted pictures, in few formats; nothing else opens one.

Pillow knows formats that run a program (Ghostscript, for PostScript under any name), and prints what it thinks of
damaged metadata. Neither happens here.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from tlgan.errors import TlganError

if TYPE_CHECKING:
    from PIL.Image import Image

#: Those that hold one picture of pixels and that a decoder of Pillow's reads.
FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "BMP", "TIFF", "GIF", "PPM")


@contextmanager
def opened(data: bytes, formats: Sequence[str] = FORMATS) -> Iterator[Image]:
    """The picture in a file's bytes. Raises what Pillow raises: OSError for other formats, and a few more for damage."""
    from PIL import Image

    Image.init()
    known = [name for name in formats if name in Image.OPEN]  # AVIF depends on Pillow's version
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = Image.open(io.BytesIO(data), formats=known)
        except Image.DecompressionBombError as error:
            raise OSError(str(error)) from error
        with image:
            yield image


def thumbnail(data: bytes) -> np.ndarray:
    """A picture that a workspace keeps, uint8 [H, W], or [H, W, 3] where it has colours. Raises TlganError."""
    try:
        with opened(data, ("WEBP", "JPEG", "PNG")) as image:
            return np.asarray(image if image.mode == "L" else image.convert("RGB"))
    except Exception as error:  # decoders raise whatever they stumble over
        raise TlganError(
            f"a kept picture of the samples is damaged ({str(error)[:80]}): run `tlgan discover` again"
        ) from error
