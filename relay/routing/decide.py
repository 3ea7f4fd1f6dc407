"""The heart: given an alert, what happened to it and the time, who is told what, and why.

An alert's life. The first event of a problem is told at once and opens a window of `repeat[0]`. Events
within the window are counted. When the window is over, the events counted since are told as a reminder
and the next window (`repeat[1]`, ...; the last one repeats) opens; if there were none, the next event is
told at once. Quiet for `resolve_after`: resolved, told once. Without `resolve_after`: closed after a day or
more, told only if events are still to be accounted for. So each event is counted in exactly one message.

Hours: whoever is outside of theirs (or the rule is outside of its own) waits, and is told in one message what
happened meanwhile when they begin. So each recipient, too, finds each event counted in exactly one message.

An alert that stands for a condition (`absent`, `rate`, `pair`) is over when the condition is (`ended`),
however quiet it is, and reminders come though nothing new happened.

A silence or inhibition (a hush) holds messages back, not events: they are counted as ever, and `alert.hushed`
says by what. Once nothing hushes the alert any more, its next message accounts for them. An alert that ends
before that, and of which nobody was told, is booked: the hush's closing line accounts for it. The end of what
people were told of is told even then. Acknowledged, an alert is counted until that lapses. Unacknowledged, or
accepted by no address, it is told to the next of `escalate`; such messages account for nothing.

All of it is a pure function of the alert, the rule and `now`, so a restart changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from relay.config.schema import Rule
from relay.models import Address, Alert, AlertState, Event, Json, Level, Reason, Standing
from relay.routing import standings
from relay.routing.calendar import NEVER
from relay.routing.escalation import UNACCEPTED, lapsed, lifted, next_step, step_due
from relay.routing.fingerprint import Fingerprint
from relay.routing.hush import Hush
from relay.routing.recipients import Reached
from relay.values import format_duration

CLOSE_AFTER: Final = 24 * 3600.0  # without `resolve_after`: quiet for this long at least
ORPHAN_AFTER: Final = 3600.0  # the rule is gone: nothing can come any more, closed when quiet this long
MOST_HOSTS: Final = 8  # values of the label `host` that an alert remembers


class Occurrence(Struct, frozen=True, gc=False):
    """One or more events of one fingerprint that came together."""

    event: Event  # the sample: the first of them
    count: int
    first: float  # event times
    last: float
    hosts: tuple[str, ...]
    level: Level  # the worst
    pressing: str = ""  # why it is told at once, within whatever window; "": it isn't


class Told(Struct, frozen=True, gc=False):
    """One recipient who is to be told, and by which addresses, in order."""

    recipient: str
    addresses: tuple[Address, ...]
    reason: Reason
    known: int = 0  # events of the alert that they have been told of before
    since: float = 0.0  # when that was; 0.0: never
    not_before: float = 0.0  # when their hours begin, where the alert won't be there to wait for it


class Decision(Struct, frozen=True):
    """What comes of it."""

    reason: Reason
    alert: Alert  # the new state; the very object given if nothing changed
    told: tuple[Told, ...]
    trace: Json  # rule, reason, why, who is told, who waits until when, when time alone would act next
    notes: tuple[str, ...] = ()  # what the message says beside what happened
    booked: str = ""  # the hush whose closing line tells what no message of the alert's own will ...
    spared: tuple[Told, ...] = ()  # ... to those who would have been told
    last_word: bool = False  # from now on only people can help: flapping doesn't hold it back


class Around(Struct, frozen=True):
    """What else there is to know about an alert, beside its rule and its events."""

    hush: Hush | None = None  # what holds its messages back now
    over: str = ""  # in words, what held it back until now (of an alert that is `hushed`)
    next: Sequence[Reached] = ()  # whom the next step of `escalate` would reach
    unaccepted: bool = False  # no address has accepted any message about it


PLAIN: Final = Around()


def fold(events: Sequence[Event]) -> Occurrence:
    """The events (at least one) of one fingerprint as one occurrence."""
    first = events[0]
    if len(events) == 1:
        host = first.labels.get("host")
        return Occurrence(first, 1, first.time, first.time, (host,) if host else (), first.level)
    times = [event.time for event in events]
    hosts = dict.fromkeys(event.labels["host"] for event in events if event.labels.get("host"))
    worst = max(event.level for event in events)
    return Occurrence(first, len(events), min(times), max(times), tuple(hosts)[:MOST_HOSTS], worst)


def decide(
    rule: Rule | None,
    alert: Alert | None,
    occurrence: Occurrence | None,
    reached: Sequence[Reached],
    now: float,
    *,
    new_id: int = 0,
    fingerprint: Fingerprint | None = None,
    around: Around = PLAIN,
) -> Decision:
    """What to do about an occurrence of the alert, or (`occurrence` None) about time having passed.

    A new alert (none live) takes `new_id` and `fingerprint`. `rule` None: it has gone since; only for
    time passing. Let time pass before counting new events: an alert that is due to be resolved then is.
    """
    if occurrence is None:
        assert alert is not None, "without an alert nothing can come of time passing"
        decision = _time_passed(rule, _clamped(alert, now), reached, around, now)
    elif alert is None or alert.state is AlertState.RESOLVED:
        assert rule is not None, "an event comes by a rule"
        assert fingerprint is not None, "a new alert needs a fingerprint"
        alert = None
        decision = _first(rule, _new(rule, occurrence, now, new_id, fingerprint), reached, now)
    else:
        assert rule is not None, "an event comes by a rule"
        decision = _again(rule, _clamped(alert, now), occurrence, reached, around, now)
    if around.hush is None or not decision.told or decision.reason is Reason.RESOLVED:
        return decision
    return _hushed(decision, alert, around.hush)


def end(rule: Rule, alert: Alert, reached: Sequence[Reached], now: float, why: str) -> Decision:
    """What caused the alert says itself that it is over, or what it stood for is."""
    return _over(rule, _clamped(alert, now), Reason.RESOLVED, reached, why, now)


def due(
    alert: Alert, rule: Rule | None, now: float = float("inf"), reached: Sequence[Reached] = ()
) -> float | None:
    """When time alone makes something happen to the alert; None: never.

    With `now`, times that a clock set back has left in the future count as now. `reached` as of now is
    needed for an alert with standings: somebody may be waiting.
    """
    if alert.state is AlertState.RESOLVED:
        return None
    at = min(alert.touched_at, now) + _patience(rule)
    if alert.state is AlertState.ACKED and alert.acked_until:
        at = min(at, alert.acked_until)
    if rule is None or alert.hushed:
        return at if at < NEVER else None
    if (step := step_due(rule, alert, now)) is not None:
        at = min(at, step)
    wakes = [each.look_at for each, standing in standings.of(alert, reached) if standing.waiting]
    if alert.state is AlertState.FIRING and alert.notified_at and wakes:
        at = min(at, *wakes)
    if _owes_reminder(rule, alert):
        earliest = min((each.look_at for each in reached), default=0.0)  # not before somebody may be told
        at = min(at, max(_window_end(rule, alert, now), earliest))
    return at if at < NEVER else None


def _first(rule: Rule, alert: Alert, reached: Sequence[Reached], now: float) -> Decision:
    if not rule.to:
        return _quiet(Reason.DROPPED, rule, alert, "the rule has no recipients (to: [])", now)
    why = "a new problem" if reached else "a new problem, but none of the rule's recipients has an address"
    return _tell(Reason.FIRST, rule, alert, reached, why, now)


def _new(rule: Rule, occurrence: Occurrence, now: float, id_: int, fingerprint: Fingerprint) -> Alert:
    return Alert(
        id=id_,
        fingerprint=fingerprint.key,
        rule=rule.name,
        module=occurrence.event.module,
        level=occurrence.level,
        title=fingerprint.title,
        state=AlertState.RESOLVED if rule.alone else AlertState.FIRING,
        first_seen=occurrence.first,
        last_seen=occurrence.last,
        count=occurrence.count,
        notified_count=0,
        notified_at=0.0,
        reminders=0,
        touched_at=now,
        hosts=occurrence.hosts[:MOST_HOSTS],
    )


def _again(
    rule: Rule,
    alert: Alert,
    occurrence: Occurrence,
    reached: Sequence[Reached],
    around: Around,
    now: float,
) -> Decision:
    alert, notes = _freed(alert, around, now)
    counted = _counted(alert, occurrence, now)
    if not rule.to:
        return _quiet(Reason.DROPPED, rule, counted, "the rule has no recipients (to: [])", now)
    if alert.state is AlertState.ACKED:
        why = f"{_acked_words(alert)}: counted, no reminders"
        return _quiet(Reason.ACKED, rule, counted, why, now, reached)
    if notes:
        return _remind(rule, counted, reached, notes[0], now, notes)
    if alert.hushed:
        return _remind(rule, counted, reached, "it is held back still", now)
    if alert.level < Level.CRITICAL <= counted.level:
        return _remind(rule, counted, reached, f"it became critical, it was {alert.level.word}", now)
    if occurrence.pressing:
        return _remind(rule, counted, reached, occurrence.pressing, now)
    if now < _window_end(rule, alert, now):
        why = "within the window of the last message: counted"
        return _quiet(Reason.WINDOW, rule, counted, why, now, reached)
    return _remind(rule, counted, reached, "it goes on, and the window is over", now)


def _time_passed(
    rule: Rule | None, alert: Alert, reached: Sequence[Reached], around: Around, now: float
) -> Decision:
    if alert.state is AlertState.RESOLVED:
        return _quiet(Reason.QUIET, rule, alert, "it is over", now)
    if now >= alert.touched_at + _patience(rule):
        return _end(rule, alert, reached, now)
    was_hushed = bool(alert.hushed)
    alert, notes = _freed(alert, around, now)
    nothing = notes[0] if notes else "nothing is owed yet"
    if rule is None:
        return _quiet(Reason.QUIET, rule, alert, nothing, now, reached)
    owes = _owes_reminder(rule, alert)
    if owes and was_hushed:
        return _remind(rule, alert, reached, nothing, now, notes)
    if why := _why_next(rule, alert, around, now):
        return _escalate(rule, alert, around.next, why, now)
    if owes and now >= _window_end(rule, alert, now):
        return _remind(rule, alert, reached, "it went on, and the window is over", now, notes)
    if alert.state is AlertState.FIRING and alert.notified_at and not alert.hushed:
        return _catch_up(rule, alert, reached, now)
    return _quiet(Reason.QUIET, rule, alert, nothing, now, reached)


def _freed(alert: Alert, around: Around, now: float) -> tuple[Alert, tuple[str, ...]]:
    """The alert without the silence, inhibition or acknowledgement that is over, and what to say of that."""
    notes = []
    if alert.hushed and around.hush is None:
        words = around.over or alert.hushed
        notes.append(f"{words} is over: it held this back")
        alert = replace(alert, hushed="", stepped_at=now)
    elif alert.hushed and around.hush is not None and alert.hushed != around.hush.key:
        alert = replace(alert, hushed=around.hush.key)  # from one's hands into the next one's
    if lapsed(alert, now):
        notes.append(f"the acknowledgement by {alert.acked_by or 'someone'} has lapsed")
        alert = lifted(alert, now)
    return alert, tuple(notes)


def _why_next(rule: Rule, alert: Alert, around: Around, now: float) -> str:
    """Why the next step of `escalate` is taken now; "" if it isn't."""
    step, at = next_step(rule, alert), step_due(rule, alert, now)
    if step is None or at is None:
        return ""
    if now >= at:
        return f"not acknowledged in {format_duration(step.after)}"
    waited = now - min(alert.stepped_at, now)
    if around.unaccepted and waited >= UNACCEPTED:
        return f"no address has accepted it in {format_duration(waited)}"
    return ""


