"""Who paints when: frames before long work, every client in turn, and nothing for those who have left."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.sync.client import connect

from tlgan import pieces
from tlgan.editing import Edit, path
from tlgan.web.server import create_app, running, turns, wire
from tlgan.web.server.turns import CLIENT, Dropped, TooMuch, Turns
from tlgan.workspace import Workspace

FACE = {"seed": 7, "asked": {"smiling": 1.0}, "locks": ["age"], "exact": True}
STRIP = {"face": FACE, "feature": "skin", "asked": list(np.linspace(-2, 2, 15))}


def _run(test: Callable[[Turns, list[str]], Coroutine[Any, Any, None]]) -> list[str]:
    """What happened, in order."""
    happened: list[str] = []

    async def main() -> None:
        taking = Turns(lambda: None)
        try:
            await asyncio.wait_for(test(taking, happened), 30)
        finally:
            taking.close()

    with ThreadPoolExecutor(1) as thread:  # this one may be in a loop already: a browser's
        thread.submit(asyncio.run, main()).result()
    return happened


def _work(happened: list[str], name: str, count: int = 20, each: float = 0.002) -> Callable[[], str]:
    def work() -> str:
        for part in pieces.cut(count, 1):
            happened.append(name)
            time.sleep(each)
            assert part.stop == part.start + 1
        return name

    return work


def _as(client: str, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    async def asking() -> Any:
        CLIENT.set(client)
        return await coroutine

    return asyncio.create_task(asking())


def test_a_frame_waits_for_one_piece_of_long_work_at_most_two() -> None:
    async def test(taking: Turns, happened: list[str]) -> None:
        work = _as("a", taking.long(200, _work(happened, "piece", 200)))
        for _ in range(20):
            await asyncio.sleep(0.004)
            before = happened.count("piece")
            await _as("b", taking.frame(lambda: happened.append("frame")))
            assert happened.count("piece") - before <= 2
        work.cancel()

    assert "piece" in _run(test)


def test_long_work_ends_though_hands_never_rest() -> None:
    async def test(taking: Turns, happened: list[str]) -> None:
        work = _as("a", taking.long(20, _work(happened, "piece")))
        while not work.done():
            await _as("b", taking.frame(lambda: time.sleep(0.002)))
            happened.append("frame")

    happened = _run(test)
    assert happened.count("piece") == 20
    assert happened.count("frame") > 20  # and hands had most of the time


def test_clients_take_turns_at_long_work_whatever_each_has_asked_for() -> None:
    async def test(taking: Turns, happened: list[str]) -> None:
        greedy = [_as("greedy", taking.long(20, _work(happened, "greedy"))) for _ in range(10)]
        await asyncio.sleep(0.01)
        await _as("modest", taking.long(20, _work(happened, "modest")))
        happened.append("modest has it")
        for work in greedy:
            work.cancel()

    happened = _run(test)
    until = happened[: happened.index("modest has it")]
    assert until.count("greedy") <= 2 * until.count("modest") + 10


def test_clients_take_turns_at_frames() -> None:
    async def test(taking: Turns, happened: list[str]) -> None:
        def frame(name: str) -> asyncio.Task[Any]:
            return _as(name, taking.frame(lambda: (time.sleep(0.002), happened.append(name))))

        many = [frame("many") for _ in range(50)]
        await asyncio.gather(frame("one"), frame("other"))
        for task in many:
            task.cancel()

    assert _run(test).count("many") <= 5


def test_work_of_those_who_left_or_want_something_newer_is_dropped() -> None:
    async def test(taking: Turns, happened: list[str]) -> None:
        left = _as("a", taking.long(200, _work(happened, "left", 200)))
        await asyncio.sleep(0.05)
        left.cancel()
        await asyncio.sleep(0.05)
        before = happened.count("left")
        assert 0 < before < 100
        newer = asyncio.Event()
        task = _as("a", taking.long(200, _work(happened, "old", 200), wanted=lambda: not newer.is_set()))
        await asyncio.sleep(0.05)
        newer.set()
        with pytest.raises(Dropped):
            await task
        assert happened.count("left") == before
        assert 0 < happened.count("old") < 100

    _run(test)


def test_a_fault_in_a_piece_gives_the_turn_back() -> None:
    async def test(taking: Turns, happened: list[str]) -> None:
        def broken() -> None:
            for _ in pieces.cut(3, 1):
                raise RuntimeError("no")

        for _ in range(turns.ACTIVE + 1):
            with pytest.raises(RuntimeError):
                await taking.long(1, broken)
        await taking.frame(lambda: happened.append("frame"))
        await taking.long(20, _work(happened, "piece"))

    assert _run(test) == ["frame"] + ["piece"] * 20


def test_what_is_asked_at_once_is_bounded_by_its_cost() -> None:
    async def test(taking: Turns, happened: list[str]) -> None:
        first = _as("a", taking.long(turns.A_CLIENT, _work(happened, "piece")))
        await asyncio.sleep(0.01)
        with pytest.raises(TooMuch, match="too much is asked for at once"):
            await _as("a", taking.long(1, _work(happened, "more")))
        await _as("b", taking.long(1, _work(happened, "b", 1)))
        await first
        await _as("a", taking.long(1, _work(happened, "again", 1)))
        assert not taking._pictures

    assert "more" not in _run(test)


def test_pieces_follow_the_time_they_take() -> None:
    sizes: list[int] = []

    async def test(taking: Turns, happened: list[str]) -> None:
        def work() -> None:
            for each in (0.0001, 0.05):
                for part in pieces.cut(60, 64):
                    sizes.append(part.stop - part.start)
                    time.sleep(each * sizes[-1])

        await taking.long(120, work)

    _run(test)
    assert max(sizes) > 4
    assert sizes[-1] == 1


def test_an_edit_in_pieces_is_the_edit(cartoons: Workspace) -> None:
    name = cartoons.axes.names[0]
    edit = Edit(cartoons.canvas.start(5), {name: 1.0}, exact=True)
    whole = path(cartoons.canvas, edit, name, [-1.0, 0.5, 1.0])
    given: list[None] = []
    with pieces.between(lambda: 3, lambda: given.append(None)):
        cut = path(cartoons.canvas, edit, name, [-1.0, 0.5, 1.0])
    np.testing.assert_allclose(cut, whole, atol=1e-3)
    assert len(given) > 9  # between the stops, between their looks, and between the features of a look


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("strip", STRIP | {"asked": [-1.0, 1.0]}),
        ("film", {"a": {"seed": 1}, "b": {"seed": 2}, "format": "gif", "frames": 40}),
        ("render", {"face": FACE}),
    ],
)
def test_another_person_s_slider_goes_on_meanwhile(
    cartoons: Workspace, monkeypatch: pytest.MonkeyPatch, verb: str, body: dict[str, Any]
) -> None:
    """A slow generator: only the number of pictures of each is looked at."""
    paint = cartoons.canvas.source.pictures
    monkeypatch.setattr(turns, "PIECE", 0.05)
    monkeypatch.setattr(
        type(cartoons.canvas.source),
        "pictures",
        lambda self, latents, **options: (time.sleep(0.01 * len(latents)), paint(latents, **options))[1],
    )
    with (
        running(cartoons) as address,
        ThreadPoolExecutor(1) as pool,
        connect(address.replace("http", "ws") + "live", compression=None) as page,
    ):
        page.recv()
        page.send(json.dumps({"id": 0, "face": {"seed": 1, "asked": {"age": 1}}}))
        page.recv()
        answer = pool.submit(httpx.post, f"{address}api/{verb}", json=body, timeout=60)
        frames = 0
        while not answer.done():
            page.send(json.dumps({"id": frames, "face": {"seed": 1, "asked": {"age": frames % 10 / 10}}}))
            while not isinstance(page.recv(), bytes):
                pass
            frames += 1
        assert answer.result().status_code == 200
    assert frames > 5  # one in all, where it waits for the whole


def test_a_client_that_leaves_takes_its_work_along(cartoons: Workspace) -> None:
    app = create_app(cartoons)
    studio = app.state.studio
    begun = threading.Event()
    painted: list[int] = []

    def slow(*_: Any) -> None:
        begun.set()
        for part in pieces.cut(10_000, 1):
            painted.append(part.start)
            time.sleep(0.002)

    studio.painter.strip = slow
    with running(cartoons, make_app=lambda *_, **__: app) as address:
        port = int(address.split(":")[2].split("/")[0])
        body = json.dumps(STRIP).encode()
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(
                b"POST /api/strip HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
            )
            assert begun.wait(10)
        deadline = time.monotonic() + 10
        while studio.painter._turns._pictures and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1)
        assert len(painted) < 10_000
        count = len(painted)
        time.sleep(0.1)
        assert len(painted) == count


def test_bodies_are_bounded_in_all(cartoons: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "BODIES_BYTES", 1000)
    with running(cartoons) as address, socket.create_connection(("127.0.0.1", int(address.split(":")[2][:-1]))) as slow:
        head = b"POST /api/open HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\nContent-Length: 9000\r\n\r\n"
        slow.sendall(head + b"x" * 900)
        time.sleep(0.3)
        answer = httpx.post(f"{address}api/measure", json={"face": {"seed": 1}, "more": "y" * 200})
        assert answer.status_code == 503
        assert "too much is being sent at once" in answer.json()["error"]
        slow.close()
        time.sleep(0.3)
        assert httpx.post(f"{address}api/measure", json={"face": {"seed": 1}}).status_code == 200
