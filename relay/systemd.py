"""The parts of systemd's protocol that relay speaks: sd_notify(3), sd_listen_fds(3), WatchdogSec."""

from __future__ import annotations

import os
import socket
from typing import Final

_FIRST_FD: Final = 3  # SD_LISTEN_FDS_START, sd_listen_fds(3)


def notify(**fields: str | int) -> bool:
    """Tell systemd `READY=1`, `STATUS=...`, `WATCHDOG=1` ...; False where there is none to tell."""
    where = os.environ.get("NOTIFY_SOCKET", "")
    if not where:
        return False
    address = "\0" + where[1:] if where.startswith("@") else where
    text = "\n".join(f"{key}={value}" for key, value in fields.items())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
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
    return int(os.environ.get("WATCHDOG_USEC", "0") or 0) / 1e6


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
