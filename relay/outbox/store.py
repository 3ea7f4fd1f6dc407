"""What relay asks of a store, as verbs of its own domain. SQLite is the first engine (sqlite.py).

All verbs that write are durable when they return. Several callers' writes may share one transaction
(group commit); each caller's own write is all or nothing. Errors: `StoreFullError` (no space, read-only,
I/O error), `StoreBusyError`, `StoreDamagedError`, `StoreError`; after an error nothing of that write is in
the store. A caller that is cancelled while it waits doesn't know: its write may still be made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct, field

from relay.errors import StoreError
from relay.models import (
    Address,
    Alert,
    Attempt,
    CheckRecord,
    Delivery,
    DeliveryState,
    Event,
    Json,
    Position,
    Silence,
    Withheld,
)


class StoreDamagedError(StoreError):
    """The store's file is damaged: end, and start again; the next start sets it aside."""


class StoredEvent(Struct, frozen=True, gc=False):
    """An event with the alert it belongs to (0: no rule matched) and its fate."""

    event: Event
    alert: int
    reason: str
    received_at: float


class MeterRow(Struct, frozen=True, gc=False):
    """What one rule has counted of one thing; `state` as routing writes it, None: forgotten."""

    rule: str
    key: str
    state: bytes | None  # JSON
    touched_at: float


class Commit(Struct, kw_only=True):
    """One transaction of the pipeline."""

    events: list[StoredEvent] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)  # new and changed, whole
    samples: dict[int, Event] = field(default_factory=dict)  # alert id -> sample event, for new alerts
    traces: dict[int, Json] = field(
        default_factory=dict
    )  # alert id -> the trace of its latest telling decision
    deliveries: list[Delivery] = field(default_factory=list)  # pending, or sending with a lease
    holds: list[StoredHold] = field(default_factory=list)  # new and changed, whole
    holds_over: list[str] = field(default_factory=list)  # their keys
    positions: list[Position] = field(default_factory=list)
    forgotten: list[Position] = field(default_factory=list)  # files that are gone for good
    meters: list[MeterRow] = field(default_factory=list)  # what rules have counted; one row for each key
    checks: list[CheckRecord] = field(default_factory=list)
    silences: list[Silence] = field(default_factory=list)  # new and changed, whole
    withheld: list[Withheld] = field(default_factory=list)  # new and changed, whole
    closed: list[str] = field(default_factory=list)  # those in whose stead it has been told


class StoredHold(Struct, frozen=True, gc=False):
    """Something that holds messages back: the store knows its key, what it is it takes as it comes."""

    key: str
    kind: str
    state: Json


class Settlement(Struct, kw_only=True):
    """What became of one attempt: the delivery as it is now, and the attempt to record (None: given back)."""

    delivery: Delivery
    attempt: Attempt | None = None


class Tried(Struct, frozen=True, gc=False):
    """An attempt as far as limits go."""

    to: str
    started_at: float
    outcome: str


class AlertRow(Struct, kw_only=True):
    """An alert as shown to people."""

    alert: Alert
    sample: Event | None
    trace: Json


class Seen(Struct, frozen=True, gc=False):
    """Events of one source, module and level: the latest of them, and how many the store holds."""

    event: Event
    count: int


