"""What travels between page and server: JSON for words, a 16-byte header and an encoded picture.

Everything that comes in is bounded and checked here, before anything is computed; the format is described in
`docs/studio.md`. A *face* is where a person stands: a seed or a latent, and what was asked of it.
"""

from __future__ import annotations

import base64
import io
import math
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tlgan.editing.state import MAX_ASKED, decode_latent, encode_latent, reached_json, read_wishes
from tlgan.errors import TlganError
from tlgan.io.foreign import json_of
from tlgan.provenance import Claim, mark

if TYPE_CHECKING:
    from PIL import Image

    from tlgan.axes import Axes
    from tlgan.editing import Edit

    from .painter import Frame

VERSION = 1
MAGIC = b"TLGF"
PNG, WEBP, RGBA, JPEG = 1, 2, 3, 4  # formats of a picture in a frame
HEADER = struct.Struct("<4sBBHII")  # magic, version, format, side in pixels, id, bytes that follow
LOSSLESS_SIDE = 512  # up to this side pictures are lossless: beyond it that takes longer than to paint them
RAW_SIDE = 128  # up to this side pixels travel as they are: there is less to copy than there would be to decode

MESSAGE_BYTES = 256 * 1024  # of one JSON message
PNG_BYTES = 64 * 1024 * 1024  # of a dropped picture
BODIES_BYTES = 256 * 1024 * 1024  # of all requests that are not answered yet
GALLERY = 48  # pictures in one gallery
STRIP = 15  # pictures in one strip
FILM_FRAMES = 240
SIZES = (16, 2048)  # side of a picture that may be asked for
SEEDS = 2**31

Json = dict[str, Any]


def parse(text: str | bytes) -> Json:
    """One JSON object, or a `TlganError` that says what is wrong with it."""
    if len(text) > MESSAGE_BYTES:
        raise TlganError(f"the message has {len(text)} bytes; at most {MESSAGE_BYTES} are read")
    try:
        message = json_of(text)
    except ValueError:
        raise TlganError("the message is not JSON: send one JSON object") from None
    if not isinstance(message, dict):
        raise TlganError(f"the message is a JSON {type(message).__name__}: send one JSON object")
    return message


def integer(message: Mapping[str, Any], key: str, low: int, high: int, default: int | None = None) -> int:
    """`message[key]`, a whole number in [low, high]."""
    value = message.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise TlganError(f"'{key}' is {_short(value)}: expected a whole number from {low} to {high}")
    return value


def number(message: Mapping[str, Any], key: str, low: float, high: float, default: float | None = None) -> float:
    """`message[key]`, a finite number in [low, high]."""
    value = message.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise TlganError(f"'{key}' is {_short(value)}: expected a number from {low:g} to {high:g}")
    return float(value)


def wishes(message: Mapping[str, Any], key: str, axes: Axes) -> dict[str, float]:
    """`message[key]`: feature name -> standard deviations, no more than may be asked for."""
    asked = message.get(key, {})
    if not isinstance(asked, Mapping) or len(asked) > len(axes.features):
        raise TlganError(f"'{key}' is {_short(asked)}: expected an object of feature names and numbers")
    for name in asked:
        axes.index(name)
    return {name: number(asked, name, -MAX_ASKED, MAX_ASKED) for name in asked}


def feature(message: Mapping[str, Any], axes: Axes) -> str:
    """`message["feature"]`, the name of an axis."""
    name = message.get("feature")
    if not isinstance(name, str):
        raise TlganError(f"'feature' is {_short(name)}: expected the name of a feature")
    axes.index(name)
    return name


def face(message: Mapping[str, Any], key: str, axes: Axes, latent_of: Any) -> Edit:
    """`message[key]`: {"seed": n} or {"latent": base64 of float32 [d]}, and what is asked of it as in a state."""
    given = message.get(key)
    if not isinstance(given, Mapping):
        raise TlganError(f"'{key}' is {_short(given)}: expected a face, an object with 'seed' or 'latent'")
    if given.get("latent") is not None:
        return read_wishes(given, decode_latent(given["latent"], axes.latent_dim), None, axes)
    seed = integer(given, "seed", 0, SEEDS - 1)
    return read_wishes(given, latent_of(seed), seed, axes)


def exact_faces(message: Json) -> int:
    """How many faces of a message are exact edits: to paint these takes many looks at pictures."""
    mix = message.get("mix")
    places = [message, mix] if isinstance(mix, Mapping) else [message]
    faces = [place.get(key) for place in places for key in ("face", "a", "b")]
    return sum(isinstance(face, Mapping) and face.get("exact") is True and bool(face.get("asked")) for face in faces)


def photographs_in(message: Json) -> bool:
    """Whether a message walks from or to a photograph: what is between belongs to the page that sent it, and to no link."""
    mix = message.get("mix")
    ends = [mix.get(key) for key in ("a", "b")] if isinstance(mix, Mapping) else []
    return any(isinstance(end, Mapping) and "photo" in end for end in ends)


