"""Flapping: what fires and resolves over and over is said to, once; then it is quiet until it settles."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from relay.config.schema import Flap, Rule
from relay.models import AlertState, Level, Reason
from relay.routing.account import NOTHING, Account, of_alert
from relay.routing.decide import Decision
from relay.routing.hold import Hold, Kind, Part, added, key_of, parts_of, recent, silenced
from relay.values import format_duration

_MOVES: Final = (Reason.FIRST, Reason.RESOLVED)


def flap_of(rule: Rule | None) -> Flap | None:
    """What the rule calls flapping; None: nothing. A rule that is gone: the usual."""
    if rule is None or rule.flap is True:
        return Flap()
    return rule.flap if isinstance(rule.flap, Flap) else None


def key(fingerprint: str) -> str:
    """The hold's key."""
    return key_of(Kind.FLAP, fingerprint)


def heard(hold: Hold | None, rule: Rule, decision: Decision, now: float) -> tuple[Hold | None, Decision]:
    """What becomes of a telling decision: told as it is, told as flapping, or held."""
    flap = flap_of(rule)
    if hold is not None and hold.opened_at:
        return _while_flapping(hold, rule, decision, now)
    if flap is None or decision.reason is not Reason.RESOLVED:
        return hold, decision
    alert = decision.alert
    times = (*recent(hold.times if hold else (), now, flap.within), now)[-flap.times :]
    seen = Hold(
        key=key(alert.fingerprint),
        kind=Kind.FLAP,
        rule=rule.name,
        name=alert.fingerprint,
        times=times,
        moved_at=now,
        subject=of_alert(alert, 0).lines[0],
    )
    if len(times) < flap.times:
        return seen, decision
    why = f"resolved {len(times)} times within {format_duration(flap.within)}: quiet until it settles"
    begun = replace(seen, opened_at=now, told_at=now, told=1, level=alert.level, to=_names(decision))
    return begun, _as_flapping(decision, why)


def due(hold: Hold, rule: Rule | None, now: float) -> float:
    """When it has settled, or can be forgotten."""
    return min(hold.moved_at, now) + (flap_of(rule) or Flap()).within


def settled(hold: Hold, now: float, *, firing: bool) -> tuple[tuple[Part, ...], str]:
    """All its lives since as one problem, for each who is to know, and the closing line."""
    told = {name for part in hold.parts for name in part.to}
    others = tuple(name for name in hold.to if name not in told)
    parts = [Part(part.to, _one_problem(hold, part.account, firing=firing)) for part in hold.parts]
    if others:
        parts.append(Part(others, _one_problem(hold, NOTHING, firing=firing)))
    again = f"{hold.cycles} more time{'' if hold.cycles == 1 else 's'}" if hold.cycles else "not again"
    end = "firing steadily now" if firing else "quiet now"
    return tuple(
        parts
    ), f"It has settled, {end}: resolved {again} in {format_duration(now - hold.opened_at)}."


def _one_problem(hold: Hold, held: Account, *, firing: bool) -> Account:
    assert hold.subject is not None, "what flaps is an alert"
    line = replace(
        hold.subject,
        state=AlertState.FIRING if firing else AlertState.RESOLVED,
        events=held.events,
        total=held.events,
    )
    return Account(
        lines=(line,),
        numbers=((line.alert, line.alert),),
        alerts=1,
        tellings=1,
        events=held.events,
        first=held.first or hold.moved_at,
        last=held.last or hold.moved_at,
        hosts=held.hosts,
        level=max(line.level, held.level),
    )


def _names(decision: Decision) -> tuple[str, ...]:
    return tuple(each.recipient for each in decision.told)


def _while_flapping(hold: Hold, rule: Rule, decision: Decision, now: float) -> tuple[Hold, Decision]:
    alert = decision.alert
    moved = decision.reason in _MOVES
    after = replace(
        hold,
        moved_at=now if moved else min(hold.moved_at, now),
        cycles=hold.cycles + (decision.reason is Reason.RESOLVED),
        subject=of_alert(alert, 0).lines[0],
    )
    if hold.level < Level.CRITICAL <= alert.level:
        return replace(after, level=alert.level), decision
    if decision.last_word:
        return after, decision
    after = replace(after, parts=added(hold.parts, parts_of(decision)))
    until = due(after, rule, now)
    return after, silenced(decision, Reason.FLAPPING, "it is flapping: told when it has settled", until)


def _as_flapping(decision: Decision, why: str) -> Decision:
    told = tuple(replace(each, reason=Reason.FLAPPING) for each in decision.told)
    trace = {**decision.trace, "reason": Reason.FLAPPING.value, "why": why}
    return replace(decision, reason=Reason.FLAPPING, told=told, trace=trace)
