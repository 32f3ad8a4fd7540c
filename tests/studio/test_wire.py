"""What comes in over the wire is bounded and checked; what goes out can be read back."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from tlgan import TlganError
from tlgan.editing import Edit
from tlgan.editing.state import decode_latent, encode_latent
from tlgan.web.server import wire
from tlgan.workspace import Workspace


def test_a_message_is_one_json_object_of_bounded_size() -> None:
    assert wire.parse('{"id": 1}') == {"id": 1}
    for text in ("", "nonsense", "[1]", "3", '"x"', "[" * 100_000):
        with pytest.raises(TlganError, match="JSON"):
            wire.parse(text)
    with pytest.raises(TlganError, match="bytes"):
        wire.parse(json.dumps({"x": "y" * wire.MESSAGE_BYTES}))


@pytest.mark.parametrize("value", [-1, 11, 1.5, True, None, "3", float("nan"), 10**400])
def test_whole_numbers_are_whole_and_in_range(value: object) -> None:
    with pytest.raises(TlganError, match="'n' is"):
        wire.integer({"n": value}, "n", 0, 10)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), float("inf"), True, "0.5", None, [1]])
def test_numbers_are_finite_and_in_range(value: object) -> None:
    with pytest.raises(TlganError, match="'at' is"):
        wire.number({"at": value}, "at", 0, 1)


def test_latents_survive_the_way_and_forged_ones_do_not() -> None:
    latent = np.random.default_rng(0).normal(size=12).astype(np.float32)
    assert np.array_equal(decode_latent(encode_latent(latent), 12), latent)
    not_finite = latent.copy()
    not_finite[3] = np.nan
    for forged in (encode_latent(latent[:11]), encode_latent(not_finite), "!!!!", 7, None, "A" * 10_000):
        with pytest.raises(TlganError, match="latent"):
            decode_latent(forged, 12)


def test_a_face_says_its_start_once_and_comes_back(cartoons: Workspace) -> None:
    axes = cartoons.axes
    latent = cartoons.canvas.start(3)
    edit = Edit(latent, {"smiling": 1.5}, frozenset({"age"}), exact=True, seed=3)
    sent = wire.face_json(edit)
    assert sent == {"seed": 3, "asked": {"smiling": 1.5}, "locks": ["age"], "exact": True}
    back = wire.face({"face": sent}, "face", axes, cartoons.canvas.start)
    assert np.array_equal(back.latent, latent)
    assert (back.asked, back.locks, back.exact, back.seed) == ({"smiling": 1.5}, frozenset({"age"}), True, 3)
    without_seed = wire.face_json(Edit(latent))
    assert np.array_equal(wire.face({"face": without_seed}, "face", axes, cartoons.canvas.start).latent, latent)


@pytest.mark.parametrize(
    ("face", "words"),
    [
        (None, "expected a face"),
        ({}, "'seed' is"),
        ({"seed": -1}, "'seed' is"),
        ({"seed": 2**31}, "'seed' is"),
        ({"seed": 1, "asked": {"smilling": 1}}, "did you mean smiling"),
        ({"seed": 1, "asked": {"smiling": 101}}, "-100 to 100"),
        ({"seed": 1, "asked": {"smiling": "2"}}, "expected a number"),
        ({"seed": 1, "asked": [1]}, "asked must be"),
        ({"seed": 1, "reached": "AAAA"}, "reached is"),
        ({"seed": 1, "locks": "smiling"}, "locks"),
        ({"seed": 1, "locks": ["nobody"]}, "nobody"),
        ({"seed": 1, "locks": [{}]}, "unknown feature"),
        ({"seed": 1, "exact": 1}, "exact"),
    ],
)
def test_a_face_that_cannot_be_meant_is_refused_in_words(cartoons: Workspace, face: object, words: str) -> None:
    with pytest.raises(TlganError, match=words):
        wire.face({"face": face}, "face", cartoons.axes, cartoons.canvas.start)


def test_small_frames_are_a_header_and_pixels() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    frame = wire.pack(77, picture)
    assert wire.HEADER.unpack(frame[:16]) == (b"TLGF", 1, wire.RGBA, 24, 77, len(frame) - 16)
    pixels = np.frombuffer(frame[16:], np.uint8).reshape(24, 24, 4)
    assert np.array_equal(pixels[..., :3], picture)
    assert np.all(pixels[..., 3] == 255)


@pytest.mark.parametrize(("side", "size", "shown"), [(200, None, 200), (200, 64, 64), (24, 16, 16)])
def test_other_frames_are_a_header_and_a_webp(side: int, size: int | None, shown: int) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (side, side, 3), dtype=np.uint8)
    frame = wire.pack(77, picture, size)
    assert wire.HEADER.unpack(frame[:16]) == (b"TLGF", 1, wire.WEBP, shown, 77, len(frame) - 16)
    decoded = np.asarray(Image.open(io.BytesIO(frame[16:])))
    assert decoded.shape == (shown, shown, 3)
    assert shown != side or np.array_equal(decoded, picture)


def test_a_picture_is_shrunk_to_the_size_asked_for() -> None:
    picture = np.zeros((64, 64, 3), dtype=np.uint8)
    assert Image.open(io.BytesIO(wire.encode_picture(picture, 16))).size == (16, 16)
    assert Image.open(io.BytesIO(wire.encode_picture(picture, 128))).size == (64, 64)


def test_what_could_not_be_measured_is_null() -> None:
    assert wire.numbers(np.array([1.23456, np.nan, np.inf])) == [1.235, None, None]
    assert wire.numbers(np.array([0.5])) == [0.5]
