"""The websocket that streams pictures: the newest request wins.

A request that arrives while another waits replaces it, so that what is painted is always what was asked last, however
slow the generator. Pictures go before their numbers, since looking at a picture costs as much as painting it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from tlgan.editing.resolve import needs_looks, resolved
from tlgan.errors import TlganError
from tlgan.generators.interrupt import PaintingCalledOff, calling_off

from . import wire
from .keyframes import AHEAD
from .painter import Frame, Painted, Painter
from .refusal import AGAIN, refusal, turn_away
from .turns import CLIENT, Dropped

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from starlette.datastructures import Headers

    from tlgan.editing import Edit

PAGES = 256  # websockets at once
MUTE, SILENT = 2.0, 60.0  # seconds after which one that never asked, and one that asked before, gives way to a newcomer
GAVE_WAY = 4408  # close code
NUMBERS_EVERY = 0.4  # seconds between numbers while pictures follow one another: one in twenty waits for them
SETTLED = 0.05  # seconds without a request after which a whole picture is worth its time
REST = 0.025  # seconds without a request after which numbers, or an exact picture, are worth their time


@dataclass(eq=False)
class Page:
    """One websocket, and when it last asked for something."""

    socket: WebSocket
    last: float = field(default_factory=time.monotonic)
    asked: bool = False

    @property
    def gives_way(self) -> bool:
        """Whether it has been silent for so long that somebody else may have its place."""
        return time.monotonic() - self.last > (SILENT if self.asked else MUTE)


class Live:
    """Serves websockets. `greeting` is sent first; `paint` turns a request into an edit, its picture, and what painted it;
    `ready` does the same without painting: no picture where one has to be painted, None where the edit is not known before."""

    def __init__(
        self,
        painter: Painter,
        greeting: wire.Json,
        paint: Callable[[wire.Json], tuple[Painter, Edit, Painted]],
        ready: Callable[[wire.Json], tuple[Painter, Edit, Painted | None] | None],
    ) -> None:
        self.painter = painter
        self.greeting = greeting
        self.paint = paint
        self.ready = ready
        self.pages: set[Page] = set()
        self._farewells: set[asyncio.Task[None]] = set()

    def refused(self, headers: Headers) -> Response | None:
        """What a newcomer is told where all places are taken by pages that are in use."""
        if len(self.pages) < PAGES or any(page.gives_way for page in self.pages):
            return None
        line = f"this studio is full: {PAGES} pages are in use. It is tried again every {AGAIN} seconds."
        return refusal(headers, 503, line, again=True)

    async def serve(self, socket: WebSocket) -> None:
        """Text messages in ({id, face | mix, size}), pictures and words out, until the page leaves."""
        refused = self.refused(socket.headers)
        if refused is not None:
            await turn_away(refused, socket.scope, socket.receive, socket.send)
            return
        if len(self.pages) >= PAGES:
            self._send_away(min(self.pages, key=lambda page: (page.asked, page.last)))
        page = Page(socket)
        self.pages.add(page)
        newest = Newest()
        painting: asyncio.Task[None] | None = None
        try:
            await socket.accept()
            await socket.send_json(self.greeting)
            painting = asyncio.create_task(self._stream(socket, newest))
            while (message := await socket.receive())["type"] == "websocket.receive":
                page.asked, page.last = True, time.monotonic()
                newest.put(message.get("text") or "")
        except (WebSocketDisconnect, RuntimeError):  # RuntimeError: it was sent away in the meantime
            pass
        finally:
            self.pages.discard(page)
            if painting is not None:
                painting.cancel()

    def _send_away(self, page: Page) -> None:
        self.pages.discard(page)
        words = "This page was silent for a while, and its place went to another one."
        farewell = asyncio.create_task(page.socket.close(GAVE_WAY, words))
        self._farewells.add(farewell)
        farewell.add_done_callback(self._farewells.discard)

    async def _stream(self, socket: WebSocket, newest: Newest) -> None:
        CLIENT.set(newest)
        measured = 0.0
        ahead: asyncio.Task[None] | None = None
        numbers: asyncio.Task[Frame] | None = None
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # the peer left while an answer was on its way
            while True:
                text = await newest.get()
                identity = 0
                try:
                    message = wire.parse(text)
                    identity = wire.integer(message, "id", 0, 2**32 - 1)
                    size = wire.integer(message, "size", *wire.SIZES, default=wire.SIZES[1])
                    painter, edit, painted = await self._painted(message, newest)
                    await _send_picture(socket, identity, painted.picture, size)
                    if painter.sketches and (ahead is None or ahead.done()):
                        ahead = asyncio.create_task(self._ahead(painter, edit))
                    # Looking costs as much as painting: while requests keep coming, numbers come now and then.
                    recent = time.monotonic() < measured + NUMBERS_EVERY
                    numbers = numbers if painted.mixed else None  # they are of another face, or slider
                    if painted.mixed and not recent:  # that took no time: neither do its numbers, a moment old by then
                        numbers = numbers or asyncio.create_task(self.painter.run(painted.measure))
                        if numbers.done():
                            await _send_words(socket, identity, numbers.result(), final=False)
                            numbers, measured = None, time.monotonic()
                    if (recent or painted.mixed) and await newest.within(REST):
                        continue
                    refining, numbers = needs_looks(edit), None
                    frame = await self.painter.run(painted.measure)
                    measured = time.monotonic()
                    whole = painter.sketches
                    latent = edit.exact or ("mix" in message and not wire.photographs_in(message))
                    await _send_words(socket, identity, frame, final=not (refining or whole), latent=latent)
                    if refining and not await newest.within(REST):  # several looks: not while the hand still moves
                        cost, quality = painter.exact_cost, wire.quality(message, edit, "live")
                        frame = await painter.long(cost, painter.refined, edit, quality, wanted=newest.none)
                        await _send_picture(socket, identity, frame.picture, size)
                        await _send_words(socket, identity, frame, final=not whole, latent=True)
                        edit = resolved(edit, painter.solution(edit, quality), quality)
                    if whole and not await newest.within(SETTLED):
                        frame = await self._whole(painter, edit, newest)
                        await _send_picture(socket, identity, frame.picture, size)
                        await _send_words(socket, identity, frame, final=True, latent=latent)
                except WebSocketDisconnect:
                    return
                except (Dropped, PaintingCalledOff):
                    continue  # for something newer
                except TlganError as error:
                    await socket.send_json({"id": identity, "error": str(error)})
                except Exception as error:  # a fault of the generator or the extractor must not end the page's stream
                    logging.getLogger(__name__).exception("a face could not be painted")
                    line = str(error).partition("\n")[0][:200]
                    await socket.send_json({"id": identity, "error": f"this face could not be painted: {line}"})

    async def _whole(self, painter: Painter, edit: Edit, newest: Newest) -> Frame:
        """The whole picture of a face whose small one is shown; given up for a newer request."""

        def work() -> Frame:
            with calling_off(lambda: not newest.none()):
                return painter.frame(edit)

        return await painter.long(1, work, wanted=newest.none)

    async def _ahead(self, painter: Painter, edit: Edit) -> None:
        """Paint what the hand is going to need, while it is on its way."""
        begun = time.monotonic()
        CLIENT.set(None)  # the page's own long work does not wait for it
        with contextlib.suppress(TlganError, Dropped):
            await painter.long(AHEAD, painter.ahead, edit, wanted=lambda: time.monotonic() < begun + 1)

    async def _painted(self, message: wire.Json, newest: Newest) -> tuple[Painter, Edit, Painted]:
        ready = self.ready(message)
        if ready is not None:
            painter, edit, painted = ready
            if painted is None:
                painted = await self.painter.run(painter.sketch, edit)
            return painter, edit, painted
        looks = wire.exact_faces(message) if "mix" in message else 0  # of a face alone the first picture is the axes'
        if not looks:
            return await self.painter.run(self.paint, message)
        return await self.painter.long(looks * self.painter.exact_cost, self.paint, message, wanted=newest.none)


class Newest:
    """A slot for one message: putting replaces what was not yet taken."""

    def __init__(self) -> None:
        self._message: str | None = None
        self._there = asyncio.Event()

    @property
    def waiting(self) -> bool:
        """Whether something newer is there."""
        return self._there.is_set()

    def none(self) -> bool:
        """Whether nothing newer is there."""
        return not self.waiting

    async def within(self, seconds: float) -> bool:
        """Whether something newer comes within so many seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._there.wait(), seconds)
        return self.waiting

    def put(self, message: str) -> None:
        """Replace what waits."""
        self._message = message
        self._there.set()

    async def get(self) -> str:
        """Take what waits, or wait for it."""
        await self._there.wait()
        self._there.clear()
        return self._message or ""


async def _send_picture(socket: WebSocket, identity: int, picture: NDArray[np.uint8], size: int) -> None:
    if max(picture.shape[:2]) <= wire.RAW_SIDE:
        await socket.send_bytes(wire.pack(identity, picture, size))
    else:  # encoding takes as long as a frame: others are answered in the meantime
        await socket.send_bytes(await asyncio.to_thread(wire.pack, identity, picture, size))


async def _send_words(socket: WebSocket, identity: int, frame: Frame, *, final: bool, latent: bool = False) -> None:
    words: wire.Json = {"id": identity, "final": final} | wire.words(frame)
    if latent and final:  # the page keeps it with the face: it can't tell where looks, or a walk, have led
        words |= wire.latent_words(frame)
    await socket.send_text(json.dumps(words, separators=(",", ":")))
