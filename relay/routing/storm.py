"""Storms: a rule that has more to tell than a person can read tells it in one message, until it is over."""

from __future__ import annotations

from msgspec.structs import replace

from relay.config.schema import Rule, Storm
from relay.models import Level
from relay.routing.group import WAIT
from relay.routing.hold import Hold, Kind, Part, added, key_of, recent, worst


def storm_of(rule: Rule | None) -> Storm | None:
    """What the rule calls a storm; None: nothing."""
    if rule is None:
        return None
    if rule.storm is True:
        return Storm()
    return rule.storm if isinstance(rule.storm, Storm) else None


def key(rule: str) -> str:
    """The hold's key."""
    return key_of(Kind.STORM, rule)


def heard(hold: Hold | None, rule: Rule, parts: tuple[Part, ...], now: float) -> tuple[Hold | None, bool]:
    """The storm after one more telling of the rule, and whether that is held.

    What is critical passes a storm of what isn't: it has a count of its own.
    """
    storm = storm_of(rule)
    if storm is None:
        return hold, False
    found = hold or Hold(key=key(rule.name), kind=Kind.STORM, rule=rule.name)
    if worst(parts) >= Level.CRITICAL:
        urgent = (*recent(found.urgent, now, storm.within), now)[-storm.count - 1 :]
        found = replace(found, urgent=urgent)
        rages = len(urgent) > storm.count
    else:
        times = (*recent(found.times, now, storm.within), now)[-storm.count - 1 :]
        found = replace(found, times=times)
        rages = bool(found.opened_at) or len(times) > storm.count
    if not rages:
        return found, False
    return replace(found, opened_at=found.opened_at or now, parts=added(found.parts, parts)), True


def due(hold: Hold, rule: Rule | None, now: float) -> float | None:
    """When its next message is due, or the end is to be looked for; None: there is no storm."""
    if not hold.opened_at:
        return None
    if rule is None:
        return now
    if not hold.told:
        return min(hold.opened_at, now) + WAIT
    return min(hold.told_at, now) + rule.group_interval


def told(hold: Hold, rule: Rule | None, now: float) -> Hold:
    """The storm after its message; it is over if the rule has calmed down."""
    storm = storm_of(rule)
    rages = storm is not None and any(
        len(recent(times, now, storm.within)) > storm.count for times in (hold.times, hold.urgent)
    )
    if not rages:
        return replace(hold, opened_at=0.0, told_at=0.0, told=0, parts=())
    return replace(hold, told_at=now, told=hold.told + 1, parts=())
