"""Groups: alerts of one rule that agree in `group_by` are told in one message (Alertmanager's habits).

The first message waits `group_wait`, what is new in the group `group_interval`, what merely goes on `repeat`.
Without `group_by` a rule with a `group_wait` has a group for each problem.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

from msgspec.structs import replace

from relay.config.schema import Rule
from relay.models import Event, Reason
from relay.routing.fingerprint import Fingerprint, fingerprint
from relay.routing.hold import Hold, Kind, Part, added, key_of

WAIT: Final = 30.0  # seconds before a group's first message, and a storm's


def problem(event: Event, rule: Rule, serial: str = "") -> Fingerprint:
    """The problem that the event belongs to: the same one in two groups is two: each is told whole."""
    found = fingerprint(event, rule, serial)
    if not rule.group_by:
        return found
    data = "\0".join((found.key, *values(event, rule))).encode(errors="surrogatepass")
    return Fingerprint(blake2b(data, digest_size=8).hexdigest(), found.title)


def wait_of(rule: Rule) -> float:
    """Seconds before the first message."""
    if rule.group_wait is not None:
        return rule.group_wait
    return WAIT if rule.group_by else 0.0


def values(event: Event, rule: Rule) -> tuple[str, ...]:
    """What the event has in the labels and fields of `group_by`."""
    return tuple(_value(event, rule, name) for name in rule.group_by)


def begun(event: Event, rule: Rule, fingerprint: str) -> Hold | None:
    """The group of a new alert, as if it were the first in it; None: it is told by itself."""
    if rule.group_by:
        found = values(event, rule)
        name = ", ".join(f"{label}={value}" for label, value in zip(rule.group_by, found, strict=True))
        return Hold(key=key_of(Kind.GROUP, rule.name, *rule.group_by, *found), kind=Kind.GROUP,
                    rule=rule.name, name=name)  # fmt: skip
    if wait_of(rule) > 0:
        return Hold(key=key_of(Kind.GROUP, rule.name, fingerprint), kind=Kind.GROUP, rule=rule.name)
    return None


def collected(hold: Hold, reason: Reason, parts: Iterable[Part], now: float) -> Hold:
    """The group with one more telling in it."""
    return replace(
        hold,
        opened_at=min(hold.opened_at, now) or now,
        news=hold.news or reason is not Reason.REMINDER,
        parts=added(hold.parts, parts),
    )


def told(hold: Hold, now: float) -> Hold:
    """The group after its message."""
    return replace(hold, opened_at=0.0, told_at=now, told=hold.told + 1, news=False, parts=())


def due(hold: Hold, rule: Rule | None, now: float) -> float | None:
    """When its next message is due; None: nothing is held."""
    if not hold.parts:
        return None
    if rule is None:
        return now
    if not hold.told:
        return min(hold.opened_at, now) + wait_of(rule)
    return min(hold.told_at, now) + (rule.group_interval if hold.news else _window(hold, rule))


def _window(hold: Hold, rule: Rule) -> float:
    """Seconds without reminders."""
    steps = rule.repeat or (rule.group_interval,)
    return max(rule.group_interval, steps[min(hold.told, len(steps)) - 1])


def _value(event: Event, rule: Rule, name: str) -> str:
    match name:
        case "rule":
            return rule.name
        case "level":
            return event.level.word
        case "module" | "source" | "message":
            return str(getattr(event, name))
        case _:
            return event.labels.get(name, "")
