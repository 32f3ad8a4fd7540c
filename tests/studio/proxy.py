"""A reverse proxy as hosted notebooks put in front of a port: under a path of its own, and with its own idea of Host."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def proxied(port: int, *, under: str = "", host: str | None = None, websockets: bool = True) -> Iterator[str]:
    """Serve what listens on `port` under the path `under` (cut off on the way), with the Host header `host`, or the
    browser's own. Without `websockets` their handshakes are answered with 400."""
    listener = socket.create_server(("127.0.0.1", 0))

    def carry(client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            head = _head(client)
            if head is None:
                return
            first, _, rest = head.partition(b"\r\n")
            method, path, version = first.split(b" ")
            upgrade = re.search(rb"(?im)^upgrade: websocket", rest) is not None
            if not path.startswith(under.encode() + b"/") or (upgrade and not websockets):
                status = b"400 Bad Request" if upgrade else b"404 Not Found"
                client.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            if host is not None:
                rest = re.sub(rb"(?im)^host: .*?(?=\r\n)", b"Host: " + host.encode(), rest)
            if not upgrade:  # one request a connection is enough here
                rest = re.sub(rb"(?im)^connection: .*?\r\n", b"", rest)
                rest = b"Connection: close\r\n" + rest
            with socket.create_connection(("127.0.0.1", port)) as server:
                server.sendall(b" ".join((method, path[len(under) :], version)) + b"\r\n" + rest)
                back = threading.Thread(target=_pour, args=(server, client), daemon=True)
                back.start()
                _pour(client, server)
                back.join()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=carry, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}{under}/"
    finally:
        listener.close()


def _head(client: socket.socket) -> bytes | None:
    head = b""
    while b"\r\n\r\n" not in head:
        part = client.recv(65536)
        if not part:
            return None
        head += part
    return head


def _pour(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while part := source.recv(65536):
            sink.sendall(part)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
