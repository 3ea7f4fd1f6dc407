"""Word to the operators while the store takes nothing: straight to a backend, once, without the outbox."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import structlog

from relay.backends.base import Backend
from relay.errors import RelayError
from relay.models import Address, AlertState, Level, Message, Reason
from relay.routing.recipients import Reached
from relay.rulebook import RELAY

log = structlog.get_logger()

# The pipeline waits for this, and has to turn often enough for systemd's watchdog (`heart.STILL`).
EACH: Final = 5.0  # seconds that one address gets to take it ...
ALL: Final = 15.0  # ... and all operators together


def stuck(text: str, *, rule: str, store: str, now: float) -> Message:
    """The message."""
    return Message(
        reason=Reason.OPERATORS,
        title="relay's store takes nothing",
        level=Level.CRITICAL,
        rule=rule,
        module=f"{RELAY}.store",
        state=AlertState.FIRING,
        count=1,
        first_seen=now,
        last_seen=now,
        text=f"{text}\nrelay has stopped reading; nothing is lost; it goes on once there is room",
        key=f"{store}-store-{now:.0f}",
    )


async def tell_directly(
    note: Message,
    operators: Iterable[Reached],
    order: Callable[[Sequence[Address]], Sequence[Address]],
    backends: Mapping[str, Backend],
) -> None:
    """To each operator by the first address that takes it, at the same time; a slow service delays nobody."""

    async def tell(one: Reached) -> None:
        for address in order(one.addresses):
            try:
                async with asyncio.timeout(EACH):
                    await backends[address.backend].send(note, address.to)
            except (RelayError, TimeoutError) as error:
                log.warning("operator_not_told", recipient=one.recipient, error=str(error))
            else:
                return

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ALL):
            await asyncio.gather(*map(tell, operators))
