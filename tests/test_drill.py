"""The drill: when it comes, and what it finds on its way through a real store and a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from relay.clock import FakeClock
from relay.config.schema import Config, SocketSource
from relay.drill import LABEL, NOTE, Drill, next_time
from relay.models import Acknowledge, Address, DeliveryState, Event
from relay.outbox.sqlite import SqliteStore
from relay.outbox.store import Commit
from relay.sources.intake import Intake
from tests.fakes import Reports, alert, delivery, event

BERLIN = ZoneInfo("Europe/Berlin")


def local(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()


@pytest.mark.parametrize(
    ("every", "after", "at"),
    [
        ("daily", "2026-01-05T09:59", "2026-01-05T10:00"),
        ("daily", "2026-01-05T10:00", "2026-01-06T10:00"),
        ("daily", "2026-03-28T12:00", "2026-03-29T10:00"),  # clocks go forward that night
        ("daily", "2026-10-24T12:00", "2026-10-25T10:00"),  # and back that one
        ("weekly", "2026-01-05T11:00", "2026-01-12T10:00"),
        ("weekly", "2026-03-23T10:00", "2026-03-30T10:00"),
        ("monthly", "2026-01-06T00:00", "2026-02-02T10:00"),
        ("monthly", "2026-02-02T09:00", "2026-02-02T10:00"),
    ],
)
def test_when(every: str, after: str, at: str) -> None:
    assert next_time(every, local(after), BERLIN) == local(at)


class Stage:
    """`become`: what the pipeline and the services make of the drill's event."""

    def __init__(self, store: SqliteStore, folder: Path) -> None:
        self.store = store
        self.clock = FakeClock(datetime(2026, 1, 5, 11).timestamp())  # noqa: DTZ001 - a Monday, in the host's zone
        self.reports = Reports()
        self.intake = Intake()
        self.path = str(folder / "relay.sock")
        self.config = Config(drill="weekly", sources={"apps": SocketSource(socket=self.path)})
        self.drill = Drill(store, self.clock, self.intake, lambda: self.config, self.reports)
        self.become: Callable[[Event], list[dict[str, Any]] | None] = lambda _: None
        self.lines: list[dict[str, Any]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = json.loads(await reader.readline())
        self.lines.append(line)
        await self.commit(event(line["message"], module=line["module"], labels={LABEL: line[LABEL]}))
        writer.write(json.dumps({"ok": True, "id": line["id"]}).encode() + b"\n")
        await writer.drain()
        writer.close()

    async def commit(self, marked: Event) -> None:
        made = self.become(marked)
        if made is not None:
            number = self.store.next_ids(1)
            owed = [delivery(self.store.next_ids(1), self.clock.now(), alert=number, **each) for each in made]
            found = alert(f"{number:016x}", id=number, touched=self.clock.now())
            await self.store.commit(
                Commit(
                    alerts=[found], samples={number: marked}, traces={number: {"why": "x"}}, deliveries=owed
                )
            )

    async def run(self) -> bool:
        """One drill; time passes meanwhile."""
        server = await asyncio.start_unix_server(self.serve, self.path)
        async with server:
            task = asyncio.create_task(self.drill.run_once())
            while not task.done():
                await asyncio.sleep(0.001)
                self.clock.advance(1.0)
            return await task


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    store = await SqliteStore.open(str(tmp_path / "relay.db"), FakeClock())
    yield Stage(store, tmp_path)
    await store.close()


A, B = Address("a", "x"), Address("b", "x")


async def test_all_well(stage: Stage) -> None:
    stage.become = lambda _: [{"address": A, "state": DeliveryState.DELIVERED}]
    assert await stage.run()
    assert stage.reports.told == [("drill", "drill", True)]
    (line,) = stage.lines
    assert line["module"] == "relay.drill"
    assert line["message"].startswith("DRILL ")
    assert await stage.store.noted(NOTE) != ""


async def test_how_it_ended_is_known_after_a_restart(stage: Stage) -> None:
    await stage.drill.recall()
    assert stage.drill.last is None
    began = stage.clock.now()
    stage.become = lambda _: []
    await stage.run()
    again = Drill(stage.store, stage.clock, stage.intake, lambda: stage.config, stage.reports)
    await again.recall()
    status = again.status()
    assert status is not None
    assert (status["every"], status["last"]["at"]) == ("weekly", began)
    assert "told nobody" in status["last"]["wrong"]
    assert status["next_at"] > began
    stage.config = Config()
    assert again.status() is None


@pytest.mark.parametrize(
    ("made", "avoid", "words"),
    [
        (None, "", "no rule took its event"),
        ([], "", "told nobody"),
        (
            [{"address": A, "state": DeliveryState.DEAD, "error": "rejected: no such user"}],
            "a",
            "no such user",
        ),
        ([{"address": A, "next_at": 9e9}], "a", "no service has accepted it yet"),
        ([{"address": B, "state": DeliveryState.DELIVERED, "tried": (A,)}], "a", "b took it"),
    ],
)
async def test_what_fails_is_told_through_another_backend(
    stage: Stage, made: Any, avoid: str, words: str
) -> None:
    told: list[tuple[str, str]] = []

    def report(kind: str, subject: str, text: str, *, avoid: str = "", cleared: bool = False) -> None:
        told.append((text, avoid))

    stage.drill._report = report
    stage.become = lambda _: made
    assert not await stage.run()
    ((text, avoided),) = told
    assert words in text
    assert avoided == avoid


async def test_a_source_that_takes_nothing_fails_it(stage: Stage) -> None:
    assert not await stage.drill.run_once()
    assert stage.reports.told == [("drill", "drill", False)]


async def test_each_comes_once_also_over_restarts_and_clocks_set_back(stage: Stage) -> None:
    assert not await stage.drill._is_due()  # the first look: from now on
    week = 7 * 86400.0
    stage.clock.advance(week)
    assert await stage.drill._is_due()
    await stage.store.note(NOTE, str(stage.clock.now()))
    assert not await stage.drill._is_due()
    stage.clock._now -= week  # the clock was wrong, and is set back
    assert not await stage.drill._is_due()
    stage.clock.advance(week)
    assert await stage.drill._is_due()
    stage.config = Config()
    assert not await stage.drill._is_due()


@pytest.mark.parametrize(
    ("now", "due"),
    [("T03:00", False), ("T09:59", False), ("T10:00", True), ("T17:59", True), ("T18:00", False)],
)
async def test_one_that_was_missed_is_made_up_for_in_working_hours(
    stage: Stage, now: str, *, due: bool
) -> None:
    """Relay was down on Monday at 10, and starts on Tuesday at three: nobody is woken."""
    await stage.store.note(NOTE, str(datetime.fromisoformat("2026-01-03T12:00").timestamp()))
    stage.clock._now = datetime.fromisoformat("2026-01-06" + now).timestamp()
    assert await stage.drill._is_due() is due


async def test_no_reminder_and_no_escalation_follows_a_drill(stage: Stage) -> None:
    stage.become = lambda _: [{"address": A, "state": DeliveryState.DELIVERED}]
    assert await stage.run()
    (row,) = await stage.store.alerts(most=1)
    async with asyncio.timeout(5):
        ((batch,)) = await stage.intake.get(10)
    assert batch.orders == [Acknowledge(row.alert.id, "the drill itself")]


async def test_without_a_socket_it_enters_behind_the_sources(stage: Stage) -> None:
    stage.config = Config(drill="weekly")
    task = asyncio.create_task(stage.drill.run_once())
    ((batch,)) = await stage.intake.get(10)
    assert batch.events[0].module == "relay.drill"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
