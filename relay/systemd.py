"""The parts of systemd's protocol that relay speaks: sd_notify(3), sd_listen_fds(3), WatchdogSec."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from typing import Final

_PATIENCE: Final = 1.0  # seconds that a word to systemd may take: it mustn't hold up the loop
_MORE_TIME: Final = 30.0  # seconds asked for at once ...
_MORE_TIMES: Final = 60  # ... every third of that, so often: 10 minutes, then a start counts as hung
_FIRST_FD: Final = 3  # SD_LISTEN_FDS_START, sd_listen_fds(3)


def notify(**fields: str | int) -> bool:
    """Tell systemd `READY=1`, `STATUS=...`, `WATCHDOG=1` ...; False where there is none to tell."""
    where = os.environ.get("NOTIFY_SOCKET", "")
    if not where:
        return False
    address = "\0" + where[1:] if where.startswith("@") else where
    text = "\n".join(f"{key}={value}" for key, value in fields.items())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
        out.settimeout(_PATIENCE)
        try:
            out.sendto(text.encode(), address)
        except OSError:
            return False
    return True


def watchdog_seconds() -> float:
    """WatchdogSec of the unit, in seconds; 0.0 where none is set for this process."""
    pid = os.environ.get("WATCHDOG_PID", "")
    if pid and pid != str(os.getpid()):
        return 0.0
    given = os.environ.get("WATCHDOG_USEC", "")
    return int(given) / 1e6 if given.isdecimal() else 0.0


@contextlib.asynccontextmanager
async def taking_long(what: str) -> AsyncIterator[None]:
    """While the block lasts systemd is asked for more time than TimeoutStartSec, if it needs it."""
    asking = asyncio.create_task(_ask_for_time(what))
    try:
        yield
    finally:
        asking.cancel()
        await asyncio.wait({asking})


async def _ask_for_time(what: str) -> None:
    for _ in range(_MORE_TIMES):
        notify(EXTEND_TIMEOUT_USEC=int(_MORE_TIME * 1e6), STATUS=what)
        await asyncio.sleep(_MORE_TIME / 3)


def inherited_sockets() -> list[socket.socket]:
    """Sockets handed over by socket activation, non-blocking; the environment is cleared for children."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = int(os.environ.get("LISTEN_FDS", "0") or 0)
    for key in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        os.environ.pop(key, None)
    sockets = [socket.socket(fileno=fd) for fd in range(_FIRST_FD, _FIRST_FD + count)]
    for sock in sockets:
        os.set_inheritable(sock.fileno(), False)
        sock.setblocking(False)
    return sockets
