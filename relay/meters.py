"""What the rules have counted so far, in memory, and when time alone makes something of it.

Like the book of alerts: the store is the truth; this is its hot copy, loaded at start. A turn of the
pipeline takes what changed with `changed` into its transaction.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import structlog
from msgspec import Struct
from msgspec.structs import replace

from relay.config.schema import Rule
from relay.models import Json
from relay.outbox.store import MeterRow
from relay.routing.meters.base import Arrived, Meter, Outcome
from relay.routing.meters.kinds import meter_of, of_rule, read, written

log = structlog.get_logger()

MOST_KEYS: Final = 10_000  # of one rule; beyond, the longest untouched are forgotten
GONE_AFTER: Final = 7 * 86400.0  # seconds that the counts of a rule that is gone are kept

Key = tuple[str, str]  # rule, and what it counts together: the fingerprint of the alert to be


class _Kept(Struct, frozen=True, gc=False):
    state: Struct
    touched_at: float


class Meters:
    """Every rule's states; changed by `take`, `wake` and `settle`, and handed over by `changed`."""

    def __init__(self) -> None:
        self.forgotten: Counter[str] = Counter()  # states forgotten for want of room, by rule
        self._rules: dict[str, Rule] = {}
        self._meters: dict[str, Meter] = {}
        self._watched: dict[str, float] = {}  # since when each rule is as it is, in this process
        self._kept: dict[str, dict[str, _Kept]] = {}  # by rule and key, the longest untouched first
        self._changed: dict[Key, MeterRow] = {}  # not in the store yet
        self._scheduled: dict[Key, float] = {}
        self._heap: list[tuple[float, Key]] = []

    # --- start and reload ---

    def load(self, rows: Iterable[MeterRow], now: float) -> None:
        """What the store has; before `apply`."""
        for row in sorted(rows, key=lambda row: row.touched_at):
            state = read(row.state) if row.state is not None else None
            if state is not None:
                self._kept.setdefault(row.rule, {})[row.key] = _Kept(state, row.touched_at)
            else:
                self._changed[row.rule, row.key] = MeterRow(row.rule, row.key, None, now)

    def apply(self, rules: Mapping[str, Rule], now: float) -> None:
        """These rules hold now. What one that is edited has counted stays, where it still fits."""
        old, self._rules = self._rules, dict(rules)
        meters = {name: meter for name, rule in rules.items() if (meter := meter_of(rule)) is not None}
        self._meters = meters
        self._watched = {
            name: self._watched[name] if name in old and _alike(old[name], rules[name]) else now
            for name in meters
        }
        for name, kept in self._kept.items():
            self._refit(name, kept, now)
        for name, meter in meters.items():
            begun = meter.begin(now)
            if begun is not None and not self._kept.get(name):
                self._put((name, of_rule(rules[name]).key), begun, now)
        self.reschedule()

    def learn(self, fingerprints: Iterable[Key], now: float) -> None:
        """Problems of rules with `new` that alerts tell of, from before the rule had it."""
        for name, key in fingerprints:
            if key not in self._kept.get(name, {}):
                outcome = self._meters[name].take(None, Arrived((), now))
                self._put((name, key), outcome.state, now)

    # --- events, and time ---

    def take(self, rule: Rule, key: str, arrived: Arrived) -> Outcome:
        """Events of one key came, by a rule as it was when they were sorted; `watched` is known here."""
        meter = meter_of(rule)
        if meter is None:
            return Outcome(state=None, told=tuple(arrived.events))
        if meter != self._meters.get(rule.name):  # it was edited since: its old way counts nothing any more
            return meter.take(None, arrived)
        outcome = meter.take(self.state(rule.name, key), replace(arrived, watched=self._watched[rule.name]))
        self._put((rule.name, key), outcome.state, arrived.now)
        return outcome

    def is_new_to(self, rule: Rule) -> bool:
        """Whether the rule tells only of what is new, and didn't until now."""
        return rule.new and not (rule.name in self._rules and self._rules[rule.name].new)

    def wake(self, now: float, most: int) -> Iterator[tuple[Rule, str, Outcome]]:
        """Of at most so many keys that are due: rule, key and what came of it."""
        for _ in range(most):
            if not self._heap or self._heap[0][0] > now:
                return
            at, (name, key) = heapq.heappop(self._heap)
            if self._scheduled.get((name, key)) != at:
                continue  # it was scheduled anew since
            del self._scheduled[name, key]
            state, meter = self.state(name, key), self._meters.get(name)
            if state is None or meter is None:
                continue
            due = meter.due(state, self._watched[name])
            if due is None or due > now:
                self._schedule((name, key), due)
                continue
            outcome = meter.wake(state, now)
            self._put((name, key), outcome.state, now)
            yield self._rules[name], key, outcome

    def owed(self, rule: str, key: str) -> tuple[str, ...]:
        """What the next message about that alert has to say of what was held back."""
        state, meter = self.state(rule, key), self._meters.get(rule)
        return meter.owed(state) if state is not None and meter is not None else ()

    def settle(self, rule: str, key: str, now: float) -> None:
        """It has been said."""
        state, meter = self.state(rule, key), self._meters.get(rule)
        if state is not None and meter is not None and meter.owed(state):
            self._put((rule, key), meter.settled(state), now)

    def changed(self) -> list[MeterRow]:
        """What is to be written; each change once."""
        rows, self._changed = list(self._changed.values()), {}
        return rows

    def next_due(self) -> float | None:
        """When the earliest key may be due (wall time)."""
        return self._heap[0][0] if self._heap else None

    def clock_set(self, seconds: float, now: float) -> None:
        """Relay's clock was set by so many seconds: what is past stays as long ago as it was."""
        self._watched = {name: at + seconds for name, at in self._watched.items()}
        for name, kept in self._kept.items():
            meter = self._meters.get(name)
            for key, each in list(kept.items()) if meter is not None else ():
                assert meter is not None
                self._put((name, key), meter.shifted(each.state, seconds), now)
        self.reschedule()

    # --- for people ---

    def state(self, rule: str, key: str) -> Struct | None:
        """What is remembered of the key."""
        kept = self._kept.get(rule, {}).get(key)
        return None if kept is None else kept.state

    def watched(self, rule: str) -> float:
        """Since when the rule is as it is, in this process."""
        return self._watched.get(rule, 0.0)

    def status(self) -> Json:
        """For `relay status`: states in memory, and forgotten for want of room, by rule."""
        return {
            name: {"keys": len(self._kept.get(name, ())), "forgotten": self.forgotten[name]}
            for name in self._meters
        }

    # --- the steps ---

    def _put(self, at: Key, state: Struct | None, now: float) -> None:
        name, key = at
        kept = self._kept.setdefault(name, {})
        kept.pop(key, None)
        self._changed[at] = MeterRow(name, key, None if state is None else written(state), now)
        if state is None:
            self._scheduled.pop(at, None)
            return
        kept[key] = _Kept(state, now)  # at the end: the latest touched
        self._schedule(at, self._meters[name].due(state, self._watched[name]))
        if len(kept) > MOST_KEYS:
            self._forget(name, next(iter(kept)), now)

    def _forget(self, name: str, key: str, now: float) -> None:
        del self._kept[name][key]
        self._scheduled.pop((name, key), None)
        self._changed[name, key] = MeterRow(name, key, None, now)
        self.forgotten[name] += 1
        if self.forgotten[name] % MOST_KEYS == 1:
            log.warning("meter_forgot", rule=name, keys=MOST_KEYS, forgotten=self.forgotten[name])

    def _refit(self, name: str, kept: dict[str, _Kept], now: float) -> None:
        """States that the rule's meter can't go on with are forgotten; a clock set back meanwhile is heeded.

        Those of a rule that is gone are kept for a while: it may come back by the next edit.
        """
        meter = self._meters.get(name)
        for key, each in list(kept.items()):
            if meter is None:
                if each.touched_at < now - GONE_AFTER:
                    del kept[key]
                    self._changed[name, key] = MeterRow(name, key, None, now)
            elif not meter.fits(each.state):
                del kept[key]
                self._changed[name, key] = MeterRow(name, key, None, now)
            elif each.touched_at > now:
                kept[key] = _Kept(meter.shifted(each.state, now - each.touched_at), now)

    def reschedule(self) -> None:
        """Ask anew when each key is due."""
        self._heap, self._scheduled = [], {}
        for name, meter in self._meters.items():
            for key, each in self._kept.get(name, {}).items():
                self._schedule((name, key), meter.due(each.state, self._watched[name]))

    def _schedule(self, at: Key, due: float | None) -> None:
        """Earlier than before needs a new entry; later is found out when the old one is due."""
        scheduled = self._scheduled.get(at)
        if due is None or (scheduled is not None and due >= scheduled):
            return
        self._scheduled[at] = due
        heapq.heappush(self._heap, (due, at))
        if len(self._heap) > 2 * len(self._scheduled) + MOST_KEYS:  # of keys that have ended since
            self._heap = [(when, key) for key, when in self._scheduled.items()]
            heapq.heapify(self._heap)


def _alike(old: Rule, new: Rule) -> bool:
    """Whether an edit left alone what the rule counts."""
    return (old.match, old.except_, meter_of(old)) == (new.match, new.except_, meter_of(new))
