"""How a unit of systemd stands, by `systemctl show`: no library, no bus of our own, and nothing guessed.

Where the bus is away systemctl prints nothing, or ends badly: then nothing is known.
"""

from __future__ import annotations

import asyncio
from typing import Final

from msgspec import Struct

from relay.config.commands import full_unit
from relay.watchdog.command import run
from relay.watchdog.verdict import UnknownError

_PROPERTIES: Final = "Id,LoadState,ActiveState,SubState,Result,UnitFileState,Job,NRestarts"
_TIMEOUT: Final = 10.0  # seconds
_AT_ONCE: Final = 4  # systemctl processes


class Unit(Struct, frozen=True):
    """A unit's state, in systemd's words."""

    name: str
    load: str  # loaded, not-found, masked, error, bad-setting
    active: str  # active, reloading, inactive, failed, activating, deactivating, maintenance
    sub: str  # running, dead, exited, auto-restart, start ...
    result: str  # success, exit-code, signal, core-dump, watchdog, start-limit-hit ...
    job: str = ""  # a job that waits or runs; "" if none

    @property
    def works(self) -> bool:
        """Whether it does what it is for."""
        return self.active in {"active", "reloading", "refreshing"}

    @property
    def is_stopped(self) -> bool:
        """Whether somebody took it out of service: it ended without a fault, or was masked."""
        if self.load == "masked":
            return True
        return self.active == "inactive" and self.result == "success" and self.load == "loaded"

    @property
    def is_busy(self) -> bool:
        """Whether systemd is at work on it."""
        return self.active in {"activating", "deactivating", "maintenance"}

    @property
    def words(self) -> str:
        """`orders-worker.service is failed (exit-code)`."""
        if self.load != "loaded":
            return f"{self.name} is {self.load}"
        if self.is_stopped:
            return f"{self.name} was stopped"
        about = self.result if self.active == "failed" else self.sub
        return f"{self.name} is {self.active} ({about})"


class Units:
    """Asks systemd."""

    def __init__(self, systemctl: str = "systemctl") -> None:
        self._systemctl = systemctl
        self._seats = asyncio.Semaphore(_AT_ONCE)

    async def state(self, unit: str) -> Unit:
        """How it stands; `UnknownError` where systemd can't be asked."""
        name = full_unit(unit)
        async with self._seats:
            ran = await run((self._systemctl, "show", f"--property={_PROPERTIES}", "--", name), _TIMEOUT)
        if ran.status != 0:
            said = ran.output.partition("\n")[0][:200]
            raise UnknownError(f"systemd can't be asked about {name}: {said or ran.words}")
        return _read(name, ran.output)


def _read(name: str, text: str) -> Unit:
    found = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    if not found.get("ActiveState") or not found.get("LoadState"):
        raise UnknownError(f"systemd says nothing of {name}")
    return Unit(
        name=name,
        load=found["LoadState"],
        active=found["ActiveState"],
        sub=found.get("SubState", ""),
        result=found.get("Result", "success"),
        job="" if found.get("Job", "0") in {"0", ""} else found["Job"],
    )
