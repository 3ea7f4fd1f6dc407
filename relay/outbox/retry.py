"""What becomes of a delivery after an attempt: pure functions over the states of an outbox row.

    pending --claim--> sending --Receipt--> delivered
       ^                  |-- Rejected and no address left, attempts used up, or expired --> dead
       |------------------|-- Temporary (attempt counted, backoff) | RateLimited | NeedsFallback
       |                  |   BackendDown | Interrupted (attempt not counted)
    dead, cancelled --operator's retry--> pending
    pending, dead --superseded, operator's drop--> cancelled
    delivered --the service reports later that it failed--> pending (the next address), or dead

Addresses are tried in the order of preference. `address` is the one to use now, `fallbacks` those that
may still be used, the next one first, and `tried` those given up on at least once, in the order of their
first try. An address that failed for now goes to the end of `fallbacks` and has its turn again after the
others; one that rejected the message stays in `tried` alone and is never used again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from relay.backends.base import Receipt
from relay.errors import (
    BackendDownError,
    BackendError,
    NeedsFallbackError,
    RateLimitedError,
    RejectedError,
    TemporaryError,
)
from relay.models import Address, Delivery, DeliveryState

TURN: Final = 3  # failed attempts in a row before another address has its turn
AWAY: Final = 300.0  # seconds until someone who could be reached nowhere is looked for again ...
AWAY_LEAST: Final = 10.0  # ... but sooner at first, if an address failed that may soon work again
DOWN_LEAST: Final = 60.0  # seconds between looks at a backend that needs an operator
DOWN_MOST: Final = 600.0
RECALL: Final = 660.0  # seconds: services forget an idempotency key after some ten minutes
PAUSE_LEAST: Final = 0.5  # seconds; what a service may ask for by Retry-After is kept within these
PAUSE_MOST: Final = 3600.0


class Policy(Struct, frozen=True, kw_only=True):
    """How long a backend's deliveries are tried; their expiry stands in each delivery."""

    attempts: int = 100  # temporary failures of one delivery before it is dead
    base: float = 1.0  # seconds: the first backoff is at most this, each next one at most twice as long
    cap: float = 600.0  # seconds: no backoff is longer


class Interrupted(Struct, frozen=True):
    """The attempt was given up before it ended (stop, lease over): not failed."""


Outcome = Receipt | BackendError | Interrupted


def settle(
    delivery: Delivery,
    outcome: Outcome,
    now: float,
    policy: Policy,
    chance: Callable[[], float],
    *,
    down: Collection[str] = (),
) -> Delivery:
    """The delivery after that outcome of an attempt at its address.

    `chance` gives numbers in [0, 1), `down` the names of backends known to need an operator. A pending
    delivery never waits beyond its expiry: it is claimed then, and `expired` makes it dead.
    """
    match outcome:
        case Receipt():
            return _ended(delivery, DeliveryState.DELIVERED, outcome.note)
        case Interrupted():
            return _waiting(delivery, now, now)
    failed = replace(delivery, error=_words(outcome))
    if now >= delivery.expires_at:
        return _ended(failed, DeliveryState.DEAD, f"expired; {failed.error}")
    match outcome:
        case RateLimitedError():
            return _waiting(failed, now, now + min(PAUSE_MOST, max(PAUSE_LEAST, outcome.retry_after)))
        case RejectedError():
            return _rejected(failed, now, down)
        case NeedsFallbackError():
            return _away(failed, now, down)
        case BackendDownError():
            return _backend_down(failed, now, down)
        case _:
            return _temporary(failed, outcome, now, policy, chance, down)


def expired(delivery: Delivery) -> Delivery:
    """A delivery whose time was over when it was claimed: dead, without another attempt."""
    return _ended(delivery, DeliveryState.DEAD, f"expired; {delivery.error}" if delivery.error else "expired")


def recalled(
    delivery: Delivery, error: BackendError, now: float, policy: Policy, *, down: Collection[str] = ()
) -> Delivery:
    """A delivered delivery of which the service says later that it failed: on to the next address at once.

    Where all were tried, and it may work another time, the same message is sent again after `RECALL`.
    """
    failed = replace(delivery, error=_words(error), receipt="", handle="", attempts=delivery.attempts + 1)
    if now >= delivery.expires_at:
        return _ended(failed, DeliveryState.DEAD, f"expired; {failed.error}")
    if isinstance(error, RejectedError):
        return _rejected(failed, now, down)
    if untried := _untried(failed.fallbacks, failed):
        return _waiting(_moved_on(failed, _preferred(untried, down)), now, now)
    if failed.attempts >= policy.attempts:
        return _ended(failed, DeliveryState.DEAD, f"{failed.attempts} attempts; {failed.error}")
    ways = failed.fallbacks
    return _waiting(_moved_on(failed, _preferred(ways, down)) if ways else failed, now, now + RECALL)


