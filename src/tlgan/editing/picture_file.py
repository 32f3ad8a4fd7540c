"""Writes one picture, atomically, in the format that its name asks for, with its claim inside."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tlgan.errors import TlganError
from tlgan.io.files import replacing
from tlgan.provenance import FORMATS, Claim, encode

from .state import png_with_state


def write_picture(
    path: str | Path, picture: np.ndarray, state: Mapping[str, Any] | None = None, claim: Claim | None = None
) -> Path:
    """Write a picture uint8 [H, W, 3] with its `claim`; a PNG carries `state` where one is given. Returns the path.

    Raises TlganError for an ending whose format can't say what the picture is, or where the file can't be written.
    """
    path = Path(path)
    format = FORMATS.get(path.suffix.lower())
    if format is None:
        raise TlganError(
            f"no picture is written as {path.name!r}, which could not say what it is: end the name in "
            ".png, .jpg or .webp"
        )
    if state is not None and format == "PNG":
        content = png_with_state(picture, state, claim)
    else:
        content = encode(picture, claim or Claim(), format)
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return path
