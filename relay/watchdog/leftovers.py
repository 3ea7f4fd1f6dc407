"""Looks and restarts that a relay which was killed left running: they are ended, for nobody waits for them.

relay ends its commands itself, but not when it is killed, and systemd leaves them (`KillMode=process`)
because what a restart started must live on. So each command carries whose it is. A look is ended with all
that came from it; of a restart only the command itself, so that no second one runs beside it.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from relay.watchdog.processes import STARTED, stat_of

MARK: Final = "RELAY_LOOK_OF"
MARK_OF_RESTART: Final = "RELAY_RESTART_OF"
_SESSION: Final = 3  # of the fields of `stat_of`


@cache
def owner() -> str:
    """This process, told from any other that has had or will have its number."""
    return f"{Path('/proc/self/ns/pid').readlink()} {os.getpid()} {_started(os.getpid())}"


def end_leftovers(restarts: Collection[Sequence[str]] = ()) -> int:
    """Kill them; how many there were. `restarts`: the commands that restart something. Blocks."""
    left = [pid for pid in _pids() if _is_left(pid, restarts)]
    for pid in left:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    return len(left)


def _is_left(pid: int, restarts: Collection[Sequence[str]]) -> bool:
    marks = _marks(pid)
    if _is_orphan(marks.get(MARK, "")):
        return True
    return _is_orphan(marks.get(MARK_OF_RESTART, "")) and _is_one_of(pid, restarts)


def _is_one_of(pid: int, commands: Collection[Sequence[str]]) -> bool:
    """Whether it is the command itself, not what that started. A script's words follow its shell's name."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
        leads = stat_of(Path(f"/proc/{pid}"))[1][_SESSION] == str(pid)
    except OSError:
        return False
    return leads and any(_named(words[-len(each) :]) == _named(each) for each in commands)


def _named(command: Sequence[str]) -> list[str]:
    return [Path(command[0]).name, *command[1:]] if command else []


def _is_orphan(mark: str) -> bool:
    """Whether whoever started it is gone. Numbers of another namespace (a container) say nothing here."""
    namespace, _, whose = mark.partition(" ")
    pid, _, started = whose.partition(" ")
    if not pid.isdecimal() or namespace != owner().partition(" ")[0]:
        return False
    return _started(int(pid)) != started


def _pids() -> list[int]:
    return [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]


def _marks(pid: int) -> dict[str, str]:
    """From its environment; none for what isn't marked, or is another user's."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return {}
    variables = (each.decode(errors="replace").partition("=") for each in environment.split(b"\0"))
    return {name: whose for name, _, whose in variables if name in {MARK, MARK_OF_RESTART}}


def _started(pid: int) -> str:
    """When it did, in the kernel's words (proc(5)); empty if there is none."""
    try:
        return stat_of(Path(f"/proc/{pid}"))[1][STARTED]
    except OSError:
        return ""
