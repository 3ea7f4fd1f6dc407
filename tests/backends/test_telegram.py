"""Telegram: HTML, replies and updates, groups that move, and every sentence of its error table."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from relay.backends.base import Door
from relay.backends.meaning import GoneError
from relay.backends.telegram import Settings, Telegram, escaped, shown
from relay.backends.telegram_answer import SENTENCES
from relay.errors import BackendDownError, BackendError, RateLimitedError, RejectedError, TemporaryError
from relay.values import Secret
from tests.backends.messages import message, reminder
from tests.emulators.telegram import TOKEN
from tests.emulators.telegram import Telegram as Server

GROUP = "-1001234"


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as server:
        yield server


@pytest.fixture
def bot(server: Server, door: Door) -> Any:
    fields: dict[str, Any] = {"token": Secret(TOKEN), "api": server.url}
    return lambda **changes: Telegram(Settings(**{**fields, **changes}), door)


async def failure(backend: Telegram, to: str = GROUP) -> BackendError:
    with pytest.raises(BackendError) as caught:
        await backend.send(message(), to)
    return caught.value


async def test_a_first_message(server: Server, bot: Any) -> None:
    receipt = await bot().send(message(links=(("ack", "https://r/a?x=1&y=2"),)), f"{GROUP}/5")
    assert (receipt.id, receipt.handle) == ("100", "-1001234/100")
    (post,) = server.posts
    assert post.payload["message_thread_id"] == 5
    assert post.payload["disable_notification"] is False
    assert post.payload["text"].startswith(
        "<b>[ERROR] pay.refund: timeout after &lt;num&gt; ms</b>\n<pre>timeout"
    )
    assert post.marks == ["https://r/a?x=1&y=2"]


async def test_channels_have_names(server: Server, bot: Any) -> None:
    receipt = await bot(silent=True).send(message(), "@relaynews")
    assert server.posts[0].payload["disable_notification"] is True
    again = await bot().send(reminder(handle=receipt.handle), "@relaynews")
    assert again.handle == receipt.handle == "@relaynews/100"
    assert server.posts[1].payload["reply_parameters"]["message_id"] == 100


async def test_a_reminder_replies_to_the_first(server: Server, bot: Any) -> None:
    first = await bot().send(message(), f"{GROUP}/5")
    second = await bot().send(reminder(handle=first.handle), f"{GROUP}/5")
    assert second.handle == first.handle
    payload = server.posts[1].payload
    assert payload["reply_parameters"] == {"message_id": 100, "allow_sending_without_reply": True}
    assert payload["message_thread_id"] == 5


async def test_an_update_rewrites_the_first(server: Server, bot: Any) -> None:
    first = await bot().send(message(), GROUP)
    backend = bot(follow_up="update")
    for _ in range(2):  # the second changes nothing, which is no error
        again = await backend.send(reminder(handle=first.handle), GROUP)
        assert again.handle == first.handle
    (post,) = server.posts
    assert "still happening" in post.shown


async def test_new_messages_stand_alone(server: Server, bot: Any) -> None:
    await bot(follow_up="new").send(reminder(handle=f"{GROUP}/100"), GROUP)
    assert "reply_parameters" not in server.posts[0].payload


@pytest.mark.parametrize("how", ["reply", "update"])
@pytest.mark.parametrize("sentence", [word for word, one in SENTENCES.items() if one.outcome is GoneError])
async def test_a_first_message_that_is_gone_is_replaced(
    server: Server, bot: Any, sentence: str, how: str
) -> None:
    server.refusal, server.refuses_once = (400, f"Bad Request: {sentence}", {}), True
    receipt = await bot(follow_up=how).send(reminder(handle=f"{GROUP}/7"), GROUP)
    (post,) = server.posts
    assert receipt.handle == f"{GROUP}/{post.id}"
    assert "reply_parameters" not in post.payload


async def test_a_group_that_moved_is_followed_once(server: Server, bot: Any) -> None:
    server.moved = {-55: -1001234}
    receipt = await bot().send(message(), "-55/5")
    assert receipt.handle == "-1001234/100"
    assert receipt.note == "the chat's number is now -1001234"
    assert server.posts[0].payload["message_thread_id"] == 5
    server.moved = {-55: -66, -66: -55}
    assert isinstance(await failure(bot(), "-55"), RejectedError)
    assert len(server.calls) == 4


@pytest.mark.parametrize("sentence", SENTENCES)
async def test_each_sentence_of_the_table(server: Server, bot: Any, sentence: str) -> None:
    server.refusal = (403 if sentence == "forbidden:" else 400, f"Bad Request: {sentence.upper()} x", {})
    if sentence == "forbidden:":
        server.refusal = (403, "Forbidden: bot is restricted", {})
    error = await failure(bot())
    assert isinstance(error, SENTENCES[sentence].outcome)
    assert SENTENCES[sentence].words in str(error)


@pytest.mark.parametrize(
    ("code", "text", "words"),
    [
        (401, "Unauthorized", "401: Telegram doesn't take this token"),
        (404, "Not Found", "404: Telegram knows no such token"),
        (409, "Conflict: terminated by other getUpdates request", "409: the bot is in use elsewhere"),
    ],
)
async def test_a_token_that_is_wrong(server: Server, bot: Any, code: int, text: str, words: str) -> None:
    server.refusal = (code, text, {})
    error = await failure(bot())
    assert isinstance(error, BackendDownError)
    assert str(error) == words


@pytest.mark.parametrize(("wait", "seconds"), [(33, 33.0), (0, 1.0), ("7", 7.0), (None, 1.0)])
async def test_the_longer_of_two_waits_counts(server: Server, bot: Any, wait: Any, seconds: float) -> None:
    server.refusal = (429, f"Too Many Requests: retry after {wait}", {"retry_after": wait})
    error = await failure(bot())
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == seconds


async def test_an_error_of_the_server_is_temporary(server: Server, bot: Any) -> None:
    server.refusal = (500, "Internal Server Error", {})
    assert isinstance(await failure(bot()), TemporaryError)


@pytest.mark.parametrize("body", [b"", b"ok", b"{}", b'{"ok":false}', b'{"ok":"true"}', b"<html>"])
async def test_a_200_that_does_not_say_ok_is_not_success(server: Server, bot: Any, body: bytes) -> None:
    server.answer = body
    error = await failure(bot())
    assert isinstance(error, TemporaryError)
    assert error.limit == 3


async def test_markup_that_is_refused_is_left_out(server: Server, bot: Any) -> None:
    server.refusal, server.refuses_once = (400, "Bad Request: can't parse entities: x", {}), True
    await bot().send(message(text="a <b> @x & c"), f"{GROUP} @wangwei @4711")
    (post,) = server.posts
    assert "parse_mode" not in post.payload
    assert post.payload["text"].startswith("@wangwei [ERROR]")
    assert "a <b> @x & c" in post.shown
    assert post.marks == ["@wangwei"]


async def test_text_full_of_entities_fits(server: Server, bot: Any) -> None:
    await bot().send(message(text='"' * 9000), GROUP)
    assert 4000 < server.posts[0].shown.counted <= 4096


async def test_mentions_come_from_the_address(server: Server, bot: Any) -> None:
    await bot().send(message(text="@all @here"), f"{GROUP} @wangwei @4711")
    assert server.posts[0].marks == ["tg://user?id=4711", "@wangwei"]


async def test_a_whole_url_takes_the_place_of_the_token(server: Server, bot: Any) -> None:
    await bot(token=Secret(""), url=Secret(f"{server.url}/bot{TOKEN}/")).send(message(), GROUP)
    assert len(server.posts) == 1


async def test_the_doctor_asks_whose_token_it_is(server: Server, bot: Any) -> None:
    (found,) = await bot().check()
    assert (found.ok, found.text) == (True, "the token of @relay_bot")
    (found,) = await bot(token=Secret("123456:wrong")).check()
    assert (found.ok, found.code) == (False, "401")
    assert server.calls == ["getMe", "getMe"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [('<b> & "q" >', "&lt;b&gt; &amp; &quot;q&quot; &gt;"), ("&lt;", "&amp;lt;")],
)
def test_escapes(text: str, expected: str) -> None:
    assert escaped(text) == expected
    assert shown(f"<b>{expected}</b>") == text


@pytest.mark.parametrize(
    "to", ["-1001234", "4711", "@relaynews", "-1001234/5", "@relaynews/5 @wang_wei @4711"]
)
def test_addresses(to: str) -> None:
    assert Settings(token=Secret(TOKEN)).refuses(to) == ""


@pytest.mark.parametrize(
    "to", ["wang", "@abc", "-1001234/", "-1001234/x", "１２", "4711 @a", "4711 @wang-wei"]
)
def test_no_addresses(to: str) -> None:
    assert Settings(token=Secret(TOKEN)).refuses(to)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, "token"),
        ({"token": Secret(TOKEN), "url": Secret("https://h/botx")}, "token"),
        ({"token": Secret("ABC")}, "token"),
        ({"token": Secret("123:A/B?c")}, "token"),
        ({"token": Secret(TOKEN), "api": "api.telegram.org"}, "api"),
        ({"url": Secret("nowhere")}, "url"),
    ],
)
def test_settings_that_can_not_be_right(fields: dict[str, Any], wrong: str) -> None:
    ((field, _),) = Settings(**fields).problems()
    assert field == wrong


def test_settings_that_can() -> None:
    assert Settings(token=Secret("110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw")).problems() == []
