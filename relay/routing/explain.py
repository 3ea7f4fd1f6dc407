"""Why an event did or didn't reach anyone: the daemon's own functions, asked about one event."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from relay.config.schema import Config, Rule
from relay.models import Address, Alert, Event, Json, Reason
from relay.routing.decide import Around, Decision, decide, fold
from relay.routing.escalation import audience
from relay.routing.fingerprint import Fingerprint
from relay.routing.hush import Hush
from relay.routing.meters.base import Arrived, Held, Outcome
from relay.routing.meters.kinds import meter_of, subject
from relay.routing.recipients import Reached
from relay.routing.ruleset import Ruleset, Step

Hushed = Callable[[Alert, Event], list[Hush]]  # what holds messages about that alert back
LiveAlert = Callable[[str], Alert | None]  # the alert with that fingerprint, if one is live
Counted = Callable[[str, str], Struct | None]  # what a rule has counted under a key


def _nothing(rule: str, key: str) -> None:
    """Nothing was counted."""


Judge = Callable[[Rule, Decision, Alert | None], Decision]  # the decision, as far as nothing holds it back


class Route(Struct, frozen=True):
    """What one rule that takes the event would make of it."""

    rule: str
    fingerprint: Fingerprint
    reached: tuple[Reached, ...]  # the people behind the rule's `to`, whether or not they are told now
    decision: Decision | None  # None: held back
    held: Held | None = None  # why it goes no further
    ended: str = ""  # why its alert is over then
    counted: tuple[str, ...] = ()
    hushes: tuple[Hush, ...] = ()  # everything that would hold its message back

    @property
    def reason(self) -> Reason:
        """What comes of it, by name."""
        if self.held is not None:
            return self.held.reason
        assert self.decision is not None, "what isn't held is decided"
        return self.decision.reason


class Explanation(Struct, frozen=True):
    """Everything that decides the fate of one event."""

    event: Event
    at: float
    steps: tuple[Step, ...]  # each rule, and why it takes the event or doesn't
    routes: tuple[Route, ...]  # empty: no rule takes it

    @property
    def reason(self) -> Reason:
        """The outcome in one word: the first rule's."""
        return self.routes[0].reason if self.routes else Reason.NO_RULE

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
    *,
    judge: Judge = lambda _rule, decision, _before: decision,
    counted: Counted = _nothing,
    hushed: Hushed = nothing_hushes,
) -> Explanation:
    """What relay would do with `event` at `now`; nothing is changed.

    `hushed` knows silences and inhibitions, `judge` groups, storms, flapping and budgets.
    """
    taken, ends = ruleset.route(event), ruleset.ends(event)
    rules = (*taken, *(rule for rule in ends if rule not in taken))
    asked = _Asked(config, event, live, now, judge, counted, hushed)
    return Explanation(
        event,
        now,
        tuple(ruleset.trace(event)),
        tuple(_route(rule, asked, is_end=rule in ends) for rule in rules),
    )


class _Asked(Struct, frozen=True):
    """What is asked about, and what is known."""

    config: Config
    event: Event
    live: LiveAlert
    now: float
    judge: Judge
    counted: Counted
    hushed: Hushed


def _route(rule: Rule, asked: _Asked, *, is_end: bool) -> Route:
    event, now = asked.event, asked.now
    problem = subject(event, rule)
    alert = asked.live(problem.key)
    reached = tuple(audience(asked.config, rule, alert, now, event))
    meter = meter_of(rule)
    outcome = Outcome(state=None, told=(event,))
    if meter is not None:
        ending = {id(event)} if is_end else set[int]()
        arrived = Arrived((event,), now, live=alert is not None, ending=ending)
        state = asked.counted(rule.name, problem.key)
        outcome = meter.take(state if state is not None and meter.fits(state) else None, arrived)
    if outcome.held:
        return Route(rule.name, problem, reached, None, outcome.held[0][1], outcome.over)
    occurrence = fold(outcome.told)
    occurrence = replace(occurrence, count=occurrence.count + outcome.earlier)
    decision = decide(rule, alert, occurrence, reached, now, fingerprint=problem)
    hushes = tuple(asked.hushed(decision.alert, event))
    if hushes:
        around = Around(hush=hushes[0])
        decision = decide(rule, alert, occurrence, reached, now, fingerprint=problem, around=around)
    decision = asked.judge(rule, decision, alert)
    return Route(
        rule.name,
        problem,
        reached,
        decision,
        ended=outcome.over,
        counted=outcome.counted,
        hushes=hushes,
    )


def _route_json(route: Route) -> Json:
    decision = route.decision
    why = route.held.why if decision is None and route.held else decision.trace["why"] if decision else ""
    return {
        "rule": route.rule,
        "fingerprint": route.fingerprint.key,
        "title": route.fingerprint.title,
        "reason": route.reason.value,
        "why": f"{why}; its alert is over: {route.ended}" if route.ended else why,
        "counted": list(route.counted),
        "next": decision.trace["next"] if decision else None,
        "held": decision.trace.get("held") if decision else None,
        "count": decision.alert.count if decision else 0,
        "hushes": [hush.json() for hush in route.hushes],
        "told": [_person(told.recipient, told.addresses) for told in decision.told] if decision else [],
        "waiting": decision.trace["waiting"] if decision else {},
        "recipients": [_person(reached.recipient, reached.addresses) for reached in route.reached],
    }


def _person(recipient: str, ways: tuple[Address, ...]) -> Json:
    return {"recipient": recipient, "addresses": [[way.backend, way.to] for way in ways]}
