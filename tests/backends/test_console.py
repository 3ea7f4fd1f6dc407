"""Standard output: readable, whole, and never in the way of the event loop."""

from __future__ import annotations

import asyncio
import os
import pty
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.backends.base import Door
from relay.backends.console import Console, Settings
from relay.errors import BackendDownError, TemporaryError
from relay.models import AlertState, Level
from tests.backends.messages import message
from tests.backends.rigs import Pipe, filled


@pytest.fixture
async def pipe() -> AsyncIterator[Pipe]:
    async with Pipe() as pipe:
        yield pipe


async def test_one_empty_line_stands_between_messages(pipe: Pipe, door: Door) -> None:
    backend = Console(Settings(), door, fd=pipe.writer)
    for _ in range(2):
        await backend.send(message(text="a\n\nb"), "ops\x1b[31m")
    first, second, end = pipe.read().split("\n\n")
    assert first == second
    assert end == ""
    assert first.startswith("[ERROR] pay.refund: timeout after <num> ms\n  a\n  \n  b\n")
    assert first.endswith("\n  alert 17\n  to: ops")


async def test_a_stuck_reader_costs_the_deadline_and_not_the_loop(pipe: Pipe, door: Door) -> None:
    backend = Console(Settings(timeout=0.1), door, fd=pipe.writer)
    with filled(pipe):
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0.005)
                turns += 1

        turning = asyncio.create_task(turn())
        began = time.monotonic()
        with pytest.raises(TemporaryError) as caught:
            await backend.send(message(), "ops")
        turning.cancel()
    assert time.monotonic() - began < 1
    assert turns > 3
    assert not caught.value.ambiguous
    pipe.read()
    await backend.send(message(), "ops")
    assert "timeout after" in pipe.read()


async def test_a_message_longer_than_the_pipe_waits_for_its_reader(pipe: Pipe, door: Door) -> None:
    backend = Console(Settings(timeout=5), door, fd=pipe.writer)
    sending = asyncio.create_task(backend.send(message(text="x" * 3_000_000), "ops"))
    while not sending.done():
        pipe.read()
        await asyncio.sleep(0)
    await sending
    assert pipe.read().count("x") == 3_000_000


async def test_a_closed_reader_is_temporary(door: Door) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with pytest.raises(TemporaryError) as caught:
        await Console(Settings(), door, fd=writer).send(message(), "ops")
    os.close(writer)
    assert caught.value.code == "BrokenPipeError"


async def test_a_closed_descriptor_is_temporary(door: Door) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)
    with pytest.raises(TemporaryError):
        await Console(Settings(), door, fd=writer).send(message(), "ops")


async def test_without_a_standard_output_nothing_is_written(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "__stdout__", None)
    with pytest.raises(BackendDownError):
        await Console(Settings(), door).send(message(), "ops")


async def test_a_file_takes_messages(tmp_path: Path, door: Door) -> None:
    with (tmp_path / "out").open("wb") as file:
        await Console(Settings(), door, fd=file.fileno()).send(message(text="告警"), "ops")
    assert "告警" in (tmp_path / "out").read_text()


async def test_the_real_standard_output(door: Door, capfd: pytest.CaptureFixture[str]) -> None:
    await Console(Settings(), door).send(message(), "ops")
    assert capfd.readouterr().out.startswith("[ERROR] pay.refund")


@pytest.mark.parametrize(
    ("no_color", "changes", "first"),
    [
        ("", {}, "\x1b[31;1m[ERROR]"),
        ("", {"level": Level.CRITICAL}, "\x1b[41;97;1m[CRITICAL]"),
        ("", {"state": AlertState.RESOLVED}, "\x1b[32;1m[RESOLVED]"),
        ("", {"level": Level.INFO}, "[INFO]"),
        ("1", {}, "[ERROR]"),
    ],
)
async def test_colours_on_a_terminal_only(
    door: Door, monkeypatch: pytest.MonkeyPatch, no_color: str, changes: dict[str, object], first: str
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("TERM", "xterm")
    master, slave = pty.openpty()
    await Console(Settings(), door, fd=slave).send(message(text="\x1b[5mblink", **changes), "ops")
    shown = os.read(master, 65536).decode()
    os.close(master)
    os.close(slave)
    assert shown.startswith(first)
    assert "\x1b[5m" not in shown
    assert shown.count("\x1b") == (2 if first.startswith("\x1b") else 0)
