"""The tailer as it runs: inotify, timers and cancellation, with the system's own clock."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from inotify_simple import INotify

from relay.clock import SystemClock
from relay.config.schema import TailSource
from relay.models import Batch, Position
from relay.sources import watch
from relay.sources.intake import Intake
from relay.sources.tail import Tail
from relay.sources.trouble import Trouble


class Running:
    """A tail that runs as a task."""

    def __init__(self, *patterns: Path, first_start: bool = True, **settings: Any) -> None:
        self.intake = Intake()
        self.troubles: list[Trouble] = []
        self.batches: list[Batch] = []
        self.tail = Tail(
            "app",
            TailSource(tail=tuple(map(str, patterns)), **settings),
            self.intake,
            SystemClock(),
            [],
            first_start=first_start,
            report=self.troubles.append,
        )

    async def messages(self, count: int) -> list[str]:
        """The next messages, each within seconds."""
        found: list[str] = []
        async with asyncio.timeout(5):
            while len(found) < count:
                for batch in await self.intake.get(1):
                    self.batches.append(batch)
                    found += [event.message for event in batch.events]
        return found

    async def looked(self) -> None:
        """Wait until the first look is done."""
        async with asyncio.timeout(5):
            while not self.tail._look_at or self.tail._ready:
                await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def running(*patterns: Path, **settings: Any) -> AsyncIterator[Running]:
    run = Running(*patterns, **settings)
    task = asyncio.create_task(run.tail.run())
    try:
        await run.looked()
        yield run
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


@pytest.fixture(autouse=True)
def rare_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found, inotify has told."""
    monkeypatch.setattr("relay.sources.tail.LOOK", 100.0)


async def test_lines_come_at_once(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.touch()
    async with running(log) as run:
        taken = []
        for number in range(20):
            began = time.perf_counter()
            append(log, f"line {number}\n")
            assert await run.messages(1) == [f"line {number}"]
            taken.append(time.perf_counter() - began)
        assert sorted(taken)[10] < 0.005


async def test_new_files_and_folders_are_noticed(tmp_path: Path) -> None:
    async with running(tmp_path / "later" / "*" / "*.log") as run:
        (tmp_path / "later" / "x").mkdir(parents=True)
        append(tmp_path / "later" / "x" / "a.log", "one\n")
        assert await run.messages(1) == ["one"]
        (tmp_path / "later" / "y").mkdir()
        append(tmp_path / "later" / "y" / "b.log", "two\n")
        assert await run.messages(1) == ["two"]


async def test_a_folder_that_is_replaced_is_followed(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    append(folder / "app.log", "old\n")
    async with running(folder / "*.log") as run:
        folder.rename(tmp_path / "away")
        folder.mkdir()
        append(folder / "app.log", "new\n")
        assert await run.messages(1) == ["new"]


async def test_rotation_is_noticed(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.touch()
    async with running(log) as run:
        append(log, "one\n")
        log.rename(tmp_path / "app.log.1")
        append(log, "two\n")
        assert await run.messages(2) == ["one", "two"]


async def test_a_pending_stack_trace_is_flushed_in_time(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.touch()
    async with running(log, format="python") as run:
        append(log, "2026-03-01 10:00:00,123 ERROR pay.refund: timeout\n")
        [message] = await run.messages(1)
        assert "timeout" in message


async def test_positions_are_handed_over_at_the_end(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.touch()
    async with running(log) as run:
        append(log, "one\n")
        await run.messages(1)
        append(log, "\n\n\n")  # lines without events: their position waits for company
        async with asyncio.timeout(5):
            while run.tail.status()["behind"] or log.stat().st_size != _read(run.tail):
                await asyncio.sleep(0.001)
    left: list[Position] = [each for batch in await run.intake.get(100) for each in batch.positions]
    assert left[-1].offset == log.stat().st_size


def _read(tail: Tail) -> int:
    [generation] = tail._register.files.values()
    return generation.read


async def test_without_inotify_files_are_polled_and_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(watch, "INotify", refuse)
    log = tmp_path / "app.log"
    log.touch()
    async with running(log, poll=0.01) as run:
        assert [each.kind for each in run.troubles] == ["watch_limit"]
        append(log, "one\n")
        assert await run.messages(1) == ["one"]


async def test_a_watch_limit_means_polling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Limited(INotify):  # type: ignore[misc]
        def add_watch(self, path: str, mask: int) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(watch, "INotify", Limited)
    log = tmp_path / "app.log"
    log.touch()
    async with running(log, poll=0.01) as run:
        assert [each.kind for each in run.troubles] == ["watch_limit"]
        append(log, "one\n")
        assert await run.messages(1) == ["one"]


async def test_a_full_intake_holds_the_tail_back_and_then_all_arrives(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.touch()
    run = Running(log)
    run.intake = run.tail._handover._intake = Intake(high_events=100)
    task = asyncio.create_task(run.tail.run())
    await run.looked()
    append(log, "".join(f"line {number}\n" for number in range(10_000)))
    async with asyncio.timeout(5):
        while not run.intake.full:
            await asyncio.sleep(0.001)
    await asyncio.sleep(0.01)
    assert len(run.intake) < 5_000
    assert len(await run.messages(10_000)) == 10_000
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_nothing_is_left_open(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.touch()
    before = len(list(Path("/proc/self/fd").iterdir()))
    async with running(log) as run:
        append(log, "one\n")
        await run.messages(1)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
