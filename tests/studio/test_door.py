"""Who says nothing, or slowly, or does not read, keeps nobody out and takes no memory."""

from __future__ import annotations

import contextlib
import json
import socket
import time
import urllib.request
from collections.abc import Iterator

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tlgan.web.server import door, live, running, wire
from tlgan.workspace import Workspace

GET = b"GET /api/describe HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@contextlib.contextmanager
def _silent(address: str, count: int, first: bytes = b"") -> Iterator[list[socket.socket]]:
    """So many connections that send `first` and then nothing."""
    with contextlib.ExitStack() as stack:
        opened = []
        for _ in range(count):
            opened.append(stack.enter_context(socket.create_connection(("127.0.0.1", _port(address)), timeout=10)))
            opened[-1].sendall(first)
        yield opened


def _port(address: str) -> int:
    return int(address.split(":")[2].split("/")[0])


def _answers(address: str) -> bool:
    with urllib.request.urlopen(address + "api/describe", timeout=10) as answer:
        return bool(answer.status == 200)


def _live(address: str) -> ClientConnection:
    return connect(address.replace("http", "ws") + "live", max_size=None, compression=None)


def _ended(connection: socket.socket) -> bool:
    """Whether the server closes it, within ten seconds."""
    with contextlib.suppress(ConnectionResetError):
        while connection.recv(65536):
            pass
    return True


@pytest.mark.parametrize(
    "first",
    [b"", b"GET / HTTP/1.1\r\nHost:", b"POST /api/measure HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{"],
    ids=["nothing", "half a head", "half a body"],
)
def test_a_room_full_of_silent_connections_lets_others_in(cartoons: Workspace, first: bytes) -> None:
    with running(cartoons) as address, _silent(address, door.ROOM + 20, first):
        assert _answers(address)
        with _live(address) as page:
            assert json.loads(page.recv())["version"] == wire.VERSION


def test_the_one_that_waited_longest_gives_its_place(cartoons: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "ROOM", 3)
    with running(cartoons) as address, _silent(address, 1) as first, _silent(address, 2) as others:
        time.sleep(0.1)
        assert _answers(address)
        assert _ended(first[0])
        others[1].sendall(GET)
        assert others[1].recv(12) == b"HTTP/1.1 200"


@pytest.mark.parametrize(
    ("limit", "first", "drip"),
    [
        ("HEAD", b"", b""),
        ("HEAD", b"GET / HTTP/1.1\r\n", b"a: b\r\n"),
        ("BODY", b"POST /api/open HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999\r\n\r\n", b"x"),
        ("HEAD", GET, b"GET"),  # between two requests
    ],
    ids=["silence", "dripping head", "dripping body", "after an answer"],
)
def test_slow_senders_are_closed(
    cartoons: Workspace, monkeypatch: pytest.MonkeyPatch, limit: str, first: bytes, drip: bytes
) -> None:
    monkeypatch.setattr(door, "TICK", 0.05)
    monkeypatch.setattr(door, limit, 0.4)
    with running(cartoons) as address, _silent(address, 1, first) as (slow,):
        slow.setblocking(False)
        deadline = time.monotonic() + 10
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < deadline:
                time.sleep(0.05)
                slow.send(drip)
                with contextlib.suppress(BlockingIOError):
                    if not slow.recv(65536):
                        break
        assert time.monotonic() < deadline
        assert _answers(address)


def test_time_in_which_the_server_did_not_look_is_nobody_s_fault(
    cartoons: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was stopped, as a laptop that sleeps, between a connection and its first words."""
    monkeypatch.setattr(door, "HEAD", 0.8)
    monkeypatch.setattr(door, "TICK", 0.05)

    def stopped(self: live.Live, headers: object) -> None:
        time.sleep(2.5)

    with running(cartoons) as address, _silent(address, 1) as (early,), _silent(address, 1) as (other,):
        with monkeypatch.context() as patched:
            patched.setattr(live.Live, "refused", stopped)
            other.sendall(b"POST /api/hello HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n")
            assert other.recv(100)
        time.sleep(0.15)
        early.sendall(GET)
        assert early.recv(100).startswith(b"HTTP/1.1 200")
        assert _ended(early)


def test_who_does_not_read_the_answer_is_closed(cartoons: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "TICK", 0.05)
    monkeypatch.setattr(door, "READ", 0.4)
    body = json.dumps({"seeds": list(range(wire.GALLERY)), "size": 2048}).encode()
    ask = b"POST /api/gallery HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with running(cartoons) as address, socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        deaf.connect(("127.0.0.1", _port(address)))
        deadline = time.monotonic() + 20
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < deadline:
                deaf.sendall(ask)  # more answers than fit on the way
                time.sleep(0.05)
        assert time.monotonic() < deadline
        assert _answers(address)


def test_what_nobody_reads_is_bounded(cartoons: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "TICK", 0.05)
    monkeypatch.setattr(door, "UNREAD", 1_000_000)
    with running(cartoons) as address, socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        deaf.connect(("127.0.0.1", _port(address)))
        deaf.sendall(
            b"GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        ping = b"\x89\xfd\0\0\0\0" + b"x" * 125  # every one wants a pong, which is never read
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 3000:
                deaf.sendall(ping * 1000)
                sent += 1
        assert sent < 3000


def test_a_full_server_says_so_in_words(cartoons: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "ROOM", 0)
    with running(cartoons) as address, _silent(address, 1, GET) as (told,):
        text = b""
        while part := told.recv(65536):
            text += part
    assert text.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 10" in text.lower()
    assert b"this server is full" in text


def test_silent_pages_give_way_and_busy_ones_do_not(cartoons: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PAGES", 2)
    monkeypatch.setattr(live, "MUTE", 0.2)
    with running(cartoons) as address, _live(address) as busy, _live(address) as silent:
        busy.recv()
        silent.recv()
        busy.send(json.dumps({"id": 1, "face": {"seed": 1}}))
        time.sleep(0.4)
        with _live(address) as newcomer:
            assert json.loads(newcomer.recv())["version"] == wire.VERSION
            with pytest.raises(ConnectionClosed) as closed:
                silent.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == live.GAVE_WAY
            assert "silent" in closed.value.rcvd.reason
            newcomer.send(json.dumps({"id": 1, "face": {"seed": 2}}))
            assert newcomer.recv()[:4] == wire.MAGIC
            hello = urllib.request.Request(address + "api/hello", b"")
            with pytest.raises(urllib.error.HTTPError, match="503") as full:
                urllib.request.urlopen(hello, timeout=10)
            assert "this studio is full" in json.loads(full.value.read())["error"]
        busy.send(json.dumps({"id": 2, "face": {"seed": 1}}))
        assert any(isinstance(busy.recv(), bytes) for _ in range(4))


def test_a_hundred_pages_are_served(cartoons: Workspace) -> None:
    with running(cartoons) as address, contextlib.ExitStack() as stack:
        pages = [stack.enter_context(_live(address)) for _ in range(100)]
        for k, page in enumerate(pages):
            page.send(json.dumps({"id": k, "face": {"seed": k}}))
        for k, page in enumerate(pages):
            page.recv()  # the greeting
            assert wire.HEADER.unpack(page.recv()[:16])[4] == k
