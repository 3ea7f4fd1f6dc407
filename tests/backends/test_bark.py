"""Bark: one phone, many in a call, and phones that are gone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from relay.backends.bark import Bark, Settings
from relay.backends.base import Door, Receipt
from relay.errors import RejectedError, TemporaryError
from relay.models import AlertState, Level
from relay.values import Secret
from tests.backends.messages import message, reminder
from tests.emulators.bark import BarkServer

DEVICES = {name: Secret(f"k3y{name}") for name in ("wang", "li", "gone", "nobody")}


@pytest.fixture
async def server() -> AsyncIterator[BarkServer]:
    async with BarkServer("k3ywang", "k3yli", gone=("k3ygone",)) as server:
        yield server


@pytest.fixture
def bark(server: BarkServer, door: Door) -> Any:
    return lambda **changes: Bark(Settings(**{"server": server.url, "devices": DEVICES, **changes}), door)


async def test_a_message_says_all(server: BarkServer, bark: Any) -> None:
    settings = {"group": "shop", "sound": "alarm", "icon": "https://h/i.png"}
    await bark(**settings).send(message(links=(("runbook", "https://h/x"),)), "wang")
    ((key, push),) = server.pushes
    assert key == "k3ywang"
    assert push["title"] == "[ERROR] pay.refund: timeout after <num> ms"
    assert push["body"].startswith("timeout after 3000 ms\n\nseen: once")
    assert (push["level"], push["url"]) == ("timeSensitive", "https://h/x")
    assert {name: push[name] for name in settings} == settings


async def test_news_takes_the_place_of_what_was_shown(server: BarkServer, bark: Any) -> None:
    await bark().send(message(), "wang")
    await bark().send(reminder(), "wang")
    await bark().send(message(state=AlertState.RESOLVED), "wang")
    (shown,) = server.shown.values()
    assert shown["title"].startswith("[RESOLVED]")
    await bark().send(message(alert=18), "wang")
    await bark().send(message(alert=0, fingerprint=""), "wang")
    assert len(server.shown) == 3


@pytest.mark.parametrize(
    ("level", "state", "expected"),
    [
        (Level.CRITICAL, AlertState.FIRING, "critical"),
        (Level.ERROR, AlertState.FIRING, "active"),
        (Level.CRITICAL, AlertState.RESOLVED, "passive"),
    ],
)
async def test_levels(server: BarkServer, bark: Any, level: Level, state: AlertState, expected: str) -> None:
    await bark(level={"error": "active"}).send(message(level=level, state=state), "wang")
    assert server.pushes[0][1]["level"] == expected


@pytest.mark.parametrize("to", ["gone", "nobody"])
async def test_a_phone_that_is_gone(bark: Any, to: str) -> None:
    with pytest.raises(RejectedError) as caught:
        await bark().send(message(), to)
    assert "k3y" not in repr(vars(caught.value))


async def test_apple_out_of_reach_is_temporary(server: BarkServer, bark: Any) -> None:
    server.broken = True
    with pytest.raises(TemporaryError):
        await bark().send(message(), "wang")


async def test_many_in_one_call(server: BarkServer, bark: Any) -> None:
    outcomes = await bark().send_many(message(), ["gone", "wang", "nobody", "li"])
    assert [type(outcome) for outcome in outcomes] == [RejectedError, Receipt, RejectedError, Receipt]
    assert [key for key, _ in server.pushes] == ["k3ywang", "k3yli"]
    assert server.requests == 1
    assert "k3y" not in repr([vars(one) for one in outcomes if isinstance(one, RejectedError)])


async def test_many_with_one_that_may_work_later(server: BarkServer, bark: Any) -> None:
    server.broken = True
    outcomes = await bark().send_many(message(), ["wang", "gone"])
    assert [type(outcome) for outcome in outcomes] == [TemporaryError, RejectedError]


async def test_a_batch_answer_without_parts_is_no_success(server: BarkServer, bark: Any) -> None:
    server.silent = True
    outcomes = await bark().send_many(message(), ["wang", "li"])
    assert [type(outcome) for outcome in outcomes] == [TemporaryError, TemporaryError]


@pytest.mark.parametrize("text", ["<a>&" * 2000, '"\\\n' * 3000, "告警" * 3000, "\t" * 5000])
async def test_a_text_is_counted_as_apple_gets_it(server: BarkServer, bark: Any, text: str) -> None:
    told = reminder(text=text, links=(("runbook", "https://h/" + "x" * 200),), late=840.0)
    await bark().send(told, "wang")
    assert await bark().send_many(told, ["wang", "li"]) == [Receipt(), Receipt()]
    assert server.requests == 2
    assert all(push["body"].endswith("14 min late") for _, push in server.pushes)


async def test_what_is_too_large_for_apple_goes_once_shorter(server: BarkServer, bark: Any) -> None:
    told = reminder(text="x" * 9000, links=(("runbook", "https://h/" + "x" * 1500),), late=840.0)
    await bark().send(told, "wang")
    outcomes = await bark().send_many(told, ["wang", "gone", "li"])
    assert [type(outcome) for outcome in outcomes] == [Receipt, RejectedError, Receipt]
    assert server.requests == 4
    with pytest.raises(RejectedError):
        await bark(icon="https://h/" + "x" * 5000).send(message(), "wang")


async def test_the_doctor_pings(server: BarkServer, bark: Any) -> None:
    (up,) = await bark().check()
    (elsewhere,) = await bark(server=f"{server.url}/x").check()
    assert (up.ok, elsewhere.ok) == (True, False)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"server": "api.day.app"}, "server"),
        ({"devices": {}}, "devices"),
        ({"devices": {"wang": Secret("https://api.day.app/k3y/")}}, "devices"),
        ({"devices": {"wang": Secret("k3yé")}}, "devices"),
        ({"icon": "relay.png"}, "icon"),
        ({"level": {"error": "loud"}}, "level"),
        ({"level": {"bad": "active"}}, "level"),
    ],
)
def test_settings_that_can_not_work(changes: dict[str, Any], key: str) -> None:
    assert Settings(devices=DEVICES).problems() == []
    assert [found for found, _ in Settings(**{"devices": DEVICES, **changes}).problems()] == [key]
