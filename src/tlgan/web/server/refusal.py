"""What a refused client reads: one line that says why, and what to do."""

from __future__ import annotations

from html import escape

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send

AGAIN = 10  # seconds after which somebody who found the server full tries again


def refusal(headers: Headers, status: int, line: str, *, again: bool = False) -> Response:
    """`line` with `status`: a page for a browser that opens one, {"error": line} for everything else.

    `again`: the reason passes; the answer says when to try again, and a browser does.
    """
    told = {"Retry-After": str(AGAIN), "Connection": "close"} if again else {}
    if "text/html" not in headers.get("accept", ""):
        return JSONResponse({"error": line}, status, told)
    if again:
        told["Refresh"] = str(AGAIN)
        line = f"{line} This page tries again every {AGAIN} seconds."
    return HTMLResponse(_PAGE.format(escape(line)), status, told)


async def turn_away(answer: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer the handshake of a websocket with `answer`, or close it where the server knows only that."""
    await receive()  # the connect message
    if "websocket.http.response" in scope.get("extensions", {}):
        await answer(scope, receive, send)
    else:
        await send({"type": "websocket.close", "code": 4403, "reason": "refused"})


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>tlgan: not open to this request</title>
<h1>tlgan did not open</h1>
<p>{}</p>
</html>
"""
