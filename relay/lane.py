"""One backend's lane: its seats, its limits, its health. A slow or dead backend fills only its own lane.

A seat is the right to have one delivery on its way; it is taken before the delivery is claimed and given
back after its outcome is durable. So a kill can repeat at most as many messages as there are seats taken.
Seats start at one and grow with success and with time: a service that has just come back isn't met by a
thundering herd, and a relay that is killed again and again repeats next to nothing.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol

import structlog
from msgspec import structs

from relay import digest
from relay.attempt import LATE, Expired, Outcome, attempt, record, together
from relay.backends.base import Assumed, Backend, Receipt
from relay.clock import Clock
from relay.errors import (
    BackendDownError,
    BackendError,
    RateLimitedError,
    ReceiverLimitedError,
    StoreError,
    TemporaryError,
)
from relay.models import Delivery, DeliveryState, Json, Reason
from relay.outbox import retry
from relay.outbox.quota import Quota
from relay.outbox.store import Settlement, Store
from relay.templates import Templates
from relay.values import format_duration, parse_rate

log = structlog.get_logger()

GROWTH: Final = 100  # accepted messages per additional seat
YOUTH: Final = 1.0  # seconds from the start, or from coming back, without seats for age ...
GROWTH_BY_AGE: Final = 32  # ... and additional seats for each second after that
FAILURES_UNTIL_DOWN: Final = 5  # temporary failures in a row
PAUSE_FIRST: Final = 1.0  # seconds between probes of a backend that is down for a passing reason ...
PAUSE_MOST: Final = 60.0  # ... doubling up to this
PAUSE_OPERATOR: Final = 60.0  # and of one that needs an operator ...
PAUSE_OPERATOR_MOST: Final = 600.0  # ... doubling up to this
FOLD_FROM: Final = 30.0  # seconds of a limit's window from which on messages are folded when it runs low
REROUTE: Final = 200  # deliveries moved to their next address in one turn


class Surroundings(Protocol):
    """What a lane needs from the dispatcher."""

    store: Store
    clock: Clock
    templates: Templates

    @property
    def down(self) -> Sequence[str]:
        """Names of backends known to be down."""
        ...

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Make outcomes durable."""
        ...

    def notice(self, backend: str, at: float) -> None:
        """A pending delivery of that backend is due then."""
        ...

    def report(self, kind: str, subject: str, text: str, *, avoid: str = "", cleared: bool = False) -> None:
        """Tell the operators."""
        ...


