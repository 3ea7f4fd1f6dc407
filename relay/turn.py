"""One transaction of the pipeline on its way: what is decided in it, and becomes durable with it."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct, field

from relay.config.schema import Rule
from relay.models import Alert, Event
from relay.outbox.store import Commit, Store
from relay.routing.fingerprint import Fingerprint
from relay.routing.meters.base import Held
from relay.rulebook import Rules


class Turn(Struct):
    """From the first decision to the commit; `now` doesn't move meanwhile."""

    rules: Rules
    now: float
    commit: Commit = field(default_factory=Commit)
    changed: dict[str, Alert] = field(default_factory=dict)  # by fingerprint: alerts as they are now

    def rule_of(self, alert: Alert) -> Rule | None:
        """The alert's rule, if it is still there."""
        return self.rules.rule_of(alert)

    def new(self, number: int) -> Iterator[Alert]:
        """The alert of that id, if something became of it in this turn."""
        return (alert for alert in self.changed.values() if alert.id == number)

    async def sample(self, store: Store, alert: int) -> Event | None:
        """One of the alert's events, if any is known."""
        if alert in self.commit.samples:
            return self.commit.samples[alert]
        row = await store.alert(alert)
        return row.sample if row else None


class Problem(Struct):
    """Events of one problem within one batch: counted before anything is decided."""

    rule: Rule
    fingerprint: Fingerprint
    events: list[Event] = field(default_factory=list)
    ending: set[int] = field(default_factory=set)  # `id()` of those that end a pair
    held: dict[int, Held] = field(default_factory=dict)  # those that go no further, by `id()`
    over: Event | None = None  # the event that ends it, after the others
    linked: bool = False  # its events belong to an outage
    alert: int = 0  # the alert's id, once decided; that of a live one for what is held
    reason: str = ""

    def fate(self, event: Event) -> tuple[int, str]:
        """The alert and the reason that are stored with the event."""
        held = self.held.get(id(event))
        return self.alert, self.reason if held is None else str(held)

    def reason_of(self, event: Event) -> str:
        """The named reason alone."""
        held = self.held.get(id(event))
        return self.reason if held is None else held.reason.value
