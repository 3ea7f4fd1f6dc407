"""Whether a check that is down is restarted now: a pure decision with a named reason."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from relay.config.schema import Remedies, Watch
from relay.models import CheckRecord
from relay.values import format_duration
from relay.watchdog.units import Unit


class Choice(enum.Enum):
    """What is done about it."""

    NONE = "none"  # nothing is configured
    RESTART = "restart"
    OBSERVE = "observe"  # it would have been restarted
    HOPELESS = "hopeless"  # a restart would not help: the wrong program holds the port ...
    STOPPED = "stopped"  # an administrator stopped the unit: that is respected
    SYSTEMD = "systemd"  # systemd is at work on the unit itself, or can't be asked about it: later
    SPENT = "spent"  # as often as allowed: it is given up from now on
    GIVEN_UP = "given up"  # it was given up before
    BUDGET = "budget"  # the whole host's restarts are used up: later
    PAUSED = "paused"  # somebody wants it left alone


LATER: Final = frozenset({Choice.HOPELESS, Choice.STOPPED, Choice.SYSTEMD, Choice.BUDGET, Choice.PAUSED})


class Plan(Struct, frozen=True):
    """The choice, in words, and the record as it is from now on."""

    choice: Choice
    text: str
    record: CheckRecord


def plan(
    watch: Watch,
    record: CheckRecord,
    remedies: Remedies,
    all_restarts: Iterable[float],
    now: float,
    *,
    remediable: bool = True,
    unit: Unit | None = None,
) -> Plan:
    """What to do about a check that is down. `unit` is how its unit stands, if it has one.

    `all_restarts` are the times of restarts of all checks.
    """
    if not watch.restart:
        return Plan(Choice.NONE, "", record)
    if record.paused_until > now:
        return Plan(Choice.PAUSED, "it is not restarted: it was paused", record)
    if record.gave_up:
        return Plan(Choice.GIVEN_UP, "it is not restarted: relay gave it up", record)
    if not remediable or (unit is not None and unit.load == "not-found"):
        return Plan(Choice.HOPELESS, "it is not restarted: that would not help", record)
    if unit is not None and unit.is_stopped:
        return Plan(Choice.STOPPED, f"it is not restarted: {unit.words}", record)
    if unit is not None and unit.is_unasked:
        text = f"it is not restarted now: systemd can't be asked about {unit.name}"
        return Plan(Choice.SYSTEMD, text, record)
    if unit is not None and unit.is_busy:
        return Plan(Choice.SYSTEMD, f"it is not restarted: {unit.words}, systemd is at work on it", record)
    if "observe" in {watch.mode, remedies.mode}:  # nothing is done, so nothing is counted
        return Plan(Choice.OBSERVE, f"would have run: {command_line(watch)}", record)
    return _within_limits(watch, record, remedies, all_restarts, now)


def _within_limits(
    watch: Watch, record: CheckRecord, remedies: Remedies, all_restarts: Iterable[float], now: float
) -> Plan:
    most, budget = watch.max_restarts, remedies.budget
    recent = _recent(record.restarts, now, most.within)
    if len(recent) >= most.count:
        tried = f"{_times(len(recent))} within {format_duration(most.within)}"
        text = f"relay gives up: {tried} did not help for long"
        return Plan(Choice.SPENT, text, replace(record, gave_up=True))
    if len(_recent(all_restarts, now, budget.within)) >= budget.count:
        spent = f"this host's {budget.count} restarts within {format_duration(budget.within)} are used up"
        return Plan(Choice.BUDGET, f"it is not restarted now: {spent}", record)
    counted = replace(record, restarts=(*recent, now))
    which = f"({len(recent) + 1} of {most.count} within {format_duration(most.within)})"
    return Plan(Choice.RESTART, f"restarting: {command_line(watch)} {which}", counted)


def argv(watch: Watch) -> tuple[str, ...]:
    """The words that restart it."""
    if isinstance(watch.restart, tuple):
        return watch.restart
    return ("systemctl", "--no-ask-password", "restart", watch.restart)


def command_line(watch: Watch) -> str:
    """The same for people."""
    return " ".join(argv(watch))


def is_pending(record: CheckRecord) -> bool:
    """Whether the verdict on its latest restart was still to come when relay ended."""
    latest = record.restarts[-1] if record.restarts else 0.0
    return record.down and not record.gave_up and latest >= record.since


def forgiven(record: CheckRecord, watch: Watch, now: float) -> CheckRecord:
    """A check that held for as long as restarts are counted may be restarted again."""
    if record.since > now:  # the clock was set back
        return replace(record, since=now)
    held = not record.down and record.since and now - record.since >= watch.max_restarts.within
    return replace(record, gave_up=False, restarts=()) if record.gave_up and held else record


def counted(record: CheckRecord, watch: Watch, now: float) -> int:
    """The restarts that `max_restarts` counts now."""
    return len(_recent(record.restarts, now, watch.max_restarts.within))


def _recent(times: Iterable[float], now: float, within: float) -> tuple[float, ...]:
    """Those within the window; a clock that was set back has left none in the future."""
    return tuple(sorted(clamped for at in times if now - (clamped := min(at, now)) < within))


def _times(count: int) -> str:
    return "one restart" if count == 1 else f"{count} restarts"