def face_json(edit: Edit) -> Json:
    """The other way: what the page keeps of an edit."""
    seed = drawn(edit)
    start: Json = {"latent": encode_latent(edit.latent)} if seed is None else {"seed": seed}
    face: Json = start | {"asked": dict(edit.asked), "locks": sorted(edit.locks), "exact": edit.exact}
    if edit.soft:
        face["soft"] = dict(edit.soft)
    if edit.identity:
        face["identity"] = True
    if edit.reached:
        face["reached"] = reached_json(edit.reached)
    return face


def drawn(edit: Edit) -> int | None:
    """The seed that names the start of an edit in a face, where there is one."""
    return edit.seed if edit.seed is not None and edit.seed < SEEDS else None


def quality(message: Mapping[str, Any], edit: Edit, default: str = "final") -> str:
    """`message["quality"]`: how exact edits of this request are resolved; by default as the face at hand was."""
    from tlgan.editing.resolve import quality_named

    named = message.get("quality", edit.reached.quality if edit.reached else default)
    quality_named(named if isinstance(named, str) else _short(named))
    return str(named)


def numbers(values: NDArray[Any]) -> list[Any]:
    """Nested lists with three decimals; what is not finite becomes null, since JSON has no word for it."""
    rounded: list[Any] = np.round(np.asarray(values, dtype=np.float64), 3).tolist()
    return _without_nan(rounded)


def _without_nan(values: list[Any]) -> list[Any]:
    return [
        _without_nan(value) if isinstance(value, list) else value if math.isfinite(value) else None for value in values
    ]


def words(frame: Frame) -> Json:
    """The numbers of a picture."""
    return {
        "measured": numbers(frame.measured),
        "own": numbers(frame.own),
        "reached": numbers(frame.reached),
        "share": round(float(frame.share), 3),
        "in_the_way": list(frame.in_the_way),
    }


def latent_words(frame: Frame) -> Json:
    """The latent that was painted and how it was found: what a face needs as `reached` to be painted the same again."""
    return {"latent": encode_latent(frame.latent), "quality": frame.quality, "by": frame.by}


def encode_picture(picture: NDArray[np.uint8], size: int | None = None, claim: Claim | None = None) -> bytes:
    """uint8 [H, W, 3] -> lossless WebP, no larger than `size` pixels a side, with `claim` inside if it may be kept.

    Lossless WebP with least effort is both faster and smaller than PNG here: 0.10 ms and 6.7 kB against 0.25 ms and
    8.3 kB at 64 pixels, 21 ms against 89 ms at 1024 (`benchmarks/studio_latency.py --formats`).
    """
    buffer = io.BytesIO()
    _shrunk(picture, size).save(buffer, "WEBP", lossless=True, quality=0, method=0)
    return buffer.getvalue() if claim is None else mark(buffer.getvalue(), claim, sign=False)


def _jpeg(picture: NDArray[np.uint8], size: int, quality: int = 95) -> bytes:
    buffer = io.BytesIO()
    _shrunk(picture, size).save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def _shrunk(picture: NDArray[np.uint8], size: int | None) -> Image.Image:
    from PIL import Image

    image = Image.fromarray(picture)
    if size is not None and max(image.size) > size:
        image.thumbnail((size, size), Image.Resampling.LANCZOS)
    return image


def data_url(webp: bytes) -> str:
    """A WebP as text, for JSON and for the first paint."""
    return "data:image/webp;base64," + base64.b64encode(webp).decode("ascii")


def picture_url(picture: NDArray[np.uint8], claim: Claim) -> str:
    """A picture of any size as text, its claim inside: beyond `LOSSLESS_SIDE` a JPEG, a light one, since a page waits for
    it."""
    if max(picture.shape) <= LOSSLESS_SIDE:
        return data_url(encode_picture(picture, claim=claim))
    content = mark(_jpeg(picture, max(picture.shape), quality=85), claim, sign=False)
    return "data:image/jpeg;base64," + base64.b64encode(content).decode("ascii")


def rgba(picture: NDArray[np.uint8]) -> bytes:
    """A picture uint8 [H, W, 3] as a canvas takes it."""
    return np.pad(picture, ((0, 0), (0, 0), (0, 1)), constant_values=255).tobytes()


def pack(request: int, picture: NDArray[np.uint8], size: int | None = None) -> bytes:
    """A binary frame: the 16-byte header, then the picture uint8 [H, W, 3], no larger than `size` pixels a side.

    Small pictures go as RGBA, middling ones as lossless WebP, large ones as JPEG of high quality: at 1024 pixels that
    takes 22 ms and 320 kB, lossless WebP 117 ms and 1.1 MB (on a busy machine), and is one grey level off.
    """
    largest = max(picture.shape[:2])
    side = min(largest, size or largest)
    if side == largest <= RAW_SIDE:
        side = picture.shape[1]  # the height follows from the length
        kind, content = RGBA, rgba(picture)
    elif side > LOSSLESS_SIDE:
        kind, content = JPEG, _jpeg(picture, side)
    else:
        kind, content = WEBP, encode_picture(picture, side)
    return HEADER.pack(MAGIC, VERSION, kind, side, request, len(content)) + content


def _short(value: object) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "not finite"
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
