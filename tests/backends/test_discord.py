"""Discord: embeds, updates, threads and forums, mentions, and every code of its error table."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from relay.backends.base import Door, Receipt
from relay.backends.discord import Discord, Settings
from relay.backends.discord_answer import MEANINGS, PLACES
from relay.backends.meaning import GoneError
from relay.errors import BackendDownError, BackendError, RateLimitedError, RejectedError, TemporaryError
from relay.models import AlertState, Reason
from relay.values import Secret
from tests.backends.messages import message, reminder
from tests.emulators.discord import CHANNEL, KEY, SHOWN_LINK, THREAD
from tests.emulators.discord import Discord as Server


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as server:
        yield server


@pytest.fixture
def hook(server: Server, door: Door) -> Any:
    fields: dict[str, Any] = {"key": Secret(KEY), "api": f"{server.url}/api/"}
    return lambda **changes: Discord(Settings(**{**fields, **changes}), door)


async def failure(backend: Discord, to: str = "ops", handle: str = "") -> BackendError:
    with pytest.raises(BackendError) as caught:
        await backend.send(message(handle=handle), to)
    return caught.value


async def test_a_first_message(server: Server, hook: Any) -> None:
    told = message(links=(("ack", "https://r/a?x=(1)"),))
    receipt = await hook(username="relay", avatar_url="https://r/a.png").send(told, "ops")
    assert receipt == Receipt(id="90000", handle="90000")
    (post,) = server.posts
    assert post.place == CHANNEL
    assert (post.payload["username"], post.payload["avatar_url"]) == ("relay", "https://r/a.png")
    assert post.payload["allowed_mentions"] == {"parse": [], "users": [], "roles": []}
    assert post.payload["embeds"][0]["color"] == 0xE01E5A
    assert post.shown.startswith("[ERROR] pay.refund: timeout after <num> ms\ntimeout after 3000 ms\n")
    assert SHOWN_LINK.findall(post.raw) == [("ack", "https://r/a?x=%281%29")]
    assert server.queries == ["wait=true"]


async def test_an_update_rewrites_the_first(server: Server, hook: Any) -> None:
    first = await hook().send(message(), "ops")
    told = message(state=AlertState.RESOLVED, reason=Reason.RESOLVED, handle=first.handle)
    second = await hook(username="relay").send(told, "ops")
    assert second.handle == first.handle
    (post,) = server.posts
    assert "RESOLVED" in post.shown
    assert post.payload["embeds"][0]["color"] == 0x2EB67D
    assert "allowed_mentions" in post.payload
    assert server.methods == ["POST", "PATCH"]


async def test_new_messages_stand_alone(server: Server, hook: Any) -> None:
    first = await hook().send(message(), "ops")
    await hook(follow_up="new").send(reminder(handle=first.handle), "ops")
    assert len(server.posts) == 2


@pytest.mark.parametrize("code", [code for code, one in MEANINGS.items() if one.outcome is GoneError])
async def test_a_first_message_that_is_gone_is_replaced(server: Server, hook: Any, code: str) -> None:
    server.refusal, server.refuses_once = (404, b'{"code": %s}' % code.encode()), True
    receipt = await hook().send(reminder(handle="90007"), "ops")
    assert receipt.handle == "90000"
    assert server.methods == ["PATCH", "POST"]


@pytest.mark.parametrize("code", PLACES)
async def test_a_post_in_a_forum_that_is_gone_is_replaced(server: Server, hook: Any, code: str) -> None:
    """Deleted, archived or locked: what is to be said opens another one."""
    server.forum = True
    first = await hook(forum=True).send(message(), "ops")
    server.refusal, server.refuses_once = (404, b'{"code": %s}' % code.encode()), True
    receipt = await hook(forum=True).send(reminder(handle=first.handle), "ops")
    assert receipt.handle not in {"", first.handle}
    assert server.methods == ["POST", "PATCH", "POST"]


@pytest.mark.parametrize("handle", ["x", "1/2/3", "9 0", "/1"])
async def test_a_handle_of_another_kind_is_none(server: Server, hook: Any, handle: str) -> None:
    await hook().send(reminder(handle=handle), "ops")
    assert server.methods == ["POST"]


async def test_a_thread_has_its_own_messages(server: Server, hook: Any) -> None:
    first = await hook().send(message(), f"thread:{THREAD}")
    assert first.handle == f"90000/{THREAD}"
    await hook().send(reminder(handle=first.handle), f"thread:{THREAD}")
    (post,) = server.posts
    assert post.place == THREAD
    assert "still happening" in post.shown
    assert server.queries == [f"wait=true&thread_id={THREAD}", f"thread_id={THREAD}"]


async def test_in_a_forum_each_alert_is_a_post(server: Server, hook: Any) -> None:
    server.forum = True
    first = await hook(forum=True).send(message(title="x" * 200), "ops")
    (post,) = server.posts
    assert post.payload["thread_name"].startswith("[ERROR] pay.refund: xxx")
    assert len(post.payload["thread_name"]) == 100
    assert first.handle == f"90000/{post.place}"
    await hook(forum=True).send(reminder(handle=first.handle), "ops")
    assert len(server.posts) == 1
    error = await failure(hook())
    assert isinstance(error, BackendDownError)
    assert "forum: true" in str(error)


async def test_a_query_of_the_operators_url_stays(server: Server, hook: Any) -> None:
    url = Secret(f"{server.url}/api/webhooks/{KEY}?proxy=%2Fx")
    first = await hook(key=Secret(""), url=url).send(message(), "ops")
    await hook(key=Secret(""), url=url).send(reminder(handle=first.handle), "ops")
    assert server.queries == ["proxy=%2Fx&wait=true", "proxy=%2Fx"]


@pytest.mark.parametrize("code", MEANINGS)
async def test_each_code_of_the_table(server: Server, hook: Any, code: str) -> None:
    server.refusal = (400, json.dumps({"code": int(code), "message": "no"}).encode())
    error = await failure(hook())
    assert isinstance(error, MEANINGS[code].outcome)
    assert str(error) == f"{code}: {MEANINGS[code].words}"


@pytest.mark.parametrize(
    ("body", "header", "seconds"),
    [
        (b'{"message":"slow","retry_after":0.523,"global":false}', "1", 1.0),
        (b'{"message":"slow","retry_after":64.57,"global":true}', "64", 64.57),
        (b"<html>cloudflare</html>", "30", 30.0),
        (b"", "", 30.0),
    ],
)
async def test_the_longer_of_two_waits_counts(
    server: Server, hook: Any, body: bytes, header: str, seconds: float
) -> None:
    server.refusal, server.headers = (429, body), {"Retry-After": header}
    error = await failure(hook())
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == seconds


async def test_a_channels_own_limit_is_a_pause(server: Server, hook: Any) -> None:
    server.refusal = (400, b'{"code": 20028, "retry_after": 3}')
    error = await failure(hook())
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == 3.0


@pytest.mark.parametrize("body", [b"", b"ok", b"{}", b'{"id":""}', b"[]", b"<html>"])
async def test_a_200_without_an_id_is_not_success(server: Server, hook: Any, body: bytes) -> None:
    server.refusal = (200, body)
    error = await failure(hook())
    assert isinstance(error, TemporaryError)
    assert error.limit == 3


async def test_a_204_is_accepted_but_not_confirmed(server: Server, hook: Any) -> None:
    server.refusal = (204, b"")
    assert await hook().send(message(), "ops") == Receipt(note="not confirmed")


@pytest.mark.parametrize("code", [b"50035", b"40005"])
async def test_a_refused_embed_becomes_text(server: Server, hook: Any, code: bytes) -> None:
    server.refusal, server.refuses_once = (400, b'{"code": %s}' % code), True
    await hook().send(message(text="line\n" * 2000), "ops @here")
    (post,) = server.posts
    assert post.payload["embeds"] == []
    assert post.payload["content"].startswith("@here\n")
    assert len(post.payload["content"]) < 1100
    assert post.marks == ["@here"]


async def test_mentions_come_from_the_address(server: Server, hook: Any) -> None:
    await hook().send(message(text="@everyone <@123456>"), "ops @80351110224678912 @&165511591545143296")
    await hook().send(message(), "@everyone")
    assert [post.pings for post in server.posts] == [
        ["<@80351110224678912>", "<@&165511591545143296>"],
        ["@everyone"],
    ]


async def test_the_doctor_looks_at_the_webhook(server: Server, hook: Any) -> None:
    (found,) = await hook().check()
    assert (found.ok, found.text) == (True, f"the webhook alerts of channel {CHANNEL}")
    for key, code in (("9999/x1x", "10015"), (f"{KEY}x", "50027")):
        (found,) = await hook(key=Secret(key)).check()
        assert (found.ok, found.code) == (False, code)
    assert server.methods == ["GET"] * 3


async def test_an_archived_thread_is_refused(server: Server, hook: Any) -> None:
    server.refusal = (400, b'{"code": 50083}')
    assert type(await failure(hook(), f"thread:{THREAD}")) is RejectedError


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, "url"),
        ({"url": Secret("https://h/x"), "key": Secret(KEY)}, "url"),
        ({"url": Secret("h/x")}, "url"),
        ({"key": Secret("token")}, "key"),
        ({"key": Secret(KEY), "api": "discord.com/api"}, "api"),
        ({"key": Secret(KEY), "username": "My Discord bot"}, "username"),
        ({"key": Secret(KEY), "username": "x" * 81}, "username"),
    ],
)
def test_settings_that_can_not_be_right(fields: dict[str, Any], wrong: str) -> None:
    ((field, _),) = Settings(**fields).problems()
    assert field == wrong


def test_settings_that_can() -> None:
    assert Settings(key=Secret(KEY), username="relay").problems() == []
    assert Settings(url=Secret(f"https://discordapp.com/api/webhooks/{KEY}")).problems() == []
