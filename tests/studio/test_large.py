"""A generator of large pictures with a head for small ones: small while a hand moves, whole when it rests."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.generators.openvino_writer import write_pair
from tlgan.editing import Canvas, Edit, solve
from tlgan.generators.interrupt import PaintingCalledOff, calling_off
from tlgan.training.picture_head import HeadRecipe
from tlgan.web.server import create_app, wire
from tlgan.web.server.keyframes import FAR, UNIT
from tlgan.workspace import Settings, Workspace
from tlgan.workspace.discover import discover


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("large")
    settings = Settings(str(write_pair(folder)), extractors=("colour",), max_samples=300, base=())
    return discover(folder / "ws", settings, preview=HeadRecipe(pairs=50, steps=20, batch=8, side=4))


def frames_of(socket: Any, until: int) -> list[tuple[int, bool | None]]:
    """Sides of the pictures, with the words that follow each: whether they are final."""
    seen: list[tuple[int, bool | None]] = []
    while True:
        message = socket.receive()
        if message.get("bytes") is not None:
            side = wire.HEADER.unpack(message["bytes"][:16])[3]
            seen.append((side, None))
        else:
            words = wire.parse(message["text"])
            if words.get("id") == until:
                seen[-1] = (seen[-1][0], words["final"])
                if words["final"]:
                    return seen


@pytest.mark.parametrize("exact", [False, True])
def test_a_small_picture_first_then_the_whole_one(large: Workspace, exact: bool) -> None:
    with (
        TestClient(create_app(large, hosts=None), base_url="http://localhost") as client,
        client.websocket_connect("/live") as socket,
    ):
        socket.receive_json()
        name = large.axes.names[0]
        socket.send_json({"id": 1, "face": {"seed": 5, "asked": {name: 1.0}, "locks": [], "exact": exact}})
        seen = frames_of(socket, 1)
    assert [side for side, _ in seen] == ([16, 16, 32] if exact else [16, 32])
    assert [final for _, final in seen] == [False] * (len(seen) - 1) + [True]


def test_a_drag_is_mixed_and_ends_in_what_is_painted(large: Workspace) -> None:
    name, canvas = large.axes.names[0], large.canvas

    def painted(on: Canvas, value: float) -> np.ndarray:
        latent = solve(large.axes, Edit(canvas.start(5)).ask({name: value})).latent
        return on.paint(latent[None])[0]

    pictures = {}
    with (
        TestClient(create_app(large, hosts=None), base_url="http://localhost") as client,
        client.websocket_connect("/live") as socket,
    ):
        socket.receive_json()
        for k, value in enumerate((0.1, 0.2, 0.3)):
            socket.send_json({"id": k, "face": {"seed": 5, "asked": {name: value}, "locks": [], "exact": False}})
            while True:  # a small picture answers each move, and what belongs to a hand at rest may follow
                message = socket.receive()
                if message.get("bytes") is not None:
                    header = wire.HEADER.unpack(message["bytes"][:16])
                    pictures[header[4], header[3]] = message["bytes"][16:]
                    if header[4] == k:
                        break
        while (2, 32) not in pictures:
            message = socket.receive()
            if message.get("bytes") is not None:
                header = wire.HEADER.unpack(message["bytes"][:16])
                pictures[header[4], header[3]] = message["bytes"][16:]

    def shown(identity: int, side: int) -> np.ndarray:
        return np.frombuffer(pictures[identity, side], np.uint8).reshape(side, side, 4)[..., :3]

    low, high = (painted(canvas.small, value).astype(float) for value in (0.0, (FAR * UNIT)))
    # to one grey level: the last bits depend on how many are painted at once
    assert np.abs(shown(0, 16) - painted(canvas.small, 0.1).astype(float)).max() <= 1
    for identity, share in ((1, 0.2 / (FAR * UNIT)), (2, 0.3 / (FAR * UNIT))):
        assert np.abs(shown(identity, 16) - ((1 - share) * low + share * high)).max() <= 1.51
    assert np.abs(shown(2, 32) - painted(canvas, 0.3).astype(float)).max() <= 1


def test_what_is_saved_is_the_whole_picture(large: Workspace) -> None:
    with TestClient(create_app(large, hosts=None), base_url="http://localhost") as client:
        answer = client.post("/api/render", json={"face": {"seed": 5, "asked": {}, "locks": [], "exact": False}})
    assert answer.status_code == 200
    import io

    from PIL import Image

    saved = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert np.array_equal(saved, large.canvas.paint(large.canvas.start(5)[None])[0])


def test_a_whole_picture_is_called_off_between_its_blocks(large: Workspace) -> None:
    asked: list[int] = []

    def unwanted() -> bool:
        asked.append(1)
        return len(asked) > 1

    with pytest.raises(PaintingCalledOff), calling_off(unwanted):
        large.canvas.paint(large.canvas.start(5)[None])
    assert len(asked) == 2
