"""The outside dead-man switch, against a real HTTP server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from relay.backends.http import open_session
from relay.clock import FakeClock
from relay.config.schema import Ping
from relay.ping import Pinger
from relay.values import Secret
from tests.fakes import Reports


class Outside:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self.calls = 0
        self.status = 200
        self.unfit = ""
        self.clock = FakeClock()
        self.reports = Reports()
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.calls += 1
        headers = {"Location": "/elsewhere"} if self.status == 302 else {}
        return web.Response(status=self.status, headers=headers)

    def pinger(self, **settings: Any) -> Pinger:
        wanted = Ping(url=Secret(self.url), **settings)
        return Pinger(self.session, self.clock, wanted, lambda: self.unfit, self.reports)


@pytest.fixture
async def outside() -> AsyncIterator[Outside]:
    async with open_session() as session:
        outside = Outside(session)
        app = web.Application()
        app.router.add_get("/ping/t0ken", outside.answer)
        async with TestServer(app) as server:
            outside.url = str(server.make_url("/ping/t0ken"))
            yield outside


async def test_it_calls_while_relay_is_fit_and_is_silent_otherwise(outside: Outside) -> None:
    pinger = outside.pinger()
    await pinger.run_once()
    assert outside.calls == 1
    assert pinger.answered_at == outside.clock.now()
    outside.unfit = "the store takes nothing: disk full"
    await pinger.run_once()
    assert outside.calls == 1
    assert pinger.status() == {
        "answered_at": outside.clock.now(),
        "failures": 0,
        "withheld": "the store takes nothing: disk full",
    }
    outside.unfit = ""
    await pinger.run_once()
    assert outside.calls == 2


@pytest.mark.parametrize("status", [500, 404, 302])
async def test_what_isnt_a_good_answer_is_told_after_three_and_once_it_is_over(
    outside: Outside, status: int
) -> None:
    pinger = outside.pinger()
    outside.status = status
    for _ in range(5):
        await pinger.run_once()
    assert outside.reports.told == [("ping", "ping", False)]
    outside.status = 200
    await pinger.run_once()
    assert outside.reports.told[1:] == [("ping", "ping", True)]


async def test_an_unreachable_url_is_told_without_the_secret_in_it(
    outside: Outside, capsys: pytest.CaptureFixture[str]
) -> None:
    outside.url = "http://127.0.0.1:9/ping/t0ken"
    pinger = outside.pinger()
    for _ in range(3):
        await pinger.run_once()
    assert outside.reports.told == [("ping", "ping", False)]
    assert "t0ken" not in capsys.readouterr().out


async def test_without_a_url_nobody_is_called(outside: Outside) -> None:
    pinger = outside.pinger()
    pinger.apply(None)
    await pinger.run_once()
    assert outside.calls == 0
    assert pinger.status() is None


async def passes(outside: Outside, seconds: int, pause: float = 0.01) -> None:
    """Time, in steps in which calls are answered."""
    for _ in range(seconds // 5):
        outside.clock.advance(5.0)
        await asyncio.sleep(pause)


async def test_when_it_calls(outside: Outside) -> None:
    """Soon after the start, then by its time; what fails is repeated before somebody there misses it."""
    pinger = outside.pinger(every=3600.0)
    task = asyncio.create_task(pinger.run())
    await asyncio.sleep(0)
    await passes(outside, 50)
    assert outside.calls == 0  # a relay that dies in its first minute, again and again, isn't well
    await passes(outside, 20)
    assert outside.calls == 1
    await passes(outside, 3500, pause=0.001)
    assert outside.calls == 1
    outside.status = 503
    await passes(outside, 300)
    assert 3 <= outside.calls <= 6
    assert outside.reports.told == [("ping", "ping", False)]  # within minutes, not hours
    outside.status, outside.unfit = 200, "the store takes nothing: disk full"
    calls = outside.calls
    await passes(outside, 120)
    assert outside.calls == calls
    outside.unfit = ""
    await passes(outside, 10)
    assert outside.calls == calls + 1  # as soon as relay is fit again
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_an_edit_takes_effect_now_and_ends_the_trouble_of_what_it_replaces(outside: Outside) -> None:
    pinger = outside.pinger(every=86400.0)
    outside.status = 500
    for _ in range(3):
        await pinger.run_once()
    task = asyncio.create_task(pinger.run())
    await asyncio.sleep(0)
    outside.status = 200
    pinger.apply(Ping(url=Secret(outside.url), every=60.0))
    assert outside.reports.told == [("ping", "ping", False), ("ping", "ping", True)]
    await passes(outside, 10)
    assert outside.calls == 4
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
