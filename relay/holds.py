"""What holds messages back, in memory: groups, storms, flapping alerts and budgets, and when each is due.

The store is the truth: what changes here is written with what caused it, in one transaction (`changes`). A
telling meets them in a fixed order (flapping, its group, its rule's storm, each recipient's budget) and is
counted in the first that holds it, so that each event is in exactly one message.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable
from typing import Final, Protocol

from msgspec import Struct
from msgspec.structs import replace

from relay.config.schema import Config, Rule
from relay.models import Alert, AlertState, Event, Reason
from relay.routing import budget, flap, group, storm
from relay.routing.account import Account, account_of, of_alert
from relay.routing.decide import Decision
from relay.routing.hold import Hold, Kind, Part, added, parts_of, silenced

_ORDER: Final = list(Kind)
MOST_HOLDS: Final = 50_000  # from which on alerts that resolve are not watched for flapping
MOST_DUE: Final = 500  # holds acted on in one turn


class Telling(Struct, frozen=True):
    """One message that comes of what was held, to whom it is owed."""

    hold: Hold  # as it was before
    reason: Reason
    parts: tuple[Part, ...]
    goes_on: bool | None = None  # whether something of it does; None: as each part says
    note: str = ""  # what people read first


class World(Protocol):
    """What letting go needs to know of the world outside."""

    def rule(self, name: str) -> Rule | None:
        """The rule of that name, if it is still there."""
        ...

    def alert(self, fingerprint: str) -> Alert | None:
        """The live alert of that fingerprint, as of this turn."""
        ...

    def told_now(self, alert: Alert) -> Collection[str]:
        """Who would be told of the alert now, if everybody can be; else nobody."""
        ...

    def opens_at(self, recipient: str) -> float:
        """When the recipient's hours begin; 0.0: they can be told now, or never."""
        ...

    def windows_of(self, recipient: str) -> budget.Windows:
        """The recipient's budget."""
        ...