class Store(Protocol):
    """The verbs. `now` is always relay's clock, never the engine's own."""

    id: str  # random, made with the store: prefix of idempotency keys
    damage: str  # what was found wrong at open, and where the damaged store was set aside; "": nothing

    @property
    def intake_open(self) -> bool:
        """Whether commits are taken; False while there is no room: they are refused with `StoreFullError`."""
        ...

    def next_ids(self, count: int) -> int:
        """Reserve `count` increasing ids for new alerts or deliveries; the first of them."""
        ...

    async def commit(self, commit: Commit) -> None:
        """Write events, alerts, deliveries and positions in one transaction.

        Forgotten positions go before new ones come: an inode may be used again.
        """
        ...

    async def claim(self, backend: str, most: int, now: float, lease_until: float) -> list[Delivery]:
        """Take up to `most` due pending deliveries of that backend, oldest first: they are `sending` now.

        Deliveries past `expires_at` are included: the dispatcher makes them dead.
        """
        ...

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Record outcomes: each delivery's new state and its attempt.

        Of a delivery that isn't `sending` any more (its lease ran out, an operator dropped it) only the
        attempt is recorded.
        """
        ...

    async def accepted(self, backend: str, receipt: str) -> list[Delivery]:
        """Delivered deliveries that the backend accepted under that id, and hasn't told of since."""
        ...

    async def amend(self, receipt: str, settlements: Sequence[Settlement]) -> list[int]:
        """Record what a service told later of deliveries that `accepted` gave: new state and attempt.

        Ids of those changed. One that isn't delivered under that receipt any more stays as it is.
        """
        ...

    async def recover(self, now: float, *, all_leases: bool) -> int:
        """Give back deliveries whose lease ran out (all of them at start: this store has one daemon).

        How many. Each gets an attempt with the outcome `interrupted`, made now as far as limits go; it isn't
        counted against the delivery.
        """
        ...

    async def next_due(self) -> dict[str, float]:
        """Per backend, when its earliest pending delivery is due."""
        ...

    async def supersede(self, backend: str, before: float, now: float) -> int:
        """Cancel pending deliveries created before `before` that a newer one makes stale; how many.

        Newer is a pending delivery for the same alert and recipient, through whatever backend.
        """
        ...

    async def live_alerts(self) -> list[Alert]:
        """Alerts that are not resolved."""
        ...

    async def silences(self, *, ended_since: float | None = None) -> list[Silence]:
        """Silences in force, the newest first; those that ended since then too."""
        ...

    async def withheld(self) -> list[Withheld]:
        """What is held back and not told yet."""
        ...

    async def unaccepted_alerts(self, alerts: Sequence[int]) -> set[int]:
        """Those of the alerts with messages of their own, none of which was delivered."""
        ...

    async def recall(self, name: str) -> str:
        """What `keep` was given under that name; or ""."""
        ...

    async def keep(self, name: str, text: str) -> None:
        """Remember a text by its name."""
        ...

    async def recent_ids(self, since: float, most: int) -> list[tuple[str, str]]:
        """(program, id) of the latest stored events with an id since then, newest last."""
        ...

    async def recent_attempts(self, backend: str, since: float, most: int = 100_000) -> list[Tried]:
        """That backend's latest attempts since then, oldest first: limits survive a restart."""
        ...

    async def seen(self, since: float, most: int) -> list[Seen]:
        """What events there were since then, by source, module and level; one more for an alert's first.

        Not those that no rule wanted and that nobody was promised: they aren't stored.
        """
        ...

    async def last_outcomes(self, since: float) -> list[Attempt]:
        """The latest attempt at each address since then."""
        ...

    async def positions(self) -> list[Position]:
        """Every saved position."""
        ...

    async def meters(self) -> list[MeterRow]:
        """What the rules have counted."""
        ...

    async def fingerprints(self, rules: Sequence[str]) -> list[tuple[str, str]]:
        """(rule, fingerprint) of every alert of these rules, over or not."""
        ...

    async def checks(self) -> list[CheckRecord]:
        """What the watchdog left behind of each of its checks."""
        ...

    async def alerts(self, *, states: Sequence[str] = (), most: int = 100) -> list[AlertRow]:
        """Alerts, the latest touched first."""
        ...

    async def alert(self, id: int) -> AlertRow | None:  # noqa: A002 - the word of the domain
        """One alert."""
        ...

    async def events_of(self, alert: int, most: int = 20) -> list[StoredEvent]:
        """An alert's latest events, newest first."""
        ...

    async def deliveries(
        self, *, states: Sequence[DeliveryState] = (), alert: int | None = None, most: int = 100
    ) -> list[Delivery]:
        """Deliveries, newest first."""
        ...

    async def delivery(self, id: int) -> tuple[Delivery, list[Attempt]] | None:  # noqa: A002
        """One delivery with its attempts, oldest first."""
        ...

    async def holds(self) -> list[StoredHold]:
        """What holds messages back."""
        ...

    async def handle(self, alert: int, address: Address, thread: str = "") -> str:
        """The service's handle of the latest message delivered to that address; or "".

        About that alert; with `thread`, of that group or storm.
        """
        ...

    async def retry(self, ids: Sequence[int], now: float, expires_at: float) -> int:
        """Dead (or cancelled) deliveries become pending again, from their first address; how many."""
        ...

    async def drop(self, ids: Sequence[int], now: float) -> int:
        """Pending or dead deliveries become cancelled; how many."""
        ...

    async def note(self, name: str, value: str) -> None:
        """Remember something small under that name."""
        ...

    async def noted(self, name: str) -> str:
        """What was last remembered under that name; "" if nothing was."""
        ...

    async def counts(self) -> Json:
        """Numbers for `relay status`.

        `{"deliveries": {backend: {state: n}}, "alerts": {state: n}, "events": n, "bytes": on disk}`
        """
        ...

    async def sweep(
        self, events_before: float, alerts_before: float, deliveries_before: float, max_events: int
    ) -> int:
        """Delete a bounded slice of what is over (some thousand rows); how many were deleted, 0: done.

        Events by when they were received, delivered and cancelled deliveries by when they were made, resolved
        alerts by their latest event, once none of their deliveries is left.
        """
        ...

    async def close(self) -> None:
        """Checkpoint and let go."""
        ...
