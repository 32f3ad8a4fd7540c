"""Who may talk to the studio: the Host and Origin checks, the token, and the headers on every answer.

On loopback any page the person visits could try to reach the port, by name (DNS rebinding: the Host is wrong) or across
origins (the Origin is wrong). Elsewhere everybody on the network could, hence a token, kept in a cookie after its first use.
A proxy may stand in between and change Host, path or both: every redirect is relative, and `Outside` says what is meant.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .outside import Outside
from .refusal import refusal, turn_away

LOOPBACK = ("127.0.0.1", "localhost", "::1")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors "
)
SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


class Guard:
    """ASGI middleware. `hosts`: names the Host header may give, or None for any (then a token is what protects);
    `outside`: what else it may give, and where the root and the frames are."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Collection[str] | None = LOOPBACK,
        token: str | None = None,
        outside: Outside | None = None,
    ) -> None:
        self.app = app
        self.outside = outside or Outside()
        self.hosts = None if hosts is None else {*hosts, *map(_hostname, self.outside.hosts)}
        self.token = token
        self.headers = SECURITY | {"Content-Security-Policy": POLICY + (" ".join(self.outside.frames) or "'none'")}
        # Cookies are shared by all ports of a host: the name keeps two studios on one machine apart. The value proves
        # that the token was known and is not the token.
        digest = hashlib.sha256((token or "").encode()).hexdigest()
        self.cookie, self.proof = f"tlgan_{digest[:12]}", digest[12:]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        root = self.outside.path
        if root and f"{scope['path']}/".startswith(f"{root}/"):  # this proxy leaves the path as it is
            scope = dict(scope, root_path=root)
        answer = self._answer(scope)
        if scope["type"] == "http":
            await (answer or self.app)(scope, receive, self._with_headers(send))
        elif answer is None:
            await self.app(scope, receive, send)
        else:
            await turn_away(answer, scope, receive, send)

    def _answer(self, scope: Scope) -> Response | None:
        """What is said in place of the application, where anything is."""
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        if self.hosts is not None and _hostname(host) not in self.hosts:
            return refusal(
                headers, 403, f"this server does not answer to the host {_short(host)}. {_NAMED}{_short(host)}"
            )
        origin = headers.get("origin")
        writes = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
        if origin is not None and writes and _netloc(origin) not in {host, *self.outside.hosts} - {""}:
            line = f"this server takes no requests from the page at {_short(origin)}. {_NAMED}{_short(_netloc(origin))}"
            return refusal(headers, 403, line)
        if scope["path"] == self.outside.path != "":  # relative addresses in the page need the slash
            return _redirect(scope, _query(scope), slash=True)
        if self.token is None or self._known(headers):
            return None
        query = _query(scope)
        given = dict(query).get("token", "")
        if scope["type"] == "http" and scope["method"] == "GET" and _equal(given, self.token):
            answer = _redirect(scope, [pair for pair in query if pair[0] != "token"])
            answer.headers.append("set-cookie", self._cookie(scope))
            return answer
        return refusal(headers, 401, _TOKEN)

    def _cookie(self, scope: Scope) -> str:
        """Without a Path the browser takes the folder of the address that it sees, whatever a proxy made of it."""
        how = "HttpOnly; SameSite=Strict" + ("; Secure" if scope["scheme"] == "https" else "")
        if self.outside.frames:
            how = "HttpOnly; SameSite=None; Secure; Partitioned"
        return f"{self.cookie}={self.proof}; {how}"

    def _known(self, headers: Headers) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        cookie = cookie_parser(headers.get("cookie", "")).get(self.cookie, "")
        return (scheme.lower() == "bearer" and _equal(given, self.token or "")) or _equal(cookie, self.proof)

    def _with_headers(self, send: Send) -> Send:
        async def wrapped(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
            await send(message)

        return wrapped


_NAMED = "Where a proxy serves it under that name, start it with --allowed-host "
_TOKEN = (
    "this server asks for a token: open the address that it printed, token included. If that is what you opened, the "
    "browser kept no cookie: a page in a frame of another site needs --allow-frame and https"
)


def _redirect(scope: Scope, query: list[tuple[str, str]], *, slash: bool = False) -> RedirectResponse:
    """To the same address with another query, relative: a proxy may serve it anywhere."""
    last = "./" + quote(scope["path"].rpartition("/")[2], safe="") + ("/" if slash else "")
    return RedirectResponse(last + (f"?{urlencode(query)}" if query else ""), 303)


def _query(scope: Scope) -> list[tuple[str, str]]:
    return parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)


def _equal(given: str, wanted: str) -> bool:
    return secrets.compare_digest(given.encode(), wanted.encode())


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."
