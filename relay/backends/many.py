"""Many addresses, where the service takes one in a call, or where one of them spoils the call for all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar

from relay.errors import BackendError, NeedsFallbackError, RejectedError

T = TypeVar("T")

AT_ONCE: Final = 8  # calls on their way


async def each(
    call: Callable[[str], Awaitable[T]], tos: Iterable[str], at_once: int = AT_ONCE
) -> dict[str, T | BackendError]:
    """What `call` gave or raised for each address; some of them at a time."""
    seats = asyncio.Semaphore(at_once)

    async def outcome(to: str) -> T | BackendError:
        async with seats:
            try:
                return await call(to)
            except BackendError as error:
                return error

    unique = list(dict.fromkeys(tos))
    return dict(zip(unique, await asyncio.gather(*map(outcome, unique)), strict=True))


async def away(
    presence: Callable[[str], Awaitable[bool | None]], tos: Iterable[str]
) -> dict[str, BackendError]:
    """Who of them is offline, or unknown to the service; where it can't be known, nobody is."""
    found = await each(presence, tos)
    refused = {to: state for to, state in found.items() if isinstance(state, RejectedError)}
    offline = {to: NeedsFallbackError("offline", code="0") for to, state in found.items() if state is False}
    return {**refused, **offline}
