"""One attempt: deliveries that go together, handed to a backend within its deadline; what came of each."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import structlog
from msgspec import Struct, structs

from relay.backends.base import Backend, Receipt
from relay.digest import joint
from relay.errors import BackendError, StoreError, TemporaryError
from relay.models import Attempt, Delivery, Message, Reason
from relay.outbox.retry import Interrupted
from relay.outbox.store import Store

log = structlog.get_logger()

LATE: Final = 60.0  # seconds from which on a message says how late it is


class Expired(Struct, frozen=True):
    """The delivery's time was over before it could be tried."""


Outcome = Receipt | BackendError | Interrupted | Expired
Worded = Callable[[Message, Backend], Message]  # the message in the words of the operators' template, if any


def together(ready: deque[Delivery], most: int) -> list[Delivery]:
    """Take the first delivery, and those that carry the same message to other receivers, up to `most`."""
    first = ready.popleft()
    if most == 1 or not first.alert:
        return [first]
    group: list[Delivery] = [first]
    others: list[Delivery] = []
    while ready and len(group) < most:
        delivery = ready.popleft()
        (group if _same(first, delivery) else others).append(delivery)
    ready.extendleft(reversed(others))
    return group


def _same(one: Delivery, other: Delivery) -> bool:
    """One decision, told to several: their messages differ in nothing but the key."""
    return (one.alert, one.reason, one.created_at) == (other.alert, other.reason, other.created_at)


async def attempt(
    backend: Backend, store: Store, group: Sequence[Delivery], now: float, worded: Worded
) -> list[Outcome]:
    """What came of each delivery of the group, in order. Never raises but for cancellation."""
    due = [delivery for delivery in group if now < delivery.expires_at]
    came = map(backend.concluded, await _send(backend, store, due, now, worded) if due else [])
    return [next(came) if now < delivery.expires_at else Expired() for delivery in group]


async def _send(
    backend: Backend, store: Store, due: Sequence[Delivery], now: float, worded: Worded
) -> Sequence[Receipt | BackendError]:
    """One call to the service; an error that is raised holds for all."""
    limit = backend.settings.timeout
    first = due[0]
    try:
        message = await _message(first, store, now)
        digested = len(due) > 1 and all(each.address == first.address for each in due)
        if digested:
            message = joint(due, message)
        message = worded(message, backend)
        async with asyncio.timeout(limit + 1.0):  # the backend's own deadline comes first: it knows more
            if digested:
                receipt = await backend.send(message, first.address.to)
                return [Receipt(id=receipt.id, note=f"in a digest of {len(due)}")] * len(due)
            if len(due) == 1:
                return [await backend.send(message, first.address.to)]
            return await backend.send_many(message, [delivery.address.to for delivery in due])
    except BackendError as error:
        return [error] * len(due)
    except TimeoutError:
        return [TemporaryError(f"no complete answer within {limit:g} s", ambiguous=True)] * len(due)
    except Exception as error:  # noqa: BLE001 - a fault in one backend's code must not stop the others
        log.error("backend_failed_unexpectedly", backend=first.address.backend, error=type(error).__name__)
        return [TemporaryError(f"unexpected {type(error).__name__} in the backend", limit=3)] * len(due)


async def _message(delivery: Delivery, store: Store, now: float) -> Message:
    """The message as of now: how late it is, and what it may update or reply to."""
    late = now - delivery.created_at
    handle = ""
    if delivery.alert and delivery.reason is not Reason.FIRST:
        try:
            handle = await store.handle(delivery.alert, delivery.address)
        except StoreError as error:
            log.warning("handle_not_found", delivery=delivery.id, error=str(error))
    if late < LATE and not handle:
        return delivery.message
    return structs.replace(delivery.message, late=late if late >= LATE else 0.0, handle=handle)


def record(delivery: Delivery, outcome: Outcome, started: float, seconds: float) -> Attempt | None:
    """The attempt as the store keeps it; None where nothing was tried."""
    match outcome:
        case Receipt():
            word, code, detail = (
                "delivered",
                "",
                " ".join(part for part in (outcome.id, outcome.note) if part),
            )
        case BackendError():
            word, code, detail = outcome.outcome, outcome.code, outcome.detail or str(outcome)
        case _:
            return None
    return Attempt(
        delivery=delivery.id,
        backend=delivery.address.backend,
        to=delivery.address.to,
        started_at=started,
        seconds=seconds,
        outcome=word,
        code=code,
        detail=detail,
    )
