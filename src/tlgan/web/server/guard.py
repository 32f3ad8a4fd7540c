"""Who may talk to the studio: the Host and Origin checks, the token, and the headers on every answer.

On loopback any page the person visits could try to reach the port, by name (DNS rebinding: the Host is wrong) or across
origins (the Origin is wrong). Elsewhere everybody on the network could, hence a token, kept in a cookie after its first use.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "::1")
SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


class Guard:
    """ASGI middleware. `hosts`: names the Host header may give, or None for any (then a token is what protects)."""

    def __init__(self, app: ASGIApp, *, hosts: Collection[str] | None = LOOPBACK, token: str | None = None) -> None:
        self.app = app
        self.hosts = hosts
        self.token = token
        # Cookies are shared by all ports of a host: the name keeps two studios on one machine apart.
        self.cookie = f"tlgan_{hashlib.sha256((token or '').encode()).hexdigest()[:12]}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        refused = self._refusal(scope)
        if refused is not None and scope["type"] == "websocket":
            await receive()  # the connect message
            await send({"type": "websocket.close", "code": 4403, "reason": "refused"})
            return
        await (refused or self.app)(scope, receive, _with_headers(send) if scope["type"] == "http" else send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self.hosts is not None and _hostname(host) not in self.hosts:
            return PlainTextResponse(f"this studio does not answer to the host {host!r}", 403)
        origin = headers.get("origin")
        writes = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
        if origin is not None and writes and urlsplit(origin).netloc != host:
            return PlainTextResponse(f"this studio takes no requests from {origin}", 403)
        if self.token is None or self._known(headers):
            return None
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["type"] == "http" and scope["method"] == "GET" and self._equal(given):
            answer = RedirectResponse(scope["path"], 303)
            answer.set_cookie(self.cookie, given, httponly=True, samesite="strict", path="/")
            return answer
        return PlainTextResponse("this studio asks for a token: open the address it printed, token included", 401)

    def _known(self, headers: Headers) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        cookie = cookie_parser(headers.get("cookie", "")).get(self.cookie, "")
        return (scheme.lower() == "bearer" and self._equal(given)) or self._equal(cookie)

    def _equal(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), (self.token or "").encode())


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _with_headers(send: Send) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY.items():
                headers.setdefault(name, value)
        await send(message)

    return wrapped
