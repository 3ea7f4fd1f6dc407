"""Mattermost: webhook and bot, threads, updates, and every line of its error table."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from relay.backends.base import Door, Receipt
from relay.backends.mattermost import Mattermost, Settings
from relay.backends.mattermost_answer import MEANINGS
from relay.backends.meaning import GoneError
from relay.errors import BackendDownError, BackendError, RejectedError, TemporaryError
from relay.values import Secret
from tests.backends.messages import message, reminder
from tests.emulators.mattermost import CHANNEL, HOOK, TOKEN
from tests.emulators.mattermost import Mattermost as Server


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as server:
        yield server


@pytest.fixture
def hook(server: Server, door: Door) -> Any:
    return lambda **changes: Mattermost(Settings(url=Secret(f"{server.url}{HOOK}"), **changes), door)


@pytest.fixture
def bot(server: Server, door: Door) -> Any:
    fields: dict[str, Any] = {"server": f"{server.url}/", "token": Secret(TOKEN)}
    return lambda **changes: Mattermost(Settings(**{**fields, **changes}), door)


async def failure(backend: Mattermost, to: str) -> BackendError:
    with pytest.raises(BackendError) as caught:
        await backend.send(message(), to)
    return caught.value


async def test_a_webhook_writes_to_its_own_channel_or_another(server: Server, hook: Any) -> None:
    backend = hook(username="relay", icon_emoji=":rotating_light:")
    for to in ("-", "town-square", "@wangwei"):
        assert await backend.send(message(links=(("ack", "https://r/a"),)), to) == Receipt()
    assert [post.channel for post in server.posts] == ["ops", "town-square", "@wangwei"]
    assert "channel" not in server.payloads[0]
    assert (server.payloads[0]["username"], server.payloads[0]["icon_emoji"]) == ("relay", ":rotating_light:")
    assert "icon_url" not in server.payloads[0]
    assert "[ack](https://r/a)" in server.posts[0].text
    assert server.posts[0].shown.startswith(
        "[ERROR] pay.refund: timeout after <num> ms\ntimeout after 3000 ms\n"
    )


async def test_a_long_text_is_not_split(server: Server, hook: Any) -> None:
    await hook().send(message(text="x" * 40_000), "-")
    (post,) = server.posts
    assert 16_000 < len(post.text) <= 16_383


async def test_a_reminder_is_a_reply_and_keeps_the_parent(server: Server, bot: Any) -> None:
    first = await bot().send(message(), CHANNEL)
    second = await bot().send(reminder(handle=first.handle), CHANNEL)
    third = await bot().send(reminder(handle=second.handle), CHANNEL)
    assert first.handle == second.handle == third.handle == server.posts[0].id
    assert [post.root for post in server.posts] == ["", first.handle, first.handle]


async def test_an_update_rewrites_the_first(server: Server, bot: Any) -> None:
    first = await bot().send(message(), CHANNEL)
    second = await bot(follow_up="update").send(reminder(handle=first.handle), CHANNEL)
    assert second.handle == first.handle
    (post,) = server.posts
    assert "still happening" in post.shown


@pytest.mark.parametrize("how", ["thread", "update"])
async def test_a_deleted_first_message_is_replaced(server: Server, bot: Any, how: str) -> None:
    receipt = await bot(follow_up=how).send(reminder(handle="x" * 26), CHANNEL)
    (post,) = server.posts
    assert (receipt.handle, post.root) == (post.id, "")


@pytest.mark.parametrize("how", ["thread", "update"])
@pytest.mark.parametrize("part", [part for part, one in MEANINGS.items() if one.outcome is GoneError])
async def test_whatever_says_gone(server: Server, bot: Any, part: str, how: str) -> None:
    server.refusal, server.refuses_once = (400, f'{{"id":"x.{part}.app_error"}}'), True
    receipt = await bot(follow_up=how).send(reminder(handle="x" * 26), CHANNEL)
    assert receipt.handle == server.posts[0].id


async def test_new_messages_stand_alone(server: Server, bot: Any) -> None:
    first = await bot().send(message(), CHANNEL)
    second = await bot(follow_up="new").send(reminder(handle=first.handle), CHANNEL)
    assert second.handle != first.handle


@pytest.mark.parametrize("part", MEANINGS)
async def test_each_line_of_the_table(server: Server, hook: Any, part: str) -> None:
    server.refusal = (400, f"Sorry: {part.upper()}.")
    error = await failure(hook(), "-")
    assert isinstance(error, MEANINGS[part].outcome)
    assert str(error) == f"{part}: {MEANINGS[part].words}"


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("nowhere", "find the channel: there is no such channel"),
        ("@nobody", "find the user: there is no such user"),
    ],
)
async def test_unknown_rooms(server: Server, hook: Any, to: str, words: str) -> None:
    error = await failure(hook(), to)
    assert isinstance(error, RejectedError)
    assert str(error) == words


async def test_a_webhook_that_is_gone(server: Server, door: Door) -> None:
    backend = Mattermost(Settings(url=Secret(f"{server.url}/hooks/other")), door)
    assert isinstance(await failure(backend, "-"), BackendDownError)


async def test_webhooks_switched_off_need_an_operator(server: Server, hook: Any) -> None:
    server.refusal = (501, '{"id":"web.incoming_webhook.disabled.app_error","status_code":501}')
    assert isinstance(await failure(hook(), "-"), BackendDownError)


@pytest.mark.parametrize("body", ["", "OK!", "<html>ok</html>", "{}"])
async def test_a_200_that_is_not_ok_is_not_success(server: Server, hook: Any, bot: Any, body: str) -> None:
    server.refusal = (200, body)
    for backend, to in ((hook(), "-"), (bot(), CHANNEL)):
        error = await failure(backend, to)
        assert isinstance(error, TemporaryError)
        assert error.limit == 3


async def test_a_refused_form_is_sent_once_more_plain(server: Server, hook: Any) -> None:
    server.refusal, server.refuses_once = (400, "Unable to parse incoming data"), True
    await hook().send(message(), "-")
    (post,) = server.posts
    assert "```" not in post.text
    assert "**" not in post.text


async def test_mentions_come_from_the_address(server: Server, hook: Any) -> None:
    told = message(
        title="@all .@all _@all_ <!channel>", text="x <!channel> <@U1> <http://e|x> @all ~town #tag"
    )
    await hook().send(told, "town-square @here @wang.wei")
    assert server.posts[0].marks == ["@here", "@wang.wei"]


async def test_the_doctor_asks_whose_token_it_is(server: Server, hook: Any, bot: Any) -> None:
    (found,) = await bot().check()
    assert (found.ok, found.text) == (True, "the token of relay")
    (found,) = await bot(token=Secret("x" * 26)).check()
    assert (found.ok, found.text) == (
        False,
        "api.context.session_expired: Mattermost doesn't take this token",
    )
    assert await hook().check() == []


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, "url"),
        ({"url": Secret("https://h/x"), "token": Secret(TOKEN)}, "url"),
        ({"url": Secret("https://h/x"), "server": "https://h"}, "server"),
        ({"url": Secret("h")}, "url"),
        ({"token": Secret(TOKEN)}, "server"),
        ({"token": Secret("short"), "server": "https://h"}, "token"),
        ({"token": Secret(TOKEN), "server": "https://h", "username": "relay"}, "username"),
    ],
)
def test_settings_that_can_not_be_right(fields: dict[str, Any], wrong: str) -> None:
    ((field, _),) = Settings(**fields).problems()
    assert field == wrong


def test_settings_that_can() -> None:
    assert Settings(url=Secret("https://chat.example.com/hooks/xyz")).problems() == []
    assert Settings(server="https://chat.example.com", token=Secret(TOKEN)).problems() == []
