"""An edit travels and comes back the same; what strangers forged is refused in one line."""

from __future__ import annotations

import io
import json
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from tests.editing.algebra import edits, random_axes
from tlgan.editing import Edit, Reached
from tlgan.editing.state import KEYWORD, MAX_TEXT, encode_latent, from_json, png_with_state, read_png, to_json
from tlgan.errors import TlganError

AXES = random_axes(np.random.default_rng(1), 6, 3, white=True)
EDIT = Edit(
    np.linspace(-1, 1, 6, dtype=np.float32),
    asked={"f0": 1.5},
    locks=frozenset({"f1"}),
    soft={"f2": 4.0},
    exact=True,
    identity=True,
    seed=7,
    reached=Reached(np.linspace(-2, 1, 6, dtype=np.float32), "live", "gradients"),
)
#: What version 1 wrote, kept as it was.
OLD = Path(__file__).parent / "version_1"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def same(one: Edit, other: Edit) -> bool:
    """Equal in every field."""
    return (
        bool(np.array_equal(one.latent, other.latent))
        and dict(one.asked) == dict(other.asked)
        and dict(one.soft) == dict(other.soft)
        and same_reached(one.reached, other.reached)
        and (one.locks, one.exact, one.identity, one.seed) == (other.locks, other.exact, other.identity, other.seed)
    )


def same_reached(one: Reached | None, other: Reached | None) -> bool:
    """Equal in every field."""
    if one is None or other is None:
        return one is other
    return np.array_equal(one.latent, other.latent) and (one.quality, one.by) == (other.quality, other.by)


@given(case=edits(), exact=st.booleans(), seed=st.none() | st.integers(0, 2**40))
def test_round_trip_loses_nothing(case, exact, seed):
    axes, edit = case
    edit = replace(edit, exact=exact, seed=seed)
    assert same(from_json(json.loads(json.dumps(to_json(edit, axes))), axes), edit)


def test_every_field_travels():
    assert same(from_json(to_json(EDIT, AXES), AXES), EDIT)


def test_states_from_before_soft_locks_are_read():
    state = to_json(replace(EDIT, soft={}, identity=False), AXES)
    old = {key: value for key, value in state.items() if key not in ("soft", "identity")}
    assert same(from_json(old, AXES), replace(EDIT, soft={}, identity=False))


def test_a_latent_a_layer_travels_in_w():
    axes = random_axes(np.random.default_rng(1), 6, 3, white=False)
    layers = np.random.default_rng(2).normal(size=(5, 6)).astype(np.float32)
    edit = replace(EDIT, reached=Reached(layers, "final", "axes"))
    assert same(from_json(json.loads(json.dumps(to_json(edit, axes))), axes), edit)
    with pytest.raises(TlganError, match="latent"):
        from_json(to_json(replace(edit, reached=Reached(np.zeros((65, 6)))), axes), axes)


def test_version_1_is_read_for_ever():
    old = replace(EDIT, reached=None)
    assert same(from_json(json.loads((OLD / "state.json").read_text()), AXES), old)
    assert same(from_json(read_png((OLD / "face.png").read_bytes()), AXES), old)
    # It said nothing of what was reached, so nothing is taken from it.
    forged = json.loads((OLD / "state.json").read_text()) | {"reached": to_json(EDIT, AXES)["reached"]}
    assert from_json(forged, AXES).reached is None


