"""The websocket: pictures with their words, the newest request only, and errors that don't end it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from tlgan.editing.state import decode_latent
from tlgan.web.server import create_app, wire
from tlgan.workspace import Workspace


@pytest.fixture
def socket(client: TestClient) -> Iterator[Any]:
    with client.websocket_connect("/live", headers={"host": "127.0.0.1:8000"}) as socket:
        hello = socket.receive_json()
        assert hello["version"] == 1
        yield socket


def _picture(socket: Any) -> tuple[int, np.ndarray]:
    """The id and the pixels of a frame."""
    frame = socket.receive_bytes()
    magic, version, kind, side, identity, size = wire.HEADER.unpack(frame[:16])
    assert (magic, version, kind, size) == (b"TLGF", 1, wire.RGBA, len(frame) - 16)
    return identity, np.frombuffer(frame[16:], np.uint8).reshape(side, side, 4)[..., :3]


def _words(socket: Any) -> dict[str, Any]:
    words: dict[str, Any] = socket.receive_json()
    assert "error" not in words, words
    return words


def test_an_answer_is_a_picture_then_its_numbers_with_the_same_id(socket: Any, cartoons: Workspace) -> None:
    socket.send_json({"id": 5, "face": {"seed": 7, "asked": {"smiling": 1}}})
    identity, picture = _picture(socket)
    words = _words(socket)
    editor = cartoons.face(seed=7).set(smiling=1)
    assert words["id"] == identity == 5
    assert words["final"] is True
    assert np.abs(picture - editor.picture().astype(int)).max() <= 1
    assert len(words["measured"]) == len(words["own"]) == len(cartoons.axes.features)
    assert words["measured"][0] - words["own"][0] == pytest.approx(editor.changed()["smiling"], abs=2e-3)


def test_exact_sends_a_first_guess_and_then_the_corrected_picture(socket: Any) -> None:
    socket.send_json({"id": 1, "face": {"seed": 7, "asked": {"smiling": 1.2}, "exact": True}})
    _, first = _picture(socket)
    guess = _words(socket)
    assert guess["final"] is False
    _, second = _picture(socket)
    exact = _words(socket)
    assert exact["final"] is True
    assert not np.array_equal(first, second)

    def miss(words: dict[str, Any]) -> float:
        return abs(words["measured"][0] - words["own"][0] - 1.2)

    assert miss(exact) <= miss(guess)
    assert miss(exact) < 0.1


def test_a_mix_comes_with_its_latent(socket: Any, cartoons: Workspace) -> None:
    socket.send_json({"id": 1, "mix": {"a": {"seed": 1}, "b": {"seed": 2}, "at": 0.3}})
    _, picture = _picture(socket)
    words = _words(socket)
    latent = decode_latent(words["latent"], cartoons.axes.latent_dim)
    assert np.array_equal(cartoons.canvas.paint(latent[None])[0], picture)


def test_errors_are_words_and_the_connection_lives_on(socket: Any) -> None:
    for text in ("nonsense", "[]", json.dumps({"id": 3, "face": {"seed": 1, "asked": {"nobody": 1}}})):
        socket.send_text(text)
        assert socket.receive_json()["error"]
    socket.send_bytes(b"\x00\x01")
    assert socket.receive_json()["error"]
    socket.send_json({"id": 4, "face": {"seed": 1}})
    assert _picture(socket)[0] == 4
    assert _words(socket)["id"] == 4


def test_a_fault_while_painting_is_said_and_the_stream_goes_on(
    cartoons: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app(cartoons)
    painter = app.state.studio.painter
    plain = painter.paint

    def broken(edit: Any, **options: Any) -> Any:
        if edit.asked:
            raise RuntimeError("out of memory\nand more")
        return plain(edit, **options)

    monkeypatch.setattr(painter, "paint", broken)
    headers = {"host": "127.0.0.1:8000"}
    with (
        TestClient(app, base_url="http://127.0.0.1:8000") as client,
        client.websocket_connect("/live", headers=headers) as socket,
    ):
        socket.receive_json()
        socket.send_json({"id": 1, "face": {"seed": 7, "asked": {"smiling": 1}}})
        assert socket.receive_json() == {"id": 1, "error": "this face could not be painted: out of memory"}
        socket.send_json({"id": 2, "face": {"seed": 7}})
        assert _picture(socket)[0] == 2


def test_the_newest_wins_and_stale_ones_are_never_painted(cartoons: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    app = create_app(cartoons)
    painter = app.state.studio.painter
    painted: list[float] = []
    quick = painter.paint

    def slow(edit: Any, **options: Any) -> Any:
        painted.append(edit.asked.get("smiling", 0.0))
        time.sleep(0.15)
        return quick(edit, **options)

    monkeypatch.setattr(painter, "paint", slow)
    headers = {"host": "127.0.0.1:8000"}
    with (
        TestClient(app, base_url="http://127.0.0.1:8000") as client,
        client.websocket_connect("/live", headers=headers) as socket,
    ):
        socket.receive_json()
        for k in range(60):
            socket.send_json({"id": k, "face": {"seed": 7, "asked": {"smiling": (k + 1) / 100}}})
            time.sleep(0.005)
        identities, numbers = [], []
        while 59 not in numbers:
            message = socket.receive()
            if message.get("bytes"):
                identities.append(wire.HEADER.unpack(message["bytes"][:16])[4])
            else:
                numbers.append(json.loads(message["text"])["id"])
    assert identities == sorted(identities)
    assert set(numbers) <= set(identities)
    assert len(identities) <= 8  # a queue would have painted all sixty
    assert painted[-1] == 0.6


def test_too_many_pages_are_told_so(cartoons: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from starlette.websockets import WebSocketDisconnect

    from tlgan.web.server import live as module

    monkeypatch.setattr(module, "PAGES", 1)
    headers = {"host": "127.0.0.1:8000"}
    with TestClient(create_app(cartoons), base_url="http://127.0.0.1:8000") as client:
        with (
            client.websocket_connect("/live", headers=headers),
            pytest.raises(WebSocketDisconnect),
            client.websocket_connect("/live", headers=headers),
        ):
            pass
        with client.websocket_connect("/live", headers=headers) as socket:  # the first one left
            assert socket.receive_json()["version"] == 1
