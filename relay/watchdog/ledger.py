"""What becomes of a check, into the intake: the event that tells of it and its record, in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from relay.clock import Clock
from relay.config.schema import Watch
from relay.models import Batch, CheckRecord
from relay.watchdog import told
from relay.watchdog.entry import Entry


class Ledger:
    """Waits until what is entered is durable."""

    def __init__(self, put: Callable[[Batch], object], clock: Clock) -> None:
        self._put = put  # into the intake
        self._clock = clock

    async def tell(self, entry: Entry, state: str, text: str) -> None:
        """Put the event in, with the record as it is now."""
        entry.told_at = self._clock.monotonic()
        happened = told.event(entry.name, entry.watch, state, text, entry.target, self._clock.now())
        await self._durable(Batch(events=[happened], checks=[entry.record], size=len(text)))

    async def keep(self, entry: Entry, record: CheckRecord) -> None:
        """The record is this from now on."""
        entry.standing = replace(entry.standing, record=record)
        await self._durable(Batch(events=[], checks=[record]))

    def note(self, records: Sequence[CheckRecord]) -> None:
        """These are the records from now on; nobody waits for it."""
        self._put(Batch(events=[], checks=list(records)))

    def unwatched(self, record: CheckRecord, watch: Watch) -> None:
        """The entry of a check that is down has gone."""
        text = f"{record.name} is no longer watched"
        happened = told.event(record.name, watch, told.UNWATCHED, text, "", self._clock.now())
        self._put(Batch(events=[happened], checks=[CheckRecord(name=record.name)], size=len(text)))

    async def _durable(self, batch: Batch) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def settle(error: Exception | None) -> None:
            del error  # the pipeline tries until it succeeds, or relay ends
            if not done.done():
                done.set_result(None)

        batch.done = settle
        self._put(batch)
        await done
