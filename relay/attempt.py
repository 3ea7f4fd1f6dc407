"""One attempt: deliveries that go together, handed to a backend within its deadline; what came of each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog
from msgspec import Struct, structs

from relay.backends.base import Assumed, Backend, Receipt
from relay.digest import different, joint
from relay.errors import BackendError, StoreError, TemporaryError
from relay.models import Attempt, Delivery, DeliveryState, Json, Message, Reason
from relay.outbox.retry import Interrupted
from relay.outbox.store import Store

log = structlog.get_logger()

LATE: Final = 60.0  # seconds from which on a message says how late it is


class Expired(Struct, frozen=True):
    """The delivery's time was over before it could be tried."""


Outcome = Receipt | BackendError | Interrupted | Expired
Worded = Callable[[Message, Backend], Message]  # the message in the words of the operators' template, if any


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
        told = different(due)
        if len(told) > 1:
            message = joint(told, message)
        message = worded(message, backend)
        tos = list(dict.fromkeys(each.address.to for each in due))
        async with asyncio.timeout(limit + 1.0):  # the backend's own deadline comes first: it knows more
            if len(tos) == 1:
                outcomes: Sequence[Receipt | BackendError] = [await backend.send(message, tos[0])]
            else:
                outcomes = await backend.send_many(message, tos)
        by_address = dict(zip(tos, outcomes, strict=True))
        return [_of_digest(by_address[each.address.to], len(told)) for each in due]
    except BackendError as error:
        return [error] * len(due)
    except TimeoutError:
        return [TemporaryError(f"no complete answer within {limit:g} s", ambiguous=True)] * len(due)
    except Exception as error:  # noqa: BLE001 - a fault in one backend's code must not stop the others
        log.error("backend_failed_unexpectedly", backend=first.address.backend, error=type(error).__name__)
        return [TemporaryError(f"unexpected {type(error).__name__} in the backend", limit=3)] * len(due)


def _of_digest(outcome: Receipt | BackendError, size: int) -> Receipt | BackendError:
    """A later message about one of the alerts must not rewrite a message about all of them."""
    if size == 1 or not isinstance(outcome, Receipt):
        return outcome
    return structs.replace(outcome, note=f"in a digest of {size}", handle="")


async def _message(delivery: Delivery, store: Store, now: float) -> Message:
    """The message as of now: how late it is, and what it may update or reply to."""
    late = now - delivery.created_at
    handle = ""
    if (delivery.alert or delivery.thread) and delivery.reason is not Reason.FIRST:
        try:
            handle = await store.handle(delivery.alert, delivery.address, delivery.thread)
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


def log_attempt(backend: str, before: Delivery, after: Delivery, outcome: Outcome, seconds: float) -> None:
    """The one line about an attempt."""
    fields: Json = {
        "delivery": before.id,
        "alert": before.alert,
        "recipient": before.recipient,
        "backend": backend,
        "reason": before.reason.value,
        "ms": round(seconds * 1000, 1),
    }
    if isinstance(outcome, Assumed):
        log.warning("delivery_assumed_sent", **fields, error=str(outcome.error))
    elif isinstance(outcome, Receipt):
        log.info("delivery_accepted", **fields, id=outcome.id)
    elif after.state is DeliveryState.DEAD:
        log.error("delivery_died", **fields, error=after.error)
    else:
        log.warning("delivery_postponed", **fields, error=after.error, next=after.address.backend)
