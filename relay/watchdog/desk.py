"""What the commands may ask of the watchdog, as verbs of the control socket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from relay.errors import RelayError
from relay.models import Json
from relay.watchdog.entry import Entry
from relay.watchdog.service import Watchdog

Verb = Callable[[Json], Awaitable[Any]]


class UnknownEntryError(RelayError):
    """There is no watchdog entry of that name."""


class WatchdogDesk:
    """Each verb takes a request object and returns plain data."""

    def __init__(self, watchdog: Watchdog) -> None:
        self._watchdog = watchdog

    def verbs(self) -> Mapping[str, Verb]:
        """By the name used on the control socket."""
        return {
            "watchdog": self._on_list,
            "watchdog_pause": self._on_pause,
            "watchdog_resume": self._on_resume,
            "watchdog_check": self._on_check,
        }

    async def _on_list(self, _: Json) -> Any:
        return [_row(entry) for entry in self._watchdog.entries.values()]

    async def _on_pause(self, request: Json) -> Json:
        entry, seconds = self._entry(request), float(request["seconds"])
        if not 0 < seconds < 10 * 366 * 86400:
            raise ValueError("how long?")
        await self._watchdog.pause(entry, seconds)
        return _row(entry)

    async def _on_resume(self, request: Json) -> Json:
        entry = self._entry(request)
        await self._watchdog.resume(entry)
        return _row(entry)

    async def _on_check(self, request: Json) -> Json:
        entry = self._entry(request)
        verdict = await self._watchdog.look(entry)
        return {
            "name": entry.name,
            "target": entry.target,
            "outcome": verdict.kind.value,
            "text": verdict.text,
        }

    def _entry(self, request: Json) -> Entry:
        name = str(request["name"])
        found = self._watchdog.entries.get(name)
        if found is None:
            known = ", ".join(self._watchdog.entries) or "none"
            raise UnknownEntryError(f"no watchdog entry is called {name[:60]!r} (known: {known})")
        return found


def _row(entry: Entry) -> Json:
    record = entry.record
    return {
        "name": entry.name,
        "state": "paused" if entry.resting == "paused" else entry.standing.word,
        "resting": entry.resting,
        "target": entry.target,
        "since": record.since,
        "text": entry.standing.text,
        "restarts": len(record.restarts),
        "gave_up": record.gave_up,
        "paused_until": record.paused_until,
        "waits_for": entry.waits_for,
        "heartbeat": entry.watch.heartbeat is not None,
        "beat_at": record.beat_at,
    }
