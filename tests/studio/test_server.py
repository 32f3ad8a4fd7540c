"""Finding a port and saying where the studio is."""

from __future__ import annotations

import os
import socket
import urllib.error
import urllib.request

import psutil
import pytest

from tlgan import TlganError
from tlgan.web.server import running, serve
from tlgan.web.server.server import listen
from tlgan.workspace import Workspace


def test_a_port_in_use_is_one_clear_line(cartoons: Workspace) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(TlganError, match=rf"port {port} on 127.0.0.1 is in use.*--port {port + 1}"):
            serve(cartoons, port=port, open_browser=False)


@pytest.mark.parametrize(("host", "port"), [("no.such.host.invalid", 0), ("127.0.0.1", 70_000), ("203.0.113.7", 0)])
def test_a_place_that_cannot_be_served_on_is_said(host: str, port: int) -> None:
    with pytest.raises(TlganError, match="cannot serve on"):
        listen(host, port)


def test_small_messages_are_not_held_back(cartoons: Workspace) -> None:
    with running(cartoons) as address:
        port = int(address.rsplit(":", 1)[1].strip("/"))
        with socket.create_connection(("127.0.0.1", port), timeout=10) as ours:
            ours.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert ours.recv(1)
            connections = psutil.Process().net_connections("tcp")
            (theirs,) = (each.fd for each in connections if each.raddr and each.raddr.port == ours.getsockname()[1])
            with socket.socket(fileno=os.dup(theirs)) as accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_it_runs_and_stops(cartoons: Workspace) -> None:
    with running(cartoons) as address:
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(address, timeout=10) as answer:
            assert b"tlgan" in answer.read()
    with pytest.raises(OSError):  # noqa: PT011 (whatever the system says)
        urllib.request.urlopen(address, timeout=2)


def test_beyond_loopback_the_address_carries_a_token(cartoons: Workspace) -> None:
    with running(cartoons, host="0.0.0.0") as address:
        port = address.split(":")[2].split("/")[0]
        assert "?token=" in address
        token = address.partition("=")[2]
        assert len(token) >= 20
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10)
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/describe", headers={"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200
