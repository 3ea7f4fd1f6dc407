"""A listener with a store that commits at once, late, or not at all; and a client."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from relay.clock import FakeClock
from relay.config.schema import SocketSource
from relay.models import Batch, Event
from relay.sources.intake import Intake
from relay.sources.socket import Listener


class Rig:
    """What a test holds: the listener, its intake, what was stored."""

    def __init__(self, path: Path, intake: Intake, listener: Listener, clock: FakeClock) -> None:
        self.path = path
        self.intake = intake
        self.listener = listener
        self.clock = clock
        self.events: list[Event] = []
        self.batches: list[Batch] = []  # taken from the intake and not committed
        self.task: asyncio.Task[None] | None = None

    async def take(self) -> None:
        """Take what is in the intake, without committing it."""
        self.batches += await self.intake.get(1)

    def commit(self, error: Exception | None = None, which: int = 0) -> None:
        """Commit one of the batches taken, or give up on it."""
        batch = self.batches.pop(which)
        if error is None:
            self.events += batch.events
        if batch.done is not None:
            batch.done(error)

    async def commit_all(self) -> None:
        """Commit whatever comes, as it comes."""
        while True:
            await self.take()
            while self.batches:
                self.commit()

    async def messages(self, count: int) -> list[str]:
        """Wait until so many events are stored; their messages."""
        async with asyncio.timeout(5):
            while len(self.events) < count:
                await asyncio.sleep(0.001)
        return [event.message for event in self.events]

    async def client(self) -> Client:
        """A new connection."""
        return Client(*await asyncio.open_unix_connection(str(self.path)))

    def status(self, name: str) -> Any:
        """One of the listener's counters."""
        return self.listener.status()[name]

    async def until(self, name: str, value: object) -> None:
        """Wait until a counter has that value."""
        async with asyncio.timeout(5):
            while self.status(name) != value:
                await asyncio.sleep(0.001)


class Client:
    """A writer on the stream socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def write(self, data: bytes | str) -> None:
        self.writer.write(data.encode() if isinstance(data, str) else data)

    async def answer(self) -> Any:
        """The next answer; None at the end."""
        async with asyncio.timeout(5):
            line = await self.reader.readline()
        return json.loads(line) if line else None

    async def rest(self) -> list[Any]:
        """End the writing half; the answers that still come until relay closes."""
        self.writer.write_eof()
        async with asyncio.timeout(5):
            data = await self.reader.read()
        self.close()
        return [json.loads(line) for line in data.splitlines()]

    def close(self) -> None:
        self.writer.close()


@asynccontextmanager
async def rigged(
    folder: Path,
    *,
    commit: bool = True,
    intake: Intake | None = None,
    inherited: Sequence[socket.socket] = (),
    **settings: Any,
) -> AsyncIterator[Rig]:
    """A running listener on FOLDER/relay.sock."""
    path = folder / "relay.sock"
    intake = Intake() if intake is None else intake
    clock = FakeClock()
    source = SocketSource(socket=str(path), **settings)
    listener = Listener("apps", source, intake, clock, inherited=inherited)
    rig = Rig(path, intake, listener, clock)
    await listener.open()
    rig.task = asyncio.create_task(listener.run())
    committer = asyncio.create_task(rig.commit_all()) if commit else None
    await asyncio.sleep(0)
    try:
        yield rig
    finally:
        rig.task.cancel()
        await asyncio.gather(rig.task, return_exceptions=True)
        for batch in rig.batches:
            if batch.done is not None:
                batch.done(None)
        await listener.close()
        if committer is not None:
            committer.cancel()
            await asyncio.gather(committer, return_exceptions=True)
