"""How a studio is reached from elsewhere: the names, the path and the frames that a proxy or a hosted notebook adds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from tlgan.errors import TlganError

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9._-]*[a-z0-9])?)(:[0-9]{1,5})?")
_PATH = re.compile(r"(/[A-Za-z0-9._~@%+=-]+)*")


@dataclass(frozen=True)
class Outside:
    """What the person who starts a server says of the way to it; nothing by default.

    `hosts`: names besides loopback that the Host header and the Origin of a request may give, as NAME or NAME:PORT;
    `path`: where the server's root is, seen from the browser, like "/user/me/proxy/8000"; `frames`: origins whose pages
    may show the server's page in a frame, like "https://colab.example.org". Raises `TlganError` for anything else.
    """

    hosts: tuple[str, ...] = ()
    path: str = ""
    frames: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "hosts", tuple(map(_host, self.hosts)))
        object.__setattr__(self, "path", _path(self.path))
        object.__setattr__(self, "frames", tuple(map(_origin, self.frames)))

    def __bool__(self) -> bool:
        return self != Outside()

    def addresses(self, token: str | None) -> list[str]:
        """The server's address under each of the names, for people: a proxy speaks TLS."""
        return [f"https://{host}{self.path}/" + (f"?token={token}" if token else "") for host in self.hosts]


def _host(name: str) -> str:
    lower = name.strip().lower()
    if not _HOST.fullmatch(lower):
        raise TlganError(f"the allowed host {name!r} is no name: expected NAME or NAME:PORT, like hub.example.org")
    return lower


def _path(path: str) -> str:
    bare = path.strip().rstrip("/")
    bare = bare if bare.startswith("/") or not bare else f"/{bare}"
    if not _PATH.fullmatch(bare) or {".", ".."} & set(bare.split("/")):
        raise TlganError(f"the root path {path!r} is no path: expected one like /user/me/proxy/8000")
    return bare


def _origin(origin: str) -> str:
    lower = origin.strip().lower().rstrip("/")
    scheme, _, host = lower.partition("://")
    if scheme not in ("http", "https") or not _HOST.fullmatch(host) or urlsplit(lower).path:
        raise TlganError(f"the frame origin {origin!r} is none: expected one like https://hub.example.org")
    return lower
