"""Events over HTTP: read like the socket's JSON lines, answered once they are durable."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from aiohttp import web
from msgspec import Struct

from relay.models import Batch, Event
from relay.sources import peer
from relay.sources.peer import Peer
from relay.sources.wire import Answer, Lines, Taken
from relay.web.answers import data, later, refusal
from relay.web.inside import Inside

SOURCE: Final = "http"
MOST_LINE: Final = 256 * 1024  # bytes
ROOM: Final = 5.0  # seconds that a writer waits for room
DURABLE: Final = 20.0  # seconds that it waits for the store
BODIES: Final = 64  # requests read at a time: the others wait outside, where they hold no memory

_Items: Final = msgspec.json.Decoder(list[msgspec.Raw])
_Item: Final = msgspec.json.Decoder(msgspec.Raw)
_LINES: Final = Lines(source=SOURCE, max_line=MOST_LINE)


class Fault(Struct, frozen=True, omit_defaults=True):
    """An item that made no event; `index` counts from 0."""

    index: int
    error: str
    id: str | int | None = None


class NotStoredError(Exception):
    """The events are not in the store (yet): they may be sent again."""


class Events:
    """`POST /api/v1/events`, and the way into the intake."""

    def __init__(self, inside: Inside) -> None:
        self._inside = inside
        self._bodies = asyncio.Semaphore(BODIES)

    def routes(self) -> list[web.RouteDef]:
        """For the application."""
        return [web.post("/api/v1/events", self._post)]

    async def _post(self, request: web.Request) -> web.Response:
        """200: all are durable; 207: some are, and `errors` says which are not; 400: none makes an event."""
        async with self._bodies:
            body = await request.read()
            taken = read(body, writer(request), self._inside.clock.now())
            events = [each.event for each in taken if each.event is not None]
            try:
                stored = await self.hand_over(events, len(body))
            except NotStoredError as error:
                return later(str(error))
            del body
        if not taken:
            return refusal(400, 'nothing to take: write {"message":"..."}, a list of such, or one a line')
        try:
            await durable(stored)
        except NotStoredError as error:
            return later(str(error))
        errors = [
            Fault(index, each.answer.error, each.answer.id)
            for index, each in enumerate(taken)
            if each.answer is not None and not each.answer.ok
        ]
        status = 200 if not errors else 207 if events else 400
        return data({"ok": not errors, "accepted": len(events), "errors": errors}, status)

    async def hand_over(self, events: Sequence[Event], size: int) -> asyncio.Future[Exception | None]:
        """Give events to the pipeline, once there is room: the future ends when they are durable."""
        done: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        if not events:
            done.set_result(None)
            return done
        intake = self._inside.intake
        try:
            async with asyncio.timeout(ROOM):
                while intake.full:
                    await intake.room()
        except TimeoutError:
            raise NotStoredError("relay has no room for more events now: send them again") from None

        def settle(error: Exception | None) -> None:
            if not done.done():
                done.set_result(error)

        intake.put_nowait(Batch(events=list(events), done=settle, size=size))
        return done


async def durable(stored: asyncio.Future[Exception | None]) -> None:
    """Wait for the store; `NotStoredError` if it doesn't take them in time."""
    try:
        async with asyncio.timeout(DURABLE):
            error = await stored
    except TimeoutError:
        why = "the store has not taken the events yet: they may still be stored, so send them with an `id`"
        raise NotStoredError(why) from None
    if error is not None:
        raise NotStoredError(f"not stored ({error}): send them again")


def read(body: bytes, sender: Peer, now: float) -> list[Taken]:
    """What each item comes to: of a list, of one object, or of objects one a line."""
    return [_take(item, sender, now) for item in _items(body.strip())]


def writer(request: web.Request) -> Peer:
    """Who asks: on a Unix socket as the kernel says, else an address."""
    sock: Any = request.transport.get_extra_info("socket") if request.transport is not None else None
    address = request.remote or ""
    if sock is not None and not address:
        try:
            return peer.of_connection(sock)
        except OSError:
            address = "unix"
    return Peer(-1, "", f"http/{address}", f"http {address}")


def _items(body: bytes) -> Sequence[bytes]:
    if body[:1] == b"[":
        try:
            return [bytes(item).strip() for item in _Items.decode(body)]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return [body]
    try:
        _Item.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        lines = [line.strip() for line in body.split(b"\n") if line.strip()]
        return lines if all(line[:1] == b"{" for line in lines) else [body]
    return [body]


def _take(item: bytes, sender: Peer, now: float) -> Taken:
    if item[:1] == b"{":
        return _LINES.take(item, sender, now)
    return Taken(None, Answer(False, None, "not a JSON object"), "bad_json")