def _escalate(rule: Rule, alert: Alert, reached: Sequence[Reached], why: str, now: float) -> Decision:
    """It accounts for no events: those told before are told of them as ever. Hours of theirs are kept."""
    stepped = replace(alert, step=alert.step + 1, stepped_at=now)
    told = tuple(
        Told(each.recipient, each.addresses, Reason.ESCALATED, not_before=each.opens_at)
        for each in reached
        if each.opens_at < NEVER
    )
    trace = _trace(Reason.ESCALATED, rule, stepped, told, why, now, reached)
    return Decision(Reason.ESCALATED, stepped, told, trace, (f"escalated: {why}",))


def _acked_words(alert: Alert) -> str:
    return f"acknowledged by {alert.acked_by}" if alert.acked_by else "acknowledged"


def _hushed(plain: Decision, before: Alert | None, hush: Hush) -> Decision:
    """What would have been told, not told: the alert owes it still, or the closing line does."""
    was = before or replace(plain.alert, notified_count=0, notified_at=0.0, reminders=0, standings=())
    alert = replace(
        plain.alert,
        notified_count=was.notified_count,
        notified_at=was.notified_at,
        reminders=was.reminders,
        standings=was.standings,
        step=was.step,
        stepped_at=was.stepped_at,
        hushed=hush.key,
    )
    trace = plain.trace | {
        "reason": hush.reason.value,
        "why": f"{hush.words} holds it back ({plain.trace['why']})",
        "told": {},
        "spared": plain.trace["told"],
        "hush": hush.json(),
    }
    if alert.state is AlertState.RESOLVED:
        return _booked(Decision(hush.reason, alert, (), trace), hush.key, plain.told)
    return Decision(hush.reason, alert, (), trace, spared=plain.told)


