"""The studio's ASGI application: the page, and the verbs over HTTP beside the websocket that streams pictures."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from tlgan import languages
from tlgan.editing.claims import claim_of, in_words
from tlgan.editing.film import walk_film, walk_places
from tlgan.editing.state import MAX_ASKED, encode_latent, read_wishes, to_json
from tlgan.errors import TlganError
from tlgan.generators import known_model
from tlgan.provenance import Claim, encode

from . import openapi, wire
from .album import Album
from .describe import describe
from .guard import LOOPBACK, Guard
from .keyframes import AROUND
from .live import Live
from .outside import Outside
from .painter import Frame, Painted, Painter
from .refusal import refusal
from .turns import CLIENT, TooMuch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tlgan.editing import Edit
    from tlgan.workspace import Workspace

WHOLE = 16  # small pictures that a whole one costs, about, where there are both
FIRST = 512  # side of the picture that travels inside the page, at most
PAGE = Path(__file__).parents[1] / "page"
Answer = Callable[[Request], Awaitable[Response]]


def create_app(
    workspace: Workspace,
    *,
    hosts: Collection[str] | None = LOOPBACK,
    token: str | None = None,
    outside: Outside | None = None,
    threads: int | None = None,
) -> Starlette:
    """The application for one workspace.

    `hosts`: what the Host header may name (None: anything, then give a `token`); `token`: what a visitor must show;
    `outside`: how it is reached through a proxy; `threads`: of torch while painting, half of the cores by default.
    """
    studio = Studio(workspace, threads=threads)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        studio.painter.close()

    bodies = _Bodies()
    verbs: dict[str, Answer] = {
        "hello": studio.hello,
        "describe": studio.describe,
        "random": studio.random,
        "render": studio.render,
        "measure": studio.measure,
        "solve": studio.solve,
        "gallery": studio.gallery,
        "strip": studio.strip,
        "film": studio.film,
        "state": studio.state,
        "open": studio.open,
        "cells": studio.cells,
        "near": studio.near,
        "photograph": studio.photograph,
        "invert": studio.invert,
        "forget": studio.forget,
    }
    routes = [
        Route("/", studio.page),
        Route("/api", lambda _: RedirectResponse("./api/")),
        Route("/api/", lambda _: HTMLResponse(openapi.page())),
        Route("/api/openapi.json", lambda _: JSONResponse(openapi.document())),
        *(Route(f"/api/{name}", _answer(verb, bodies), methods=[openapi.method(name)]) for name, verb in verbs.items()),
        WebSocketRoute("/live", studio.live.serve),
        Mount("/", StaticFiles(directory=PAGE)),
    ]
    app = Starlette(
        routes=routes, middleware=[Middleware(Guard, hosts=hosts, token=token, outside=outside)], lifespan=lifespan
    )
    app.state.studio = studio
    return app


class Studio:
    """One workspace, its painter, and an answer for every verb."""

    def __init__(self, workspace: Workspace, *, threads: int | None = None) -> None:
        self.workspace = workspace
        self.axes = workspace.axes
        self.painter = Painter(workspace, threads=threads)
        known = known_model(workspace.settings.generator)
        self.album = Album(self.painter, known.alignment if known is not None else "")
        self.description = describe(workspace) | {"photographs": self.album.description}
        greeting = {"version": wire.VERSION, "generator": self.axes.generator, "name": workspace.name}
        self.live = Live(self.painter, greeting, self._paint, self._ready)
        self._first: asyncio.Task[str] | None = None
        self._filming = asyncio.Semaphore(1)
        self._searching = asyncio.Semaphore(1)
        self._reading = asyncio.Semaphore(1)

    # -- the page ----------------------------------------------------------------------------------------------

    async def page(self, _: Request) -> Response:
        """The page, with a description and a painted face inside: nothing has to be waited for."""
        if self._first is None or (self._first.done() and self._first.exception()):
            self._first = asyncio.create_task(self._painted_page())  # once, however many ask
        return HTMLResponse(await asyncio.shield(self._first))

    async def _painted_page(self) -> str:
        CLIENT.set("page")
        seed = await self.painter.run(self.painter.typical)
        edit = await self.painter.run(self._face, {"face": {"seed": seed}}, "face")
        frame = await self.painter.run(self.painter.frame, edit)
        # What the first edit sets up once takes longer than two frames: do it before a hand waits for it.
        await self.painter.run(self.painter.frame, edit.ask({self.axes.names[0]: 1.0}))
        return _first_paint(self.description, edit, frame, self._claim(edit))

    # -- verbs over HTTP ---------------------------------------------------------------------------------------

    async def hello(self, request: Request) -> Response:
        """POST: the greeting of the websocket, or why there is none."""
        return self.live.refused(request.headers) or JSONResponse(self.live.greeting)

    async def describe(self, _: Request) -> Response:
        """GET: what the page knows of the workspace."""
        return JSONResponse(self.description)

    async def random(self, request: Request) -> Response:
        """GET ?seed=: the face of a seed; without one, of a random seed."""
        text = request.query_params.get("seed")
        seed = secrets.randbelow(wire.SEEDS) if text is None else _seed(text)
        return JSONResponse({"seed": seed, "asked": {}, "locks": [], "exact": False})

    async def render(self, request: Request) -> Response:
        """POST {face | mix, state}: a PNG that says what it is, with the state inside or (false) without."""
        from tlgan.editing.state import png_with_state

        message = await _body(request)
        if (photo := _photo(message)) is not None:
            content, kind = await self.painter.long(WHOLE, self._edited, photo, message)
            return Response(content, media_type=f"image/{kind.lower()}")
        keeps = message.get("state", True)
        if not isinstance(keeps, bool):
            raise TlganError("'state' is neither true nor false: whether the picture holds the state of its face")
        edit, frame = await self._frame(message)
        if keeps:
            png = await asyncio.to_thread(png_with_state, frame.picture, to_json(edit, self.axes), self._claim(edit))
        else:
            png = await asyncio.to_thread(encode, frame.picture, self._claim(edit))
        return Response(png, media_type="image/png")

    async def measure(self, request: Request) -> Response:
        """POST {face | mix}: where the extractor sees the picture."""
        _, frame = await self._frame(await _body(request))
        return JSONResponse(wire.words(frame))

    async def solve(self, request: Request) -> Response:
        """POST {face | mix}: the latent it leads to."""
        edit, frame = await self._frame(await _body(request))
        return JSONResponse({"seed": edit.seed} | wire.words(frame) | wire.latent_words(frame))

    async def gallery(self, request: Request) -> Response:
        """POST {seeds: [...]} or {wanted: {...}, count}: small pictures of faces to start from."""
        message = await _body(request)
        size = wire.integer(message, "size", *wire.SIZES, default=128)
        if "wanted" in message:  # reads the samples and paints nothing: beside the frames, and one at a time
            async with self._searching:
                faces, latents = await asyncio.to_thread(self._candidates, message)
        else:
            faces, latents = await self.painter.run(self._candidates, message)
        pictures = await self._pictures(latents, size, self._claim())
        return JSONResponse({"faces": [{"face": f, "picture": p} for f, p in zip(faces, pictures, strict=True)]})

    async def strip(self, request: Request) -> Response:
        """POST {face, feature, asked: [...]}: one slider at several places."""
        message = await _body(request)
        painter, edit = await self.painter.run(self._seated, message, "face")
        name = wire.feature(message, self.axes)
        stops = _stops(message)
        cost = len(stops) * (painter.exact_cost if edit.exact else 1)
        latents = await painter.long(cost, painter.strip, edit, name, stops, wire.quality(message, edit))
        size = wire.integer(message, "size", *wire.SIZES, default=512)
        claim = self._claim(f"{name}={min(stops):+g}..{max(stops):+g} {in_words(edit)}".strip(), painter)
        return JSONResponse({"asked": stops, "pictures": await self._pictures(latents, size, claim, painter)})

    async def film(self, request: Request) -> Response:
        """POST {a, b, fps, frames, format, quality}: the walk from a to b and back as a GIF or MP4."""
        message = await _body(request)
        kind = message.get("format", "gif")
        if kind not in self.description["films"]:
            raise TlganError(f"the film format {kind!r} is unknown: expected gif or mp4")
        fps = wire.integer(message, "fps", 1, 60, default=24)
        count = wire.integer(message, "frames", 2, wire.FILM_FRAMES, default=48)
        async with self._filming:
            cost = wire.exact_faces(message) * self.painter.exact_cost
            latents = await self.painter.long(cost, self._walk, message, walk_places(count))
            pictures = await self.painter.long(count, self.painter.canvas.paint, latents)
            claim = self._claim("a walk between two faces")
            if wire.photographs_in({"mix": message}):
                claim = replace(claim, made="edited")
            film = await asyncio.to_thread(walk_film, pictures, kind, fps, claim)
        return Response(film, media_type="image/gif" if kind == "gif" else "video/mp4")

    async def state(self, request: Request) -> Response:
        """POST {face}: the whole state as it is kept in a PNG, with the latent that it is resolved to."""
        message = await _body(request)
        cost = wire.exact_faces(message) * self.painter.exact_cost
        _, edit = await (
            self.painter.long(cost, self._resolved, message) if cost else self.painter.run(self._resolved, message)
        )
        told = to_json(edit, self.axes)
        if _photo(message) is not None:
            told |= {"photograph": True, "latent": None, "reached": None}
        return JSONResponse(told)

    async def open(self, request: Request) -> Response:
        """POST a state (JSON) or a PNG with one inside: the face. Another generator's is refused by name."""
        from tlgan.editing.state import from_json, read_png

        def face(state: wire.Json) -> wire.Json:
            edit = from_json(state, self.axes)
            seed = wire.drawn(edit)
            same = seed is not None and np.allclose(self.painter.latent_of(seed), edit.latent, atol=1e-4)
            return wire.face_json(edit if same else replace(edit, seed=None))

        if request.headers.get("content-type", "").startswith("image/"):
            state = await asyncio.to_thread(read_png, request.state.body)
        else:
            state = await _body(request)
        return JSONResponse(await self.painter.run(face, state))

    async def cells(self, request: Request) -> Response:
        """POST {n, balance, where, source, format}: the cells of such a data set, and the command that makes it."""
        from .cells import cells

        message = await _body(request)
        async with self._searching:
            return JSONResponse(await asyncio.to_thread(cells, self.workspace, message))

    async def near(self, request: Request) -> Response:
        """POST {face, feature}: a hand comes near this slider; what it is going to need is painted beforehand."""
        message = await _body(request)
        name = wire.feature(message, self.axes)
        painter, edit = await self.painter.run(self._seated, message, "face")
        if painter.sketches:
            CLIENT.set(None)  # the page's own long work does not wait for it
            await painter.long(2 * AROUND, painter.near, edit, name)
        return JSONResponse({})

    # -- photographs -------------------------------------------------------------------------------------------

    async def photograph(self, request: Request) -> Response:
        """POST a picture's file: it is held for this page; its faces, to pick from."""
        from tlgan.photographs import read_photograph

        async with self._reading:  # one at a time is decoded
            read = await asyncio.to_thread(read_photograph, request.state.body)
        faces = await self.painter.long(1, self.album.find, read)
        owner = _client(request)
        return JSONResponse(await asyncio.to_thread(self.album.add, read, faces, owner))

    async def invert(self, request: Request) -> Response:
        """POST {photo, face | box} to begin, {photo} to go on: a second of its inversion, and what was found so far."""
        held = await asyncio.to_thread(self.album.begin, await _body(request))
        return JSONResponse(await self.painter.long(WHOLE, self.album.go_on, held))

    async def forget(self, request: Request) -> Response:
        """POST {photo}: let it go."""
        self.album.forget((await _body(request)).get("photo"))
        return JSONResponse({})

    def _edited(self, photo: object, message: wire.Json) -> tuple[bytes, str]:
        """The edited photograph as a file, in its own format and resolution, and the format."""
        from tlgan.photographs import WRITTEN, encode_photograph

        _, unedited = self.album.editor(photo)
        _, edit = self._resolved(message)
        editor = unedited.edited(edit)
        kind = editor.photograph.kind if editor.photograph.kind in WRITTEN.values() else "PNG"
        return encode_photograph(editor.photograph, editor.picture(), editor.claim, kind), kind

    # -- shared ------------------------------------------------------------------------------------------------

    def _claim(self, asked: Edit | str = "", painter: Painter | None = None) -> Claim:
        claim = claim_of(self.painter.canvas, asked)
        return claim if painter in (None, self.painter) else replace(claim, made="edited")

    def _face(self, message: wire.Json, key: str) -> Edit:
        return wire.face(message, key, self.axes, self.painter.latent_of)

    def _seated(self, message: wire.Json, key: str) -> tuple[Painter, Edit]:
        """A face and what paints it: a photograph's edits are painted with what its layers differ by."""
        photo = _photo(message, key)
        if photo is None:
            return self.painter, self._face(message, key)
        painter, editor = self.album.editor(photo)
        return painter, read_wishes(message[key], editor.edit.latent, None, self.axes)

    def _resolved(self, message: wire.Json) -> tuple[Painter, Edit]:
        from tlgan.editing import resolved

        painter, edit = self._seated(message, "face")
        quality = wire.quality(message, edit)
        return painter, resolved(edit, painter.solution(edit, quality), quality)

    async def _frame(self, message: wire.Json) -> tuple[Edit, Frame]:
        """The picture of {face: ...} or {mix: {a, b, at}} as it is resolved, measured."""

        def work() -> tuple[Edit, Frame]:
            if "mix" in message:
                edit = self._mixed(message, "final")
                return edit, self.painter.frame(edit)
            painter, edit = self._resolved(message)
            return edit, painter.frame(edit)

        cost = wire.exact_faces(message) * self.painter.exact_cost
        if self.painter.sketches:
            cost += WHOLE  # a picture that takes so long is painted between frames
        return await (self.painter.long(cost, work) if cost else self.painter.run(work))

    def _paint(self, message: wire.Json) -> tuple[Painter, Edit, Painted]:
        """The same at once, and what painted it: an exact edit that is not resolved yet by the axes."""
        mixed = "mix" in message
        painter, edit = (self.painter, self._mixed(message, "live")) if mixed else self._seated(message, "face")
        return painter, edit, painter.sketch(edit)

    def _walk(self, message: wire.Json, places: list[float], default: str = "final") -> NDArray[np.float32]:
        """Latents on the way between the faces a and b of a message."""
        from tlgan.editing import between

        (first, a), (last, b) = (self._seated(message, key) for key in "ab")
        quality = wire.quality(message, a, default)
        start, end = (
            self.album.absolute(painter, painter.solution(edit, quality).latent)
            for painter, edit in ((first, a), (last, b))
        )
        return between(self.axes, start, end, places)

    def _ready(self, message: wire.Json) -> tuple[Painter, Edit, Painted | None] | None:
        """The same at no turn, where the face is known: its picture too where nothing has to be painted for it."""
        if "mix" in message or _photo(message, "face") is not None:
            return None
        face = message.get("face")
        seed = face.get("seed") if isinstance(face, dict) else None
        if isinstance(seed, int) and not self.painter.knows(seed):
            return None
        edit = self._face(message, "face")
        return self.painter, edit, self.painter.ready(edit)

    def _mixed(self, message: wire.Json, quality: str) -> Edit:
        """A place on the walk between two faces, as a face of its own."""
        from tlgan.editing import Edit, Reached

        mix = message["mix"]
        if not isinstance(mix, dict):
            raise TlganError("'mix' is not an object: expected {a, b, at}")
        place = wire.number(mix, "at", 0, 1)
        named = {key: message[key] for key in ("quality",) if key in message}
        latent = self._walk(mix | named, [place], quality)[0]
        whole = latent.reshape(-1, self.axes.latent_dim).mean(axis=0)
        return Edit(whole, reached=Reached(latent))

    def _candidates(self, message: wire.Json) -> tuple[list[wire.Json], NDArray[np.float32]]:
        if "wanted" in message:
            count = wire.integer(message, "count", 1, wire.GALLERY, default=24)
            wanted = wire.wishes(message, "wanted", self.axes)
            found = [latent for _, latent in self.workspace.nearest(wanted, count)]
            return [_start({"latent": encode_latent(latent)}) for latent in found], np.stack(found)
        seeds = message.get("seeds")
        if not isinstance(seeds, list) or not 1 <= len(seeds) <= wire.GALLERY:
            raise TlganError(f"'seeds' must be a list of 1 to {wire.GALLERY} whole numbers")
        seeds = [wire.integer({"seeds": seed}, "seeds", 0, wire.SEEDS - 1) for seed in seeds]
        return [_start({"seed": seed}) for seed in seeds], np.stack([self.painter.latent_of(seed) for seed in seeds])

    async def _pictures(
        self, latents: NDArray[np.float32], size: int, claim: Claim, painter: Painter | None = None
    ) -> list[str]:
        painter = painter or self.painter
        small = painter.canvas.small  # a generator of large pictures paints those that are shown small by its head
        canvas = small if size <= 2 * small.side else painter.canvas
        painted = await painter.long(len(latents), canvas.paint, latents)
        pictures = await painter.long(len(latents), lambda: [painter.laid(picture) for picture in painted])

        def urls() -> list[str]:
            return [wire.data_url(wire.encode_picture(picture, size, claim)) for picture in pictures]

        return await asyncio.to_thread(urls)


