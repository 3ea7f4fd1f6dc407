"""Slack: webhook and Web API, threads, updates, and every word of its error table."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from relay.backends.base import Door, Receipt
from relay.backends.meaning import GoneError, PayloadError
from relay.backends.slack import Settings, Slack, escaped
from relay.backends.slack_answer import MEANINGS
from relay.errors import BackendDownError, BackendError, RateLimitedError, RejectedError, TemporaryError
from relay.models import AlertState, Reason
from relay.values import Secret
from tests.backends.messages import message, reminder
from tests.emulators.slack import HOOK, TOKEN
from tests.emulators.slack import Slack as Workspace

ROOM = "C024BE91L"


@pytest.fixture
async def workspace() -> AsyncIterator[Workspace]:
    async with Workspace() as workspace:
        yield workspace


@pytest.fixture
def bot(workspace: Workspace, door: Door) -> Any:
    fields: dict[str, Any] = {"token": Secret(TOKEN), "api": f"{workspace.url}/api/"}
    return lambda **changes: Slack(Settings(**{**fields, **changes}), door)


@pytest.fixture
def hook(workspace: Workspace, door: Door) -> Slack:
    return Slack(Settings(url=Secret(f"{workspace.url}{HOOK}")), door)


def resolved(**changes: Any) -> Any:
    return message(state=AlertState.RESOLVED, reason=Reason.RESOLVED, **changes)


async def failure(backend: Slack, to: str = ROOM) -> BackendError:
    with pytest.raises(BackendError) as caught:
        await backend.send(message(), to)
    return caught.value


async def test_the_first_message_opens_a_thread(workspace: Workspace, bot: Any) -> None:
    receipt = await bot().send(message(links=(("ack", "https://r/a?x=1&y=a|b>"),)), "#ops")
    assert receipt == Receipt(id="1503435956.000000", handle="C024BE91L/1503435956.000000")
    (post,) = workspace.posts
    assert post.text.startswith(
        "*[ERROR] pay.refund: timeout after &lt;num&gt; ms*\n```\ntimeout after 3000 ms\n```\n"
    )
    assert "<https://r/a?x=1&amp;y=a%7Cb%3E|ack>" in post.text
    assert workspace.payloads[0]["unfurl_links"] is False


async def test_a_reminder_is_a_reply_and_keeps_the_parent(workspace: Workspace, bot: Any) -> None:
    first = await bot().send(message(), ROOM)
    second = await bot().send(reminder(handle=first.handle), ROOM)
    third = await bot().send(resolved(handle=second.handle), ROOM)
    assert first.handle == second.handle == third.handle
    _, reply, end = workspace.posts
    assert (reply.thread, reply.broadcast) == ("1503435956.000000", False)
    assert (end.thread, end.broadcast) == ("1503435956.000000", True)


async def test_an_update_rewrites_the_first(workspace: Workspace, bot: Any) -> None:
    first = await bot().send(message(), ROOM)
    second = await bot(follow_up="update").send(resolved(handle=first.handle), ROOM)
    assert second.handle == first.handle
    (post,) = workspace.posts
    assert "RESOLVED" in post.shown


async def test_new_messages_stand_alone(workspace: Workspace, bot: Any) -> None:
    first = await bot(follow_up="new").send(message(), ROOM)
    second = await bot(follow_up="new").send(reminder(handle=first.handle), ROOM)
    assert first.handle != second.handle
    assert [post.thread for post in workspace.posts] == ["", ""]


@pytest.mark.parametrize("how", ["thread", "update"])
@pytest.mark.parametrize("word", [word for word, one in MEANINGS.items() if one.outcome is GoneError])
async def test_a_first_message_that_is_gone_is_replaced(
    workspace: Workspace, bot: Any, how: str, word: str
) -> None:
    workspace.error, workspace.errors_once = word, True
    receipt = await bot(follow_up=how).send(reminder(handle=f"{ROOM}/1.2"), ROOM)
    (post,) = workspace.posts
    assert post.thread == ""
    assert receipt.handle == f"{ROOM}/{post.ts}"


async def test_a_reply_to_a_deleted_message(workspace: Workspace, bot: Any) -> None:
    receipt = await bot().send(reminder(handle=f"{ROOM}/1.2"), ROOM)
    assert receipt.handle == f"{ROOM}/{workspace.posts[0].ts}"
    assert workspace.calls == ["chat.postMessage"] * 2


@pytest.mark.parametrize("handle", ["x", "/", "C1/", "/1.2"])
async def test_a_handle_of_another_kind_is_none(workspace: Workspace, bot: Any, handle: str) -> None:
    await bot().send(reminder(handle=handle), ROOM)
    assert workspace.posts[0].thread == ""


@pytest.mark.parametrize("how", ["api", "webhook"])
@pytest.mark.parametrize("word", MEANINGS)
async def test_each_word_of_the_table(
    workspace: Workspace, bot: Any, hook: Slack, word: str, how: str
) -> None:
    workspace.error = word
    error = await failure(bot() if how == "api" else hook)
    assert isinstance(error, MEANINGS[word].outcome)
    assert error.code == word
    assert str(error) == f"{word}: {MEANINGS[word].words}"
    assert workspace.posts == []


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("restricted_action_read_only_channel", RejectedError),
        ("metadata_too_large", PayloadError),
        ("internal_error", TemporaryError),
        ("invalid_auth", BackendDownError),
        ("not_in_channel", RejectedError),
    ],
)
async def test_words_and_families(
    workspace: Workspace, bot: Any, word: str, expected: type[BackendError]
) -> None:
    workspace.error = word
    assert type(await failure(bot())) is expected


@pytest.mark.parametrize("status", [200, 429])
@pytest.mark.parametrize("word", ["ratelimited", "rate_limited"])
async def test_a_rate_limit_names_its_pause(workspace: Workspace, bot: Any, word: str, status: int) -> None:
    workspace.error, workspace.status, workspace.headers = word, status, {"Retry-After": "12"}
    error = await failure(bot())
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == 12.0


async def test_an_unknown_word_is_tried_a_few_times(workspace: Workspace, bot: Any) -> None:
    workspace.error = "brand_new_trouble"
    error = await failure(bot())
    assert isinstance(error, TemporaryError)
    assert (error.limit, error.code) == (3, "brand_new_trouble")


@pytest.mark.parametrize("how", ["api", "webhook"])
@pytest.mark.parametrize(
    "body", [b"", b"<html>ok</html>", b"{}", b'{"ok":"true"}', b'{"ok":1}', b"[]", b"OK!"]
)
async def test_a_200_that_does_not_say_ok_is_not_success(
    workspace: Workspace, bot: Any, hook: Slack, body: bytes, how: str
) -> None:
    workspace.answer = body
    assert isinstance(await failure(bot() if how == "api" else hook), TemporaryError)


async def test_a_refused_form_is_sent_once_more_shorter_and_plain(workspace: Workspace, bot: Any) -> None:
    workspace.error, workspace.errors_once = "msg_too_long", True
    await bot().send(message(text="x\n" * 3000), ROOM)
    (post,) = workspace.posts
    assert post.shown.counted <= 1000
    assert "```" not in post.text
    assert len(workspace.calls) == 2


async def test_a_form_refused_twice_is_rejected(workspace: Workspace, bot: Any) -> None:
    workspace.error = "invalid_blocks"
    assert isinstance(await failure(bot()), RejectedError)
    assert len(workspace.calls) == 2


async def test_mentions_come_from_the_address(workspace: Workspace, bot: Any, hook: Slack) -> None:
    await bot().send(message(), f"{ROOM} @here @U024BE7LH @S0614TZR7")
    await hook.send(message(), "@channel")
    assert [post.marks for post in workspace.posts] == [
        ["!here", "@U024BE7LH", "!subteam^S0614TZR7"],
        ["!channel"],
    ]


async def test_what_the_hook_wants_is_classified_by_its_text(workspace: Workspace, hook: Slack) -> None:
    workspace.error, workspace.status = "no_service", 404
    error = await failure(hook, "ops")
    assert isinstance(error, BackendDownError)
    assert str(error) == "no_service: the webhook is disabled or removed"


async def test_the_doctor_asks_whose_token_it_is(workspace: Workspace, bot: Any) -> None:
    (found,) = await bot().check()
    assert (found.ok, found.text) == (True, "the token of relay in Example")
    (found,) = await bot(token=Secret("xoxb-wrong")).check()
    assert (found.ok, found.code) == (False, "invalid_auth")
    assert workspace.posts == []


async def test_the_doctor_posts_nothing_to_a_webhook(workspace: Workspace, hook: Slack) -> None:
    (found,) = await hook.check()
    assert found.ok
    workspace.error = "no_service"
    (found,) = await hook.check()
    assert (found.ok, found.code) == (False, "no_service")
    assert workspace.posts == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a & b < c > d", "a &amp; b &lt; c &gt; d"),
        ("&lt;", "&amp;lt;"),
        ("snake_case_name a*b", "snake_case_name a*b"),
        ("*bold* _it_ ~no~ `code`", "∗bold∗ ＿it＿ ∼no∼ ˋcodeˋ"),
    ],
)
def test_escapes(text: str, expected: str) -> None:
    assert escaped(text) == expected


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, "url"),
        ({"url": "https://h/x", "token": "xoxb-1"}, "url"),
        ({"url": "hooks.slack.com/x"}, "url"),
        ({"token": "123"}, "token"),
        ({"token": "xoxb-1", "api": "slack.com"}, "api"),
    ],
)
def test_settings_that_can_not_be_right(fields: dict[str, str], wrong: str) -> None:
    secret = {name: Secret(value) if name in {"url", "token"} else value for name, value in fields.items()}
    ((field, text),) = Settings(**secret).problems()  # type: ignore[arg-type]
    assert field == wrong
    assert not any(value in text for value in fields.values())


@pytest.mark.parametrize(
    "token", ["xoxb-17653672481-19874698323-pdFZKVeTuE8sk7oOcHrzqqgy", "xoxe.xoxb-1-Mi0y"]
)
def test_settings_that_can(token: str) -> None:
    assert Settings(token=Secret(token)).problems() == []
    assert Settings(url=Secret("https://hooks.slack-gov.com/services/T/B/x")).problems() == []
