"""`unit:` a unit of systemd is active."""

from __future__ import annotations

from relay.config.commands import full_unit
from relay.watchdog.tools import Tools
from relay.watchdog.verdict import FailedError, NoRemedyError, UnknownError


class UnitProbe:
    """Asks systemd."""

    def __init__(self, name: str) -> None:
        self._unit = full_unit(name)
        self.target = self._unit

    async def look(self, tools: Tools) -> str:
        """As in `Probe`. A start that goes on is not judged: systemd ends one that takes too long."""
        unit = await tools.units.state(self._unit)
        if unit.works:
            return unit.words
        if unit.load in {"not-found", "bad-setting", "error"}:
            raise NoRemedyError(unit.words)
        if unit.is_busy and unit.sub != "auto-restart":
            raise UnknownError(unit.words)
        raise FailedError(unit.words)