def _first_paint(description: wire.Json, edit: Edit, frame: Frame, claim: Claim) -> str:
    picture = wire.data_url(wire.encode_picture(frame.picture, FIRST, claim))
    first = {"describe": description, "face": wire.face_json(edit), "frame": wire.words(frame) | {"picture": picture}}
    text = json.dumps(first, separators=(",", ":")).replace("<", "\\u003c")  # nothing in it can close the script
    html = (PAGE / "index.html").read_text("utf-8")
    first_words = f'<script type="application/json" id="first">{text}</script>'
    html = html.replace("<!-- first words -->", first_words + languages.script())
    return html.replace("<!-- first picture -->", f'<img id="first-picture" alt="" src="{picture}">')


def _photo(message: wire.Json, key: str = "face") -> object:
    """The name of the photograph that a face of a message starts from, None where it is none."""
    face = message.get(key)
    return face.get("photo") if isinstance(face, dict) else None


def _start(start: wire.Json) -> wire.Json:
    return start | {"asked": {}, "locks": [], "exact": False}


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 10 or int(text) >= wire.SEEDS:
        raise TlganError(f"the seed {text[:20]!r} is not a whole number from 0 to {wire.SEEDS - 1}")
    return int(text)


def _stops(message: wire.Json) -> list[float]:
    stops: Any = message.get("asked")
    if not isinstance(stops, list) or not 1 <= len(stops) <= wire.STRIP:
        raise TlganError(f"'asked' must be a list of 1 to {wire.STRIP} numbers")
    return [wire.number({"asked": stop}, "asked", -MAX_ASKED, MAX_ASKED) for stop in stops]


