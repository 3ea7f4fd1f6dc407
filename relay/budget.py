"""What a service takes from one account: in all, and for each receiver. Lanes of one account share one.

What one receiver's limit holds back delays no other receiver. Where waiting would be long, messages share
one (see digest.py) and the last places are kept for what is critical.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from msgspec import Struct

from relay.backends.base import Backend, Pace, Windows
from relay.digest import MOST, Group, calls, plan, receivers, together, urgent_first
from relay.models import Delivery
from relay.outbox.quota import Quota
from relay.outbox.store import Tried
from relay.values import parse_rate

FOLD_FROM: Final = 30.0  # seconds of waiting from which on messages are folded
CLAIMS: Final = 2000  # deliveries claimed at once to see what can be folded
MANY: Final = 10_000  # receivers, from which on those are forgotten who got nothing for long


class Fit(Struct, frozen=True):
    """What may go, and what must wait."""

    groups: list[Group]  # each for one call, the first ones first
    held: list[tuple[Delivery, float]]  # with the seconds each waits


class Account:
    """One limit, and the places of it that are kept for what is critical."""

    def __init__(self, windows: Windows) -> None:
        self.quota = Quota(windows)
        # A window of a second is waited out; in one of a minute people should know what else is up.
        self.folds = max((seconds for _, seconds in windows), default=0.0) >= FOLD_FROM
        self.spared = min((number for number, _ in windows), default=0) // 5 if self.folds else 0
        self.held_until = 0.0  # monotonic: until then older messages come first


class Budget:
    """The limits of one account, with what was sent of late."""

    def __init__(self, name: str, backend: Backend) -> None:
        limits, settings = backend.limits, backend.settings
        windows = tuple(parse_rate(text) for text in settings.rate) or limits.windows
        # Equal ones are one budget. What the operator sets is meant for this backend alone.
        own = not limits.share or settings.rate
        self.account = (
            f"backend {name}" if own else limits.share,
            windows,
            limits.counts,
            limits.per_receiver,
        )
        self._most_calls = settings.concurrency or limits.concurrency
        self.longest = max((seconds for _, seconds in (*windows, *limits.per_receiver)), default=0.0)
        self._whole = Account(windows)
        self._receivers: dict[str, Account] = {}
        self._pace: Callable[[str], Pace] | None = backend.pace if limits.per_receiver else None
        self._cost = receivers if limits.counts == "receivers" else calls
        self.limited = bool(windows or limits.per_receiver)

    def wait(self, now: float) -> float:
        """Seconds until anything may go at all."""
        return self._whole.quota.wait(now)

    def want(self, now: float, seats: int, at_once: int) -> int:
        """How many deliveries to claim for so many calls of so many receivers each; 0: none may go."""
        room = self._whole.quota.room(now)
        if not self._whole.folds:
            room = min(room, seats)  # else all that wait should be known, to be folded
        most = room * at_once if self._cost is calls else min(seats * at_once, room)
        return min(CLAIMS, most * MOST if self._whole.folds or self._pace is not None else most)

    def fit(self, claimed: Iterable[Delivery], now: float, at_once: int) -> Fit:
        """In how many calls the deliveries go, and how long some must wait. Takes no place yet."""
        whole = self._whole
        groups, held = self._each_within_its_limit(claimed, now)
        room = whole.quota.room(now)
        groups = together(groups, at_once if self._cost is calls else max(1, min(at_once, room)))
        if whole.folds:
            groups, over = plan(groups, room - whole.spared, room, self._cost)
            if over:
                used = sum(map(self._cost, groups)) + whole.spared
                wait = whole.quota.waits(now, used + 1)[-1]
                held += [(each, wait) for each in over]
        elif len(groups) > room:
            ordered = urgent_first(groups)
            waits = whole.quota.waits(now, len(ordered))
            groups = ordered[:room]
            held += [(each, waits[at]) for at in range(room, len(ordered)) for each in ordered[at]]
        return Fit(groups, held)

    def take(self, group: Group, now: float) -> float:
        """A call with this group goes out now: 0.0, else the seconds until it may."""
        wait = self._whole.quota.take(now, self._cost(group))
        if wait <= 0 and self._pace is not None:
            for to in {each.address.to for each in group}:
                if (account := self._account(self._pace(to), now)) is not None:
                    account.quota.take(now)
        return wait

    def take_one(self, to: str, now: float) -> bool:
        """Take a place for one message, if nobody who came before, and nobody critical, needs it."""
        accounts = self._accounts(to, now)
        if any(account.quota.room(now) <= account.spared or account.held_until > now for account in accounts):
            return False
        for account in accounts:
            account.quota.take(now)
        return True

    def give_back(self, to: str, taken_at: float) -> None:
        """What a place was taken for at that time was not sent after all."""
        for account in self._accounts(to, taken_at):
            account.quota.give_back(taken_at)

    def preload(self, tried: Sequence[Tried], offset: float) -> None:
        """Count what an earlier process tried; `offset` from wall time to monotonic time.

        All attempts of one call have one time. Of those that a kill interrupted, none is known to have been
        made, but no more than there are seats were.
        """
        whole: dict[object, list[float]] = {}
        paced: dict[str, tuple[Account, dict[object, list[float]]]] = {}
        for one in tried:
            at = one.started_at + offset
            most = self._most_calls if one.outcome == "interrupted" else 1
            _count(whole, (at, one.to) if self._cost is receivers else at, at, most)
            pace = self._pace(one.to) if self._pace is not None else None
            account = self._account(pace, at) if pace is not None else None
            if pace is not None and account is not None:
                _count(paced.setdefault(pace.name, (account, {}))[1], at, at, most)
        for account, found in ((self._whole, whole), *paced.values()):
            account.quota.preload(at for times in found.values() for at in times)

    # --- inside ---

    def _each_within_its_limit(
        self, claimed: Iterable[Delivery], now: float
    ) -> tuple[list[Group], list[tuple[Delivery, float]]]:
        """Each receiver's messages, folded where they must be; and what its limit holds back."""
        if self._pace is None:
            return [[each] for each in claimed], []
        free: list[Group] = []
        paced: dict[str, tuple[Account, list[Group]]] = {}
        for delivery in claimed:
            pace = self._pace(delivery.address.to)
            account = self._account(pace, now)
            if account is None:
                free.append([delivery])
            else:
                paced.setdefault(pace.name, (account, []))[1].append([delivery])
        held: list[tuple[Delivery, float]] = []
        for account, groups in paced.values():
            going, waiting = _within(account, groups, now)
            free += going
            held += waiting
        return free, held

    def _accounts(self, to: str, now: float) -> list[Account]:
        one = self._account(self._pace(to), now) if self._pace is not None else None
        return [self._whole] if one is None else [self._whole, one]

    def _account(self, pace: Pace, now: float) -> Account | None:
        if not pace.windows:
            return None
        found = self._receivers.get(pace.name)
        if found is None:
            if len(self._receivers) >= MANY:
                busy = {name: one for name, one in self._receivers.items() if not one.quota.idle(now)}
                self._receivers.clear()
                self._receivers.update(busy)
            found = self._receivers[pace.name] = Account(pace.windows)
        return found


def _within(
    account: Account, groups: list[Group], now: float
) -> tuple[list[Group], list[tuple[Delivery, float]]]:
    """What may go to one receiver now, and how long each of the others waits."""
    waits = account.quota.waits(now, len(groups) + account.spared)
    if waits[-1] < FOLD_FROM:
        room = account.quota.room(now)
        ordered = urgent_first(groups)
        going, held = ordered[:room], [each for group in ordered[room:] for each in group]
        waiting = list(zip(held, waits[room:], strict=False))
    else:
        room = account.quota.room(now)
        going, held = plan(groups, room - account.spared, room)
        later = account.quota.waits(now, len(going) + account.spared + 1)[-1]
        waiting = [(each, later) for each in held]
    account.held_until = max(account.held_until, now + max((wait for _, wait in waiting), default=0.0))
    return going, waiting


def _count(found: dict[object, list[float]], key: object, at: float, most: int) -> None:
    times = found.setdefault(key, [])
    if len(times) < most:
        times.append(at)
