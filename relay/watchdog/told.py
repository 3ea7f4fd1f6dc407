"""How a check's changes become events, and which rule and alert they belong to.

All events of one check are one problem for each rule, whatever their words: it goes down, goes on, is over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from relay.config.schema import Config, Match, Rule, Text, Watch
from relay.models import Event, Level

WATCHDOG: Final = "watchdog"  # source and first module name of its events

DOWN: Final = "down"
STILL: Final = "still down"  # counted, and told with the next reminder
PRESSING: Final = "no better"  # what became of a remedy: told at once
GIVEN_UP: Final = "given up"  # relay restarts it no more: told at once, though it be flapping
OVER: Final = "recovered"
UNWATCHED: Final = "unwatched"  # the entry is gone from rules.yaml

SAME_PROBLEM: Final = ("source", "module")  # an alert's fingerprint, whatever its rule says


def module_of(name: str) -> str:
    """The module name of that entry's events."""
    return f"{WATCHDOG}.{name}"


def entry_of(module: str) -> str:
    """The name of the entry whose events have that module name; "" if none can have it."""
    return module.removeprefix(module_of("")) if module.startswith(module_of("")) else ""


def event(name: str, watch: Watch, state: str, text: str, target: str, now: float) -> Event:
    """What happened to a check."""
    return Event(
        time=now,
        source=WATCHDOG,
        module=module_of(name),
        level=watch.level,
        message=text,
        labels={**watch.labels, "check": name, "state": state, "target": target},
    )


def own_rules(config: Config) -> Mapping[str, Rule]:
    """For each entry's module the rule that takes its events where no other does, or where it says `to`."""
    return {module_of(name): _rule(name, watch, config.operators) for name, watch in config.watchdog.items()}


def speaks_for_itself(config: Config, module: str) -> bool:
    """Whether the entry says who hears: then no rule is asked."""
    watch = config.watchdog.get(module.removeprefix(f"{WATCHDOG}."))
    return watch is not None and bool(watch.to)


def is_over(event: Event) -> bool:
    """Whether the event ends its alert."""
    return event.source == WATCHDOG and event.labels.get("state") in {OVER, UNWATCHED}


def pressing(event: Event) -> str:
    """Why the event is told at once, within whatever window; "" if it isn't."""
    is_so = event.source == WATCHDOG and event.labels.get("state") in {PRESSING, GIVEN_UP}
    return "what became of the remedy" if is_so else ""


def is_given_up(event: Event) -> bool:
    """Whether from now on only people can help."""
    return event.source == WATCHDOG and event.labels.get("state") == GIVEN_UP


def as_for_checks(rule: Rule) -> Rule:
    """A rule as it applies to checks: one problem each, that `failures` has judged and the check itself ends.

    Were it counted again, an outage would go untold; were each event a problem, it would be told each minute.
    """
    return replace(
        rule,
        fingerprint=SAME_PROBLEM,
        resolve_after=None,
        threshold=None,
        distinct=None,
        rate=None,
        new=False,
        pair=None,
    )


def _rule(name: str, watch: Watch, operators: tuple[str, ...]) -> Rule:
    module = module_of(name)
    return Rule(
        name=module,
        match=Match(source=(Text("exact", WATCHDOG),), module=(Text("exact", module),), level=Level.DEBUG),
        to=watch.to or operators,
        repeat=watch.repeat,
        fingerprint=SAME_PROBLEM,
    )
