"""That relay is ended again and again is told, and what is no such thing isn't."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.clock import FakeClock
from relay.crashes import Crashes
from relay.outbox.sqlite import SqliteStore
from tests.fakes import Reports


class Stage:
    def __init__(self, store: SqliteStore, clock: FakeClock) -> None:
        self.store = store
        self.clock = clock
        self.reports = Reports()

    async def start(self) -> Crashes:
        crashes = Crashes(self.store, self.clock, self.reports)
        await crashes.begin()
        return crashes

    async def crash(self, *, times: int, each: float = 20.0) -> None:
        for _ in range(times):
            await self.start()
            self.clock.advance(each)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    clock = FakeClock()
    store = await SqliteStore.open(str(tmp_path / "relay.db"), clock)
    yield Stage(store, clock)
    await store.close()


async def test_the_third_end_within_ten_minutes_is_told_and_is_over_after_ten_without_one(
    stage: Stage,
) -> None:
    await stage.crash(times=2)
    await (await stage.start()).run()
    assert stage.reports.told == []
    stage.clock.advance(20)
    running = asyncio.create_task((await stage.start()).run())
    await asyncio.sleep(0)
    stage.clock.advance(599)
    await asyncio.sleep(0)
    assert stage.reports.told == [("crash", "relay", False)]
    stage.clock.advance(1)
    await running
    assert stage.reports.told[1:] == [("crash", "relay", True)]


async def test_ends_that_lie_apart_or_in_the_future_are_not_told(stage: Stage) -> None:
    await stage.crash(times=3, each=300)
    await (await stage.start()).run()
    stage.clock.advance(1000)
    await stage.crash(times=3, each=10)
    stage.clock.advance(-2000)  # the clock was set back
    await (await stage.start()).run()
    assert stage.reports.told == []


async def test_a_stop_is_no_crash(stage: Stage) -> None:
    for _ in range(5):
        await (await stage.start()).end()
        stage.clock.advance(5)
    await (await stage.start()).run()
    assert stage.reports.told == []
