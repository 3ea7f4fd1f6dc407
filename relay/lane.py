"""One backend's lane: due deliveries -> attempts -> outcomes. A slow or dead backend fills only its own lane.

A seat is the right to have one call on its way; it is taken before the call begins and given back after its
outcome is durable. So a kill can repeat at most as many messages as there are seats taken (see seats.py).
What the service takes stands in budget.py, whether it works in health.py.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from msgspec import structs

from relay.attempt import Expired, Outcome, attempt, log_attempt, record
from relay.backends.base import Backend, Receipt
from relay.budget import Budget
from relay.claims import Claims
from relay.clock import Clock
from relay.digest import Group
from relay.errors import BackendDownError, BackendError, NeedsFallbackError
from relay.health import Health
from relay.models import Delivery, DeliveryState, Json, Reason
from relay.outbox import retry
from relay.outbox.store import Settlement, Store
from relay.report import Report
from relay.seats import Seats
from relay.templates import Templates

LEASE_SPARE: Final = 60.0  # seconds that a claim lasts beyond the attempts that may come before
REROUTE: Final = 200  # deliveries moved to their next address in one turn
ELSEWHERE_FROM: Final = (
    600.0  # seconds a limit would hold a message back, from which on its next address is used
)


class Surroundings(Protocol):
    """What a lane needs from the dispatcher."""

    store: Store
    clock: Clock
    templates: Templates
    report: Report

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


class Lane:
    """Due deliveries of one backend -> attempts -> outcomes."""

    def __init__(self, name: str, backend: Backend, around: Surroundings, budget: Budget) -> None:
        settings = backend.settings
        self.name = name
        self.backend = backend
        self.budget = budget
        self.policy = retry.Policy(attempts=settings.attempts)
        self.seats = Seats(settings.concurrency or backend.limits.concurrency, around.clock)
        self.health = Health(name, around.clock, around.report)
        self._around = around
        self._claims = Claims(name, around.store, around.clock)
        self._at_once = backend.limits.receivers
        self._ready: deque[Group] = deque()  # claimed, and waiting for a seat: hides the claim's commit
        self._wake = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None  # the scope of attempts, while `run` lasts
        self._attempts: set[asyncio.Task[None]] = set()  # those on their way
        self._stopping = False
        self.turned_at = around.clock.monotonic()

    # --- for the pipeline: deliveries handed over in memory, already claimed ---

    def seat(self, to: str) -> float | None:
        """Take a seat for a delivery to `to` about to be committed as `sending`: when, for `give_back`.

        None: let it wait its turn.
        """
        backlog = self._claims.due_in <= 0
        # Messages to many are better claimed together.
        closed = self._group is None or self._stopping or self._at_once > 1
        if backlog or self._ready or closed or self.health.pause or not self.seats.free:
            return None
        now = self._now()
        if self.budget.limited and not self.budget.take_one(to, now):
            return None
        self.seats.taken += 1
        return now

    def give_back(self, to: str, taken_at: float) -> None:
        """Return a seat that `seat()` gave and that isn't needed."""
        self.seats.taken -= 1
        self.budget.give_back(to, taken_at)
        self._wake.set()

    def start(self, group: Group) -> None:
        """Attempt deliveries that hold a seat together."""
        assert self._group is not None, "a seat is only given while the lane runs"
        task = self._group.create_task(self._serve(group))
        self._attempts.add(task)
        task.add_done_callback(self._attempts.discard)

    def notice(self, at: float) -> None:
        """There is a pending delivery, due then (wall time)."""
        if self._claims.notice(at):
            self._wake.set()

    # --- its own life ---

    async def run(self) -> None:
        """Turn until stopped; then wait for what is on its way."""
        async with asyncio.TaskGroup() as self._group:
            while not self._stopping:
                self._wake.clear()
                await self._claims.collapse()
                wait = await self.turn()
                self.turned_at = self._now()
                if wait > 0:
                    await self._sleep(min(wait, 5.0))
            back = self._take_ready()
            await self._settle([self._put_off(delivery, retry.Interrupted(), 0.0) for delivery in back])

    async def turn(self) -> float:
        """Claim and start what is due and has a seat; seconds until the next look is worth it."""
        due_in = self._claims.due_in
        if self._stopping or (due_in > 0 and not self._ready):
            return due_in
        if pause := self.health.pause:
            return await self._reroute(pause, BackendDownError(self.health.why)) if self.is_down else pause
        wait = self._start_ready()
        if due_in > 0:
            return min(wait, due_in)
        if self.budget.limited and not self._ready and (wait := self.budget.wait(self._now())) > 0:
            return await self._exhausted(wait)
        want = self._want()
        if want <= 0:
            return wait or math.inf
        claimed = await self._claim(want)
        fit = self.budget.fit(claimed, self._now(), self._at_once)
        self._ready.extend(fit.groups)
        self._start_ready()
        await self._hold_back(fit.held)
        if len(claimed) < want:
            await self._claims.look_ahead()
        return 0.0

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
        return self.health.is_down

    def status(self) -> Json:
        """For `relay status`."""
        pause = self.health.pause
        return {
            "backend": self.name,
            "type": self.backend.type,
            "state": "down" if self.is_down else "paused" if pause else "up",
            "why": self.health.why,
            "down_since": self.health.down_since,
            "resumes_in": round(pause, 1),
            "in_flight": self.seats.taken,
            "accepted": self.seats.accepted,
        }

    # --- claims ---

    def _want(self) -> int:
        """How many deliveries to claim now."""
        if self.budget.limited:  # the exact number: what waits in memory keeps others from being folded
            return 0 if self._ready else self.budget.want(self._now(), self.seats.free, self._at_once)
        ahead = self.seats.most * self._at_once
        want = self.seats.free * self._at_once + ahead - sum(map(len, self._ready))
        return want if want > ahead // 2 else 0

    async def _claim(self, most: int) -> list[Delivery]:
        """Take due deliveries for as long as their attempts may take, one after the other in each seat."""
        turns = 2 + most // (self._at_once * max(1, self.seats.most))
        return await self._claims.take(most, turns * (self.backend.settings.timeout + 1.0) + LEASE_SPARE)

    async def _exhausted(self, wait: float) -> float:
        """No message may go for that many seconds."""
        return wait if wait < ELSEWHERE_FROM else await self._reroute(wait, self._limit_reached(wait))

    async def _reroute(self, pause: float, error: BackendError) -> float:
        """While nothing can go: whoever can be reached another way needn't wait."""
        claimed = [*self._take_ready(), *await self._claim(REROUTE)]
        await self._settle([self._put_off(delivery, error, pause) for delivery in claimed])
        if len(claimed) < REROUTE:
            await self._claims.look_ahead()
        return 0.0

    async def _hold_back(self, held: Iterable[tuple[Delivery, float]]) -> None:
        """What a limit doesn't let go now; where that would take long, the next address is used."""
        settlements = []
        for delivery, wait in held:
            away = wait >= ELSEWHERE_FROM and delivery.fallbacks
            outcome = self._limit_reached(wait) if away else retry.Interrupted()
            settlements.append(self._put_off(delivery, outcome, wait))
        await self._settle(settlements)

    def _limit_reached(self, wait: float) -> NeedsFallbackError:
        return NeedsFallbackError(f"the limit is reached: {wait:.0f} s to wait", code="limit")

    def _put_off(self, delivery: Delivery, outcome: Outcome, wait: float) -> Settlement:
        """Not tried now: to the next address, if the outcome leads there; else to wait here as long."""
        now = self._around.clock.now()
        if now >= delivery.expires_at:
            outcome = Expired()
        after = self._settled(delivery, outcome)
        if after.state is DeliveryState.DEAD:
            self._tell(delivery, after, outcome, 0.0)
        elif after.address.backend == self.name:
            after = structs.replace(after, next_at=min(now + wait, delivery.expires_at))
        return Settlement(delivery=after)

    def _take_ready(self) -> list[Delivery]:
        ready = [delivery for group in self._ready for delivery in group]
        self._ready.clear()
        return ready

    # --- attempts ---

    def _start_ready(self) -> float:
        """Give free seats to what is claimed already; seconds until the limit lets the next one go."""
        while group := self._following():
            self.start(group)
        return self.budget.wait(self._now()) or math.inf if self._ready else math.inf

    async def _serve(self, group: Group) -> None:
        """A seat's work: this group, then whatever is ready."""
        following: Group | None = group
        while following:
            await self._deliver(following)
            self.seats.taken -= 1
            following = self._following()
            if not following or len(self._ready) <= self.seats.most // 2:
                self._wake.set()

    def _following(self) -> Group | None:
        """The next ready group, with its seat; None if none may go now."""
        if self._stopping or not self._ready or not self.seats.free or self.health.pause:
            return None
        if self.budget.take(self._ready[0], self._now()) > 0:
            return None
        self.seats.taken += 1
        return self._ready.popleft()

    async def _deliver(self, group: Group) -> None:
        started = self._around.clock.now()
        began = self._now()
        outcomes: Sequence[Outcome]
        try:
            outcomes = await attempt(
                self.backend, self._around.store, group, started, self._around.templates.worded
            )
        except asyncio.CancelledError:
            outcomes = [retry.Interrupted()] * len(group)
        seconds = self._now() - began
        settlements = []
        for delivery, outcome in zip(group, outcomes, strict=True):
            settled = self._settled(delivery, outcome)
            self._tell(delivery, settled, outcome, seconds)
            attempted = record(delivery, outcome, started, seconds)
            settlements.append(Settlement(delivery=settled, attempt=attempted))
        await self._settle(settlements)
        self._learn(outcomes, began)

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

    def _learn(self, outcomes: Sequence[Outcome], began: float) -> None:
        """What these outcomes say about the backend itself."""
        was_down = self.is_down
        self.health.learn(outcomes, began)
        if was_down != self.is_down:
            self.seats.begin_again(probing=self.is_down)
            if was_down:
                self._claims.came_back()
            self._wake.set()
        self.seats.accepted += sum(isinstance(outcome, Receipt) for outcome in outcomes)

    def _tell(self, before: Delivery, after: Delivery, outcome: Outcome, seconds: float) -> None:
        log_attempt(self.name, before, after, outcome, seconds)
        if after.state is DeliveryState.DEAD and before.reason is not Reason.OPERATORS:
            text = f"delivery {before.id} to {before.recipient} is dead: {after.error}"
            self._around.report("delivery", before.recipient, text, avoid=self.name)

    def _now(self) -> float:
        """Monotonic."""
        return self._around.clock.monotonic()

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass
