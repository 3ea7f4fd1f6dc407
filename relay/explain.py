"""Why an event did or didn't reach anyone: the daemon's own functions, asked about one event."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from relay.config.schema import Config, Rule
from relay.models import Address, Alert, Event, Json, Reason
from relay.placing import Known, Part, Role, linked, place, trace
from relay.routing.decide import Around, Decision, Occurrence, decide, end, fold
from relay.routing.escalation import audience
from relay.routing.fingerprint import Fingerprint
from relay.routing.hush import Hush
from relay.routing.meters.base import Arrived, Held, Outcome
from relay.routing.meters.kinds import meter_of
from relay.routing.recipients import Reached
from relay.routing.ruleset import Step
from relay.rulebook import Rules
from relay.watchdog import told

Hushed = Callable[[Alert, Event], list[Hush]]  # what holds messages about that alert back
Counted = Callable[[str, str], Struct | None]  # what a rule has counted under a key


def _nothing(rule: str, key: str) -> None:
    """Nothing was counted."""


Judge = Callable[[Rule, Decision, Alert | None], Decision]  # the decision, as far as nothing holds it back


class Route(Struct, frozen=True):
    """What becomes of one problem that the event belongs to."""

    rule: str
    fingerprint: Fingerprint
    reached: tuple[Reached, ...]  # the people behind the rule's `to`, whether or not they are told now
    decision: Decision | None  # None: held back
    held: Held | None = None  # why it goes no further
    ended: str = ""  # why its alert is over then
    counted: tuple[str, ...] = ()
    hushes: tuple[Hush, ...] = ()  # everything that would hold its message back
    role: Role = Role.PART

    @property
    def reason(self) -> Reason:
        """What comes of it, by name."""
        if self.held is not None:
            return self.held.reason
        assert self.decision is not None, "what isn't held is decided"
        return linked(self.decision.reason) if self.role is Role.LINKED else self.decision.reason


class Explanation(Struct, frozen=True):
    """Everything that decides the fate of one event."""

    event: Event
    at: float
    steps: tuple[Step, ...]  # each rule, and why it takes the event or doesn't
    routes: tuple[Route, ...]  # empty: no rule takes it
    outage: str = ""  # the watchdog's entry that is down, and into whose alert it is counted
    is_own_line: bool = False  # it is a line of relay's own log: no rule takes it

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
            "outage": self.outage,
            "own_line": self.is_own_line,
        }


def nothing_hushes(_alert: Alert, _event: Event) -> list[Hush]:
    """Where nothing is known of silences."""
    return []


def explain(
    rules: Rules,
    event: Event,
    known: Known,
    now: float,
    *,
    judge: Judge = lambda _rule, decision, _before: decision,
    counted: Counted = _nothing,
    hushed: Hushed = nothing_hushes,
) -> Explanation:
    """What relay would do with `event` at `now`; nothing is changed.

    `hushed` knows silences and inhibitions, `judge` groups, storms, flapping and budgets.
    """
    found = place(rules, event, known)
    live = known.live(part.problem.key for part in found.parts)
    asked = _Asked(rules.config, event, now, judge, counted, hushed)
    routes = tuple(_route(part, live.get(part.problem.key), asked) for part in found.parts)
    return Explanation(event, now, tuple(trace(rules, event, found)), routes, found.outage, found.is_own_line)


class _Asked(Struct, frozen=True):
    """What is asked about, and what is known."""

    config: Config
    event: Event
    now: float
    judge: Judge
    counted: Counted
    hushed: Hushed


def _route(part: Part, alert: Alert | None, asked: _Asked) -> Route:
    rule, event, now = part.rule, asked.event, asked.now
    reached = tuple(audience(asked.config, rule, alert, now, event))
    if part.role is Role.OVER:
        assert alert is not None, "only what is live can be over"
        decision = end(rule, alert, reached, now, event.message.partition("\n")[0])
        decision = asked.judge(rule, decision, alert)
        return Route(rule.name, part.problem, reached, decision, role=part.role)
    outcome = _counted(part, alert, asked)
    if outcome.held:
        return Route(rule.name, part.problem, reached, None, outcome.held[0][1], outcome.over)
    occurrence = fold(outcome.told)
    occurrence = replace(occurrence, count=occurrence.count + outcome.earlier, pressing=told.pressing(event))
    decision, hushes = _decided(part, alert, occurrence, reached, asked)
    return Route(
        rule.name,
        part.problem,
        reached,
        asked.judge(rule, decision, alert),
        ended=outcome.over,
        counted=outcome.counted,
        hushes=hushes,
        role=part.role,
    )


def _counted(part: Part, alert: Alert | None, asked: _Asked) -> Outcome:
    """What the rule's meter lets pass; where it has none, or the event is an outage's, all of it."""
    event, meter = asked.event, meter_of(part.rule)
    if meter is None or part.role is Role.LINKED:
        return Outcome(state=None, told=(event,))
    ending = {id(event)} if part.role is Role.END else set[int]()
    arrived = Arrived((event,), asked.now, live=alert is not None, ending=ending)
    state = asked.counted(part.rule.name, part.problem.key)
    return meter.take(state if state is not None and meter.fits(state) else None, arrived)


def _decided(
    part: Part, alert: Alert | None, occurrence: Occurrence, reached: Sequence[Reached], asked: _Asked
) -> tuple[Decision, tuple[Hush, ...]]:
    """The decision, with everything that hushes it."""
    decision = decide(part.rule, alert, occurrence, reached, asked.now, fingerprint=part.problem)
    hushes = tuple(asked.hushed(decision.alert, asked.event))
    if hushes:
        around = Around(hush=hushes[0])
        decision = decide(
            part.rule, alert, occurrence, reached, asked.now, fingerprint=part.problem, around=around
        )
    return decision, hushes


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
