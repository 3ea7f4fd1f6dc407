"""What the commands may ask of the watchdog, as verbs of the control socket."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from relay.clock import Clock
from relay.config.problems import hint
from relay.errors import RelayError
from relay.models import Json
from relay.watchdog.entry import OUTSIDE, PAUSED, Entry
from relay.watchdog.remedy import counted
from relay.watchdog.service import Watchdog

WAITING: Final = "waiting"  # it fails, and what it depends on does, too: only that is told

Verb = Callable[[Json], Awaitable[Any]]


class UnknownEntryError(RelayError):
    """There is no watchdog entry of that name."""


class PauseError(RelayError):
    """Nothing can be paused for that long."""


class WatchdogDesk:
    """Each verb takes a request object and returns plain data."""

    def __init__(self, watchdog: Watchdog, clock: Clock) -> None:
        self._watchdog = watchdog
        self._clock = clock

    def verbs(self) -> Mapping[str, Verb]:
        """By the name used on the control socket."""
        return {
            "watchdog": self._on_list,
            "watchdog_pause": self._on_pause,
            "watchdog_resume": self._on_resume,
            "watchdog_check": self._on_check,
        }

    def status(self) -> Json:
        """For `relay status`: how many stand how, and those that aren't well."""
        rows = self._rows()
        return {
            "checks": len(rows),
            "states": dict(Counter(row["state"] for row in rows)),
            "gave_up": sum(row["gave_up"] for row in rows),
            "unwell": [row for row in rows if not _is_well(row)],
        }

    def _rows(self) -> list[Json]:
        return [self._row(entry) for entry in self._watchdog.entries.values()]

    def _row(self, entry: Entry) -> Json:
        return _row(entry, self._clock.now())

    async def _on_list(self, _: Json) -> Any:
        return self._rows()

    async def _on_pause(self, request: Json) -> Json:
        entry, seconds = self._entry(request), float(request["seconds"])
        if not 0 < seconds < 10 * 366 * 86400:
            raise PauseError("a pause lasts more than 0 s and less than ten years")
        await self._watchdog.pause(entry, seconds)
        return self._row(entry)

    async def _on_resume(self, request: Json) -> Json:
        entry = self._entry(request)
        await self._watchdog.resume(entry)
        return self._row(entry)

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
            entries = self._watchdog.entries
            likely = hint(name, entries) or (": `relay watchdog list` shows them" if entries else "")
            raise UnknownEntryError(f"no watchdog entry is called {name[:60]!r}{likely}")
        return found


def _row(entry: Entry, now: float) -> Json:
    record, watch = entry.record, entry.watch
    resting = entry.rests(now, is_open=entry.resting != OUTSIDE)
    standing = WAITING if entry.waits_for else entry.standing.word
    return {
        "name": entry.name,
        "state": PAUSED if resting == PAUSED else standing,
        "standing": standing,
        "failing": bool(entry.standing.failing_since),
        "resting": resting,
        "target": entry.target,
        "since": record.since,
        "text": entry.standing.text,
        "restarts": counted(record, watch, now),
        "max_restarts": watch.max_restarts.count if watch.restart else 0,
        "within": watch.max_restarts.within,
        "gave_up": record.gave_up,
        "paused_until": record.paused_until,
        "waits_for": entry.waits_for,
        "heartbeat": watch.heartbeat is not None,
        "beat_at": record.beat_at,
        **entry.tally.json(),
    }


def _is_well(row: Json) -> bool:
    return row["state"] == "up" and not (row["gave_up"] or row["failing"])
