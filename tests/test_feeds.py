"""Sources as they come, change and go."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from relay.clock import SystemClock
from relay.config.schema import Journal, JournalSource, TailSource
from relay.feeds import Feeds, Source
from relay.models import Position
from relay.outbox.sqlite import SqliteStore
from relay.outbox.store import Commit
from relay.sources import journal, journalctl
from relay.sources.intake import Intake

FAKE = r"""#!/bin/sh
case "$*" in *--follow*) exec sleep 60;; esac
printf "__CURSOR=here\n__REALTIME_TIMESTAMP=1767600000000000\n_PID=1\n\n"
"""


async def test_a_name_may_change_from_files_to_the_journal_and_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their positions share a table: neither takes the other's for its own."""
    fake = tmp_path / "journalctl"
    fake.write_text(FAKE)
    fake.chmod(0o755)
    monkeypatch.setattr(journalctl, "PROGRAM", str(fake))
    monkeypatch.setattr(journal, "PAUSE_FIRST", 0.01)
    log = tmp_path / "app.log"
    log.write_text("ERROR old\n")
    files: dict[str, Source] = {"x": TailSource(tail=(str(log),))}
    entries: dict[str, Source] = {"x": JournalSource(journal=Journal())}
    store = await SqliteStore.open(str(tmp_path / "relay.db"), SystemClock())
    intake = Intake()
    events: list[str] = []

    async def take() -> None:
        while True:
            for batch in await intake.get(100):
                events.extend(event.message for event in batch.events)
                await store.commit(Commit(positions=batch.positions))
                if batch.done is not None:
                    batch.done(None)

    stop = asyncio.Event()
    feeds = Feeds(intake, store, SystemClock(), waiting=lambda: (), report=lambda _: None)
    taking = asyncio.create_task(take())
    running = asyncio.create_task(feeds.run(stop, files, lambda: None))

    async def positions(wanted: str) -> list[Position]:
        async with asyncio.timeout(10):
            while not (found := [each for each in await store.positions() if each.path == wanted]):
                await asyncio.sleep(0.01)
        return found

    (known,) = await positions(str(log))
    await feeds.apply(entries)
    (at,) = await positions(journal.PATH)
    assert at.head == "here"
    await feeds.apply(files)
    with log.open("a") as out:
        out.write("ERROR new\n")
    async with asyncio.timeout(10):
        while not events:
            await asyncio.sleep(0.01)
    assert events == ["ERROR new"]
    assert known.offset == 10
    stop.set()
    await running
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)
    await store.close()