REACHED = to_json(EDIT, AXES)["reached"]
FORGED = {
    "another generator": {"generator": "f" * 64},
    "another space": {"space": "w"},
    "a later version": {"version": 3},
    "no version": {"version": None},
    "a version that is true": {"version": True},
    "a version that is a list": {"version": [1]},
    "something reached that is no object": {"reached": [0.0] * 6},
    "nothing in what was reached": {"reached": {}},
    "an unknown quality": {"reached": REACHED | {"quality": "best"}},
    "a quality that is a list": {"reached": REACHED | {"quality": ["live"]}},
    "an unknown way": {"reached": REACHED | {"by": "magic"}},
    "a short latent that was reached": {"reached": REACHED | {"latent": "AAAA"}},
    "words in what was reached": {"reached": REACHED | {"latent": "!!!!"}},
    "layers in z": {"reached": REACHED | {"latent": encode_latent(np.zeros((2, 6)))}},
    "an infinite latent that was reached": {"reached": REACHED | {"latent": encode_latent(np.full(6, np.nan))}},
    "a huge latent that was reached": {"reached": REACHED | {"latent": encode_latent(np.full(6, 1e5))}},
    "a short latent": {"latent": [0.0] * 5},
    "no latent": {"latent": None},
    "an infinite latent": {"latent": [float("inf")] + [0.0] * 5},
    "a huge latent": {"latent": [1e9] + [0.0] * 5},
    "words in the latent": {"latent": ["1"] * 6},
    "truth in the latent": {"latent": [True] * 6},
    "an unknown wish": {"asked": {"nobody": 1.0}},
    "a wish that is no number": {"asked": {"f0": float("nan")}},
    "a wish beyond bounds": {"asked": {"f0": 1e9}},
    "wishes as a list": {"asked": ["f0"]},
    "an unknown lock": {"locks": ["nobody"]},
    "a lock that is no name": {"locks": [["f0"]]},
    "locks as text": {"locks": "f0"},
    "too many locks": {"locks": ["f0"] * 4},
    "a soft lock of no weight": {"soft": {"f0": 0}},
    "a soft lock of negative weight": {"soft": {"f0": -1.0}},
    "an unknown soft lock": {"soft": {"nobody": 1.0}},
    "soft locks as a list": {"soft": ["f0"]},
    "exact as a number": {"exact": 1},
    "identity as text": {"identity": "yes"},
    "a negative seed": {"seed": -1},
    "a seed that is true": {"seed": True},
    "a seed beyond bounds": {"seed": 2**63},
}


@pytest.mark.parametrize("forgery", FORGED.values(), ids=FORGED.keys())
def test_forged_states_are_refused(forgery):
    with pytest.raises(TlganError) as refusal:
        from_json(to_json(EDIT, AXES) | forgery, AXES)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 300


@given(value=JSON, field=st.sampled_from([None, *to_json(EDIT, AXES)]))
@settings(max_examples=200)
def test_anything_else_is_read_or_refused_never_more(value, field):
    state = value if field is None else to_json(EDIT, AXES) | {field: value}
    try:
        edit = from_json(state, AXES)
    except TlganError:
        return
    assert np.isfinite(edit.latent).all()
    assert set(edit.asked) | edit.locks | set(edit.soft) <= set(AXES.names)


def png(text: str | None, *, keyword: str = KEYWORD, zipped: bool = True) -> bytes:
    """A PNG with one text chunk, as anybody could make it."""
    buffer = io.BytesIO()
    chunks = PngImagePlugin.PngInfo()
    if text is not None:
        chunks.add_itxt(keyword, text, zip=zipped)
    Image.new("RGB", (4, 4)).save(buffer, "PNG", pnginfo=chunks)
    return buffer.getvalue()


def test_a_picture_brings_its_edit_back():
    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    data = png_with_state(picture, to_json(EDIT, AXES))
    assert same(from_json(read_png(data), AXES), EDIT)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), picture)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a PNG"),
        (b"GIF89a" + bytes(100), "not a PNG"),
        (png(None), "carries no state"),
        (png("{}", keyword="other"), "carries no state"),
        (png("{not json"), "not JSON"),
        (png("[1, 2]"), "not an object"),
        (png("[" * 100_000), "not JSON"),
        (png("{}")[:40], "can't be read"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "can't be read"),
    ],
    ids=["empty", "gif", "plain", "other keyword", "broken", "list", "deep", "cut off", "no chunks"],
)
def test_other_pictures_are_refused(data, words):
    with pytest.raises(TlganError, match=words):
        read_png(data)


def test_a_text_that_unpacks_without_end_is_not_unpacked():
    with pytest.raises(TlganError):
        read_png(png(" " * (MAX_TEXT + 1)))
    assert len(zlib.compress(b" " * (MAX_TEXT + 1))) < 2000  # it was small on its way here
