import asyncio
from typing import cast

import aiohttp
import pytest

from relay.backends.base import Door
from relay.backends.tokens import HOLD, HOLD_TEMPORARY, TokenRefusedError, Tokens
from relay.clock import FakeClock
from relay.errors import BackendDownError, BackendError, TemporaryError


class Service:
    def __init__(self, seconds: float = 7200.0) -> None:
        self.clock = FakeClock()
        self.fetched = 0
        self.seconds = seconds
        self.good = ""
        self.failure: BackendError | None = None
        self.tokens = Tokens(
            Door(session=cast("aiohttp.ClientSession", None), clock=self.clock, name="x"), self.fetch
        )

    async def fetch(self) -> tuple[str, float]:
        await asyncio.sleep(0)
        self.fetched += 1
        if self.failure is not None:
            raise self.failure
        self.good = f"t{self.fetched}"
        return self.good, self.seconds

    async def call(self, token: str) -> str:
        if token != self.good:
            raise TokenRefusedError("expired", code="42001")
        return token


async def test_callers_that_come_together_cause_one_fetch() -> None:
    service = Service()
    assert set(await asyncio.gather(*(service.tokens.get() for _ in range(50)))) == {"t1"}
    assert service.fetched == 1


@pytest.mark.parametrize(("seconds", "good_until"), [(7200.0, 6900.0), (100.0, 50.0)])
async def test_a_token_is_replaced_before_its_end(seconds: float, good_until: float) -> None:
    service = Service(seconds)
    await service.tokens.get()
    service.clock.advance(good_until - 1)
    assert await service.tokens.get() == "t1"
    service.clock.advance(2)
    assert await service.tokens.get() == "t2"


async def test_a_refused_token_is_replaced_once() -> None:
    service = Service()
    await service.tokens.get()
    service.good = "another"
    assert await service.tokens.use(service.call) == "t2"


async def test_a_second_refusal_needs_an_operator() -> None:
    service = Service()

    async def refuse(_: str) -> str:
        raise TokenRefusedError("no", code="40014")

    with pytest.raises(BackendDownError) as caught:
        await service.tokens.use(refuse)
    assert caught.value.code == "40014"
    assert service.fetched == 2


async def test_a_late_refusal_does_not_drop_the_new_token() -> None:
    service = Service()
    old = await service.tokens.get()
    service.tokens.drop(old)
    new = await service.tokens.get()
    service.tokens.drop(old)
    assert await service.tokens.get() == new


async def test_those_who_wait_share_a_failure_and_whoever_comes_soon_after_has_it_too() -> None:
    service = Service()
    service.failure = BackendDownError("wrong secret", code="40001")
    failures = await asyncio.gather(*(service.tokens.get() for _ in range(20)), return_exceptions=True)
    assert failures == [service.failure] * 20
    service.clock.advance(HOLD - 0.1)
    with pytest.raises(BackendDownError):
        await service.tokens.get()
    assert service.fetched == 1
    service.failure = None
    service.clock.advance(0.2)
    assert await service.tokens.get() == "t2"


async def test_a_passing_failure_stands_a_second_and_is_not_ambiguous() -> None:
    service = Service()
    service.failure = TemporaryError("no complete answer", ambiguous=True)
    with pytest.raises(TemporaryError) as caught:
        await service.tokens.get()
    assert not caught.value.ambiguous
    service.failure = None
    service.clock.advance(HOLD_TEMPORARY)
    assert await service.tokens.get() == "t2"


async def test_a_caller_that_gives_up_leaves_the_fetch_to_the_next() -> None:
    service = Service()
    one, other = (asyncio.create_task(service.tokens.get()) for _ in range(2))
    await asyncio.sleep(0)
    one.cancel()
    assert await other == "t1"
