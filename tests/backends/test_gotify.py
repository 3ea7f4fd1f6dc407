"""Gotify: the message's form, its priorities, and what it answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from relay.backends.base import Door
from relay.backends.gotify import Gotify, Settings
from relay.errors import BackendDownError, TemporaryError
from relay.models import AlertState, Level
from relay.values import Secret
from tests.backends.messages import message
from tests.emulators.gotify import GotifyServer


@pytest.fixture
async def server() -> AsyncIterator[GotifyServer]:
    async with GotifyServer("Agood") as server:
        yield server


@pytest.fixture
def gotify(server: GotifyServer, door: Door) -> Any:
    return lambda **changes: Gotify(
        Settings(**{"server": f"{server.url}/", "token": Secret("Agood"), **changes}), door
    )


async def test_a_message_says_all(server: GotifyServer, gotify: Any) -> None:
    receipt = await gotify().send(message(links=(("runbook", "https://h/x"),)), "ops")
    (told,) = server.messages
    assert receipt.id == "1"
    assert told["title"] == "[ERROR] pay.refund: timeout after <num> ms"
    assert told["priority"] == 7
    assert told["extras"] == {
        "client::display": {"contentType": "text/plain"},
        "client::notification": {"click": {"url": "https://h/x"}},
    }


@pytest.mark.parametrize(
    ("level", "state", "expected"),
    [
        (Level.CRITICAL, AlertState.FIRING, 9),
        (Level.WARNING, AlertState.FIRING, 4),
        (Level.CRITICAL, AlertState.RESOLVED, 1),
    ],
)
async def test_priorities(
    server: GotifyServer, gotify: Any, level: Level, state: AlertState, expected: int
) -> None:
    await gotify(priority={"critical": 9}).send(message(level=level, state=state), "ops")
    assert server.messages[0]["priority"] == expected


async def test_a_wrong_token_is_the_operators(gotify: Any) -> None:
    with pytest.raises(BackendDownError) as caught:
        await gotify(token=Secret("Awrong")).send(message(), "ops")
    assert "valid access token" in caught.value.detail


async def test_an_answer_without_an_id_is_no_success(server: GotifyServer, gotify: Any) -> None:
    server.without_id = True
    with pytest.raises(TemporaryError):
        await gotify().send(message(), "ops")


async def test_the_doctor_asks_for_its_health(server: GotifyServer, gotify: Any) -> None:
    (well,) = await gotify().check()
    server.health = "orange"
    (ill,) = await gotify().check()
    (nowhere,) = await gotify(server=f"{server.url}/elsewhere").check()
    assert (well.ok, ill.ok, nowhere.ok, nowhere.code) == (True, False, False, "404")


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"server": "gotify"}, "server"),
        ({"token": Secret("Cclient")}, "token"),
        ({"token": Secret("A b")}, "token"),
        ({"priority": {"error": 11}}, "priority"),
        ({"priority": {"bad": 1}}, "priority"),
    ],
)
def test_settings_that_can_not_work(changes: dict[str, Any], key: str) -> None:
    good: dict[str, Any] = {"server": "https://h", "token": Secret("Agood")}
    assert Settings(**good).problems() == []
    assert [found for found, _ in Settings(**{**good, **changes}).problems()] == [key]