class _Bodies:
    """What was sent and is not answered yet: bounded for each request and in all."""

    def __init__(self) -> None:
        self.held = 0

    @contextlib.asynccontextmanager
    async def of(self, request: Request) -> AsyncIterator[bytes]:
        """The whole body of a request, while it is worked on."""
        picture = request.headers.get("content-type", "").startswith("image/")
        limit = wire.PNG_BYTES if picture else wire.MESSAGE_BYTES
        parts, size = [], 0
        try:
            async for part in request.stream():
                size += len(part)
                self.held += len(part)
                if size > limit:
                    raise TlganError(f"more than {limit} bytes were sent")
                if self.held > wire.BODIES_BYTES:
                    raise TooMuch("too much is being sent at once: try again in a while")
                parts.append(part)
            yield b"".join(parts)
        finally:
            self.held -= size


async def _body(request: Request) -> wire.Json:
    return wire.parse(request.state.body)


def _answer(verb: Answer, bodies: _Bodies) -> Answer:
    async def answered(request: Request) -> Response:
        try:
            CLIENT.set(_client(request))
            async with bodies.of(request) as request.state.body:
                return await _while_there(request, verb)
        except TooMuch as error:
            return refusal(request.headers, 503, str(error), again=True)
        except TlganError as error:
            return JSONResponse({"error": str(error)}, 400)
        except ClientDisconnect:
            return Response(status_code=400)

    return answered


def _client(request: Request) -> tuple[object, ...]:
    """Who takes turns with others: a page says its name; other programs are told apart by their connections."""
    host, port = request.client or ("", 0)
    return (host, request.headers.get("x-tlgan-page", "")[:64] or port)


async def _while_there(request: Request, verb: Answer) -> Response:
    """The verb's answer; its work is dropped where the client leaves in the meantime."""
    answering = asyncio.ensure_future(verb(request))
    leaving = asyncio.ensure_future(request.receive())  # its body is read: all that can come is that
    try:
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            raise ClientDisconnect
        return answering.result()
    finally:
        answering.cancel()
        leaving.cancel()
