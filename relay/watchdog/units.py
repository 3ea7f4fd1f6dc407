"""How a unit of systemd stands, by `systemctl show`: no library, no bus of our own, and nothing guessed.

Where the bus is away systemctl prints nothing, or ends badly: then nothing is known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from relay.config.commands import full_unit
from relay.watchdog.command import run
from relay.watchdog.ending import Ending, ending_of
from relay.watchdog.verdict import UnknownError

_PROPERTIES: Final = "Id,LoadState,ActiveState,SubState,Result,UnitFileState,Job,NRestarts"
_TIMEOUT: Final = 10.0  # seconds
_AT_ONCE: Final = 4  # systemctl processes


class Unit(Struct, frozen=True):
    """A unit's state, in systemd's words."""

    name: str
    load: str  # loaded, not-found, masked, error, bad-setting; unknown: see `unasked`
    active: str  # active, reloading, inactive, failed, activating, deactivating, maintenance
    sub: str  # running, dead, exited, auto-restart, start ...
    result: str  # success, exit-code, signal, core-dump, watchdog, start-limit-hit ...
    job: str = ""  # a job that waits or runs; "" if none
    ending: Ending = Ending.UNKNOWN  # of one that doesn't run: whose doing it was

    @property
    def works(self) -> bool:
        """Whether it does what it is for."""
        return self.active in {"active", "reloading", "refreshing"}

    @property
    def is_stopped(self) -> bool:
        """Whether somebody took it out of service: stopped it, or masked it.

        Where it isn't known who did it, one that ended without a fault is taken for stopped.
        """
        if not self.has_ended:
            return self.load == "masked"
        if self.ending is Ending.UNKNOWN:
            return self.active == "inactive" and self.result == "success"
        return self.ending is Ending.ASKED

    @property
    def has_ended(self) -> bool:
        """Whether it is there, and doesn't run."""
        return self.load == "loaded" and self.active in {"inactive", "failed"}

    @property
    def is_busy(self) -> bool:
        """Whether systemd is at work on it."""
        return self.active in {"activating", "deactivating", "maintenance"}

    @property
    def is_unasked(self) -> bool:
        """Whether systemd couldn't be asked: nothing is known of it."""
        return self.load == "unknown"

    @property
    def words(self) -> str:
        """`orders-worker.service is failed (exit-code)`."""
        if self.load != "loaded":
            return f"{self.name} is {self.load}"
        if self.ending is Ending.ASKED:
            return f"{self.name} was stopped"
        return f"{self.name} is {self.active} ({self._about})"

    @property
    def _about(self) -> str:
        if self.active != "inactive":
            return self.result if self.active == "failed" else self.sub
        if self.ending is Ending.ITSELF:
            return "it ended by itself"
        return "never started, stopped, or ended well"


def unasked(name: str) -> Unit:
    """A unit that systemd can't be asked about."""
    return Unit(name=name, load="unknown", active="unknown", sub="", result="")


class Units:
    """Asks systemd."""

    def __init__(self, systemctl: str = "systemctl", journalctl: str = "journalctl") -> None:
        self._systemctl = systemctl
        self._journalctl = journalctl
        self._seats = asyncio.Semaphore(_AT_ONCE)

    async def state(self, unit: str) -> Unit:
        """How it stands; `UnknownError` where systemd can't be asked."""
        name = full_unit(unit)
        async with self._seats:
            ran = await run((self._systemctl, "show", f"--property={_PROPERTIES}", "--", name), _TIMEOUT)
            if ran.status != 0:
                said = ran.output.partition("\n")[0][:200]
                raise UnknownError(f"systemd can't be asked about {name}: {said or ran.words}")
            found = dict(line.split("=", 1) for line in ran.output.splitlines() if "=" in line)
            shown = _read(name, found)
            if not shown.has_ended:
                return shown
            return replace(shown, ending=await ending_of(found.get("Id") or name, self._journalctl))


def _read(name: str, found: Mapping[str, str]) -> Unit:
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
