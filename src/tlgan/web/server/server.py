"""Serving: find the port, say where it is, open the browser, stop when told to."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from tlgan.errors import TlganError
from tlgan.io.isolation import open_browser
from tlgan.io.streams import write

from .app import create_app
from .guard import LOOPBACK
from .outside import Outside
from .wire import MESSAGE_BYTES

if TYPE_CHECKING:
    import uvicorn
    from starlette.applications import Starlette

PORT = 8000
MakeApp = Callable[..., "Starlette"]  # (what is served, hosts=, token=, outside=)
PING = 20.0  # seconds between a websocket's pings, and for its answer


def serve(
    workspace: Any,
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    open_browser: bool = True,
    token: str | None = None,
    outside: Outside | None = None,
    make_app: MakeApp = create_app,
    name: str = "studio",
) -> None:
    """Serve the studio until it is interrupted. Prints its address; opens it where there is a desktop.

    `make_app` makes another page than the studio, called `name`, over whatever `workspace` then is.

    On loopback no token is needed; bound elsewhere, or reached from `outside`, one is made (or `token` used) and is part
    of the printed address. Raises `TlganError` where the port is taken or the host is not this machine's.
    """
    outside = outside or Outside()
    with listen(host, port) as listener:
        token = _token(host, token, outside)
        server = _server(workspace, host, token, outside, make_app)
        address = _address(host, listener, token, outside)
        with contextlib.suppress(TlganError, BrokenPipeError):  # the page is there, whoever reads this
            write(f"tlgan {name}: {address}")
            for other in outside.addresses(token):
                write(f"from outside: {other}")
            write("Ctrl-C stops it.")
        if open_browser and _has_desktop():
            threading.Thread(target=_open_when_ready, args=(server, address), daemon=True).start()
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listener])


@contextlib.contextmanager
def running(
    workspace: Any,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    token: str | None = None,
    outside: Outside | None = None,
    make_app: MakeApp = create_app,
) -> Iterator[str]:
    """The studio in a thread of its own, for scripts: `with running(workspace) as address:`. Port 0 takes a free one."""
    outside = outside or Outside()
    with listen(host, port) as listener:
        token = _token(host, token, outside)
        server = _server(workspace, host, token, outside, make_app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.01)
            yield _address(host, listener, token, outside)
        finally:
            server.should_exit = True
            thread.join(timeout=10)


def listen(host: str, port: int) -> socket.socket:
    """A bound socket, or a `TlganError` that says why there is none."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        # asyncio turns Nagle's algorithm off for sockets that say they are TCP, and for no others: without the protocol
        # a picture would wait up to 40 ms for the acknowledgement of the words before it.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        if os.name == "posix":  # elsewhere the option would let two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    except (OSError, OverflowError, UnicodeError) as error:
        raise TlganError(f"cannot serve on {host!r} port {port}: {error}") from None
    try:
        listener.bind((host, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        if isinstance(error, OSError) and error.errno in _TAKEN:
            raise TlganError(
                f"port {port} on {host} is in use: stop what listens there, or give another one (--port {port + 1})"
            ) from None
        raise TlganError(f"cannot serve on {host} port {port}: {error}") from None
    return listener


_TAKEN = (98, 48, 10048)  # EADDRINUSE on Linux, macOS, Windows


def _server(workspace: Any, host: str, token: str | None, outside: Outside, make_app: MakeApp) -> uvicorn.Server:
    import uvicorn

    from .door import Door

    hosts = LOOPBACK if host in LOOPBACK else None
    config = uvicorn.Config(
        make_app(workspace, hosts=hosts, token=token, outside=outside),
        log_level="warning",
        log_config=_LOGGING,
        http=Door().protocol,
        ws_max_size=MESSAGE_BYTES,
        ws_ping_interval=PING,
        ws_ping_timeout=PING,
        ws_per_message_deflate=False,  # pictures don't shrink, and waiting for zlib costs a frame its time
        timeout_graceful_shutdown=2,
        server_header=False,
    )
    return uvicorn.Server(config)


_LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"()": "tlgan.io.streams.PlainFormatter", "format": "%(levelname)s: %(message)s"}},
    "handlers": {"plain": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "loggers": {name: {"handlers": ["plain"], "propagate": False} for name in ("uvicorn", "asyncio", "websockets")},
}


def _token(host: str, token: str | None, outside: Outside) -> str | None:
    return token if token or (host in LOOPBACK and not outside) else secrets.token_urlsafe(18)


def _address(host: str, listener: socket.socket, token: str | None, outside: Outside) -> str:
    port = listener.getsockname()[1]
    name = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)
    name = f"[{name}]" if ":" in name else name
    return f"http://{name}:{port}{outside.path}/" + (f"?token={token}" if token else "")


def _has_desktop() -> bool:
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _open_when_ready(server: uvicorn.Server, address: str) -> None:
    while not server.started:
        time.sleep(0.05)
    open_browser(address)
