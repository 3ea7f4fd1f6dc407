"""WeCom's robots: mentions, codes, limits, several robots, colours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from relay.backends.base import Door
from relay.backends.wecom_robot import Settings, WecomRobot
from relay.errors import (
    BackendDownError,
    BackendError,
    RateLimitedError,
    RejectedError,
    TemporaryError,
)
from relay.models import AlertState, Level, Reason
from relay.values import Secret
from tests.backends.messages import message, reminder
from tests.emulators.faults import Fault
from tests.emulators.wecom_robot import WecomRobots, has_escapes

KEY, OTHER = "693axxx6-7aoc-4bc4-97a0-0ec2sifa5aaa", "703axxx6-7aoc-4bc4-97a0-0ec2sifa5aaa"


@pytest.fixture
async def group() -> AsyncIterator[WecomRobots]:
    async with WecomRobots(KEY, OTHER) as group:
        yield group


@pytest.fixture
def robot(group: WecomRobots, door: Door) -> Any:
    return lambda **changes: WecomRobot(
        Settings(**{"key": (Secret(KEY),), "server": group.url, **changes}), door
    )


async def failure(backend: WecomRobot, to: str = "ops") -> BackendError:
    with pytest.raises(BackendError) as caught:
        await backend.send(message(), to)
    return caught.value


async def test_the_room_of_the_products_example_is_mentioned(group: WecomRobots, robot: Any) -> None:
    await robot().send(message(), "@all")
    (post,) = group.posts
    assert post.mentions == ("@all",)
    assert post.text.startswith("[ERROR] pay.refund: timeout after <num> ms\ntimeout after 3000 ms\n")


async def test_people_and_numbers_are_mentioned(group: WecomRobots, robot: Any) -> None:
    await robot().send(message(), "ops @zhangsan @mobile:13800001111 @li.si@x")
    assert group.posts[0].mentions == ("zhangsan", "li.si@x", "13800001111")


async def test_markdown_mentions_people_in_its_text(group: WecomRobots, robot: Any) -> None:
    await robot(format="markdown").send(message(), "ops @zhangsan")
    assert group.posts[0].mentions == ("zhangsan",)
    assert group.posts[0].kind == "markdown"


@pytest.mark.parametrize(
    ("form", "to", "refused"),
    [
        ("text", "ops", False),
        ("text", "@all @zhangsan @mobile:+8613800001111", False),
        ("markdown", "@all", True),
        ("markdown", "@mobile:13800001111", True),
        ("markdown", "ops @zhangsan", False),
        ("markdown_v2", "ops @zhangsan", True),
        ("markdown_v2", "ops", False),
    ],
)
def test_each_format_says_whom_it_can_not_mention(form: Any, to: str, *, refused: bool) -> None:
    assert bool(Settings(key=(Secret(KEY),), format=form).refuses(to)) is refused


@pytest.mark.parametrize(
    ("changes", "colour"),
    [
        ({}, "warning"),
        ({"level": Level.WARNING}, "warning"),
        ({"level": Level.INFO}, "comment"),
        ({"state": AlertState.RESOLVED, "reason": Reason.RESOLVED}, "info"),
    ],
)
async def test_markdown_shows_how_bad_it_is(
    group: WecomRobots, robot: Any, changes: dict[str, Any], colour: str
) -> None:
    await robot(format="markdown").send(message(**changes), "ops")
    assert f'**<font color="{colour}">[' in group.posts[0].content


async def test_the_newer_markdown_shows_a_trace_as_code(group: WecomRobots, robot: Any) -> None:
    trace = "Boom: 1\n    at a.b(C.java:1)\n```\n* x"
    await robot(format="markdown_v2").send(message(text=trace), "ops")
    (post,) = group.posts
    assert "```\nBoom: 1\n    at a.b(C.java:1)\n" in post.content
    assert [mark.kind for mark in post.marks] == ["bold"]


async def test_links_are_links_in_markdown_and_text_in_text(group: WecomRobots, robot: Any) -> None:
    told = message(links=(("ack [now]", "https://relay.example/a?x=(1)&y=2"),))
    await robot().send(told, "ops")
    await robot(format="markdown").send(told, "ops")
    text, markdown = group.posts
    assert "ack [now]: https://relay.example/a?x=(1)&y=2" in text.text
    assert "[ack ［now］](https://relay.example/a?x=%281%29&y=2)" in markdown.text


async def test_a_log_that_mentions_everybody_does_not(group: WecomRobots, robot: Any) -> None:
    told = message(title="<@all> @all", text="<@zhangsan> @all <@li>", labels={"<@a>": "<@b>"})
    await robot().send(told, "ops")
    await robot(format="markdown").send(told, "ops @wang")
    assert [post.mentions for post in group.posts] == [(), ("wang",)]
    assert "<@zhangsan> @all <@li>" in group.posts[0].text


async def test_json_is_sent_without_escapes(group: WecomRobots, robot: Any) -> None:
    await robot().send(message(text="中文 😀 \\u4e2d \x7f"), "ops")
    assert "中文 😀 \\u4e2d" in group.posts[0].text
    assert has_escapes(rb'"\u4e2d"')
    assert not has_escapes(rb'"\\u4e2d"')


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (-1, TemporaryError),
        (6000, TemporaryError),
        (45009, RateLimitedError),
        (45033, RateLimitedError),
        (93000, BackendDownError),
        ("93000", BackendDownError),
        (40008, RejectedError),
        (40058, RejectedError),
        (40033, RejectedError),
        (44004, RejectedError),
        (45002, RejectedError),
        (40201, RejectedError),
        (77777, TemporaryError),
    ],
)
async def test_a_number_becomes_its_error(
    group: WecomRobots, robot: Any, code: int | str, expected: type[BackendError]
) -> None:
    group.code = code
    error = await failure(robot())
    assert isinstance(error, expected)
    assert error.code == str(code)
    assert str(error).startswith(f"{code}: ")
    assert KEY not in str(error) + error.detail


async def test_a_minute_is_waited_for_where_none_is_named(group: WecomRobots, robot: Any) -> None:
    group.quota = 0
    error = await failure(robot())
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == 60


async def test_an_unknown_number_is_tried_a_few_times_only(group: WecomRobots, robot: Any) -> None:
    group.code = 77777
    error = await failure(robot())
    assert isinstance(error, TemporaryError)
    assert error.limit == 3


@pytest.mark.parametrize(
    "body", [b"", b"ok", b"<html>login</html>", b"[]", b'{"errmsg":"ok"}', b'{"errcode":true}']
)
async def test_an_answer_without_a_number_is_no_acceptance(
    group: WecomRobots, robot: Any, body: bytes
) -> None:
    group.fault = Fault(status=200, body=body)
    error = await failure(robot())
    assert isinstance(error, TemporaryError)
    assert error.limit == 3


async def test_a_zero_as_text_is_acceptance(group: WecomRobots, robot: Any) -> None:
    group.code = "0"
    await robot().send(message(), "ops")


async def test_a_message_that_is_refused_as_it_is_goes_once_as_a_short_text(
    group: WecomRobots, robot: Any
) -> None:
    group.refusing = {"markdown"}
    await robot(format="markdown").send(reminder(text="x" * 5000, late=840.0), "ops @zhangsan")
    (post,) = group.posts
    assert post.kind == "text"
    assert post.mentions == ("zhangsan",)
    assert len(post.content.encode()) <= 1000
    assert post.text.endswith("14 min late")
    group.refusing |= {"text"}
    error = await failure(robot(format="markdown"))
    assert isinstance(error, RejectedError)
    assert group.requests == 4


async def test_over_long_markdown_fits(group: WecomRobots, robot: Any) -> None:
    for form in ("markdown", "markdown_v2"):
        await robot(format=form).send(reminder(text="告*警`" * 3000, late=840.0), "ops")
    for post in group.posts:
        assert 0.9 * 4096 < len(post.content.encode()) <= 4096
        assert "characters cut" in post.text
        assert post.text.endswith("14 min late")


async def test_several_robots_take_turns(group: WecomRobots, robot: Any) -> None:
    backend = robot(key=(Secret(KEY), Secret(OTHER)))
    for number in range(4):
        await backend.send(message(text=str(number)), "ops")
    assert [post.key for post in group.posts] == [KEY, OTHER, KEY, OTHER]
    assert backend.limits.windows == ((40, 60.0),)
    assert robot().limits.windows == ((20, 60.0),)


async def test_a_whole_url_goes_out_as_it_is(group: WecomRobots, robot: Any) -> None:
    url = Secret(f"{group.url}/cgi-bin/webhook/send?x=a%2Fb&key={KEY}")
    await robot(key=(), url=(url,)).send(message(), "ops")
    assert group.posts[0].key == KEY


async def test_doctor_sends_nothing(group: WecomRobots, robot: Any) -> None:
    (good, bad) = await robot(key=(Secret(KEY), Secret("wrong"))).check()
    assert good.ok
    assert not bad.ok
    assert bad.code == "93000"
    assert "key is wrong" in bad.text
    assert group.posts == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({}, "key"),
        ({"key": (Secret("k"),), "url": (Secret("https://h/x"),)}, "key"),
        ({"key": (Secret("https://qyapi.weixin.qq.com/x?key=c4n4ry"),)}, "key"),
        ({"key": (Secret("c4n4ry x"),)}, "key"),
        ({"url": (Secret("c4n4ry"),)}, "url"),
        ({"key": (Secret("k"),), "server": "qyapi.weixin.qq.com"}, "server"),
    ],
)
def test_settings_that_can_not_work(changes: dict[str, Any], field: str) -> None:
    settings = Settings(**changes)
    assert [name for name, _ in settings.problems()] == [field]
    assert "c4n4ry" not in str(settings.problems()) + repr(settings)


def test_settings_that_work() -> None:
    assert Settings(key=(Secret(KEY), Secret("k"))).problems() == []
    assert Settings(url=(Secret("https://wecom.example.com/cgi-bin/webhook/send?key=x"),)).problems() == []
