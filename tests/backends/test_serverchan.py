"""ServerChan: both kinds of key, its limits, and refusals that only words tell apart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from relay.backends.base import Door
from relay.backends.serverchan import ServerChan, Settings, _until_midnight
from relay.errors import BackendDownError, BackendError, RateLimitedError, TemporaryError
from relay.values import Secret
from tests.backends.messages import message, reminder
from tests.emulators.fences import outside, shown
from tests.emulators.serverchan import TURBO, V3, ServerChanService


@pytest.fixture
async def service() -> AsyncIterator[ServerChanService]:
    async with ServerChanService() as service:
        yield service


@pytest.fixture
def serverchan(service: ServerChanService, door: Door) -> Any:
    return lambda **changes: ServerChan(
        Settings(**{"sendkey": Secret(TURBO), "server": service.url, **changes}), door
    )


async def failure(backend: ServerChan) -> BackendError:
    with pytest.raises(BackendError) as caught:
        await backend.send(message(), "ops")
    return caught.value


async def test_a_message_says_all(service: ServerChanService, serverchan: Any) -> None:
    settings = {"channel": "9|66", "openid": "a,b", "tags": "x|y", "noip": True}
    receipt = await serverchan(**settings).send(message(links=(("run [book]", "https://h/x)y"),)), "ops")
    (told,) = service.messages
    assert receipt.id == "1"
    assert told["title"] == "[ERROR] pay.refund: timeout aft…"
    assert len(told["short"]) <= 64
    assert "timeout after <num> ms\ntimeout after 3000 ms" in shown(told["desp"])
    assert outside(told["desp"]) == "\n[run \\[book\\]](https://h/x%29y)\n\nalert 17"
    assert {name: told[name] for name in settings} == {**settings, "noip": 1}


@pytest.mark.parametrize(
    ("title", "shown_as"),
    [
        ("timeout after <num> ms", "[ERROR] pay.refund: timeout aft…"),
        ("x", "[ERROR] pay.refund: x"),
    ],
)
async def test_a_title_of_a_reminder_says_what_happened(
    service: ServerChanService, serverchan: Any, title: str, shown_as: str
) -> None:
    await serverchan().send(reminder(title=title), "ops")
    assert service.messages[0]["title"] == shown_as
    assert service.messages[0]["short"].startswith("[ERROR, still happening] pay.refund: ")


async def test_a_long_text_keeps_its_footer(service: ServerChanService, serverchan: Any) -> None:
    await serverchan(max_bytes=3000).send(reminder(text="告警 ``` ````\n" * 2000, late=840.0), "ops")
    desp = service.messages[0]["desp"]
    assert 2700 < len(desp.encode()) <= 3000
    assert desp.endswith("14 min late")
    assert "characters cut" in desp


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({"sendkey": Secret("SCT1abc")}, "https://sctapi.ftqq.com/SCT1abc.send"),
        ({"sendkey": Secret("sctp12tabc")}, "https://12.push.ft07.com/send/sctp12tabc.send"),
        ({"sendkey": Secret("SCT1abc"), "server": "http://h/"}, "http://h/SCT1abc.send"),
        ({"sendkey": Secret("sctp12tabc"), "server": "http://h"}, "http://h/send/sctp12tabc.send"),
        ({"url": Secret("http://h/x?y=%2F")}, "http://h/x?y=%2F"),
    ],
)
def test_addresses(settings: dict[str, Any], address: str) -> None:
    assert Settings(**settings).address == address
    assert Settings(**settings).problems() == []


async def test_a_wrong_key(serverchan: Any) -> None:
    error = await failure(serverchan(sendkey=Secret("SCTwrong")))
    assert isinstance(error, BackendDownError)
    assert str(error) == "40001: the service doesn't know this key"


async def test_a_quota_lasts_until_midnight_in_beijing(service: ServerChanService, serverchan: Any) -> None:
    service.left = 1
    await serverchan().send(message(), "ops")
    error = await failure(serverchan())
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == 3600.0
    assert _until_midnight(1_767_600_000.0) == 8 * 3600  # 16:00 there


@pytest.mark.parametrize(
    "answer", [{}, {"code": 1}, {"code": None}, {"code": "x", "message": "busy"}, {"data": {"pushid": "1"}}]
)
async def test_all_else_is_tried_a_few_times(
    service: ServerChanService, serverchan: Any, answer: dict[str, Any]
) -> None:
    service.answer = answer
    error = await failure(serverchan())
    assert isinstance(error, TemporaryError)
    assert error.limit == 3


async def test_a_zero_may_be_a_text(service: ServerChanService, serverchan: Any) -> None:
    service.answer = {"code": "0", "data": {"pushid": 7}}
    assert (await serverchan().send(message(), "ops")).id == "7"


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"sendkey": None}, "sendkey"),
        ({"url": Secret("http://h")}, "sendkey"),
        ({"sendkey": Secret("abc")}, "sendkey"),
        ({"sendkey": None, "url": Secret("h")}, "url"),
        ({"server": "h"}, "server"),
        ({"channel": "1|2|3"}, "channel"),
    ],
)
def test_settings_that_can_not_work(changes: dict[str, Any], key: str) -> None:
    assert Settings(sendkey=Secret(V3)).problems() == []
    assert [found for found, _ in Settings(**{"sendkey": Secret(V3), **changes}).problems()] == [key]