def _booked(decision: Decision, hush: str, spared: tuple[Told, ...]) -> Decision:
    """The alert ends with events that people weren't told of: they are the closing line's."""
    settled = replace(decision.alert, hushed="", notified_count=decision.alert.count, standings=())
    return replace(decision, alert=settled, booked=hush, spared=spared)


def _catch_up(rule: Rule, alert: Alert, reached: Sequence[Reached], now: float) -> Decision:
    """Those whose hours have begun are told what happened meanwhile; the others know it already."""
    ready = [
        (each, standing)
        for each, standing in standings.of(alert, reached)
        if standing.waiting and not each.opens_at
    ]
    if not ready:
        return _quiet(Reason.QUIET, rule, alert, "nothing is owed yet", now, reached)
    told = tuple(_told(Reason.REMINDER, each, standing) for each, standing in ready)
    reason = Reason.REMINDER if any(each.reason is Reason.REMINDER for each in told) else Reason.FIRST
    alert = standings.caught_up(alert, reached, now)
    why = "their hours have begun: what happened meanwhile"
    return Decision(reason, alert, told, _trace(reason, rule, alert, told, why, now, reached))


def _end(rule: Rule | None, alert: Alert, reached: Sequence[Reached], now: float) -> Decision:
    quiet = f"quiet for {format_duration(now - alert.touched_at)}"
    if rule is None:
        over = replace(alert, state=AlertState.RESOLVED, hushed="")
        return _quiet(Reason.CLOSED, rule, over, f"{quiet}, and its rule is gone", now)
    reason = Reason.RESOLVED if rule.resolve_after is not None else Reason.CLOSED
    return _over(rule, alert, reason, reached, quiet, now)


