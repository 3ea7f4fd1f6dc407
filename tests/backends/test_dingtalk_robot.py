"""DingTalk's robots: signatures, pings, security settings, the firewall, idempotency."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest

from relay.backends.base import Door
from relay.backends.dingtalk_robot import DingtalkRobot, Settings, signature
from relay.errors import BackendDownError, BackendError, RateLimitedError, RejectedError, TemporaryError
from relay.values import Secret
from tests.backends.messages import NOW, message, reminder
from tests.emulators.dingtalk_robot import DingtalkRobots
from tests.emulators.faults import Fault

TOKEN, OTHER = "a" * 64, "b" * 64
SEC = "SEC" + "0123456789abcdef" * 4
LINKS = (("ack", "https://relay.example/a/ack/17"), ("silence", "https://relay.example/a/silence/17"))


@pytest.fixture
async def group() -> AsyncIterator[DingtalkRobots]:
    async with DingtalkRobots({TOKEN: SEC, OTHER: ""}, NOW) as group:
        yield group


@pytest.fixture
def robot(group: DingtalkRobots, door: Door) -> Any:
    def build(**changes: Any) -> DingtalkRobot:
        settings = {"access_token": (Secret(TOKEN),), "secret": (Secret(SEC),), "server": group.url}
        return DingtalkRobot(Settings(**{**settings, **changes}), door)

    return build


async def failure(backend: DingtalkRobot, to: str = "ops") -> BackendError:
    with pytest.raises(BackendError) as caught:
        await backend.send(message(), to)
    return caught.value


@pytest.mark.parametrize(
    ("now", "secret", "raw", "quoted"),
    [
        (
            1577262236757,
            "this is secret",
            "hmPWwU+7lVdm3ZZz0r9tSfx0L4Q26jWOZr9+Gs6EZQM=",
            "hmPWwU%2B7lVdm3ZZz0r9tSfx0L4Q26jWOZr9%2BGs6EZQM%3D",
        ),
        (
            1700000000000,
            SEC,
            "bTgY2yDbep+wesS7jKiNj+srsHoADES4+C4f8LCHFtU=",
            "bTgY2yDbep%2BwesS7jKiNj%2BsrsHoADES4%2BC4f8LCHFtU%3D",
        ),
    ],
)
def test_the_published_signatures(now: int, secret: str, raw: str, quoted: str) -> None:
    assert signature(now, secret) == raw
    assert quote(raw, safe="") == quoted


async def test_the_signature_is_quoted_once(group: DingtalkRobots, robot: Any) -> None:
    await robot().send(message(), "ops")
    assert group.signs == [quote(signature(int(NOW * 1000), SEC), safe="")]
    assert len(group.posts) == 1


async def test_a_whole_url_is_signed_too(group: DingtalkRobots, robot: Any) -> None:
    url = Secret(f"{group.url}/robot/send?access_token={TOKEN}")
    await robot(access_token=(), url=(url,)).send(message(), "ops")
    assert len(group.posts) == 1


@pytest.mark.parametrize("form", ["text", "markdown"])
async def test_only_those_of_the_address_are_pinged(group: DingtalkRobots, robot: Any, form: Any) -> None:
    told = message(title="@13900000000 @all", text="@13900000000 @manager1 @所有人")
    backend = robot(format=form)
    await backend.send(told, "ops @manager4220 @mobile:13800001111")
    await backend.send(message(key="2", text=told.text), "ops")
    await backend.send(message(key="3"), "@all")
    assert [post.pinged for post in group.posts] == [("manager4220", "13800001111"), (), ("all",)]
    assert "@13900000000 @manager1 @所有人" in group.posts[0].text


async def test_a_card_has_the_links_as_buttons(group: DingtalkRobots, robot: Any) -> None:
    backend = robot(format="card")
    await backend.send(message(links=LINKS), "ops")
    await backend.send(message(links=LINKS, key="2"), "@all")
    card, pinging = group.posts
    assert (card.kind, card.buttons) == ("actionCard", LINKS)
    assert card.title == "[ERROR] pay.refund: timeout after <num> ms"
    assert "relay.example" not in card.text
    assert (pinging.kind, pinging.pinged) == ("markdown", ("all",))
    assert "[ack](https://relay.example/a/ack/17)" in pinging.text


async def test_markdown_keeps_its_lines(group: DingtalkRobots, robot: Any) -> None:
    await robot(format="markdown").send(message(text="one\n  two\n* three"), "ops")
    (post,) = group.posts
    assert post.content.startswith("#### [ERROR] pay.refund: timeout after <\u200bnum> ms  \none  \n")
    assert "one\n  two\n∗ three\n" in post.text


async def test_a_keyword_is_part_of_each_message(group: DingtalkRobots, robot: Any) -> None:
    group.keywords = ("告警",)
    error = await failure(robot())
    assert isinstance(error, BackendDownError)
    assert str(error) == "310000: the robot wants one of its keywords: set `keyword`"
    backend = robot(keyword="告警")
    for number, form in enumerate(("text", "markdown", "card")):
        told = message(text="x" * 9000, key=str(number), links=LINKS)
        await robot(keyword="告警", format=form).send(told, "ops")
    await backend.send(message(key="short"), "ops")
    assert all("[告警 ERROR]" in post.text for post in group.posts)
    assert len(group.posts) == 4


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"secret": ()}, "clock"),
        ({"secret": (Secret("SECwrong"),)}, "signature is wrong"),
        ({"access_token": (Secret("c" * 64),)}, "token is wrong"),
    ],
)
async def test_what_an_operator_must_change(
    group: DingtalkRobots, robot: Any, changes: dict[str, Any], words: str
) -> None:
    error = await failure(robot(**changes))
    assert isinstance(error, BackendDownError)
    assert words in str(error)
    (finding,) = await robot(**changes).check()
    assert not finding.ok
    assert finding.text == str(error)


async def test_a_host_that_is_not_let_in(group: DingtalkRobots, robot: Any) -> None:
    group.allowed = False
    error = await failure(robot())
    assert isinstance(error, BackendDownError)
    assert "IP list" in str(error)


async def test_a_time_that_is_refused_is_signed_once_more(group: DingtalkRobots, robot: Any) -> None:
    group.lag = 1
    await robot().send(message(), "ops")
    assert group.requests == 2
    group.now += 7200
    error = await failure(robot())
    assert isinstance(error, BackendDownError)
    assert "clock" in str(error)
    assert group.requests == 4


async def test_a_retry_of_what_arrived_is_shown_once(group: DingtalkRobots, robot: Any) -> None:
    group.fault = Fault(cut="before")
    error = await failure(robot())
    assert isinstance(error, TemporaryError)
    assert error.ambiguous
    group.fault = Fault()
    await robot().send(message(late=61.0), "ops")
    assert len(group.posts) == 1


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"errcode": -1}, TemporaryError),
        ({"errcode": 130101}, RateLimitedError),
        ({"errcode": "410100"}, RateLimitedError),
        ({"errcode": 300001}, BackendDownError),
        ({"errcode": 300005}, BackendDownError),
        ({"errcode": 400101}, BackendDownError),
        ({"errcode": 400102}, BackendDownError),
        ({"errcode": 310000, "errmsg": "something new"}, BackendDownError),
        ({"errcode": 400106}, RejectedError),
        ({"errcode": 400013}, RejectedError),
        ({"errcode": 40035}, RejectedError),
        ({"errcode": 43002}, RejectedError),
        ({"errcode": 43004}, RejectedError),
        ({"errcode": 400105}, RejectedError),
        ({"errcode": 430101}, RejectedError),
        ({"errcode": 430104}, RejectedError),
        ({"errcode": 302033}, TemporaryError),
        ({"errmsg": "ok"}, TemporaryError),
    ],
)
async def test_a_number_becomes_its_error(
    group: DingtalkRobots, robot: Any, answer: Any, expected: type[BackendError]
) -> None:
    group.answer = answer
    error = await failure(robot())
    assert isinstance(error, expected)
    assert error.code == str(answer.get("errcode", ""))


async def test_a_robot_that_was_too_fast_waits_ten_minutes(group: DingtalkRobots, robot: Any) -> None:
    group.answer = {"errcode": 130101, "errmsg": "send too fast"}
    error = await failure(robot())
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == 600
    assert robot().limits.windows == ((18, 60.0),)


async def test_the_firewall_is_heeded(group: DingtalkRobots, robot: Any) -> None:
    group.answer = {"status": 1111, "wait": 5, "source": "x5", "punish": "deny", "uuid": "u"}
    error = await failure(robot())
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == 300
    group.page = True
    error = await failure(robot())
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == 300


async def test_zero_may_be_text(group: DingtalkRobots, robot: Any) -> None:
    group.text_codes = True
    await robot().send(message(), "ops")
    assert len(group.posts) == 1


async def test_what_is_refused_as_it_is_goes_once_as_a_short_text(group: DingtalkRobots, robot: Any) -> None:
    group.refusing = {"markdown"}
    await robot(format="markdown").send(reminder(text="x" * 5000, late=840.0), "ops @manager4220")
    (post,) = group.posts
    assert post.kind == "text"
    assert post.pinged == ("manager4220",)
    assert len(post.content.encode()) <= 1000
    assert post.text.endswith("14 min late")
    group.refusing |= {"text"}
    assert isinstance(await failure(robot(format="markdown")), RejectedError)
    assert group.requests == 4


async def test_characters_and_bytes_are_both_limited(group: DingtalkRobots, robot: Any) -> None:
    for number, (text, form) in enumerate(
        (("a" * 9000, "text"), ("告警" * 9000, "text"), ("😀`" * 9000, "markdown"))
    ):
        await robot(format=form).send(reminder(text=text, key=str(number), late=840.0), "ops")
    sizes = [(len(post.content), len(post.content.encode())) for post in group.posts]
    assert sizes[0][0] == 5000
    assert all(chars <= 5000 and size <= 18_000 for chars, size in sizes)
    assert all(post.text.endswith("14 min late") for post in group.posts)


async def test_several_robots_sign_with_their_own_secrets(group: DingtalkRobots, robot: Any) -> None:
    group.robots[OTHER] = "SEC2"
    backend = robot(access_token=(Secret(TOKEN), Secret(OTHER)), secret=(Secret(SEC), Secret("SEC2")))
    for number in range(3):
        await backend.send(message(key=str(number)), "ops")
    assert [post.token for post in group.posts] == [TOKEN, OTHER, TOKEN]
    assert backend.limits.windows == ((36, 60.0),)
    assert [finding.ok for finding in await backend.check()] == [True, True]
    assert len(group.posts) == 3


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({}, ["access_token"]),
        ({"access_token": (Secret("t"),), "url": (Secret("https://h/x"),)}, ["access_token"]),
        ({"access_token": (Secret("https://c4n4ry"),)}, ["access_token"]),
        ({"url": (Secret("c4n4ry"),)}, ["url"]),
        ({"access_token": (Secret("t"),), "secret": (Secret("c4n4ry"),)}, ["secret"]),
        ({"access_token": (Secret("t"), Secret("u")), "secret": (Secret("SEC1"),)}, ["secret"]),
        ({"access_token": (Secret("t"),), "server": "oapi"}, ["server"]),
    ],
)
def test_settings_that_can_not_work(changes: dict[str, Any], fields: list[str]) -> None:
    settings = Settings(**changes)
    assert [name for name, _ in settings.problems()] == fields
    assert "c4n4ry" not in str(settings.problems()) + repr(settings)


def test_at_most_fifty_are_mentioned() -> None:
    settings = Settings(access_token=(Secret("t"),))
    assert settings.refuses(" ".join(f"@u{number}" for number in range(50))) == ""
    assert "50" in settings.refuses(" ".join(f"@u{number}" for number in range(51)))
