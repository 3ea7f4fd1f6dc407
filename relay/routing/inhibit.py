"""Inhibition: an alert that lives holds back others with equal labels. Pure.

A cause counts only if people know of it (they were told, a silence covers it, or its rule tells nobody on
purpose): so two rules that inhibit each other can never hide both their alerts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from relay.config.schema import Config, Inhibit, Rule
from relay.models import Alert, AlertState, Event, Reason
from relay.routing.hush import Hush, entry
from relay.routing.matcher import Matcher
from relay.routing.own import is_own, match_names_own
from relay.routing.silence import stand_in

MOST_VALUES: Final = 256  # value sets that a cause remembers; what comes beyond them holds nothing back


class Inhibitor(Struct, frozen=True):
    """One `inhibit` of one rule, compiled."""

    rule: Rule
    inhibit: Inhibit
    match: Matcher

    def covers(self, cause: Alert, alert: Alert, event: Event | None) -> bool:
        """Whether that cause holds that alert back."""
        wanted = self.inhibit
        if alert.id == cause.id or alert.rule == self.rule.name or not _known(cause, self.rule):
            return False
        if is_own(alert) and not match_names_own(wanted.match):
            return False
        if wanted.rules and alert.rule not in wanted.rules:
            return False
        shown = event or stand_in(alert)
        if not self.match.holds(shown):
            return False
        values = _values(wanted.equal, shown)
        return values is not None and (not wanted.equal or (_list(wanted.equal), *values) in cause.equal)


def inhibitors(config: Config) -> list[Inhibitor]:
    """All of a configuration."""
    return [
        Inhibitor(rule, inhibit, Matcher(inhibit.match)) for rule in config.rules for inhibit in rule.inhibit
    ]


def seen(
    rule: Rule, known: tuple[tuple[str, ...], ...], events: Iterable[Event]
) -> tuple[tuple[str, ...], ...]:
    """The value sets that a cause's events have shown so far, with those of `events`."""
    found = dict.fromkeys(known)
    for event in events:
        for inhibit in rule.inhibit:
            values = _values(inhibit.equal, event) if inhibit.equal else None
            if values is not None and len(found) < MOST_VALUES:
                found[_list(inhibit.equal), *values] = None
    return tuple(found) if len(found) > len(known) else known


def key_of(cause: Alert) -> str:
    """Its key."""
    return f"alert {cause.id}"


def hush_of(cause: Alert) -> Hush:
    """What a cause does to others."""
    return Hush(key=key_of(cause), reason=Reason.INHIBITED, words=f"alert {entry(cause)}", author=cause.rule)


def _known(cause: Alert, rule: Rule) -> bool:
    if cause.state is AlertState.RESOLVED:
        return False
    return cause.notified_at > 0 or cause.hushed.startswith("silence ") or not rule.to


def _list(names: Sequence[str]) -> str:
    """With which labels values go: an edit of the rules must not mix them up."""
    return ",".join(names)


def _values(names: Sequence[str], event: Event) -> tuple[str, ...] | None:
    """None: the event lacks one of them."""
    found = tuple(_value(event, name) for name in names)
    return found if all(found) else None


def _value(event: Event, name: str) -> str:
    match name:
        case "module" | "source" | "message":
            return str(getattr(event, name))
        case "level":
            return event.level.word
        case _:
            return event.labels.get(name, "")