def _over(
    rule: Rule, alert: Alert, reason: Reason, reached: Sequence[Reached], why: str, now: float
) -> Decision:
    """RESOLVED is told to all; CLOSED to those who don't know of every event."""
    over = replace(alert, state=AlertState.RESOLVED, hushed="")
    if alert.hushed and not alert.notified_at:
        spared = [_told(reason, each, known) for each, known in standings.of(alert, reached)]
        ended = _quiet(reason, rule, over, f"{why}; {alert.hushed} held it back to its end", now)
        return _booked(ended, alert.hushed, tuple(spared))
    # Acknowledged under a silence that ended before it: its end is the first that its recipients hear of it.
    is_acked = alert.state is AlertState.ACKED
    if not (alert.notified_at or alert.standings or is_acked) or not rule.to:
        return _quiet(reason, rule, over, f"{why}; nobody was told of it", now)
    notes = (_acked_words(alert),) if is_acked else ()
    if reason is Reason.RESOLVED:
        return _tell(reason, rule, over, reached, why, now, notes)
    behind = [each for each, standing in standings.of(alert, reached) if standing.count < alert.count]
    if not behind:
        return _quiet(reason, rule, over, f"{why}, and every event has been told", now)
    return _tell(reason, rule, over, behind, f"{why}; its last events are told", now, notes)


def _remind(
    rule: Rule,
    alert: Alert,
    reached: Sequence[Reached],
    why: str,
    now: float,
    notes: tuple[str, ...] = (),
) -> Decision:
    """A first message is still owed where nobody could be told until now."""
    if not alert.notified_at:
        return _tell(Reason.FIRST, rule, alert, reached, why, now, notes)
    decision = _tell(Reason.REMINDER, rule, alert, reached, why, now, notes)
    if decision.reason is Reason.MUTED:
        return decision
    return replace(decision, alert=replace(decision.alert, reminders=alert.reminders + 1))


