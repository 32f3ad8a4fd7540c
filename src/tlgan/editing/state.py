"""An edit in a form that travels: JSON, and a PNG that carries it.

A saved picture holds the state it was painted from, so that it can be opened again and edited further. What is read
back comes from strangers: every name, number and size is checked, and another generator is refused by name.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tlgan.axes import Axes
from tlgan.errors import BadFile, TlganError
from tlgan.io.foreign import json_of
from tlgan.io.pictures import opened
from tlgan.provenance import Claim, encode

from .edit import Edit, Reached
from .resolve import QUALITIES

#: Written; version 1 held no reached latent, and is read too.
VERSION = 2
READ = (1, 2)
#: Keyword of the iTXt chunk.
KEYWORD = "tlgan"
#: Largest PNG, state text, wish, weight of a lock and coordinate that are looked at at all: bytes, characters, sd.
MAX_PNG = 64 * 2**20
MAX_TEXT = 2**20
MAX_ASKED = 100.0
MAX_WEIGHT = 1e6
MAX_LATENT = 1e4
#: Most layers of a latent that has one for each.
MAX_LAYERS = 64
BY = ("axes", "gradients", "looks")


def to_json(edit: Edit, axes: Axes) -> dict[str, Any]:
    """An edit as plain JSON values. The latent is always in it; the seed too where the start was a draw, and what was
    reached where the edit is resolved."""
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
        "reached": reached_json(edit.reached),
    }


def from_json(state: Any, axes: Axes) -> Edit:
    """Read what `to_json` wrote, now or as version 1, from anyone. Raises TlganError with what is wrong; nothing is
    guessed."""
    if not isinstance(state, Mapping):
        raise TlganError(f"this state is a {type(state).__name__}, expected an object with latent, asked and locks")
    if state.get("version") not in READ or isinstance(state["version"], bool):
        known = " and ".join(map(str, READ))
        raise TlganError(f"this state has version {_short(state.get('version'))}, this tlgan reads {known}")
    if state.get("generator") != axes.generator:
        raise TlganError(
            f"this face was made by another generator ({_short(state.get('generator'))}), "
            f"this workspace has {axes.generator[:12]}: open it where it was made"
        )
    if state.get("space") != axes.space:
        raise TlganError(f"this face lives in space {_short(state.get('space'))}, these axes in {axes.space!r}")
    if state.get("photograph") is True and state.get("latent") is None:
        raise TlganError(
            "this is the state of an edited photograph, which holds no face: open the photograph itself, and ask again"
        )
    seed = state.get("seed")
    if not (seed is None or (isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed < 2**63)):
        raise TlganError(f"seed {_short(seed)} is not a whole number from 0 to 2^63")
    given = state if state["version"] > 1 else {**state, "reached": None}
    return read_wishes(given, _numbers(state.get("latent"), axes.latent_dim), seed, axes)


def read_wishes(given: Mapping[str, Any], latent: np.ndarray, seed: int | None, axes: Axes) -> Edit:
    """What is asked of a start `latent` [d], and where it led: the entries asked, locks, soft, exact, identity, reached.

    Each may be left out. Raises TlganError with what is wrong.
    """
    asked, locks = given.get("asked", {}), given.get("locks", [])
    if not isinstance(asked, Mapping) or len(asked) > len(axes.features):
        raise TlganError("asked must be an object from feature to change, no larger than the list of features")
    if not isinstance(locks, list) or len(locks) > len(axes.features):
        raise TlganError("locks must be a list of features, no longer than the list of features")
    soft = given.get("soft", {})
    if not isinstance(soft, Mapping) or len(soft) > len(axes.features):
        raise TlganError("soft must be an object from feature to weight, no larger than the list of features")
    for name in [*asked, *locks, *soft]:
        axes.index(name if isinstance(name, str) else _short(name))
    changes = {name: number(value, MAX_ASKED, f"the change asked of {name!r}") for name, value in asked.items()}
    weights = {name: number(value, MAX_WEIGHT, f"the weight of {name!r}") for name, value in soft.items()}
    for name, weight in weights.items():
        if weight <= 0:
            raise TlganError(f"the weight of {name!r} is {_short(weight)}, expected a number over 0")
    for switch in ("exact", "identity"):
        if not isinstance(given.get(switch, False), bool):
            raise TlganError(f"{switch} is {_short(given[switch])}, expected true or false")
    return Edit(
        latent=latent,
        asked={name: value for name, value in changes.items() if value},
        locks=frozenset(locks),
        soft=weights,
        exact=given.get("exact", False),
        identity=given.get("identity", False),
        seed=seed,
        reached=_reached(given.get("reached"), axes),
    )


def reached_json(reached: Reached | None) -> dict[str, str] | None:
    """What was reached as JSON values: the latent in base64, the quality, and what found it."""
    if reached is None:
        return None
    return {"latent": encode_latent(reached.latent), "quality": reached.quality, "by": reached.by}


def _reached(given: Any, axes: Axes) -> Reached | None:
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise TlganError(f"reached is {_short(given)}, expected an object with latent, quality and by")
    quality, by = given.get("quality"), given.get("by")
    if quality not in tuple(QUALITIES):
        raise TlganError(f"the quality of what was reached is {_short(quality)}, expected {' or '.join(QUALITIES)}")
    if by not in BY:
        raise TlganError(f"what was reached was found by {_short(by)}, expected one of {', '.join(BY)}")
    layers = MAX_LAYERS if axes.space == "w" else 1
    return Reached(decode_latent(given.get("latent"), axes.latent_dim, layers=layers), quality, by)


def encode_latent(latent: np.ndarray) -> str:
    """float32 [d] or [layers, d] -> base64 of its little-endian bytes."""
    return base64.b64encode(np.ascontiguousarray(latent, dtype="<f4").tobytes()).decode("ascii")


def decode_latent(text: object, size: int, *, layers: int = 1) -> np.ndarray:
    """Base64 -> finite float32 [size], or [n, size] where up to `layers` may come. Raises TlganError for other text."""
    if not isinstance(text, str) or len(text) > 8 * size * layers + 8:
        raise TlganError(f"the latent is {_short(text)}: expected base64 of {size} float32 numbers")
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise TlganError("the latent is not base64") from None
    count, rest = divmod(len(raw), 4 * size)
    if rest or not 1 <= count <= layers:
        raise TlganError(f"the latent has {len(raw)} bytes: expected {4 * size}, {size} float32 numbers")
    latent = np.frombuffer(raw, dtype="<f4").astype(np.float32)
    if not (np.abs(latent) <= MAX_LATENT).all():
        raise TlganError(f"the latent holds numbers that are not finite, or beyond {MAX_LATENT:g}")
    return latent if count == 1 else latent.reshape(count, size)


def png_with_state(picture: np.ndarray, state: Mapping[str, Any], claim: Claim | None = None) -> bytes:
    """A picture uint8 [H, W, 3] as PNG with its state and `claim` inside."""
    return encode(picture, claim or Claim(), state={KEYWORD: json.dumps(state, separators=(",", ":"))})


def read_png(data: bytes) -> dict[str, Any]:
    """The state inside a PNG. Raises TlganError where there is none, or no readable one."""
    if (state := find_state(data)) is None:
        raise TlganError("this PNG carries no state: only pictures saved from the studio or by `tlgan edit` do")
    return state


def find_state(data: bytes) -> dict[str, Any] | None:
    """The state inside a PNG, None where it holds none. Raises TlganError where it is no PNG, or can't be read."""
    if len(data) > MAX_PNG:
        raise BadFile(f"this file has {len(data) >> 20} MB, more than the {MAX_PNG >> 20} MB of any picture saved here")
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        raise BadFile("this is not a PNG: drop a picture that was saved here")
    try:
        with opened(data, ["PNG"]) as image:
            image.verify()
            text = image.info.get(KEYWORD)
    except (OSError, SyntaxError, ValueError) as error:
        raise BadFile(f"this PNG can't be read ({str(error)[:80]})") from error
    if text is None:
        return None
    if len(text) > MAX_TEXT:
        raise BadFile(f"the state in this PNG has {len(text)} characters, more than any face needs")
    try:
        state = json_of(text)
    except ValueError as error:
        raise BadFile("the state in this PNG is not JSON: the file was changed after it was saved") from error
    if not isinstance(state, dict):
        raise BadFile("the state in this PNG is not an object: the file was changed after it was saved")
    return state


def _numbers(values: Any, count: int) -> np.ndarray:
    if not isinstance(values, list) or len(values) != count:
        what = f"{len(values)} numbers" if isinstance(values, list) else _short(values)
        raise TlganError(f"latent holds {what}, expected {count} numbers")
    return np.array([number(value, MAX_LATENT, "a latent coordinate") for value in values], dtype=np.float32)


def number(value: Any, bound: float, what: str) -> float:
    """A finite number from -bound to bound; else a TlganError that says what it was to be."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or abs(value) > bound:
        raise TlganError(f"{what} is {_short(value)}, expected a number from -{bound:g} to {bound:g}")
    return float(value)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 24 else text[:21] + "..."