def revived(delivery: Delivery, now: float, expires_at: float) -> Delivery:
    """A dead or cancelled delivery that an operator wants tried again: from its first address, afresh."""
    first, *others = dict.fromkeys((*delivery.tried, delivery.address, *delivery.fallbacks))
    return replace(
        delivery,
        state=DeliveryState.PENDING,
        address=first,
        fallbacks=tuple(others),
        tried=(),
        attempts=0,
        next_at=now,
        expires_at=expires_at,
        lease_until=0.0,
    )


def backoff(attempts: int, policy: Policy, chance: Callable[[], float]) -> float:
    """Seconds to wait after that many failed attempts: exponential, bounded, with full jitter.

    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    doublings = min(max(attempts - 1, 0), 60)
    return chance() * min(policy.cap, policy.base * 2.0**doublings)


def _temporary(
    delivery: Delivery,
    error: BackendError,
    now: float,
    policy: Policy,
    chance: Callable[[], float],
    down: Collection[str],
) -> Delivery:
    """Count it; another address after a full turn: at once if it was never tried, else after the backoff."""
    attempts = delivery.attempts + 1
    delivery = replace(delivery, attempts=attempts)
    if attempts >= policy.attempts:
        return _ended(delivery, DeliveryState.DEAD, f"{attempts} attempts; {delivery.error}")
    if isinstance(error, TemporaryError) and 0 < error.limit <= attempts:
        return _rejected(delivery, now, down)
    least = error.wait if isinstance(error, TemporaryError) else 0.0
    later = now + max(least, backoff(attempts, policy, chance))
    if attempts % TURN or not delivery.fallbacks:
        return _waiting(delivery, now, later)
    moved = _moved_on(delivery, _preferred(delivery.fallbacks, down))
    return _waiting(moved, now, later if moved.address in delivery.tried else now)


def _rejected(delivery: Delivery, now: float, down: Collection[str]) -> Delivery:
    """Never this address again: the next one at once, with attempts of its own, or dead."""
    refused = delivery.address
    left = tuple(address for address in delivery.fallbacks if address != refused)
    if not left:
        return _ended(delivery, DeliveryState.DEAD, delivery.error)
    moved = replace(_moved_on(delivery, _preferred(left, down)), attempts=0)
    usable = tuple(address for address in moved.fallbacks if address != refused)
    return _waiting(replace(moved, fallbacks=usable), now, now)


def _away(delivery: Delivery, now: float, down: Collection[str]) -> Delivery:
    """The person isn't there: the next address at once; all tried: round again, in a while."""
    untried = _untried(delivery.fallbacks, delivery)
    if untried:
        return _waiting(_moved_on(delivery, _preferred(untried, down)), now, now)
    pause = _as_long_again(delivery, now, AWAY_LEAST, AWAY) if delivery.attempts else AWAY
    if not delivery.fallbacks:
        return _waiting(delivery, now, now + pause)
    return _waiting(_moved_on(delivery, _preferred(delivery.fallbacks, down)), now, now + pause)


def _backend_down(delivery: Delivery, now: float, down: Collection[str]) -> Delivery:
    """Around the backend if there is a way, at once if it is new; else wait, longer and longer."""
    closed = {*down, delivery.address.backend}
    ways = tuple(address for address in delivery.fallbacks if address.backend not in closed)
    untried = _untried(ways, delivery)
    if untried:
        return _waiting(_moved_on(delivery, untried[0]), now, now)
    later = now + _as_long_again(delivery, now, DOWN_LEAST, DOWN_MOST)
    return _waiting(_moved_on(delivery, ways[0]) if ways else delivery, now, later)


def _as_long_again(delivery: Delivery, now: float, least: float, most: float) -> float:
    """Seconds the delivery has waited so far, within bounds: such pauses double without being counted."""
    return min(most, max(least, now - delivery.created_at))


def _moved_on(delivery: Delivery, to: Address) -> Delivery:
    """At another address: this one has its turn again after all the others, and the new one a full turn."""
    left = delivery.address
    queue = (*delivery.fallbacks, left)
    return replace(
        delivery,
        address=to,
        fallbacks=tuple(address for address in dict.fromkeys(queue) if address != to),
        tried=delivery.tried if left in delivery.tried else (*delivery.tried, left),
        attempts=-(-delivery.attempts // TURN) * TURN,
    )


def _untried(addresses: tuple[Address, ...], delivery: Delivery) -> tuple[Address, ...]:
    return tuple(address for address in addresses if address not in delivery.tried)


def _preferred(addresses: tuple[Address, ...], down: Collection[str]) -> Address:
    """The first whose backend isn't known to be down; failing that, the first."""
    return next((address for address in addresses if address.backend not in down), addresses[0])


def _waiting(delivery: Delivery, now: float, next_at: float) -> Delivery:
    return replace(
        delivery,
        state=DeliveryState.PENDING,
        lease_until=0.0,
        next_at=max(now, min(next_at, delivery.expires_at)),
    )


def _ended(delivery: Delivery, state: DeliveryState, words: str) -> Delivery:
    return replace(delivery, state=state, lease_until=0.0, error=words)


def _words(error: BackendError) -> str:
    """The outcome for people, on one line."""
    code = f" [{error.code}]" if error.code else ""
    return f"{error.outcome}{code}: {error}"
