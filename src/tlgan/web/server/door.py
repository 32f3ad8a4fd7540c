"""The door: how many connections there may be beside the websockets, and how long one may keep the server waiting.

Either a connection waits for us (something is painted), or we wait for it: for the rest of a request, for the next one,
or until it reads the answer. One that keeps us waiting beyond its time is closed. Where the room is full, the one that
has kept us waiting longest gives its place to the newcomer, so those who say nothing never keep out those who speak;
where all others wait for us, the newcomer is told that it is full. Websockets are counted in `live`, and closed by pings.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from functools import partial
from typing import Any, cast

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from .refusal import AGAIN, refusal

ROOM = 256  # connections at once
HEAD = 10.0  # seconds for the head of a request
BODY, RATE = 30.0, 256 * 1024  # seconds for its body, and bytes for which there is another second
READ = 30.0  # seconds without a byte of the answer being read
UNREAD = 128 * 1024 * 1024  # bytes of answers that may wait to be read, in all
TICK = 0.5  # seconds between two looks at who waits


class Waits(Enum):
    """What a connection is at."""

    HEAD = "we wait for a request"
    BODY = "we wait for its body"
    READ = "we wait until the answer is read"
    OURS = "it waits for us"


class Guest(H11Protocol):
    """uvicorn's HTTP connection, known to the door."""

    def __init__(self, door: Door, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.door = door
        self.mark: object = (Waits.HEAD, None, 0)  # of what it was last seen at
        self.since = self.loop.time()  # when that began
        self.got = 0  # bytes since then

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.door.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.door.guests.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self.got += len(data)
        super().data_received(data)

    def handle_websocket_upgrade(self, event: Any) -> None:
        self.door.guests.discard(self)
        super().handle_websocket_upgrade(event)

    def look(self, now: float) -> Waits:
        """What it is at; notes when that changed."""
        import h11

        unread = self.transport.get_write_buffer_size()
        if unread:
            waits = Waits.READ
        elif self.conn.their_state is h11.IDLE:
            waits = Waits.HEAD
        elif self.conn.their_state is h11.SEND_BODY:
            waits = Waits.BODY
        else:
            waits = Waits.OURS
        mark = (waits, self.cycle, unread)
        if mark != self.mark:
            self.mark, self.since, self.got = mark, now, 0
        return waits

    def overdue(self, now: float) -> bool:
        """Whether it has kept us waiting too long."""
        limits = {Waits.HEAD: HEAD, Waits.BODY: BODY + self.got / RATE, Waits.READ: READ}
        limit = limits.get(self.look(now))
        return limit is not None and now - self.since > limit


class Door:
    """Who is in the room of one server."""

    def __init__(self) -> None:
        self.guests: set[Guest] = set()
        self._ticking = False
        self._due = 0.0  # when the next tick should be

    @property
    def protocol(self) -> type[asyncio.Protocol]:
        """What uvicorn makes of every connection."""
        return cast("type[asyncio.Protocol]", partial(Guest, self))

    def enter(self, guest: Guest) -> None:
        """Let somebody in, and the one that has kept us waiting longest out where the room is full."""
        now = guest.loop.time()
        if len(self.guests) >= ROOM:
            idle = [other for other in self.guests if other.look(now) is not Waits.OURS]
            if idle:
                self._show_out(min(idle, key=lambda other: other.since))
            else:
                guest.app = _full
        self.guests.add(guest)
        if not self._ticking:
            self._ticking = True
            self._tick_later(guest)

    def _tick(self, guest: Guest) -> None:
        now = guest.loop.time()
        for other in self.guests:  # while we were stopped, or too busy to read, nobody kept us waiting
            other.since += max(0.0, now - self._due)
        for other in [other for other in self.guests if other.overdue(now)]:
            self._show_out(other)
        transports = [connection.transport for connection in guest.server_state.connections]
        unread = {transport: transport.get_write_buffer_size() for transport in transports}
        for transport in sorted(unread, key=lambda each: unread[each], reverse=True):  # websockets too
            if sum(unread.values()) > UNREAD:
                unread[transport] = 0
                transport.abort()
        self._ticking = bool(guest.server_state.connections)
        if self._ticking:
            self._tick_later(guest)

    def _tick_later(self, guest: Guest) -> None:
        self._due = guest.loop.time() + TICK
        guest.loop.call_later(TICK, self._tick, guest)

    def _show_out(self, guest: Guest) -> None:
        self.guests.discard(guest)
        guest.transport.abort()


async def _full(scope: Scope, receive: Receive, send: Send) -> None:
    line = f"this server is full: it answers {ROOM} requests already. Try again in {AGAIN} seconds."
    await refusal(Headers(scope=scope), 503, line, again=True)(scope, receive, send)