def _tell(
    reason: Reason,
    rule: Rule,
    alert: Alert,
    reached: Sequence[Reached],
    why: str,
    now: float,
    notes: tuple[str, ...] = (),
) -> Decision:
    """Whoever is within their hours is told; the others wait, or get a message that waits for them."""
    standing = standings.of(alert, reached)
    if alert.state is AlertState.RESOLVED:
        told = tuple(_told(reason, each, known) for each, known in standing if each.opens_at < NEVER)
        alert = replace(_notified(alert, now), standings=())
    elif reached and all(each.opens_at for each in reached):
        told, reason = (), Reason.MUTED
        why = f"{why}, but all its recipients, or the rule, are outside of their hours"
        alert = replace(alert, standings=standings.waiting(alert, reached))
    else:
        told = tuple(_told(reason, each, known) for each, known in standing if not each.opens_at)
        alert = replace(_notified(alert, now), standings=standings.waiting(alert, reached))
    return Decision(reason, alert, told, _trace(reason, rule, alert, told, why, now, reached), notes)


def _told(reason: Reason, each: Reached, standing: Standing) -> Told:
    """One who hears of it now for the first time isn't reminded."""
    if reason is Reason.REMINDER and not standing.at:
        reason = Reason.FIRST
    return Told(each.recipient, each.addresses, reason, standing.count, standing.at, each.opens_at)


def _quiet(
    reason: Reason, rule: Rule | None, alert: Alert, why: str, now: float, reached: Sequence[Reached] = ()
) -> Decision:
    return Decision(reason, alert, (), _trace(reason, rule, alert, (), why, now, reached))


def _trace(
    reason: Reason,
    rule: Rule | None,
    alert: Alert,
    told: tuple[Told, ...],
    why: str,
    now: float,
    reached: Sequence[Reached] = (),
) -> Json:
    return {
        "at": now,
        "rule": alert.rule,
        "reason": reason.value,
        "why": why,
        "to": list(rule.to) if rule is not None else [],
        "told": {each.recipient: [f"{a.backend}:{a.to}" for a in each.addresses] for each in told},
        "waiting": {each.recipient: _or_never(each.opens_at) for each in reached if each.opens_at},
        "count": alert.count,
        "next": due(alert, rule, now, reached),
    }


def _or_never(at: float) -> float | None:
    """JSON has no infinity."""
    return at if at < NEVER else None


def _counted(alert: Alert, occurrence: Occurrence, now: float) -> Alert:
    hosts = alert.hosts
    if len(hosts) < MOST_HOSTS and occurrence.hosts:
        hosts = tuple(dict.fromkeys(hosts + occurrence.hosts))[:MOST_HOSTS]
    return replace(
        alert,
        level=max(alert.level, occurrence.level),
        first_seen=min(alert.first_seen, occurrence.first),
        last_seen=max(alert.last_seen, occurrence.last),
        count=alert.count + occurrence.count,
        touched_at=now,
        hosts=hosts,
    )


def _notified(alert: Alert, now: float) -> Alert:
    since = alert.stepped_at if alert.notified_at else now  # the first message: the time until a step begins
    return replace(alert, notified_count=alert.count, notified_at=now, stepped_at=since)


def _clamped(alert: Alert, now: float) -> Alert:
    """The clock was set back: what it says happened in the future happened now, or silence would grow."""
    if max(alert.notified_at, alert.touched_at, alert.stepped_at) <= now:
        return alert
    return replace(
        alert,
        notified_at=min(alert.notified_at, now),
        touched_at=min(alert.touched_at, now),
        stepped_at=min(alert.stepped_at, now),
    )


def _owes_reminder(rule: Rule, alert: Alert) -> bool:
    goes_on = rule.stands or alert.count > alert.notified_count
    return alert.state is AlertState.FIRING and goes_on and not alert.hushed and bool(rule.to)


def _window(rule: Rule, alert: Alert) -> float:
    """Seconds in which nothing more is told; without `repeat` there are no reminders."""
    if not rule.repeat:
        return NEVER
    return rule.repeat[min(alert.reminders, len(rule.repeat) - 1)]


def _window_end(rule: Rule, alert: Alert, now: float) -> float:
    return min(alert.notified_at, now) + _window(rule, alert)


def _patience(rule: Rule | None) -> float:
    """Seconds of quiet after which the alert is over."""
    if rule is None:
        return ORPHAN_AFTER
    if rule.stands:
        return NEVER
    if rule.resolve_after is not None:
        return rule.resolve_after
    return max(CLOSE_AFTER, 2 * max(rule.repeat[-1:], default=0.0))
