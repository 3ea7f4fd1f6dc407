"""Why an event did or didn't reach anyone: the daemon's own functions, asked about one event."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct, to_builtins

from relay.config.schema import Config, Rule
from relay.models import Address, Alert, Event, Json, Reason
from relay.routing.decide import Around, Decision, decide, fold
from relay.routing.escalation import audience
from relay.routing.fingerprint import Fingerprint
from relay.routing.group import problem as problem_of
from relay.routing.hush import Hush
from relay.routing.recipients import Reached
from relay.routing.ruleset import Ruleset, Step

Hushed = Callable[[Alert, Event], list[Hush]]  # what holds messages about that alert back
LiveAlert = Callable[[str], Alert | None]  # the alert with that fingerprint, if one is live


Judge = Callable[[Rule, Decision, Alert | None], Decision]  # the decision, as far as nothing holds it back


class Route(Struct, frozen=True):
    """What one rule that takes the event would make of it."""

    rule: str
    fingerprint: Fingerprint
    reached: tuple[Reached, ...]  # the people behind the rule's `to`, whether or not they are told now
    decision: Decision
    hushes: tuple[Hush, ...] = ()  # everything that would hold it back


class Explanation(Struct, frozen=True):
    """Everything that decides the fate of one event."""

    event: Event
    at: float
    steps: tuple[Step, ...]  # each rule, and why it takes the event or doesn't
    routes: tuple[Route, ...]  # empty: no rule takes it

    @property
    def reason(self) -> Reason:
        """The outcome in one word: the first rule's."""
        return self.routes[0].decision.reason if self.routes else Reason.NO_RULE

    def json(self) -> Json:
        """For `relay explain --json` and the control socket: plain values only."""
        return {
            "event": {**to_builtins(self.event), "level": self.event.level.word},
            "at": self.at,
            "reason": self.reason.value,
            "steps": [to_builtins(step) for step in self.steps],
            "routes": [_route_json(route) for route in self.routes],
        }


def nothing_hushes(_alert: Alert, _event: Event) -> list[Hush]:
    """Where nothing is known of silences."""
    return []


def explain(
    ruleset: Ruleset,
    config: Config,
    event: Event,
    live: LiveAlert,
    now: float,
    judge: Judge = lambda _rule, decision, _before: decision,
    hushed: Hushed = nothing_hushes,
) -> Explanation:
    """What relay would do with `event` at `now`; nothing is changed.

    `hushed` knows silences and inhibitions, `judge` groups, storms, flapping and budgets.
    """
    return Explanation(
        event,
        now,
        tuple(ruleset.trace(event)),
        tuple(_route(rule, config, event, live, now, judge, hushed) for rule in ruleset.route(event)),
    )


def _route(
    rule: Rule, config: Config, event: Event, live: LiveAlert, now: float, judge: Judge, hushed: Hushed
) -> Route:
    problem = problem_of(event, rule)
    before = live(problem.key)
    reached = audience(config, rule, before, now, event)
    decision = decide(rule, before, fold([event]), reached, now, fingerprint=problem)
    hushes = tuple(hushed(decision.alert, event))
    if hushes:
        around = Around(hush=hushes[0])
        decision = decide(rule, before, fold([event]), reached, now, fingerprint=problem, around=around)
    return Route(rule.name, problem, tuple(reached), judge(rule, decision, before), hushes)


def _route_json(route: Route) -> Json:
    decision = route.decision
    return {
        "rule": route.rule,
        "fingerprint": route.fingerprint.key,
        "title": route.fingerprint.title,
        "reason": decision.reason.value,
        "why": decision.trace["why"],
        "next": decision.trace["next"],
        "held": decision.trace.get("held"),
        "count": decision.alert.count,
        "hushes": [hush.json() for hush in route.hushes],
        "told": [_person(told.recipient, told.addresses) for told in decision.told],
        "waiting": decision.trace["waiting"],
        "recipients": [_person(reached.recipient, reached.addresses) for reached in route.reached],
    }


def _person(recipient: str, ways: tuple[Address, ...]) -> Json:
    return {"recipient": recipient, "addresses": [[way.backend, way.to] for way in ways]}
