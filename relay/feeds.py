"""The running sources: started, compared at a reload, stopped, with no line lost or read twice between."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Mapping, Sequence

import structlog
from msgspec import Struct

from relay.clock import Clock
from relay.config.schema import JournalSource, SocketSource, TailSource
from relay.errors import RelayError
from relay.models import Batch, Json, Position
from relay.outbox.store import Store
from relay.sources.intake import Intake
from relay.sources.journal import PATH, Journal
from relay.sources.scan.sieve import Sieves
from relay.sources.socket import Listener
from relay.sources.tail import Tail
from relay.sources.trouble import Trouble

log = structlog.get_logger()

Source = SocketSource | TailSource | JournalSource


class Feed(Struct):
    """A source at work."""

    settings: Source
    worker: Listener | Tail | Journal
    task: asyncio.Task[None]


class Feeds:
    """Owns the sources. `waiting` gives positions that the pipeline holds but hasn't written yet."""

    def __init__(
        self,
        intake: Intake,
        store: Store,
        clock: Clock,
        *,
        waiting: Callable[[], Sequence[Position]],
        report: Callable[[Trouble], None],
        inherited: Sequence[socket.socket] = (),
    ) -> None:
        self._intake = intake
        self._store = store
        self._clock = clock
        self._waiting = waiting
        self._report = report
        self._inherited = inherited
        self._feeds: dict[str, Feed] = {}
        self._ended: list[Listener] = []  # read no more, but still owe answers until all is committed
        self._sieves: Mapping[str, Sieves] = {}
        self._group: asyncio.TaskGroup | None = None

    async def run(
        self, stop: asyncio.Event, sources: Mapping[str, Source], ready: Callable[[], None]
    ) -> None:
        """Run `sources` until `stop` is set; calls `ready` once they are open."""
        async with asyncio.TaskGroup() as self._group:
            await self.apply(sources)
            ready()
            await stop.wait()
            for name in list(self._feeds):
                await self._end(name)

    async def apply(self, sources: Mapping[str, Source]) -> None:
        """Stop what changed or left, then start what is new; equal ones aren't touched."""
        gone = [name for name, feed in self._feeds.items() if sources.get(name) != feed.settings]
        for name in gone:
            await self._end(name)
        if gone:
            await self._settled()
            await self.close()
        positions = await self._positions()
        for name, settings in sources.items():
            if name not in self._feeds:
                await self._begin(name, settings, positions)

    def scan_for(self, sieves: Mapping[str, Sieves]) -> None:
        """From now on let only those lines through that these sieves want."""
        self._sieves = sieves
        for name, feed in self._feeds.items():
            if isinstance(feed.worker, Tail):
                feed.worker.scan_for(sieves.get(name))

    async def close(self) -> None:
        """Let go of listeners whose last events are committed and answered."""
        while self._ended:
            await self._ended.pop().close()

    def status(self) -> list[Json]:
        """For `relay status`."""
        return [{"source": name, **feed.worker.status()} for name, feed in self._feeds.items()]

    async def _begin(self, name: str, settings: Source, positions: Sequence[Position]) -> None:
        assert self._group is not None
        if isinstance(settings, SocketSource):
            listener = Listener(name, settings, self._intake, self._clock, inherited=self._inherited)
            try:
                await listener.open()
            except (OSError, RelayError) as error:
                log.error("source_not_opened", source=name, error=str(error))
                raise
            self._feeds[name] = Feed(settings, listener, self._group.create_task(listener.run()))
            return
        mine = [position for position in positions if position.source == name]
        if isinstance(settings, JournalSource):
            journal = Journal(
                name,
                settings,
                self._intake,
                self._clock,
                next((position for position in mine if position.path == PATH), None),
                report=self._report,
            )
            self._feeds[name] = Feed(settings, journal, self._group.create_task(journal.run()))
            return
        mine = [position for position in mine if position.path != PATH]
        tail = Tail(
            name,
            settings,
            self._intake,
            self._clock,
            [position for position in mine if position.path],
            first_start=not mine,
            report=self._report,
        )
        tail.scan_for(self._sieves.get(name))
        if not mine:
            self._intake.put_nowait(Batch(events=[], positions=[_known(name)]))
        self._feeds[name] = Feed(settings, tail, self._group.create_task(tail.run()))

    async def _end(self, name: str) -> None:
        feed = self._feeds.pop(name)
        feed.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await feed.task
        if isinstance(feed.worker, Listener):
            self._ended.append(feed.worker)

    async def _settled(self) -> None:
        """Wait until all that was handed over so far is committed."""
        for of_files in (False, True):
            done = asyncio.get_running_loop().create_future()
            self._intake.put_nowait(Batch(events=[], done=done.set_result), of_files=of_files)
            await done

    async def _positions(self) -> Sequence[Position]:
        stored = {(each.source, each.dev, each.inode): each for each in await self._store.positions()}
        stored.update({(each.source, each.dev, each.inode): each for each in self._waiting()})
        return list(stored.values())


def _known(source: str) -> Position:
    """The mark that a source has been started before: from now on new files are read from their beginning."""
    return Position(source=source, path="", dev=0, inode=0, offset=0, head="")
