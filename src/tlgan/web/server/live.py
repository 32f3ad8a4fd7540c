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
from typing import TYPE_CHECKING

from starlette.websockets import WebSocket, WebSocketDisconnect

from tlgan.editing.resolve import needs_looks
from tlgan.errors import TlganError

from . import wire
from .painter import Frame, Painted, Painter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tlgan.editing import Edit

CONNECTIONS = 16  # websockets at once
NUMBERS_EVERY = 0.4  # seconds between numbers while pictures follow one another: one in twenty waits for them
REST = 0.025  # seconds without a request after which numbers, or an exact picture, are worth their time


class Live:
    """Serves websockets. `greeting` is sent first; `paint` turns a request into an edit and its picture."""

    def __init__(
        self, painter: Painter, greeting: wire.Json, paint: Callable[[wire.Json], tuple[Edit, Painted]]
    ) -> None:
        self.painter = painter
        self.greeting = greeting
        self.paint = paint
        self.connections = 0

    async def serve(self, socket: WebSocket) -> None:
        """Text messages in ({id, face | mix, size}), pictures and words out, until the page leaves."""
        if self.connections >= CONNECTIONS:
            await socket.close(4429, f"this studio has {CONNECTIONS} pages open already")
            return
        self.connections += 1
        newest = Newest()
        painting: asyncio.Task[None] | None = None
        try:
            await socket.accept()
            await socket.send_json(self.greeting)
            painting = asyncio.create_task(self._stream(socket, newest))
            while (message := await socket.receive())["type"] == "websocket.receive":
                newest.put(message.get("text") or "")
        except WebSocketDisconnect:
            pass
        finally:
            self.connections -= 1
            if painting is not None:
                painting.cancel()

    async def _stream(self, socket: WebSocket, newest: Newest) -> None:
        measured = 0.0
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # the peer left while an answer was on its way
            while True:
                text = await newest.get()
                identity = 0
                try:
                    message = wire.parse(text)
                    identity = wire.integer(message, "id", 0, 2**32 - 1)
                    size = wire.integer(message, "size", *wire.SIZES, default=wire.SIZES[1])
                    edit, painted = await self.painter.run(self.paint, message)
                    await _send_picture(socket, identity, painted.picture, size)
                    # Looking costs as much as painting: while requests keep coming, numbers come now and then.
                    recent = time.monotonic() < measured + NUMBERS_EVERY
                    if recent and await newest.within(REST):
                        continue
                    refining = needs_looks(edit)
                    frame = await self.painter.run(painted.measure)
                    measured = time.monotonic()
                    latent = "mix" in message or edit.exact
                    await _send_words(socket, identity, frame, final=not refining, latent=latent)
                    if refining and not await newest.within(REST):  # several looks: not while the hand still moves
                        frame = await self.painter.run(self.painter.refined, edit, wire.quality(message, edit, "live"))
                        await _send_picture(socket, identity, frame.picture, size)
                        await _send_words(socket, identity, frame, final=True, latent=True)
                except WebSocketDisconnect:
                    return
                except TlganError as error:
                    await socket.send_json({"id": identity, "error": str(error)})
                except Exception as error:  # a fault of the generator or the extractor must not end the page's stream
                    logging.getLogger(__name__).exception("a face could not be painted")
                    line = str(error).partition("\n")[0][:200]
                    await socket.send_json({"id": identity, "error": f"this face could not be painted: {line}"})


class Newest:
    """A slot for one message: putting replaces what was not yet taken."""

    def __init__(self) -> None:
        self._message: str | None = None
        self._there = asyncio.Event()

    @property
    def waiting(self) -> bool:
        """Whether something newer is there."""
        return self._there.is_set()

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
    await socket.send_bytes(wire.pack(identity, picture, size))


async def _send_words(socket: WebSocket, identity: int, frame: Frame, *, final: bool, latent: bool = False) -> None:
    words: wire.Json = {"id": identity, "final": final} | wire.words(frame)
    if latent and final:  # the page keeps it with the face: it can't tell where looks, or a walk, have led
        words |= wire.latent_words(frame)
    await socket.send_text(json.dumps(words, separators=(",", ":")))
