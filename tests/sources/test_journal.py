"""The source with the real journalctl, on journal files written by systemd-journal-remote."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import stat
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from relay.clock import SystemClock
from relay.config import schema
from relay.config.schema import JournalSource
from relay.models import Batch, Event, Level, Position
from relay.sources import journal, journalctl
from relay.sources.intake import Intake
from relay.sources.journal import Journal
from relay.sources.trouble import Trouble

REMOTE = "/lib/systemd/systemd-journal-remote"
BOOT = "2a7f2bb43a8b4a6b9c2d6a4fbd1b9a11"
BEGAN = 1767600000

needs_journal = pytest.mark.skipif(
    shutil.which("journalctl") is None or not Path(REMOTE).exists(),
    reason="needs journalctl and systemd-journal-remote",
)


class Files:
    """A folder of journal files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "journal"
        self.folder.mkdir()
        self.count = 0

    def add(self, *messages: str | bytes, unit: str = "pay.service", **fields: str) -> None:
        """One more file with these entries, a second apart."""
        out = b""
        for message in messages:
            self.count += 1
            raw = message.encode() if isinstance(message, str) else message
            usual = {
                "__REALTIME_TIMESTAMP": f"{BEGAN + self.count}000000",
                "__MONOTONIC_TIMESTAMP": str(self.count),
                "_BOOT_ID": BOOT,
                "_SYSTEMD_UNIT": unit,
                "_PID": "12",
                "PRIORITY": "3",
            }
            for name, value in (usual | fields).items():
                out += f"{name}={value}\n".encode()
            out += b"MESSAGE\n" + len(raw).to_bytes(8, "little") + raw + b"\n\n"
        new = self.folder.parent / "new.journal"
        command = [REMOTE, "-o", str(new), "-"]
        subprocess.run(command, input=out, check=True, capture_output=True)
        new.rename(self.folder / f"part{self.count:05}.journal")

    def settings(self, **chosen: Any) -> JournalSource:
        more = chosen.pop("more", {})
        return JournalSource(journal=schema.Journal(directory=str(self.folder), **chosen), **more)


class Pipe:
    """What the pipeline would take: events, and the latest position."""

    def __init__(self) -> None:
        self.intake = Intake()
        self.events: list[Event] = []
        self.position: Position | None = None
        self.troubles: list[Trouble] = []
        self.new = asyncio.Event()

    async def run(self) -> None:
        while True:
            for batch in await self.intake.get(1000):
                self.take(batch)

    def take(self, batch: Batch) -> None:
        self.events += batch.events
        self.position = batch.positions[-1] if batch.positions else self.position
        self.new.set()

    def tell(self, trouble: Trouble) -> None:
        self.troubles.append(trouble)
        self.new.set()

    @property
    def messages(self) -> list[str]:
        return [event.message for event in self.events]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                self.new.clear()
                await self.new.wait()


@asynccontextmanager
async def following(
    settings: JournalSource, position: Position | None = None, pipe: Pipe | None = None
) -> AsyncIterator[tuple[Pipe, Journal]]:
    pipe = pipe or Pipe()
    source = Journal("j", settings, pipe.intake, SystemClock(), position, report=pipe.tell)
    tasks = [asyncio.create_task(source.run()), asyncio.create_task(pipe.run())]
    try:
        yield pipe, source
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert not [task for task in tasks if not task.cancelled() and task.exception()]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@needs_journal
async def test_what_is_there_is_skipped_and_what_comes_is_followed(files: Files) -> None:
    files.add("old")
    async with following(files.settings()) as (pipe, source):
        await pipe.until(lambda: pipe.position is not None)
        assert pipe.position is not None
        assert pipe.position.head.startswith("s=")  # known before anything came
        files.add("new", b"\xff\xfe binary\nsecond line")
        await pipe.until(lambda: len(pipe.events) == 2)
        assert pipe.messages == ["new", "\ufffd\ufffd binary\nsecond line"]
        assert {event.level for event in pipe.events} == {Level.ERROR}
        assert source.status()["entries"] == 2


