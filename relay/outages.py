"""The watchdog's place in the pipeline: which rule takes its events, and what counts into an outage."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from relay.config.schema import Config, Hours, Match, Rule
from relay.models import CheckRecord, Event, Level
from relay.routing.calendar import gate_of, is_open
from relay.routing.fingerprint import Fingerprint, fingerprint
from relay.routing.matcher import Matcher
from relay.watchdog import told


class Watched(Protocol):
    """What the pipeline needs from the watchdog."""

    @property
    def down(self) -> Collection[str]:
        """The entries that are down."""
        ...

    def beat(self, event: Event) -> CheckRecord | None:
        """The record to store with an event that is a sign of life; None if it is nobody's."""
        ...


class Unwatched:
    """Where there is no watchdog."""

    down: Collection[str] = ()

    def beat(self, event: Event) -> CheckRecord | None:
        """Nobody's."""
        del event
        return None


class Outages(Struct, frozen=True):
    """What one configuration says of the watchdog's events."""

    rules: Mapping[str, Rule]  # by module: who hears where no rule takes it, or the entry says `to`
    own: Collection[str]  # modules of entries that say `to`: no rule is asked
    covered: Mapping[str, Matcher]  # by entry: the events that belong to its outages
    applied: Mapping[str, Rule]  # by name: every rule, as it applies to checks

    @classmethod
    def of(cls, config: Config) -> Outages:
        """Those of a configuration."""
        rules = told.own_rules(config)
        return cls(
            rules,
            {module for module in rules if told.speaks_for_itself(config, module)},
            {
                name: Matcher(Match(module=watch.module))
                for name, watch in config.watchdog.items()
                if watch.module
            },
            {rule.name: told.as_for_checks(rule) for rule in config.rules} | dict(rules),
        )

    def route(self, event: Event, taken: tuple[Rule, ...]) -> tuple[Rule, ...]:
        """The rules of a watchdog event, `taken` being what the user's rules say of it."""
        own = self.rules.get(event.module)
        if own is None:  # its entry is gone: whoever was told of it hears the end by its alert's rule
            return taken
        if event.module in self.own or not taken:
            return (own,)
        return tuple(self.applied[rule.name] for rule in taken)

    def outage_of(self, event: Event, down: Collection[str]) -> str:
        """The entry that is down and covers the event; "" if none does."""
        for name in down:
            matcher = self.covered.get(name)
            if matcher is not None and matcher.holds(event):
                return name
        return ""


def within_hours(config: Config, hours: Hours, now: float) -> bool:
    """Whether a check is looked at then."""
    gate = gate_of(config, hours)
    return gate is None or is_open(gate, now)


def key_of(event: Event, rule: Rule) -> Fingerprint:
    """The problem that a watchdog event is: the check, whatever words it uses."""
    key = fingerprint(event, replace(rule, fingerprint=told.SAME_PROBLEM)).key
    return Fingerprint(key, event.message.partition("\n")[0][:200])


def keys_of(module: str, rules: Mapping[str, Rule], operators: tuple[str, ...]) -> dict[str, Rule]:
    """The fingerprints that a check's alerts may have, by rule; an entry that is gone is the operators'."""
    gone = () if module in rules else (Rule(name=module, to=operators),)
    stand_in = Event(time=0.0, source=told.WATCHDOG, module=module, level=Level.INFO, message="")
    return {key_of(stand_in, rule).key: rule for rule in (*rules.values(), *gone)}
