"""An edit in a form that travels: JSON, and a PNG that carries it.

A saved picture holds the state it was painted from, so that it can be opened again and edited further. What is read
back comes from strangers: every name, number and size is checked, and another generator is refused by name.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from tlgan.axes import Axes
from tlgan.errors import TlganError

from .edit import Edit

VERSION = 1
#: Keyword of the iTXt chunk.
KEYWORD = "tlgan"
#: Largest PNG, state text, wish and weight of a lock that are looked at at all: bytes, characters, sd.
MAX_PNG = 64 * 2**20
MAX_TEXT = 2**20
MAX_ASKED = 100.0
MAX_WEIGHT = 1e6
MAX_LATENT = 1e4


def to_json(edit: Edit, axes: Axes) -> dict[str, Any]:
    """An edit as plain JSON values. The latent is always in it; the seed too where the start was a draw."""
    return {
        "version": VERSION,
        "generator": axes.generator,
        "space": axes.space,
        "seed": edit.seed,
        "latent": [float(f"{value:.9g}") for value in edit.latent],
        "asked": {name: float(value) for name, value in sorted(edit.asked.items())},
        "locks": sorted(edit.locks),
        "soft": {name: float(weight) for name, weight in sorted(edit.soft.items())},
        "exact": edit.exact,
        "identity": edit.identity,
    }


def from_json(state: Any, axes: Axes) -> Edit:
    """Read what `to_json` wrote, from anyone. Raises TlganError with what is wrong; nothing is guessed."""
    if not isinstance(state, Mapping):
        raise TlganError(f"this state is a {type(state).__name__}, expected an object with latent, asked and locks")
    if state.get("version") != VERSION:
        raise TlganError(f"this state has version {_short(state.get('version'))}, this tlgan reads version {VERSION}")
    if state.get("generator") != axes.generator:
        raise TlganError(
            f"this face was made by another generator ({_short(state.get('generator'))}), "
            f"this workspace has {axes.generator[:12]}: open it where it was made"
        )
    if state.get("space") != axes.space:
        raise TlganError(f"this face lives in space {_short(state.get('space'))}, these axes in {axes.space!r}")
    latent = _numbers(state.get("latent"), axes.latent_dim)
    asked, locks = state.get("asked", {}), state.get("locks", [])
    if not isinstance(asked, Mapping) or len(asked) > len(axes.features):
        raise TlganError("asked must be an object from feature to change, no larger than the list of features")
    if not isinstance(locks, list) or len(locks) > len(axes.features):
        raise TlganError("locks must be a list of features, no longer than the list of features")
    soft = state.get("soft", {})
    if not isinstance(soft, Mapping) or len(soft) > len(axes.features):
        raise TlganError("soft must be an object from feature to weight, no larger than the list of features")
    for name in [*asked, *locks, *soft]:
        axes.index(name if isinstance(name, str) else _short(name))
    changes = {name: _number(value, MAX_ASKED, f"the change asked of {name!r}") for name, value in asked.items()}
    weights = {name: _number(value, MAX_WEIGHT, f"the weight of {name!r}") for name, value in soft.items()}
    for name, weight in weights.items():
        if weight <= 0:
            raise TlganError(f"the weight of {name!r} is {_short(weight)}, expected a number over 0")
    seed = state.get("seed")
    if not (seed is None or (isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed < 2**63)):
        raise TlganError(f"seed {_short(seed)} is not a whole number from 0 to 2^63")
    for switch in ("exact", "identity"):
        if not isinstance(state.get(switch, False), bool):
            raise TlganError(f"{switch} is {_short(state[switch])}, expected true or false")
    return Edit(
        latent=latent,
        asked={name: value for name, value in changes.items() if value},
        locks=frozenset(locks),
        soft=weights,
        exact=state.get("exact", False),
        identity=state.get("identity", False),
        seed=seed,
    )


def write_png(target: str | Path | IO[bytes], picture: np.ndarray, state: Mapping[str, Any]) -> None:
    """Write a picture uint8 [H, W, 3] as PNG with its state inside."""
    from PIL import Image, PngImagePlugin

    chunks = PngImagePlugin.PngInfo()
    chunks.add_itxt(KEYWORD, json.dumps(state, separators=(",", ":")), zip=True)
    Image.fromarray(picture).save(target, "PNG", pnginfo=chunks)


def read_png(data: bytes) -> dict[str, Any]:
    """The state inside a PNG. Raises TlganError where there is none, or no readable one."""
    from PIL import Image

    if len(data) > MAX_PNG:
        raise TlganError(
            f"this file has {len(data) >> 20} MB, more than the {MAX_PNG >> 20} MB of any picture saved here"
        )
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        raise TlganError("this is not a PNG: drop a picture that was saved here")
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            image.verify()
            text = image.info.get(KEYWORD)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise TlganError(f"this PNG can't be read ({str(error)[:80]})") from error
    if text is None:
        raise TlganError("this PNG carries no state: only pictures saved from the studio or by `tlgan edit` do")
    if len(text) > MAX_TEXT:
        raise TlganError(f"the state in this PNG has {len(text)} characters, more than any face needs")
    try:
        state = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TlganError("the state in this PNG is not JSON: the file was changed after it was saved") from error
    if not isinstance(state, dict):
        raise TlganError("the state in this PNG is not an object: the file was changed after it was saved")
    return state


def _numbers(values: Any, count: int) -> np.ndarray:
    if not isinstance(values, list) or len(values) != count:
        what = f"{len(values)} numbers" if isinstance(values, list) else _short(values)
        raise TlganError(f"latent holds {what}, expected {count} numbers")
    return np.array([_number(value, MAX_LATENT, "a latent coordinate") for value in values], dtype=np.float32)


def _number(value: Any, bound: float, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or abs(value) > bound:
        raise TlganError(f"{what} is {_short(value)}, expected a number from -{bound:g} to {bound:g}")
    return float(value)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 24 else text[:21] + "..."
