"""Looks that a relay which was killed left running: nobody waits for them any more, so they are ended.

relay ends its commands itself, but not when it is killed, and systemd leaves them (`KillMode=process`)
because what a remedy started must live on. So each command that must not outlive relay carries whose it is.
"""

from __future__ import annotations

import contextlib
import os
import signal
from functools import cache
from pathlib import Path
from typing import Final

from relay.watchdog.processes import STARTED, stat_of

MARK: Final = "RELAY_LOOK_OF"


@cache
def owner() -> str:
    """This process, told from any other that has had or will have its number."""
    return f"{Path('/proc/self/ns/pid').readlink()} {os.getpid()} {_started(os.getpid())}"


def end_leftovers() -> int:
    """Kill them; how many there were. Blocks."""
    orphans = [pid for pid in _pids() if _is_orphan(_mark(pid))]
    for pid in orphans:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    return len(orphans)


def _is_orphan(mark: str) -> bool:
    """Whether whoever started it is gone. Numbers of another namespace (a container) say nothing here."""
    namespace, _, whose = mark.partition(" ")
    pid, _, started = whose.partition(" ")
    if not pid.isdecimal() or namespace != owner().partition(" ")[0]:
        return False
    return _started(int(pid)) != started


def _pids() -> list[int]:
    return [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]


def _mark(pid: int) -> str:
    """From its environment; empty for what isn't marked, or is another user's."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return ""
    wanted = f"{MARK}=".encode()
    found = (each for each in environment.split(b"\0") if each.startswith(wanted))
    return next(found, b"").removeprefix(wanted).decode(errors="replace")


def _started(pid: int) -> str:
    """When it did, in the kernel's words (proc(5)); empty if there is none."""
    try:
        return stat_of(Path(f"/proc/{pid}"))[1][STARTED]
    except OSError:
        return ""
