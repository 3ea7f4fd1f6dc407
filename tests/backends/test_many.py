from __future__ import annotations

import asyncio

from relay.backends.many import away, each
from relay.errors import NeedsFallbackError, RejectedError, TemporaryError


async def test_each_address_has_its_outcome_and_is_called_once() -> None:
    called: list[str] = []
    failure = TemporaryError("busy")

    async def call(to: str) -> str:
        called.append(to)
        if to == "b":
            raise failure
        return to.upper()

    assert await each(call, ["a", "b", "a", "c"]) == {"a": "A", "b": failure, "c": "C"}
    assert called == ["a", "b", "c"]


async def test_only_some_are_on_their_way_at_a_time() -> None:
    under_way = most = 0

    async def call(to: str) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1

    await each(call, map(str, range(20)), at_once=3)
    assert most == 3


async def test_who_is_away() -> None:
    refused = RejectedError("no such account")
    states: dict[str, bool | Exception | None] = {
        "here": True,
        "gone": False,
        "unclear": None,
        "nobody": refused,
        "stuck": TemporaryError("timeout"),
    }

    async def presence(to: str) -> bool | None:
        state = states[to]
        if isinstance(state, Exception):
            raise state
        return state

    found = await away(presence, states)
    assert set(found) == {"gone", "nobody"}
    assert isinstance(found["gone"], NeedsFallbackError)
    assert found["nobody"] is refused
