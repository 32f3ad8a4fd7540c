"""One picture as a file: whole or not at all, in the format that its name asks for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tlgan.errors import TlganError
from tlgan.io.files import replacing

from .state import write_png


def write_picture(path: str | Path, picture: np.ndarray, state: Mapping[str, Any] | None = None) -> Path:
    """Write a picture uint8 [H, W, 3]; a PNG carries `state` where one is given. Returns the path.

    Raises TlganError where Pillow knows no format of that ending, or the file can't be written.
    """
    from PIL import Image

    path = Path(path)
    with replacing(path) as temporary:
        try:
            if state is not None and path.suffix.lower() == ".png":
                write_png(temporary, picture, state)
            else:
                Image.fromarray(picture).save(temporary)
        except ValueError as error:
            raise TlganError(
                f"no picture can be written as {path.name!r}: end the name in .png, .jpg or .webp"
            ) from error
    return path