class Holds:
    """By key, with a heap of due times (one valid entry each)."""

    def __init__(self, due: Callable[[Hold], float | None]) -> None:
        self._due = due
        self._holds: dict[str, Hold] = {}
        self._scheduled: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._members: dict[str, set[str]] = {}  # fingerprints of the live alerts of each group
        self._changed: set[str] = set()  # since the last transaction

    def load(self, holds: Iterable[Hold]) -> None:
        """What the store has."""
        for hold in holds:
            self._put(hold)
        self._changed.clear()

    def prune(self) -> None:
        """Forget groups that ended in the transaction before a kill; once the live alerts have been noted."""
        for key, hold in list(self._holds.items()):
            if hold.kind is Kind.GROUP:
                self._end_if_empty(key)

    def note(self, alert: Alert) -> None:
        """The alert as committed: who belongs to which group."""
        if not alert.group:
            return
        members = self._members.setdefault(alert.group, set())
        if alert.state is not AlertState.RESOLVED:
            members.add(alert.fingerprint)
            return
        members.discard(alert.fingerprint)
        if not members:
            del self._members[alert.group]
            self._end_if_empty(alert.group)

    def reschedule(self) -> None:
        """The rules or the clock changed: ask anew when each is due."""
        self._heap, self._scheduled = [], {}
        for key in self._holds:
            self._schedule(key)

    def next_due(self) -> float | None:
        """When the earliest may be due (wall time)."""
        return self._heap[0][0] if self._heap else None

    def changes(self) -> tuple[list[Hold], list[str]]:
        """What the next transaction must write: holds as they are now, and keys of those that are over."""
        keys, self._changed = self._changed, set()
        return [self._holds[key] for key in keys if key in self._holds], [
            key for key in keys if key not in self._holds
        ]

    def all(self) -> list[Hold]:
        """For those who ask what is held now."""
        return list(self._holds.values())

    # --- a telling on its way ---

    def judge(
        self,
        config: Config,
        rule: Rule | None,
        decision: Decision,
        before: Alert | None,
        event: Event | None,
        now: float,
    ) -> Decision:
        """The decision with those who are told now, and in its trace what holds it back from the others.

        `rule` None (it is gone, or relay's own): nothing holds it back.
        """
        if rule is None:
            return decision
        heard = self._hear(rule, decision, before, event, now)
        held = [
            each.recipient
            for each in heard.told
            if not self.afford(config, each.recipient, account_of(heard, each), now)
        ]
        if not held:
            return heard
        told = tuple(each for each in heard.told if each.recipient not in held)
        why = "more messages than the budget of the recipient: told in a digest"
        until = self._due(self._holds[budget.key(held[0])])
        return replace(
            heard,
            reason=heard.reason if told else Reason.BUDGET,
            told=told,
            trace={
                **heard.trace,
                "held": {"by": Reason.BUDGET.value, "why": why, "until": until, "to": held},
            },
        )

    def _hear(
        self, rule: Rule, decision: Decision, before: Alert | None, event: Event | None, now: float
    ) -> Decision:
        """The decision as it is to be told: as it was, as flapping, or to nobody for now."""
        if before is None and event is not None:
            decision = self._grouped(rule, decision, event)
        if not decision.told:
            return decision
        fingerprint = flap.key(decision.alert.fingerprint)
        known = self._holds.get(fingerprint)
        flapping, decision = flap.heard(known, rule, decision, now)
        if flapping is not None and flapping is not known and (known or len(self._holds) < MOST_HOLDS):
            self._put(flapping)
        if not decision.told:
            return decision
        parts = parts_of(decision)
        if key := decision.alert.group:
            hold = self._collect(rule, key, decision.reason, parts, now)
            why = f"told with its group{f' ({hold.name})' if hold.name else ''}"
            return silenced(decision, Reason.GROUP, why, self._due(hold))
        if (held := self._raged(rule, parts, now)) is not None:
            why = f"a storm of the rule: more than {len(held.times) - 1} messages in a short time"
            return silenced(decision, Reason.STORM, why, self._due(held))
        return decision

    def afford(
        self, config: Config, recipient: str, account: Account, now: float, opens_at: float = 0.0
    ) -> bool:
        """Whether the recipient can have a message for it now; else it is held for the digest.

        `opens_at`: when their hours begin, if they are outside of them.
        """
        key = budget.key(recipient)
        windows = budget.windows_of(config, recipient)
        hold, held = budget.heard(self._holds.get(key), recipient, windows, account, now, opens_at)
        if hold is not None:
            self._put(hold)
        return not held

    # --- time passing ---

    def release(self, world: World, now: float) -> tuple[list[Telling], list[Alert]]:
        """The messages that are due now, and the alerts whose events they make up for on top."""
        tellings: list[Telling] = []
        reminded: list[Alert] = []
        for key in sorted(self._pop_due(now), key=self._turn):
            hold = self._holds[key]
            rule = world.rule(hold.rule)
            match hold.kind:
                case Kind.FLAP:
                    telling = self._settle(hold, rule, world, now)
                case Kind.GROUP:
                    telling, more = self._tell_group(hold, rule, world, now)
                    reminded += more
                case Kind.STORM:
                    telling = self._tell_storm(hold, rule, now)
                case Kind.BUDGET:
                    telling = self._tell_budget(hold, world, now)
            if telling is None:
                continue
            meets_storm = hold.kind in {Kind.FLAP, Kind.GROUP}
            if not (meets_storm and self._raged(rule, telling.parts, now)):
                tellings.append(telling)
        return tellings, reminded

    def _settle(self, hold: Hold, rule: Rule | None, world: World, now: float) -> Telling | None:
        self._remove(hold.key)
        if not hold.opened_at:
            return None
        live = world.alert(hold.name)
        firing = live is not None and live.state is not AlertState.RESOLVED
        parts, note = flap.settled(hold, now, firing=firing)
        if rule is not None and live is not None and live.group:
            self._collect(rule, live.group, Reason.SETTLED, parts, now)
            return None
        return Telling(hold, Reason.SETTLED, parts, goes_on=firing, note=note)

    def _tell_group(
        self, hold: Hold, rule: Rule | None, world: World, now: float
    ) -> tuple[Telling, list[Alert]]:
        """With what its other alerts have counted meanwhile: they wait no longer than this one."""
        reminded = []
        members = [
            alert
            for each in sorted(self._members.get(hold.key, ()))
            if (alert := world.alert(each)) is not None
        ]
        parts = hold.parts
        to = {name for part in parts for name in part.to}
        for alert in members if rule is not None else ():
            if not _waits_with(alert) or set(world.told_now(alert)) != to:
                continue
            more = of_alert(alert, alert.count - alert.notified_count)
            parts = added(parts, (Part(tuple(sorted(to)), more),))
            reminded.append(
                replace(alert, notified_count=alert.count, notified_at=now, reminders=alert.reminders + 1)
            )
        self._put(group.told(hold, now))
        if hold.key not in self._members:
            self._remove(hold.key)
        live = any(alert.state is not AlertState.RESOLVED for alert in members)
        return Telling(hold, Reason.GROUP, parts, goes_on=True if live else None), reminded

    def _tell_storm(self, hold: Hold, rule: Rule | None, now: float) -> Telling | None:
        after = storm.told(hold, rule, now)
        self._put(after)
        if not hold.parts:
            return None
        note = "" if after.opened_at else "The storm is over: new problems are told one by one again."
        return Telling(hold, Reason.STORM, hold.parts, note=note)

    def _tell_budget(self, hold: Hold, world: World, now: float) -> Telling | None:
        """Unless the recipient is outside of their hours meanwhile."""
        if opens_at := world.opens_at(hold.name):
            self._put(replace(hold, not_before=opens_at))
            return None
        self._put(budget.told(hold, world.windows_of(hold.name), now))
        return Telling(hold, Reason.BUDGET, hold.parts)

    # --- inside ---

    def _grouped(self, rule: Rule, decision: Decision, event: Event) -> Decision:
        """A new alert gets its group, and keeps it."""
        begun = group.begun(event, rule, decision.alert.fingerprint)
        if begun is None:
            return decision
        if begun.key not in self._holds:
            self._put(begun)
        return replace(decision, alert=replace(decision.alert, group=begun.key))

    def _collect(self, rule: Rule, key: str, reason: Reason, parts: tuple[Part, ...], now: float) -> Hold:
        hold = self._holds.get(key) or Hold(key=key, kind=Kind.GROUP, rule=rule.name)
        hold = group.collected(hold, reason, parts, now)
        self._put(hold)
        return hold

    def _raged(self, rule: Rule | None, parts: tuple[Part, ...], now: float) -> Hold | None:
        """The storm that holds it; None: there is none."""
        if rule is None:
            return None
        hold, held = storm.heard(self._holds.get(storm.key(rule.name)), rule, parts, now)
        if hold is not None:
            self._put(hold)
        return hold if held else None

    def _turn(self, key: str) -> tuple[int, float, object]:
        """By kind, so that what one lets go may be held by a later one; then the oldest first."""
        hold = self._holds[key]
        return _ORDER.index(hold.kind), hold.opened_at, hold.account.numbers

    def _put(self, hold: Hold) -> None:
        self._holds[hold.key] = hold
        self._changed.add(hold.key)
        self._schedule(hold.key)

    def _remove(self, key: str) -> None:
        self._holds.pop(key, None)
        self._scheduled.pop(key, None)
        self._changed.add(key)

    def _end_if_empty(self, key: str) -> None:
        hold = self._holds.get(key)
        if hold is not None and not hold.parts and key not in self._members:
            self._remove(key)

    def _schedule(self, key: str) -> None:
        at = self._due(self._holds[key])
        if at is None:
            self._scheduled.pop(key, None)
        elif self._scheduled.get(key) != at:
            self._scheduled[key] = at
            heapq.heappush(self._heap, (at, key))

    def _pop_due(self, now: float) -> list[str]:
        found: list[str] = []
        while self._heap and self._heap[0][0] <= now and len(found) < MOST_DUE:
            at, key = heapq.heappop(self._heap)
            if self._scheduled.get(key) == at:
                del self._scheduled[key]
                found.append(key)
        return found


def _waits_with(alert: Alert) -> bool:
    """Whether it has counted events of which all who were told of it know the same."""
    counted = alert.count > alert.notified_count and alert.notified_at > 0 and not alert.standings
    return counted and alert.state is AlertState.FIRING


def due_of(hold: Hold, rules: dict[str, Rule], config: Config, now: float) -> float | None:
    """When time alone makes something happen to the hold; None: never."""
    rule = rules.get(hold.rule)
    match hold.kind:
        case Kind.FLAP:
            return flap.due(hold, rule, now)
        case Kind.GROUP:
            return group.due(hold, rule, now)
        case Kind.STORM:
            return storm.due(hold, rule, now)
        case Kind.BUDGET:
            return budget.due(hold, budget.windows_of(config, hold.name), now)
