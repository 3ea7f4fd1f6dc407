"""What a service tells later of a message that it had accepted: a failure takes the next address."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

import structlog
from msgspec import structs

from relay.attempt import record
from relay.backends.base import Feedback
from relay.clock import Clock
from relay.errors import BackendError
from relay.models import Delivery, DeliveryState, Reason
from relay.outbox import retry
from relay.outbox.store import Settlement, Store

log = structlog.get_logger()

# Seconds until each further look: a report may come before the outcome that it is about is durable.
LOOKS: Final = (0.0, 0.2, 0.8)


class Surroundings(Protocol):
    """What is needed of the dispatcher."""

    store: Store
    clock: Clock

    @property
    def down(self) -> Sequence[str]:
        """Names of backends known to be down."""
        ...

    def notice(self, backend: str, at: float) -> None:
        """A pending delivery of that backend is due then."""
        ...

    def report(self, kind: str, subject: str, text: str, *, avoid: str = "", cleared: bool = False) -> None:
        """Tell the operators."""
        ...


async def heed(around: Surroundings, backend: str, told: Feedback) -> None:
    """Take a report; one about a message that isn't relay's, or was told of before, changes nothing.

    Raises a `StoreError` where it can't be recorded: the service should tell it again.
    """
    owed = await _accepted(around, backend, told.id)
    if not owed:
        log.info("feedback_about_nothing_known", backend=backend, id=told.id[:64])
        return
    now = around.clock.now()
    settled = [
        Settlement(
            delivery=_after(each, told, now, around.down), attempt=record(each, told.outcome, now, 0.0)
        )
        for each in owed
    ]
    changed = set(await around.store.amend(told.id, settled))
    for before, after in zip(owed, (each.delivery for each in settled), strict=True):
        if before.id in changed:
            _tell(around, before, after, told)


async def _accepted(around: Surroundings, backend: str, receipt: str) -> list[Delivery]:
    for pause in LOOKS if receipt else ():
        await asyncio.sleep(pause)
        if found := await around.store.accepted(backend, receipt):
            return found
    return []


def _after(delivery: Delivery, told: Feedback, now: float, down: Sequence[str]) -> Delivery:
    if isinstance(told.outcome, BackendError):
        return retry.recalled(delivery, told.outcome, now, retry.Policy(), down=down)
    return structs.replace(delivery, receipt="")


def _tell(around: Surroundings, before: Delivery, after: Delivery, told: Feedback) -> None:
    fields = {"delivery": before.id, "recipient": before.recipient, "backend": before.address.backend}
    if not isinstance(told.outcome, BackendError):
        log.info("delivery_confirmed", **fields)
        return
    if after.state is DeliveryState.PENDING:
        log.warning("delivery_recalled", **fields, error=after.error, next=after.address.backend)
        around.notice(after.address.backend, after.next_at)
        return
    log.error("delivery_died", **fields, error=after.error)
    if before.reason is not Reason.OPERATORS:
        text = f"delivery {before.id} to {before.recipient} is dead: {after.error}"
        around.report("delivery", before.recipient, text, avoid=before.address.backend)
