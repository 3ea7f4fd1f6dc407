"""The real pipeline under a fake clock, with a store in memory: days in seconds, restarts at any point."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, cast

import msgspec

from relay.book import RecentIds
from relay.clock import FakeClock
from relay.config.schema import Config
from relay.models import Address, Alert, AlertState, Batch, Delivery, Event, Json, Message, Order
from relay.outbox.store import AlertRow, Commit, Store, StoredHold
from relay.pipeline import Pipeline
from relay.routing.hold import restored
from relay.routing.ruleset import Ruleset
from relay.rulebook import Rules
from relay.sources.intake import Intake

NOW = 1_767_600_000.0
_NUMBERS = re.compile(r"#(\d+)(?:-#(\d+))?")


class MemoryStore:
    """What the pipeline asks of a store; all of it goes through JSON, as on a disk."""

    def __init__(self) -> None:
        self.id = "memory"
        self.intake_open = True
        self.alerts: dict[int, bytes] = {}
        self.live: dict[str, int] = {}
        self.samples: dict[int, Event] = {}
        self.traces: dict[int, Json] = {}
        self.held: dict[str, bytes] = {}
        self.reasons: dict[str, int] = {}  # events by what became of them
        self.told: list[Delivery] = []
        self._next = 1

    def next_ids(self, count: int) -> int:
        self._next += count
        return self._next - count

    async def commit(self, commit: Commit) -> None:
        for alert in commit.alerts:
            self.alerts[alert.id] = msgspec.json.encode(alert)
            if alert.state is AlertState.RESOLVED:
                self.live.pop(alert.fingerprint, None)
            else:
                self.live[alert.fingerprint] = alert.id
        self.samples.update(commit.samples)
        self.traces.update(commit.traces)
        self.told += commit.deliveries
        for key in commit.holds_over:
            self.held.pop(key, None)
        self.held.update({hold.key: msgspec.json.encode(hold) for hold in commit.holds})
        for stored in commit.events:
            self.reasons[stored.reason] = self.reasons.get(stored.reason, 0) + 1

    async def alert(self, number: int) -> AlertRow | None:
        found = self.alerts.get(number)
        if found is None:
            return None
        return AlertRow(
            alert=msgspec.json.decode(found, type=Alert), sample=self.samples.get(number), trace={}
        )

    def live_alerts(self) -> list[Alert]:
        return [msgspec.json.decode(self.alerts[number], type=Alert) for number in self.live.values()]

    async def unaccepted_alerts(self, alerts: Sequence[int]) -> set[int]:
        del alerts
        return set()

    def holds(self) -> list[StoredHold]:
        return [msgspec.json.decode(state, type=StoredHold) for state in self.held.values()]


class NoSeats:
    """Outlets with no seat to give: all that is owed is in the store."""

    def order(self, addresses: Sequence[Address], avoid: str = "") -> tuple[Address, ...]:
        del avoid
        return tuple(addresses)

    def seat(self, *_: Any) -> bool:
        return False

    def give_back(self, *_: Any) -> None:
        raise AssertionError("no seat was given")

    def hand_over(self, deliveries: Sequence[Delivery]) -> None:
        assert not deliveries

    def notice(self, backend: str, at: float) -> None:
        pass


class Replay:
    """Feed it events, let time pass, see what people got."""

    def __init__(self, config: Config, now: float = NOW) -> None:
        self.clock = FakeClock(now)
        self.store = MemoryStore()
        self._rules = Rules.of(config, Ruleset(config))
        self.restart()

    def restart(self) -> None:
        """As after `kill -9`: only what the store has is known."""
        store = cast("Store", self.store)
        self.pipeline = Pipeline(
            Intake(), store, self.clock, self._rules, NoSeats(), RecentIds(), stuck=self._stuck
        )
        self.pipeline._timers_from = self.clock.monotonic()
        for alert in self.store.live_alerts():
            self.pipeline.remember(alert)
        self.pipeline.holds.load(restored(held.state) for held in self.store.holds())
        self.pipeline.holds.prune()

    async def take(self, *events: Event, orders: Sequence[Order] = ()) -> None:
        await self.pipeline.run_once([Batch(events=list(events), orders=list(orders))])

    async def wait(self, seconds: float) -> None:
        """Let time pass, with a turn whenever something is due."""
        end = self.clock.now() + seconds
        for _ in range(100_000):
            upcoming = [
                at for at in (self.pipeline.book.next_due(), self.pipeline.holds.next_due()) if at is not None
            ]
            at = min(upcoming, default=end)
            if at > end:
                break
            self.clock.advance(max(0.0, at - self.clock.now()))
            await self.take()
            if not upcoming:
                break
        else:
            raise AssertionError("something is due again and again")
        self.clock.advance(max(0.0, end - self.clock.now()))

    @property
    def told(self) -> list[Delivery]:
        """All that was owed to anyone so far."""
        return self.store.told

    def messages(self, recipient: str | None = None) -> list[Message]:
        return [each.message for each in self.told if recipient in {None, each.recipient}]

    async def _stuck(self, text: str) -> None:
        raise AssertionError(text)


def accounted(messages: Iterable[Message]) -> int:
    """Events that the messages tell of: a first message of all so far, a later one of those since."""
    return sum(message.more if message.since else message.count for message in messages)


def named(messages: Iterable[Message]) -> set[int]:
    """Alerts that the messages name, by their number."""
    found: set[int] = set()
    for message in messages:
        found.add(message.alert)
        if not message.alert:
            for first, last in _NUMBERS.findall(message.text):
                found.update(range(int(first), int(last or first) + 1))
    return found - {0}
