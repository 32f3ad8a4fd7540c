"""The label page: a few verbs over HTTP around one `LabelSession`, guarded as the studio is."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tlgan import languages
from tlgan.errors import TlganError
from tlgan.web.server import server
from tlgan.web.server.guard import LOOPBACK, Guard
from tlgan.web.server.outside import Outside
from tlgan.web.server.wire import parse
from tlgan.workspace import Workspace

from .session import LabelSession

PAGE = Path(__file__).parent / "page"
STUDIO = PAGE.parents[1] / "page"
SHARED = ("words.js", "storage.js")  # modules of the studio's page that the label page imports
MESSAGE_BYTES = 1000


def create_app(
    session: LabelSession,
    *,
    hosts: Collection[str] | None = LOOPBACK,
    token: str | None = None,
    outside: Outside | None = None,
) -> Starlette:
    """The application for one question. `hosts`, `token` and `outside` as for the studio."""

    async def message(request: Request) -> dict[str, Any]:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > MESSAGE_BYTES:
                raise TlganError(f"more than {MESSAGE_BYTES} bytes were sent")
        return parse(body)

    async def state(_: Request) -> Response:
        return JSONResponse(await run_in_threadpool(session.state))

    async def answer(request: Request) -> Response:
        given = await message(request)
        row, yes = given.get("row"), given.get("yes")
        if not isinstance(row, int) or isinstance(row, bool) or not (yes is None or isinstance(yes, bool)):
            raise TlganError("an answer is {row, yes}: a picture's number, and true, false or null")
        return JSONResponse(await run_in_threadpool(session.answer, row, yes))

    async def undo(_: Request) -> Response:
        return JSONResponse(await run_in_threadpool(session.undo))

    async def finish(_: Request) -> Response:
        return JSONResponse(await run_in_threadpool(session.finish))

    async def picture(request: Request) -> Response:
        side = 96 if "small" in request.query_params else 512
        data = await run_in_threadpool(session.picture, int(request.path_params["row"]), side)
        return Response(data, media_type="image/png", headers={"Cache-Control": "max-age=3600"})

    async def strip(_: Request) -> Response:
        return Response(await run_in_threadpool(session.strip), media_type="image/png")

    html = (PAGE / "index.html").read_text("utf-8").replace("<!-- languages -->", languages.script())
    routes = [
        Route("/", lambda _: HTMLResponse(html)),
        *(Route(f"/{name}", lambda _, name=name: FileResponse(STUDIO / name)) for name in SHARED),
        Route("/api/state", state),
        Route("/api/answer", answer, methods=["POST"]),
        Route("/api/undo", undo, methods=["POST"]),
        Route("/api/finish", finish, methods=["POST"]),
        Route("/picture/{row:int}.png", picture),
        Route("/strip.png", strip),
        Mount("/", StaticFiles(directory=PAGE)),
    ]
    threading.Thread(target=session.look, daemon=True).start()
    guard = Middleware(Guard, hosts=hosts, token=token, outside=outside)
    return Starlette(routes=routes, middleware=[guard], exception_handlers={TlganError: _refused})


def label(
    workspace: Workspace | str | Path,
    question: str,
    *,
    name: str = "",
    extractor: str = "",
    host: str = "127.0.0.1",
    port: int = server.PORT,
    open_browser: bool = True,
    outside: Outside | None = None,
) -> dict[str, Any] | None:
    """Open the page for one question until it is interrupted; what came of it (None: clicks, but no slider yet)."""
    session = LabelSession(workspace, question, name=name, extractor=extractor)
    server.serve(
        session, host=host, port=port, open_browser=open_browser, outside=outside, make_app=create_app, name="label"
    )
    return session.result


@contextmanager
def running(session: LabelSession, *, port: int = 0) -> Iterator[str]:
    """The page in a thread of its own: `with running(session) as address:`."""
    with server.running(session, port=port, make_app=create_app) as address:
        yield address


def _refused(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 400)
