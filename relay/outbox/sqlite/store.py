"""The SQLite engine: the verbs of `Store` over one connection that writes and one that reads."""
# ruff: noqa: D102 - the verbs are described in `Store`

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final, Self

from relay.clock import Clock
from relay.errors import StoreFullError
from relay.models import (
    Address,
    Alert,
    Attempt,
    CheckRecord,
    Delivery,
    DeliveryState,
    Json,
    Position,
    Silence,
    Withheld,
)
from relay.outbox.sqlite import checks, holds, meters, reads, seen, silences, writes
from relay.outbox.sqlite.lock import Lock
from relay.outbox.sqlite.prepare import make_folder, prepare
from relay.outbox.sqlite.reader import Reader
from relay.outbox.sqlite.reserve import Reserve
from relay.outbox.sqlite.writer import Work, Writer
from relay.outbox.store import (
    AlertRow,
    Commit,
    MeterRow,
    Seen,
    Settlement,
    StoredEvent,
    StoredHold,
    Tried,
)

BUSY_TIMEOUT: Final = 5.0  # seconds that a write waits for another process's lock


class SqliteStore:
    """A store in one file: `open` makes it, `close` lets it go. The verbs' words stand in `Store`."""

    def __init__(self, path: Path, clock: Clock, busy_timeout: float) -> None:
        self._path = path
        self._clock = clock
        self._lock = Lock(path)
        self._reserve = Reserve(path, clock)
        self._writer = Writer(path, self._reserve, busy_timeout)
        self._reader = Reader(path, self._writer.found_damaged)
        self._next_id = 1
        self.id = ""
        self.damage = ""

    @classmethod
    async def open(cls, path: str | Path, clock: Clock, *, busy_timeout: float = BUSY_TIMEOUT) -> Self:
        """The store at that path, made if there is none; a damaged one is set aside (see `damage`).

        Raises:
            StoreInUseError: another daemon has it.
            StoreTooNewError: a newer relay made it.
            StoreFullError: the disk is full, or can't be written.
            StoreError: it can't be opened for another reason.

        """
        logging.getLogger("aiosqlite").setLevel(logging.INFO)  # its debug lines hold whole rows
        store = cls(Path(path), clock, busy_timeout)
        make_folder(store._path.parent)
        store._lock.take()
        try:
            await store._open()
        except BaseException:
            await store._let_go()
            raise
        return store

    async def _open(self) -> None:
        """On a full disk the reserve of an earlier process makes room."""
        try:
            await self._open_files()
        except StoreFullError as error:
            self._reserve.let_go(str(error))
            await self._open_files()
        await asyncio.to_thread(self._reserve.hold)
        self.id = await self._reader.run(reads.identity)
        self._next_id = await self._reader.run(reads.next_id)

    async def _open_files(self) -> None:
        self.damage = await asyncio.to_thread(prepare, self._path, self._clock.now()) or self.damage
        await self._writer.open()

    @property
    def intake_open(self) -> bool:
        return self._reserve.held

    def next_ids(self, count: int) -> int:
        first = self._next_id
        self._next_id += count
        return first

    async def commit(self, commit: Commit) -> None:
        await self._writer.take_in(partial(writes.commit, batch=commit))

    async def claim(self, backend: str, most: int, now: float, lease_until: float) -> list[Delivery]:
        return await self._writer.make(
            partial(writes.claim, backend=backend, most=most, now=now, lease_until=lease_until)
        )

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        await self._writer.make(partial(writes.settle, settlements=settlements))

    async def accepted(self, backend: str, receipt: str) -> list[Delivery]:
        return await self._reader.run(reads.accepted, backend, receipt)

    async def amend(self, receipt: str, settlements: Sequence[Settlement]) -> list[int]:
        return await self._writer.make(partial(writes.amend, receipt=receipt, settlements=settlements))

    async def recover(self, now: float, *, all_leases: bool) -> int:
        return await self._writer.make(partial(writes.recover, now=now, all_leases=all_leases))

    async def next_due(self) -> dict[str, float]:
        return await self._reader.run(reads.next_due)

    async def supersede(self, backend: str, before: float, now: float) -> int:
        del now  # the row has no place for it; other engines may
        total = 0
        while True:
            cancelled = await self._writer.make(partial(writes.supersede, backend=backend, before=before))
            total += cancelled
            if cancelled < writes.SLICE:
                return total

    async def live_alerts(self) -> list[Alert]:
        return await self._reader.run(reads.live_alerts)

    async def silences(self, *, ended_since: float | None = None) -> list[Silence]:
        return await self._reader.run(silences.silences, ended_since)

    async def withheld(self) -> list[Withheld]:
        return await self._reader.run(silences.withheld)

    async def unaccepted_alerts(self, alerts: Sequence[int]) -> set[int]:
        return await self._reader.run(reads.unaccepted_alerts, alerts)

    async def recall(self, name: str) -> str:
        return await self._reader.run(silences.recall, name)

    async def keep(self, name: str, text: str) -> None:
        await self._writer.make(partial(silences.keep, name=name, text=text))

    async def recent_ids(self, since: float, most: int) -> list[tuple[str, str]]:
        return await self._reader.run(reads.recent_ids, since, most)

    async def recent_attempts(self, backend: str, since: float, most: int = 100_000) -> list[Tried]:
        return await self._reader.run(reads.recent_attempts, backend, since, most)

    async def seen(self, since: float, most: int) -> list[Seen]:
        return await self._reader.run(seen.events, since, most)

    async def last_outcomes(self, since: float) -> list[Attempt]:
        return await self._reader.run(seen.outcomes, since)

    async def positions(self) -> list[Position]:
        return await self._reader.run(reads.positions)

    async def meters(self) -> list[MeterRow]:
        return await self._reader.run(meters.read)

    async def fingerprints(self, rules: Sequence[str]) -> list[tuple[str, str]]:
        return await self._reader.run(meters.fingerprints, rules)

    async def checks(self) -> list[CheckRecord]:
        return await self._reader.run(checks.read)

    async def alerts(self, *, states: Sequence[str] = (), most: int = 100) -> list[AlertRow]:
        return await self._reader.run(reads.alerts, states, most)

    async def alert(self, id: int) -> AlertRow | None:  # noqa: A002 - the word of the domain
        return await self._reader.run(reads.alert, id)

    async def holds(self) -> list[StoredHold]:
        return await self._reader.run(holds.every)

    async def handle(self, alert: int, address: Address, thread: str = "") -> str:
        return await self._reader.run(reads.handle, alert, address, thread)

    async def events_of(self, alert: int, most: int = 20) -> list[StoredEvent]:
        return await self._reader.run(reads.events_of, alert, most)

    async def deliveries(
        self, *, states: Sequence[DeliveryState] = (), alert: int | None = None, most: int = 100
    ) -> list[Delivery]:
        return await self._reader.run(reads.deliveries, states, alert, most)

    async def delivery(self, id: int) -> tuple[Delivery, list[Attempt]] | None:  # noqa: A002 - as `alert`
        return await self._reader.run(reads.delivery, id)

    async def retry(self, ids: Sequence[int], now: float, expires_at: float) -> int:
        return await self._writer.make(partial(writes.retry, ids=ids, now=now, expires_at=expires_at))

    async def drop(self, ids: Sequence[int], now: float) -> int:
        del now  # as in `supersede`
        return await self._writer.make(partial(writes.drop, ids=ids))

    async def note(self, name: str, value: str) -> None:
        await self._writer.make(partial(writes.note, name=name, value=value))

    async def noted(self, name: str) -> str:
        return await self._reader.run(reads.noted, name)

    async def counts(self) -> Json:
        return await self._reader.run(self._count)

    def _count(self, db: sqlite3.Connection) -> Json:
        return {**reads.counts(db), "bytes": self._path.stat().st_size + self._writer.log_size()}

    async def sweep(
        self, events_before: float, alerts_before: float, deliveries_before: float, max_events: int
    ) -> int:
        limits = writes.Limits(events_before, alerts_before, deliveries_before, max_events)
        deleted = await self._writer.make(partial(writes.sweep, limits=limits, next_id=self._next_id))
        if not deleted:
            await self._writer.tidy()
        return deleted

    async def close(self) -> None:
        await self._let_go(partial(writes.keep_next_id, next_id=self._next_id))

    async def _let_go(self, last: Work[None] | None = None) -> None:
        """The reader first: the last connection to close moves the log into the file."""
        await self._reader.close()
        await self._writer.close(last)
        self._lock.release()
