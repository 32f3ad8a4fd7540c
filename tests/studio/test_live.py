"""The websocket: pictures with their words, the newest request only, and errors that don't end it."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from tlgan.studio import create_app, wire
from tlgan.workspace import Workspace


@pytest.fixture
def socket(client: TestClient) -> Iterator[Any]:
    with client.websocket_connect("/live", headers={"host": "127.0.0.1:8000"}) as socket:
        hello = socket.receive_json()
        assert hello["version"] == 1
        yield socket


def _frame(socket: Any) -> tuple[dict[str, Any], dict[str, int], np.ndarray]:
    words = socket.receive_json()
    assert "error" not in words, words
    frame = socket.receive_bytes()
    keys = ("magic", "version", "format", "flags", "id", "size")
    header = dict(zip(keys, wire.HEADER.unpack(frame[:16]), strict=True))
    return words, header, np.asarray(Image.open(io.BytesIO(frame[16:])))


def test_a_frame_is_words_then_a_picture_with_the_same_id(socket: Any, cartoons: Workspace) -> None:
    socket.send_json({"id": 5, "face": {"seed": 7, "asked": {"smiling": 1}}})
    words, header, picture = _frame(socket)
    editor = cartoons.editor(seed=7).set(smiling=1)
    assert words["id"] == header["id"] == 5
    assert words["final"] is True
    assert header["flags"] & wire.FINAL
    assert np.abs(picture - editor.picture().astype(int)).max() <= 1
    assert len(words["measured"]) == len(words["own"]) == len(cartoons.axes.features)
    assert words["measured"][0] - words["own"][0] == pytest.approx(editor.changed()["smiling"], abs=2e-3)


def test_exact_sends_a_first_guess_and_then_the_corrected_picture(socket: Any) -> None:
    socket.send_json({"id": 1, "face": {"seed": 7, "asked": {"smiling": 1.2}, "exact": True}})
    guess, header, _ = _frame(socket)
    assert guess["final"] is False
    assert not header["flags"] & wire.FINAL
    exact, header, _ = _frame(socket)
    assert exact["final"] is True
    assert header["flags"] & wire.FINAL

    def miss(words: dict[str, Any]) -> float:
        return abs(words["measured"][0] - words["own"][0] - 1.2)

    assert miss(exact) <= miss(guess)
    assert miss(exact) < 0.1


def test_a_mix_comes_with_its_latent(socket: Any, cartoons: Workspace) -> None:
    socket.send_json({"id": 1, "mix": {"a": {"seed": 1}, "b": {"seed": 2}, "at": 0.3}})
    words, _, picture = _frame(socket)
    latent = wire.decode_latent(words["latent"], cartoons.axes.latent_dim)
    assert np.array_equal(cartoons.canvas.paint(latent[None])[0], picture)


def test_errors_are_words_and_the_connection_lives_on(socket: Any) -> None:
    for text in ("nonsense", "[]", json.dumps({"id": 3, "face": {"seed": 1, "asked": {"nobody": 1}}})):
        socket.send_text(text)
        assert socket.receive_json()["error"]
    socket.send_bytes(b"\x00\x01")
    assert socket.receive_json()["error"]
    socket.send_json({"id": 4, "face": {"seed": 1}})
    assert _frame(socket)[0]["id"] == 4


def test_the_newest_wins_and_stale_ones_are_never_painted(cartoons: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    app = create_app(cartoons)
    painter = app.state.studio.painter
    painted: list[float] = []
    quick = painter.frame

    def slow(edit: Any) -> Any:
        painted.append(edit.asked.get("smiling", 0.0))
        time.sleep(0.15)
        return quick(edit)

    monkeypatch.setattr(painter, "frame", slow)
    headers = {"host": "127.0.0.1:8000"}
    with (
        TestClient(app, base_url="http://127.0.0.1:8000") as client,
        client.websocket_connect("/live", headers=headers) as socket,
    ):
        socket.receive_json()
        for k in range(60):
            socket.send_json({"id": k, "face": {"seed": 7, "asked": {"smiling": (k + 1) / 100}}})
            time.sleep(0.005)
        identities = []
        while not identities or identities[-1] != 59:
            identities.append(_frame(socket)[0]["id"])
    assert identities == sorted(identities)
    assert len(identities) <= 8  # a queue would have painted all sixty
    assert painted[-1] == 0.6


def test_too_many_pages_are_told_so(cartoons: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from starlette.websockets import WebSocketDisconnect

    from tlgan.studio import app as module

    monkeypatch.setattr(module, "CONNECTIONS", 1)
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
