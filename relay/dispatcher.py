"""Due deliveries -> backends -> settled. Knows nothing of lines and rules.

One lane per backend; outcomes of all lanes are settled together, so that a thousand of them cost a few
transactions. The dispatcher outlives a reload: lanes whose settings are equal go on as they are.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import structlog

from relay.backends.base import Backend
from relay.budget import Budget
from relay.clock import Clock
from relay.errors import RejectedError, StoreBusyError, StoreFullError
from relay.lane import Lane
from relay.metrics import Histogram
from relay.models import Address, Delivery, Json
from relay.outbox import retry
from relay.outbox.store import Settlement, Store
from relay.report import Report
from relay.templates import Templates

log = structlog.get_logger()

RECOVER_EVERY: Final = 60.0  # seconds between looks for leases that ran out


class Dispatcher:
    """Owns the lanes."""

    def __init__(self, store: Store, clock: Clock, report: Report) -> None:
        self.store = store
        self.clock = clock
        self.report = report
        self.templates = Templates(report)
        self.lanes: dict[str, Lane] = {}
        self.tally: Counter[tuple[str, str]] = Counter()  # attempts by (backend, outcome)
        self.attempt_seconds: dict[str, Histogram] = {}  # by backend
        self._group: asyncio.TaskGroup | None = None  # the scope of the lanes, while `run` lasts
        # Seats taken for deliveries that are being committed: whose, for which address, when.
        self._seats: dict[int, tuple[Lane, str, float]] = {}
        self._running: set[asyncio.Task[None]] = set()  # lanes, those that a reload removed included
        self._leaving: set[Lane] = set()  # removed by a reload, finishing what is on its way
        self._finished: list[
            tuple[Sequence[Settlement], asyncio.Future[None]]
        ] = []  # outcomes to settle together
        self._finish = asyncio.Event()
        self._settling_since: float | None = None  # monotonic, of the latest try; None: nothing to settle
        self._orphaned = asyncio.Event()
        self._stop = asyncio.Event()

    # --- for the pipeline ---

    @property
    def down(self) -> Sequence[str]:
        """Names of backends known to be down."""
        return [name for name, lane in self.lanes.items() if lane.is_down]

    @property
    def up(self) -> Sequence[str]:
        """Names of the others."""
        return [name for name, lane in self.lanes.items() if not lane.is_down]

    def order(self, addresses: Sequence[Address], avoid: str = "") -> tuple[Address, ...]:
        """Addresses in order of preference, those whose backend is down (or to avoid) last."""
        bad = {*self.down, avoid}
        return tuple(sorted(addresses, key=lambda address: address.backend in bad))

    def seat(self, address: Address, delivery: int) -> bool:
        """Take a seat for that delivery, so that it can be committed as already claimed."""
        lane = self.lanes.get(address.backend)
        taken_at = None if lane is None else lane.seat(address.to)
        if lane is None or taken_at is None:
            return False
        self._seats[delivery] = (lane, address.to, taken_at)
        return True

    def give_back(self, delivery: int) -> None:
        """Return that delivery's seat."""
        lane, to, taken_at = self._seats.pop(delivery)
        lane.give_back(to, taken_at)

    def hand_over(self, deliveries: Iterable[Delivery]) -> None:
        """Start deliveries that were committed as `sending`: no claim on the hot path."""
        for delivery in deliveries:
            lane, _, _ = self._seats.pop(delivery.id)
            if lane is self.lanes.get(delivery.address.backend):
                lane.start([delivery])
            else:  # a reload has replaced the lane between the seat and the commit
                assert self._group is not None, "seats are only given while the lanes run"
                self._group.create_task(self._put_back(delivery))

    def notice(self, backend: str, at: float) -> None:
        """A pending delivery of that backend is due then."""
        lane = self.lanes.get(backend)
        if lane is not None:
            lane.notice(at)
        else:
            self._orphaned.set()  # a reload removed the backend meanwhile

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Make outcomes durable, together with all others that are waiting."""
        if not settlements:
            return
        self._count(settlements)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._finished.append((settlements, done))
        self._finish.set()
        await done

    # --- life ---

    async def apply(self, backends: Mapping[str, Backend]) -> None:
        """Swap the set of backends: equal ones keep their lane, the others' lanes end or begin."""
        budgets = await self._budgets(backends)
        for name in list(self.lanes):
            if backends.get(name) is not self.lanes[name].backend:
                self._retire(name)
        for name, backend in backends.items():
            if name not in self.lanes:
                self.lanes[name] = Lane(name, backend, self, budgets[name])
                self._begin(self.lanes[name])
        await self._rehome()

    async def run(self) -> None:
        """Serve until `stop`; then finish what is on its way."""
        async with asyncio.TaskGroup() as self._group:
            settling = self._group.create_task(self._settle_forever())
            recovering = self._group.create_task(self._recover_forever())
            for lane in self.lanes.values():
                self._begin(lane)
            await self._stop.wait()
            recovering.cancel()
            if self._running:
                await asyncio.wait(self._running)
            settling.cancel()

    async def stop(self, drain: float) -> None:
        """Soft stop: claim no more, let attempts end. After `drain` seconds, hard: give the rest back."""
        for lane in self.lanes.values():
            lane.stop()
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=drain)
            if late:
                log.warning("drain_timed_out", seconds=drain, lanes=len(late))
                for lane in (*self.lanes.values(), *self._leaving):
                    lane.cancel()
        self._stop.set()

    @property
    def turned_at(self) -> float:
        """Monotonic time at which the lane that is longest without a turn had its last, or the settling."""
        now = self.clock.monotonic()
        turned = [lane.turned_at for lane in self.lanes.values()]
        return min([now if self._settling_since is None else self._settling_since, *turned])

    @property
    def undelivered(self) -> str:
        """Why relay can reach nobody: a backend went down, and none has accepted anything since; or ""."""
        accepted = max((lane.health.accepted_at for lane in self.lanes.values()), default=0.0)
        for lane in self.lanes.values():
            if lane.health.down_since is not None and accepted < lane.health.down_since:
                return f"backend {lane.name} is down, and no other has accepted a message since"
        return ""

    def status(self) -> list[Json]:
        """For `relay status`."""
        return [lane.status() for lane in self.lanes.values()]

    # --- inside ---

    def _count(self, settlements: Sequence[Settlement]) -> None:
        for made in (each.attempt for each in settlements):
            if made is not None:
                self.tally[made.backend, made.outcome] += 1
                if made.backend not in self.attempt_seconds:
                    self.attempt_seconds[made.backend] = Histogram()
                self.attempt_seconds[made.backend].observe(made.seconds)

    async def _put_back(self, delivery: Delivery) -> None:
        back = retry.settle(delivery, retry.Interrupted(), self.clock.now(), retry.Policy(), lambda: 0.5)
        await self.settle([Settlement(delivery=back)])
        self.notice(back.address.backend, back.next_at)

    async def _budgets(self, backends: Mapping[str, Backend]) -> dict[str, Budget]:
        """Each backend's budget: that of its account, where another lane has it already.

        A restart or a reload doesn't reset a service's windows: what was tried within them counts.
        """
        budgets = {name: Budget(name, backend) for name, backend in backends.items()}
        accounts = {lane.budget.account: lane.budget for lane in self.lanes.values()}
        now = self.clock.now()
        offset = self.clock.monotonic() - now
        for budget in budgets.values():
            if budget.limited and budget.account not in accounts:
                tried = [
                    one
                    for name, other in budgets.items()
                    if other.account == budget.account
                    for one in await self.store.recent_attempts(name, now - budget.longest)
                ]
                budget.preload(tried, offset)
            accounts.setdefault(budget.account, budget)
        return {name: accounts[budget.account] for name, budget in budgets.items()}

    def _begin(self, lane: Lane) -> None:
        if self._group is None:
            return  # `run` begins it
        task = self._group.create_task(lane.run(), name=f"lane {lane.name}")
        self._running.add(task)

        def end(task: asyncio.Task[None]) -> None:
            self._running.discard(task)
            self._leaving.discard(lane)

        task.add_done_callback(end)

    def _retire(self, name: str) -> None:
        lane = self.lanes.pop(name)
        lane.stop()
        lane.health.retire()
        if self._group is not None:
            self._leaving.add(lane)

    async def _rehome(self) -> None:
        """Deliveries of backends that rules.yaml no longer has go to their next address, or die visibly."""
        for name in await self.store.next_due():
            if name in self.lanes:
                continue
            error = RejectedError(f"backend {name} is no longer in rules.yaml")
            now = self.clock.now()
            while claimed := await self.store.claim(name, 500, float("inf"), now + 60):
                moved = [_moved(delivery, error, now, self.down) for delivery in claimed]
                await self.store.settle([Settlement(delivery=delivery) for delivery in moved])
                for delivery in moved:
                    self.notice(delivery.address.backend, delivery.next_at)
                log.warning("deliveries_rehomed", backend=name, count=len(moved))

    async def _settle_forever(self) -> None:
        while True:
            await self._finish.wait()
            self._finish.clear()
            batch, self._finished = self._finished, []
            await self._settle_batch([each for settlements, _ in batch for each in settlements])
            self._settling_since = None
            for _, done in batch:
                if not done.done():
                    done.set_result(None)

    async def _settle_batch(self, settlements: list[Settlement]) -> None:
        """Until it is durable: an outcome that isn't would be a second message after a restart."""
        warned = False
        while True:
            self._settling_since = self.clock.monotonic()
            try:
                return await self.store.settle(settlements)
            except (StoreFullError, StoreBusyError) as error:
                if not warned:
                    log.warning("settle_waits", count=len(settlements), error=str(error))
                    warned = True
                await self.clock.sleep(0.5)

    async def _recover_forever(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RECOVER_EVERY):
                    await self._orphaned.wait()
                    self._orphaned.clear()
            with contextlib.suppress(StoreFullError, StoreBusyError):
                await self._rehome()
                if await self.store.recover(self.clock.now(), all_leases=False):
                    for name, at in (await self.store.next_due()).items():
                        self.notice(name, at)


def _moved(delivery: Delivery, error: RejectedError, now: float, down: Sequence[str]) -> Delivery:
    return retry.settle(delivery, error, now, retry.Policy(), lambda: 0.5, down=down)