@needs_journal
async def test_a_restart_goes_on_after_the_cursor_with_nothing_lost_or_twice(files: Files) -> None:
    files.add("one")
    settings = files.settings(more={"start": "beginning"})
    async with following(settings) as (pipe, _):
        await pipe.until(lambda: len(pipe.events) == 1)
    files.add("two", "three")
    async with following(settings, pipe.position) as (later, _):
        await later.until(lambda: len(later.events) == 2)
        files.add("four")
        await later.until(lambda: len(later.events) == 3)
    assert pipe.messages + later.messages == ["one", "two", "three", "four"]
    assert later.troubles == []
    async with following(settings, later.position) as (last, _):
        files.add("five")
        await last.until(lambda: bool(last.events))
        assert last.messages == ["five"]


@needs_journal
async def test_units_levels_and_identifiers_choose(files: Files) -> None:
    files.add("of pay")
    files.add("of another", unit="other.service")
    files.add("of no weight", PRIORITY="6")
    files.add("by sudo", SYSLOG_IDENTIFIER="sudo")
    async with following(files.settings(units=("pay",), more={"start": "beginning"})) as (pipe, _):
        await pipe.until(lambda: len(pipe.events) == 3)
        assert "of another" not in pipe.messages
    chosen = files.settings(units=("p?y.service",), level=Level.WARNING, more={"start": "beginning"})
    async with following(chosen) as (pipe, _):
        await pipe.until(lambda: len(pipe.events) == 2)
        assert pipe.messages == ["of pay", "by sudo"]
    async with following(files.settings(identifiers=("sudo",), more={"start": "beginning"})) as (pipe, _):
        await pipe.until(lambda: len(pipe.events) == 1)
        assert pipe.messages == ["by sudo"]


@needs_journal
async def test_vacuumed_entries_are_told_as_a_gap(files: Files) -> None:
    files.add("read")
    settings = files.settings(more={"start": "beginning"})
    async with following(settings) as (pipe, _):
        await pipe.until(lambda: len(pipe.events) == 1)
    assert pipe.position is not None
    away = Position(
        source="j", path="journal", dev=0, inode=0, offset=pipe.position.offset, head=pipe.position.head
    )
    files.add("never read")
    files.add(*(f"still there {number}" for number in range(5)))
    for name in ("part00001.journal", "part00002.journal"):
        (files.folder / name).unlink()
    async with following(settings, away) as (later, _):
        await later.until(lambda: len(later.events) == 5)
        (gap,) = later.troubles
        assert gap.kind == "gap"
        assert "removed before relay read them" in gap.text
        assert later.messages[0] == "still there 0"


@needs_journal
async def test_an_idle_journal_that_was_vacuumed_is_no_gap(files: Files) -> None:
    """relay was up until after what is gone: it had seen that nothing of its units was there."""
    files.add("read")
    settings = files.settings(more={"start": "beginning"})
    async with following(settings) as (pipe, _):
        await pipe.until(lambda: len(pipe.events) == 1)
    files.add("new")
    (files.folder / "part00001.journal").unlink()
    async with following(settings, pipe.position) as (later, _):
        await later.until(lambda: len(later.events) == 1)
        assert later.troubles == []


@needs_journal
async def test_a_long_entry_is_cut_and_marked(files: Files) -> None:
    files.add("x" * 100_000)
    async with following(files.settings(more={"start": "beginning", "max_event": 2048})) as (pipe, _):
        await pipe.until(lambda: len(pipe.events) == 1)
        assert pipe.messages[0] == "x" * 2048 + " … [97952 bytes cut]"


@needs_journal
async def test_a_full_intake_stops_reading_and_nothing_is_lost(files: Files) -> None:
    files.add(*(f"entry {number} {'x' * 500}" for number in range(3000)))
    pipe = Pipe()
    pipe.intake = Intake(high_events=100)
    source = Journal(
        "j", files.settings(more={"start": "beginning"}), pipe.intake, SystemClock(), None, report=pipe.tell
    )
    task = asyncio.create_task(source.run())
    async with asyncio.timeout(20):
        while not pipe.intake.full:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
    assert len(pipe.intake) < 600
    taking = asyncio.create_task(pipe.run())
    await pipe.until(lambda: len(pipe.events) == 3000)
    assert [int(message.split()[1]) for message in pipe.messages] == [*range(3000)]
    for each in (task, taking):
        each.cancel()
    await asyncio.gather(task, taking, return_exceptions=True)


@needs_journal
async def test_a_journalctl_that_dies_is_started_again_after_what_was_handed_over(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "PAUSE_FIRST", 0.01)
    monkeypatch.setattr(journal, "PAUSE_MOST", 0.02)
    files.add("one")
    async with following(files.settings(more={"start": "beginning"})) as (pipe, source):
        await pipe.until(lambda: len(pipe.events) == 1)
        for number in range(3):
            os.kill(source.status()["journalctl"], signal.SIGKILL)
            files.add(f"after {number}")
            await pipe.until(lambda wanted=number + 2: len(pipe.events) == wanted)  # type: ignore[misc]
        assert pipe.messages == ["one", "after 0", "after 1", "after 2"]
        assert source.status()["restarts"] == 3


@needs_journal
async def test_a_journalctl_that_stands_still_is_noticed_and_replaced(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PAUSE_FIRST": 0.01, "PAUSE_MOST": 0.02, "REFRESH": 0.1, "COMPARED": 0.2}.items():
        monkeypatch.setattr(journal, name, value)
    files.add("one")
    async with following(files.settings(more={"start": "beginning"})) as (pipe, source):
        await pipe.until(lambda: len(pipe.events) == 1)
        await asyncio.sleep(1)  # one in which nothing comes stays
        assert source.status()["restarts"] == 0
        os.kill(source.status()["journalctl"], signal.SIGSTOP)
        files.add("meanwhile")
        await pipe.until(lambda: len(pipe.events) == 2)
        assert pipe.messages == ["one", "meanwhile"]
        assert source.status()["restarts"] == 1
        assert pipe.troubles == []


def fake_journalctl(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "journalctl"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(journalctl, "PROGRAM", str(path))
    monkeypatch.setattr(journal, "PAUSE_FIRST", 0.01)
    monkeypatch.setattr(journal, "PAUSE_MOST", 0.02)


async def test_a_journal_that_cant_be_read_is_told_once_and_once_that_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As journalctl 252 ends for a user who may see nothing."""
    words = "No journal files were opened due to insufficient permissions."
    fake_journalctl(
        tmp_path,
        f'if [ -e {tmp_path}/granted ]; then printf "__CURSOR=a\\nMESSAGE=hi\\n\\n"; exec sleep 60; fi\n'
        f'case "$*" in *follow*) echo "{words}" >&2; exit 1;; esac',
        monkeypatch,
    )
    async with following(JournalSource(journal=schema.Journal())) as (pipe, source):
        await pipe.until(lambda: any("group systemd-journal" in each.text for each in pipe.troubles))
        await asyncio.sleep(0.2)  # several more tries
        assert len([each for each in pipe.troubles if each.path == "journal"]) == 1
        assert source._starts > 1
        (tmp_path / "granted").touch()
        await pipe.until(lambda: bool(pipe.events))
        assert [each.path for each in pipe.troubles if each.cleared] == ["journal"]


async def test_without_journalctl_it_is_trouble_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journalctl, "PROGRAM", str(tmp_path / "absent"))
    settings = JournalSource(journal=schema.Journal())
    assert "there is no" in journalctl.problem(settings)
    async with following(settings) as (pipe, _):
        await pipe.until(lambda: bool(pipe.troubles))
        assert "can't be followed" in pipe.troubles[0].text


def test_a_hint_on_what_is_hidden_is_understood() -> None:
    hint = "Hint: You are currently not seeing messages from other users and the system."
    assert "only a part" in journalctl.meaning(hint)
    assert journalctl.meaning("Users in groups 'adm', 'systemd-journal' can see all messages.") == ""
