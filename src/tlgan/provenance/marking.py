"""Writing claims: every picture and film that leaves the program goes through `encode` or `mark`."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tlgan.errors import TlganError

from . import signing
from .claim import Claim
from .containers import C2PA, EXIF, XMP, BadContainerError, cut, digest, kind_of
from .xmp import write_packet

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

#: Endings of pictures that can carry a claim, and their formats.
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".gif": "GIF"}


def encode(
    picture: np.ndarray | Image,
    claim: Claim,
    format: str = "PNG",
    *,
    state: Mapping[str, str] | None = None,
    parent: bytes | None = None,
    sign: bool = True,
    **options: Any,
) -> bytes:
    """A picture, uint8 [H, W, 3] or a Pillow image, as the bytes of a PNG, JPEG, WEBP or GIF that carries `claim`.

    ``state``: texts to put into a PNG by keyword; ``options``: of Pillow's writer; ``parent`` and ``sign`` as for `mark`.
    """
    from PIL import Image, PngImagePlugin

    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    if state:
        options["pnginfo"] = chunks = PngImagePlugin.PngInfo()
        for keyword, text in state.items():
            chunks.add_itxt(keyword, text, zip=True)
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return mark(buffer.getvalue(), claim, parent=parent, sign=sign)


def mark(data: bytes, claim: Claim, *, parent: bytes | None = None, sign: bool = True) -> bytes:
    """A picture or film (PNG, JPEG, WebP, GIF, MP4) with `claim` inside, as XMP; an earlier XMP packet is replaced.

    Where the person has named a key (see `signing`) a signed C2PA manifest goes with it; ``parent``: the file of the
    photograph that was edited, which becomes the manifest's ingredient; ``sign=False`` leaves the manifest out, for
    pictures that are shown rather than kept. The picture itself stays as it is, bit for bit. Raises TlganError for
    another format, a damaged file, one that is signed already, and where signing was asked for and fails.
    """
    kind = kind_of(data)
    if kind is None:
        raise TlganError("only PNG, JPEG, WebP, GIF and MP4 can say what they are: write one of these")
    try:
        # twice: to make room for a packet can change the container itself
        pieces = cut(data)
        if any(piece.role == C2PA for piece in pieces):
            raise TlganError(
                "this file carries signed Content Credentials, which a change would break: encode its picture anew, with the "
                "file as the parent"
            )
        bare = [piece for piece in pieces if piece.role != XMP]
        room = [piece for piece in kind.put(bare, b"") if piece.role != XMP]
        exif = digest(room, EXIF)
        packet = write_packet(claim.fields() | {"tlgan:Picture": digest(room)} | ({"tlgan:Exif": exif} if exif else {}))
        marked = b"".join(piece.raw for piece in kind.put(bare, packet))
    except BadContainerError as error:
        raise TlganError(f"this picture can't be marked: {error}") from error
    signer = signing.signer() if sign else None
    return marked if signer is None else signer.sign(marked, kind.mime, claim, parent)
