"""Rocket.Chat: integration and user, threads, updates, and every line of its error table."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from relay.backends.base import Door, Receipt
from relay.backends.meaning import GoneError
from relay.backends.rocketchat import RocketChat, Settings
from relay.backends.rocketchat_answer import MEANINGS
from relay.errors import BackendDownError, BackendError, RateLimitedError, RejectedError, TemporaryError
from relay.values import Secret
from tests.backends.messages import NOW, message, reminder
from tests.emulators.rocketchat import HOOK, TOKEN, USER
from tests.emulators.rocketchat import RocketChat as Server


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as server:
        yield server


@pytest.fixture
def hook(server: Server, door: Door) -> Any:
    return lambda **changes: RocketChat(Settings(url=Secret(f"{server.url}{HOOK}"), **changes), door)


@pytest.fixture
def user(server: Server, door: Door) -> Any:
    fields: dict[str, Any] = {"server": f"{server.url}/", "user_id": USER, "token": Secret(TOKEN)}
    return lambda **changes: RocketChat(Settings(**{**fields, **changes}), door)


async def failure(backend: RocketChat, to: str) -> BackendError:
    with pytest.raises(BackendError) as caught:
        await backend.send(message(), to)
    return caught.value


async def test_an_integration_writes_to_its_own_room_or_another(server: Server, hook: Any) -> None:
    backend = hook(alias="relay", emoji=":warning:")
    for to in ("-", "@wangwei"):
        assert await backend.send(message(links=(("ack", "https://r/a"),)), to) == Receipt()
    assert [post.room for post in server.posts] == ["GENERAL", "dm1"]
    assert "channel" not in server.payloads[0]
    assert (server.payloads[0]["alias"], server.payloads[0]["emoji"]) == ("relay", ":warning:")
    assert "[ack](https://r/a)" in server.posts[0].text


async def test_an_integration_may_be_bound_to_its_room(server: Server, hook: Any) -> None:
    server.overriding = False
    error = await failure(hook(), "@wangwei")
    assert isinstance(error, RejectedError)
    assert "other channels than its own" in str(error)


@pytest.mark.parametrize("to", ["#ops", "GENERAL"])
async def test_a_reminder_is_a_reply_and_keeps_the_parent(server: Server, user: Any, to: str) -> None:
    first = await user().send(message(), to)
    second = await user().send(reminder(handle=first.handle), to)
    assert first.handle == second.handle == "GENERAL/m0"
    assert [post.thread for post in server.posts] == ["", "m0"]


async def test_an_update_rewrites_the_first(server: Server, user: Any) -> None:
    first = await user().send(message(), "#ops")
    second = await user(follow_up="update").send(reminder(handle=first.handle), "#ops")
    assert second.handle == first.handle
    (post,) = server.posts
    assert "still happening" in post.shown


@pytest.mark.parametrize("how", ["thread", "update"])
async def test_a_deleted_first_message_is_replaced(server: Server, user: Any, how: str) -> None:
    receipt = await user(follow_up=how).send(reminder(handle="GENERAL/m9"), "#ops")
    assert receipt.handle == "GENERAL/m0"
    assert server.posts[0].thread == ""


@pytest.mark.parametrize("part", [part for part, one in MEANINGS.items() if one.outcome is GoneError])
async def test_whatever_says_gone(server: Server, user: Any, part: str) -> None:
    server.refusal, server.refuses_once = (400, json.dumps({"success": False, "error": f"x [{part}]"})), True
    receipt = await user().send(reminder(handle="GENERAL/m9"), "#ops")
    assert receipt.handle == "GENERAL/m0"


async def test_new_messages_stand_alone(server: Server, user: Any) -> None:
    await user(follow_up="new").send(reminder(handle="GENERAL/m9"), "#ops")
    assert server.posts[0].thread == ""


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("part", MEANINGS)
async def test_each_line_of_the_table(server: Server, hook: Any, part: str, status: int) -> None:
    server.refusal = (status, json.dumps({"success": False, "error": f"Sorry: {part.upper()}"}))
    error = await failure(hook(), "-")
    assert isinstance(error, MEANINGS[part].outcome)
    assert str(error) == f"{part}: {MEANINGS[part].words}"


TOO_MANY = (
    "Error, too many requests. Please slow down. You must wait 47 seconds before trying this endpoint again."
    " [error-too-many-requests]"
)


@pytest.mark.parametrize("status", [200, 400, 429])
async def test_the_wait_stands_in_the_sentence(server: Server, hook: Any, status: int) -> None:
    server.refusal = (status, json.dumps({"success": False, "error": TOO_MANY}))
    error = await failure(hook(), "-")
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == 47.0


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [(str(int((NOW + 12.5) * 1000)), 12.5), (str(int((NOW - 5) * 1000)), 0.5), ("soon", 30.0)],
)
async def test_the_end_of_the_window_is_in_milliseconds(
    server: Server, hook: Any, reset: str, seconds: float
) -> None:
    server.refusal, server.headers = (429, ""), {"X-RateLimit-Reset": reset}
    error = await failure(hook(), "-")
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == seconds


@pytest.mark.parametrize("body", ["", "ok", "{}", '{"success":false}', '{"success":"true"}', "[]", "<html>"])
async def test_a_200_that_is_no_success(server: Server, hook: Any, user: Any, body: str) -> None:
    server.refusal = (200, body)
    for backend in (hook(), user()):
        error = await failure(backend, "#ops")
        assert isinstance(error, TemporaryError)
        assert error.limit == 3


async def test_an_integration_that_is_gone(server: Server, door: Door) -> None:
    backend = RocketChat(Settings(url=Secret(f"{server.url}/hooks/x/y")), door)
    assert isinstance(await failure(backend, "-"), BackendDownError)


async def test_a_message_that_is_too_long_is_sent_once_more_shorter(server: Server, hook: Any) -> None:
    server.most = 2000
    await hook().send(message(text="x" * 9000), "-")
    (post,) = server.posts
    assert post.shown.counted <= 1250
    assert len(server.payloads) == 2


async def test_mentions_come_from_the_address(server: Server, hook: Any) -> None:
    told = message(title="@all .@all #ops [x](http://e)", text="<!channel> @all [x](http://e)")
    await hook().send(told, "#ops @here @wang.wei")
    assert server.posts[0].marks == ["@here", "@wang.wei"]


async def test_the_doctor_asks_whose_token_it_is(server: Server, hook: Any, user: Any) -> None:
    (found,) = await user().check()
    assert (found.ok, found.text) == (True, "the token of relay")
    (found,) = await user(token=Secret("wrong")).check()
    assert (found.ok, found.text) == (
        False,
        "you must be logged in: Rocket.Chat doesn't take this token",
    )
    assert await hook().check() == []


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, ["url"]),
        ({"url": Secret("https://h/x"), "token": Secret("t")}, ["url"]),
        ({"url": Secret("https://h/x"), "user_id": "u"}, ["server"]),
        ({"url": Secret("h")}, ["url"]),
        ({"token": Secret("t")}, ["server", "user_id"]),
        ({"token": Secret("t t"), "user_id": "u", "server": "https://h"}, ["token"]),
    ],
)
def test_settings_that_can_not_be_right(fields: dict[str, Any], wrong: list[str]) -> None:
    assert [field for field, _ in Settings(**fields).problems()] == wrong


def test_settings_that_can() -> None:
    assert Settings(url=Secret("https://chat.example.com/hooks/a/b")).problems() == []
    assert Settings(server="https://h", user_id="u", token=Secret("t-1_x")).problems() == []
