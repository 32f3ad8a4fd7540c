"""A photograph as a file: what is taken, what is refused with one line, and how it is written back.

Only the pixels are decoded. Its EXIF and its colour profile are carried over as they are, except that the picture is
turned upright and says so. A photograph that nothing changed is written as the bytes that it came in.
"""

from __future__ import annotations

import io
import logging
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tlgan.errors import TlganError
from tlgan.io.files import replacing
from tlgan.io.pictures import opened
from tlgan.provenance import Claim, mark

if TYPE_CHECKING:
    from PIL.Image import Exif

#: Largest photograph that is decoded: bytes, and pixels.
MAX_BYTES, MAX_PIXELS = 128 * 2**20, 64_000_000
#: Formats that are read.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP")
#: Formats that are written, those that can say what a picture is, by the ending.
WRITTEN = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}
_ORIENTATION = 0x0112
_MODES = {"RGB": "RGB", "RGBA": "RGBA", "L": "L", "P": "RGB", "LA": "RGBA", "1": "L"}
_QUALITY = 95


@dataclass(frozen=True, eq=False)
class Photograph:
    """``picture`` uint8 [H, W, 3], upright; ``alpha`` uint8 [H, W] or None; ``grey``: whether the file held no colour;
    ``exif`` and ``profile``: bytes of the file's metadata and colour profile, where it has them; ``data``: the file
    itself; ``kind``: its format, as Pillow names it."""

    picture: np.ndarray
    data: bytes
    kind: str
    name: str
    alpha: np.ndarray | None = None
    grey: bool = False
    exif: bytes = b""
    profile: bytes | None = None

    @property
    def sha256(self) -> str:
        """sha256 of the file."""
        return sha256(self.data).hexdigest()


def read_photograph(source: str | Path | bytes) -> Photograph:
    """Read a photograph from a path or from a file's bytes. Raises TlganError, with one line, for anything else."""
    from PIL import ImageOps

    name = "this picture" if isinstance(source, bytes) else str(source)
    data = source if isinstance(source, bytes) else _bytes(Path(source))
    if len(data) > MAX_BYTES:
        raise TlganError(f"{name} has {len(data) >> 20} MB: photographs up to {MAX_BYTES >> 20} MB are read")
    try:
        with opened(data, FORMATS) as image:
            kind, (width, height) = str(image.format), image.size
            if width * height > MAX_PIXELS:
                raise TlganError(
                    f"{name} has {width} x {height} pixels ({width * height / 1e6:.0f} million): photographs up to "
                    f"{MAX_PIXELS // 10**6} million are read; make it smaller first"
                )
            if (frames := getattr(image, "n_frames", 1)) > 1:
                raise TlganError(f"{name} holds {frames} pictures, an animation or pages: expected one")
            if image.mode not in _MODES:
                raise TlganError(
                    f"{name} has {image.mode} pixels (print colours or more than 8 bits): save it as 8-bit RGB first"
                )
            exif = image.getexif()
            alpha_too = image.mode in ("RGBA", "LA") or "transparency" in image.info
            profile = image.info.get("icc_profile")
            upright = ImageOps.exif_transpose(image.convert("RGBA" if alpha_too else _MODES[image.mode]))
            grey = upright.mode == "L"
            alpha = np.asarray(upright.getchannel("A")) if alpha_too else None
            picture = np.asarray(upright.convert("RGB"))
    except TlganError:
        raise
    except Exception as error:  # decoders raise whatever they stumble over
        why = str(error).partition("\n")[0][:80]
        raise TlganError(
            f"{name} can't be read as a photograph ({why}): expected a whole file of {', '.join(FORMATS)}"
        ) from error
    exif.pop(_ORIENTATION, None)
    return Photograph(picture, data, kind, name, alpha, grey, _written(exif, name), profile)


def _written(exif: Exif, name: str) -> bytes:
    """Exif data as bytes, without entries that Pillow can read and not write: of another kind than they say."""
    from PIL import Image

    left_out = []
    for tag in list(exif):
        try:
            alone = Image.Exif()
            alone[tag] = exif[tag]
            alone.tobytes()
        except Exception:  # whatever it stumbles over
            left_out.append(hex(tag))
            with suppress(KeyError):  # it is listed, and not there
                del exif[tag]
    try:
        found = exif.tobytes() if len(exif) else b""
    except Exception:  # in a table inside
        left_out, found = ["all"], b""
    if left_out:
        logging.getLogger(__name__).warning("%s has damaged Exif data: %s left out", name, ", ".join(left_out))
    return found


def write_photograph(path: str | Path, photograph: Photograph, picture: np.ndarray, claim: Claim) -> Path:
    """Write `picture` uint8 [H, W, 3] as the edited photograph, whole or not at all, as PNG, JPEG or WebP by the ending;
    see `encode_photograph`. Raises TlganError for another ending."""
    path = Path(path)
    kind = WRITTEN.get(path.suffix.lower())
    if kind is None:
        raise TlganError(f"no photograph can be written as {path.name!r}: end the name in {', '.join(WRITTEN)}")
    data = encode_photograph(photograph, picture, claim, kind)
    with replacing(path) as temporary:
        temporary.write_bytes(data)
    return path


def encode_photograph(photograph: Photograph, picture: np.ndarray, claim: Claim, kind: str) -> bytes:
    """`picture` uint8 [H, W, 3] as the bytes of a file, `kind` "JPEG", "PNG" or "WEBP".

    It says what it is: `claim`. A picture equal to the photograph's is the photograph: where the format is the same, its
    own bytes, and nothing is claimed.
    """
    from PIL import Image

    unchanged = np.array_equal(picture, photograph.picture)
    if unchanged and kind == photograph.kind:
        return photograph.data
    image = Image.fromarray(picture[..., 0] if photograph.grey else picture)  # grey: all channels are the same
    if photograph.alpha is not None and kind != "JPEG":
        image.putalpha(Image.fromarray(photograph.alpha))
    options: dict[str, object] = {"icc_profile": photograph.profile} if photograph.profile else {}
    if photograph.exif:
        options["exif"] = photograph.exif
    if kind == "JPEG":
        options |= _jpeg_options(photograph)
    elif kind == "WEBP":
        options |= {"lossless": True} if unchanged else {"quality": _QUALITY}
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue() if unchanged else mark(file.getvalue(), claim, parent=photograph.data)


def _jpeg_options(photograph: Photograph) -> dict[str, object]:
    """The tables of the photograph's own JPEG, so that what was not edited is rounded as it was; else a high quality."""
    from PIL import JpegImagePlugin

    if photograph.kind == "JPEG" and not photograph.grey:
        with opened(photograph.data, ["JPEG"]) as image:
            if isinstance(image, JpegImagePlugin.JpegImageFile) and image.mode == "RGB":
                return {"qtables": image.quantization, "subsampling": JpegImagePlugin.get_sampling(image)}
    return {"quality": _QUALITY}


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise TlganError(
                f"{path} has {path.stat().st_size >> 20} MB: photographs up to {MAX_BYTES >> 20} MB are read"
            )
        return path.read_bytes()
    except OSError as error:
        raise TlganError(f"{path} can't be read: {error.strerror or error}") from error
