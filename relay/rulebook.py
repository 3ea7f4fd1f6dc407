"""The rules as the pipeline uses them: those of the configuration, with relay's own beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct, field

from relay.config.schema import Config, Rule
from relay.models import Alert, Event
from relay.outages import Outages, keys_of
from relay.routing import own as own_rules
from relay.routing.ruleset import Ruleset
from relay.sources.scan.sieve import Sieves
from relay.watchdog import told

RELAY: Final = "relay"  # source and first module name of relay's own events


class Rules(Struct, frozen=True):
    """What a reload swaps, in one assignment."""

    config: Config
    ruleset: Ruleset
    by_name: dict[str, Rule]
    own: Rule  # takes relay's own events, whatever the rules say: they can't loop
    note: Rule  # takes those that are no trouble: told once, each by itself
    outages: Outages  # what the watchdog's entries say of their events
    keys: dict[str, dict[str, Rule]] = field(default_factory=dict)  # by a check's module, once asked
    sieves: dict[str, Sieves] = field(default_factory=dict)  # by source: what its lines are scanned for

    @classmethod
    def of(cls, config: Config, ruleset: Ruleset) -> Rules:
        """The rules of one configuration, with relay's own beside them."""
        own = Rule(
            name=own_rules.TROUBLE,
            to=config.operators,
            fingerprint=("module", "subject"),
            repeat=(3600.0, 6 * 3600.0, 86400.0),
            resolve_after=7 * 86400.0,
            storm=False,
            flap=False,
        )
        note = Rule(name=own_rules.REPORTS, to=config.operators, fingerprint="event", repeat=())
        outages = Outages.of(config)
        by_name = {rule.name: rule for rule in (*config.rules, *outages.rules.values(), own, note)}
        return cls(config, ruleset, by_name, own, note, outages)

    def route(self, event: Event) -> Sequence[Rule]:
        """The rules that take the event; relay's own news go to the operators."""
        if event.source == RELAY:
            return (self.note if "note" in event.labels else self.own,)
        taken = self.ruleset.route(event)
        return self.outages.route(event, taken) if event.source == told.WATCHDOG else taken

    def keys_of(self, module: str) -> dict[str, Rule]:
        """The fingerprints that alerts of the check with that module may have, each with its rule."""
        if module not in self.keys:
            self.keys[module] = keys_of(module, self._applied_to(module), self.config.operators)
        return self.keys[module]

    def rule_of(self, alert: Alert) -> Rule | None:
        """The alert's rule, as it applies to it, if it is still there."""
        return self._applied_to(alert.module).get(alert.rule)

    def _applied_to(self, module: str) -> Mapping[str, Rule]:
        """By name: the rules as they apply to alerts of that module."""
        return self.outages.applied if module in self.outages.rules else self.by_name