class Lane:
    """Due deliveries of one backend -> attempts -> outcomes."""

    def __init__(self, name: str, backend: Backend, around: Surroundings, sent: Sequence[float] = ()) -> None:
        settings = backend.settings
        self.name = name
        self.backend = backend
        self.policy = retry.Policy(attempts=settings.attempts)
        self._around = around
        self._most = settings.concurrency or backend.limits.concurrency
        windows = tuple(parse_rate(text) for text in settings.rate) or backend.limits.windows
        self._limited = bool(windows)
        self._receivers = backend.limits.receivers
        # A window of a second is waited out; in one of a minute people should know what else is up.
        longest = max((seconds for _, seconds in windows), default=0.0)
        self._folds = self._receivers == 1 and longest >= FOLD_FROM
        # Places kept for what is critical.
        self._spared = min((number for number, _ in windows), default=0) // 5
        self._quota = Quota(windows)
        self._quota.preload(sent)  # a restart doesn't reset the service's window
        self._accepted = 0  # since start or since it was last down: sets the number of seats
        self._taken = 0  # seats taken: reserved, on their way, or being settled
        self._reserved: list[float] = []  # when each seat was taken whose delivery hasn't started yet
        self._ready: deque[Delivery] = deque()  # claimed, and waiting for a seat: hides the claim's commit
        self._next_due: float | None = -math.inf  # wall time of the earliest pending one; None: none known
        self._resume_at = 0.0  # monotonic time until which nothing is tried
        self._pause = 0.0  # seconds of the current pause while down
        self._failures = 0  # temporary failures in a row
        self._down_since: float | None = None  # wall time
        self._why = ""  # why it is down, in words
        self._wake = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None  # the scope of attempts, while `run` lasts
        self._attempts: set[asyncio.Task[None]] = set()  # those on their way
        self._stale = True  # after an outage, relay's own too: some of what waits is superseded
        self._stopping = False
        self._up_at = around.clock.monotonic()  # since when it isn't down
        self.turned_at = self._up_at

    # --- for the pipeline: deliveries handed over in memory, already claimed ---

    def seat(self) -> bool:
        """Take a seat for a delivery about to be committed as `sending`; False: let it wait its turn."""
        now = self._around.clock.monotonic()
        backlog = self._next_due is not None and self._next_due <= self._around.clock.now()
        # Messages to many are better claimed together.
        closed = self._group is None or self._stopping or self._receivers > 1
        if backlog or self._ready or closed or now < self._resume_at or self._taken >= self._seats:
            return False
        if self._folds and (self._quota.room(now) or 0) <= self._spared:
            return False
        if self._quota.take(now) > 0:
            return False
        self._reserve(now)
        return True

    def give_back(self) -> None:
        """Return a seat that `seat()` gave and that isn't needed."""
        self._taken -= 1
        self._quota.give_back(self._reserved.pop())
        self._wake.set()

    def start(self, *group: Delivery) -> None:
        """Attempt deliveries that hold a seat together."""
        assert self._group is not None, "a seat is only given while the lane runs"
        self._reserved.pop()
        task = self._group.create_task(self._deliver(group))
        self._attempts.add(task)
        task.add_done_callback(self._attempts.discard)

    def notice(self, at: float) -> None:
        """There is a pending delivery, due then (wall time)."""
        if self._next_due is None or at < self._next_due:
            self._next_due = at
            self._wake.set()

    # --- its own life ---

    async def run(self) -> None:
        """Turn until stopped; then wait for what is on its way."""
        async with asyncio.TaskGroup() as self._group:
            while not self._stopping:
                self._wake.clear()
                if self._stale:
                    await self._collapse()
                wait = await self.turn()
                self.turned_at = self._around.clock.monotonic()
                if wait > 0:
                    await self._sleep(min(wait, 5.0))
            back = [self._settled(delivery, retry.Interrupted()) for delivery in self._ready]
            self._ready.clear()
            await self._settle([Settlement(delivery=delivery) for delivery in back])

    async def turn(self) -> float:
        """Claim and start what is due and has a seat; seconds until the next look is worth it."""
        clock = self._around.clock
        wait = math.inf if self._next_due is None else self._next_due - clock.now()
        if wait > 0 and not self._ready:
            return wait
        pause = self._resume_at - clock.monotonic()
        if pause > 0:
            return await self._reroute(pause)
        if self._folds:
            return await self._turn_within_budget()
        free, quota_wait = self._take_seats()
        free = self._start_ready(free)
        ahead = 0 if self._limited else self._seats
        want = (free + ahead) * self._receivers - len(self._ready)
        if wait > 0 or want <= ahead * self._receivers // 2:
            self._give_back(free)
            return quota_wait
        claimed = await self._claim(want)
        self._ready.extend(claimed)
        self._give_back(self._start_ready(free))
        if len(claimed) < want:
            await self._look_ahead()
        return 0.0

    async def _turn_within_budget(self) -> float:
        """Where messages are few: what doesn't fit one by one shares a message (see digest.py)."""
        now = self._around.clock.monotonic()
        allowed = self._quota.room(now) or 0
        room = min(allowed, self._seats - self._taken)
        if room <= 0:
            return self._quota.wait(now) or math.inf
        want = room * digest.MOST
        claimed = await self._claim(want)
        groups, waiting = digest.plan(claimed, min(allowed - self._spared, room), room)
        for group in groups:
            self._quota.take(now)
            self._reserve(now)
            self.start(*group)
        later = self._around.clock.now() + max(1.0, self._quota.wait(now))
        back = [structs.replace(self._settled(each, retry.Interrupted()), next_at=later) for each in waiting]
        await self._settle([Settlement(delivery=each) for each in back])
        if len(claimed) < want:
            await self._look_ahead()
        return 0.0 if claimed else math.inf

    def stop(self) -> None:
        """Claim no more."""
        self._stopping = True
        self._wake.set()

    def cancel(self) -> None:
        """Interrupt what is on its way: it goes back to pending, its attempt given back."""
        for task in self._attempts:
            task.cancel()

    @property
    def is_down(self) -> bool:
        """Whether attempts are probes only."""
        return self._down_since is not None

    def status(self) -> Json:
        """For `relay status`."""
        pause = max(0.0, self._resume_at - self._around.clock.monotonic())
        return {
            "backend": self.name,
            "type": self.backend.type,
            "state": "down" if self.is_down else "paused" if pause else "up",
            "why": self._why,
            "down_since": self._down_since,
            "resumes_in": round(pause, 1),
            "in_flight": self._taken,
            "accepted": self._accepted,
        }

    # --- inside ---

    @property
    def _seats(self) -> int:
        if self.is_down:
            return 1
        age = self._around.clock.monotonic() - self._up_at - YOUTH
        return min(self._most, 1 + self._accepted // GROWTH + int(max(0.0, age) * GROWTH_BY_AGE))

    def _take_seats(self) -> tuple[int, float]:
        """As many seats as there are and the quota allows; else how long to wait for one."""
        now = self._around.clock.monotonic()
        taken = 0
        wait = math.inf
        while self._taken < self._seats:
            wait = self._quota.take(now)
            if wait > 0:
                break
            self._reserve(now)
            taken += 1
        return taken, wait

    def _reserve(self, now: float) -> None:
        self._taken += 1
        self._reserved.append(now)

    def _give_back(self, count: int) -> None:
        for _ in range(count):
            self.give_back()

    def _start_ready(self, free: int) -> int:
        """Give the `free` seats to what is claimed already; how many are left."""
        while free and self._ready:
            self.start(*together(self._ready, self._receivers))
            free -= 1
        return free

    async def _claim(self, most: int) -> list[Delivery]:
        now = self._around.clock.now()
        lease = now + 2 * self.backend.settings.timeout + 60
        try:
            return await self._around.store.claim(self.name, most, now, lease)
        except StoreError as error:
            log.warning("claim_failed", backend=self.name, error=str(error))
            await self._sleep(1.0)
            return []

    async def _look_ahead(self) -> None:
        """Learn when the next one is due; one that is noticed meanwhile counts too."""
        self._next_due = None
        try:
            due = (await self._around.store.next_due()).get(self.name)
        except StoreError:
            due = self._around.clock.now() + 1.0
        if due is not None:
            self.notice(due)

    async def _collapse(self) -> None:
        """Of several messages about one alert to one recipient only the latest is still worth sending."""
        self._stale = False
        now = self._around.clock.now()
        try:
            superseded = await self._around.store.supersede(self.name, now - LATE, now)
        except StoreError as error:
            log.warning("collapse_failed", backend=self.name, error=str(error))
        else:
            if superseded:
                log.info("stale_deliveries_cancelled", backend=self.name, count=superseded)

    async def _reroute(self, pause: float) -> float:
        """While paused: whoever can be reached another way needn't wait."""
        if not self.is_down:
            return pause
        error = BackendDownError(self._why)
        now = self._around.clock.now()
        claimed = [*self._ready, *await self._claim(REROUTE)]
        self._ready.clear()
        rerouted = []
        for delivery in claimed:
            moved = self._settled(delivery, error)
            if moved.state is DeliveryState.PENDING and moved.address.backend == self.name:
                moved = structs.replace(moved, next_at=now + pause)
            rerouted.append(Settlement(delivery=moved))
        await self._settle(rerouted)
        if len(claimed) < REROUTE:
            await self._look_ahead()
        return 0.0

    async def _deliver(self, group: Sequence[Delivery]) -> None:
        started = self._around.clock.now()
        began = self._around.clock.monotonic()
        outcomes: Sequence[Outcome]
        try:
            outcomes = await attempt(
                self.backend, self._around.store, group, started, self._around.templates.worded
            )
        except asyncio.CancelledError:
            outcomes = [retry.Interrupted()] * len(group)
        seconds = self._around.clock.monotonic() - began
        settlements = []
        for delivery, outcome in zip(group, outcomes, strict=True):
            settled = self._settled(delivery, outcome)
            self._log(delivery, settled, outcome, seconds)
            attempted = record(delivery, outcome, started, seconds)
            settlements.append(Settlement(delivery=settled, attempt=attempted))
        await self._settle(settlements)
        self._taken -= 1
        for outcome in outcomes:
            self._learn(outcome, began)
        if self._ready and not self._stopping and self._resume_at <= self._around.clock.monotonic():
            self._give_back(self._start_ready(self._take_seats()[0]))
        self._wake.set()

    def _settled(self, delivery: Delivery, outcome: Outcome) -> Delivery:
        if isinstance(outcome, Expired):
            return retry.expired(delivery)
        now = self._around.clock.now()
        settled = retry.settle(delivery, outcome, now, self.policy, random.random, down=self._around.down)
        if isinstance(outcome, Receipt) and outcome.handle:
            settled = structs.replace(settled, handle=outcome.handle)
        if isinstance(outcome, Receipt) and self.backend.tells_later:
            settled = structs.replace(settled, receipt=outcome.id)
        return settled

    async def _settle(self, settlements: Sequence[Settlement]) -> None:
        await self._around.settle(settlements)
        for delivery in (each.delivery for each in settlements):
            if delivery.state is DeliveryState.PENDING:
                self._around.notice(delivery.address.backend, delivery.next_at)

    def _learn(self, outcome: Outcome, began: float) -> None:
        """What this outcome says about the backend itself."""
        if isinstance(outcome, Assumed):
            outcome = outcome.error  # a service that answers nobody is down, whatever is assumed
        if isinstance(outcome, Receipt):
            self._failures = 0
            self._accepted += 1
            if self.is_down:
                self._up()
        elif isinstance(outcome, RateLimitedError) and not isinstance(outcome, ReceiverLimitedError):
            pause = min(retry.PAUSE_MOST, max(retry.PAUSE_LEAST, outcome.retry_after))
            self._resume_at = max(self._resume_at, self._around.clock.monotonic() + pause)
        elif isinstance(outcome, BackendDownError):
            self._fail(outcome, began, PAUSE_OPERATOR, PAUSE_OPERATOR_MOST)
        elif isinstance(outcome, TemporaryError):
            self._failures += 1
            if self._failures >= FAILURES_UNTIL_DOWN or self.is_down:
                self._fail(outcome, began, PAUSE_FIRST, PAUSE_MOST)

    def _fail(self, error: BackendError, began: float, first: float, most: float) -> None:
        if began < self._resume_at - self._pause:
            return  # started before the pause did: says nothing new
        now = self._around.clock.monotonic()
        self._pause = min(most, max(first, self._pause * 2))
        self._resume_at = now + self._pause
        self._why = str(error)
        if self._down_since is None:
            self._down_since = self._around.clock.now()
            self._accepted = 0
            log.warning("backend_went_down", backend=self.name, error=self._why, code=error.code)
            text = f"backend {self.name} is down: {self._why}; messages wait or take the next address"
            self._around.report("backend", self.name, text, avoid=self.name)
        self._wake.set()

    def _up(self) -> None:
        away = self._around.clock.now() - (self._down_since or 0.0)
        self._down_since, self._pause, self._resume_at, self._why = None, 0.0, 0.0, ""
        self._up_at = self._around.clock.monotonic()
        self._stale = True
        log.info("backend_came_back", backend=self.name, after_seconds=round(away, 1))
        text = f"backend {self.name} accepts messages again after {format_duration(away)}"
        self._around.report("backend", self.name, text, cleared=True)

    def _log(self, before: Delivery, after: Delivery, outcome: Outcome, seconds: float) -> None:
        fields: Json = {
            "delivery": before.id,
            "alert": before.alert,
            "recipient": before.recipient,
            "backend": self.name,
            "reason": before.reason.value,
            "ms": round(seconds * 1000, 1),
        }
        if isinstance(outcome, Assumed):
            log.warning("delivery_assumed_sent", **fields, error=str(outcome.error))
        elif isinstance(outcome, Receipt):
            log.info("delivery_accepted", **fields, id=outcome.id)
        elif after.state is DeliveryState.DEAD:
            log.error("delivery_died", **fields, error=after.error)
            if before.reason is not Reason.OPERATORS:
                text = f"delivery {before.id} to {before.recipient} is dead: {after.error}"
                self._around.report("delivery", before.recipient, text, avoid=self.name)
        else:
            log.warning("delivery_postponed", **fields, error=after.error, next=after.address.backend)

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass
