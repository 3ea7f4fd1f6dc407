"""Real commands: they end, hang, flood and fork."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import time
from pathlib import Path

import pytest

from relay.watchdog import command
from relay.watchdog.command import KEPT, run
from tests.e2e.rig import runs


def script(folder: Path, body: str) -> str:
    path = folder / "script"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


async def test_how_a_command_ended_and_what_it_said(tmp_path: Path) -> None:
    ran = await run([script(tmp_path, "echo fine; echo oh >&2; exit 3")], 5)
    assert (ran.status, ran.output, ran.words) == (3, "fine\noh", "ended with status 3")
    assert (await run(["true"], 5)).words == "ended well"
    assert (await run(["/does/not/exist"], 5)).words == "could not be run: No such file or directory"


async def test_no_shell_and_no_secret_of_relays_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WECOM_ROBOT_KEY", "c4nary")
    assert (await run(["echo", "a; echo b", "$HOME"], 5)).output == "a; echo b $HOME"
    assert "c4nary" not in (await run(["env"], 5)).output


async def test_w04_a_command_that_hangs_ends_with_all_that_came_from_it(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    body = f"trap '' TERM; setsid sleep 60 & echo $! >> {pids}; sleep 61 & echo $! >> {pids}; wait; sleep 60"
    command.POLITE, polite = 0.3, command.POLITE  # type: ignore[misc]
    try:
        began = time.monotonic()
        ran = await run([script(tmp_path, body)], 0.5)
    finally:
        command.POLITE = polite  # type: ignore[misc]
    assert ran.why == "did not end within 0.5 s and was ended"
    assert time.monotonic() - began < 10
    await asyncio.sleep(0.1)
    started = [int(pid) for pid in pids.read_text().split()]
    assert len(started) == 2
    assert not [pid for pid in started if runs(pid)]


async def test_w04_a_command_that_floods_is_ended_and_its_end_is_kept(tmp_path: Path) -> None:
    ran = await run(["yes", "x" * 80], 20)
    assert ran.why == "printed more than 1024 KiB and was ended"
    assert len(ran.output) <= KEPT


async def test_a_restart_may_leave_a_daemon_behind_and_a_check_may_not(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    body = f"sleep 30 & echo $! > {pid_file}; echo started"
    ran = await run([script(tmp_path, body)], 5, leave=True)
    daemon = int(pid_file.read_text())
    assert (ran.status, runs(daemon)) == (0, True)
    assert ran.output.startswith("started\n(something that it left running still had its output")
    os.kill(daemon, 9)
    assert (await run([script(tmp_path, body)], 5)).output == "started"
    await asyncio.sleep(0.1)
    assert not runs(int(pid_file.read_text()))


async def test_a_command_ends_when_relay_does(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    task = asyncio.create_task(run([script(tmp_path, f"echo $$ > {pid_file}; sleep 30")], 20))
    while not pid_file.exists() or not pid_file.read_text():
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not runs(int(pid_file.read_text()))


async def test_a_relay_that_has_no_descriptor_left_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(_: int) -> tuple[int, int]:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "pipe2", none_left)
    assert (await run(["true"], 5)).words == "could not be run: Too many open files"


async def test_neither_a_terminal_nor_relays_descriptors_nor_its_signals(tmp_path: Path) -> None:
    held = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(held, True)
    body = (
        "read answer && echo read; (: < /dev/tty) 2> /dev/null && echo tty\n"
        f"[ -e /proc/self/fd/{held} ] && echo inherited\ngrep SigIgn /proc/self/status"
    )
    try:
        name, ignored = (await run([script(tmp_path, body)], 5)).output.split()
        assert name == "SigIgn:"
        assert not int(ignored, 16) & sum(1 << (number - 1) for number in (signal.SIGPIPE, signal.SIGXFSZ))
    finally:
        os.close(held)
