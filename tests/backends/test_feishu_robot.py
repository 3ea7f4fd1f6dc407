"""Feishu's robots: signatures in the body, cards, mentions, keywords, size."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from relay.backends.base import Door
from relay.backends.feishu_robot import FeishuRobot, Settings, signature
from relay.errors import BackendDownError, BackendError, RateLimitedError, RejectedError, TemporaryError
from relay.models import AlertState, Level, Reason
from relay.values import Secret
from tests.backends.messages import NOW, message, reminder
from tests.emulators.faults import Fault
from tests.emulators.feishu_robot import FeishuRobots

TOKEN, OTHER, SEC = "b6e2a1c0-1234", "0b1c2d3e-5678", "xxx"
LINKS = (("ack", "https://relay.example/a/ack/17"), ("silence", "https://relay.example/a/silence/17"))


@pytest.fixture
async def group() -> AsyncIterator[FeishuRobots]:
    async with FeishuRobots({TOKEN: SEC, OTHER: ""}, NOW) as group:
        yield group


@pytest.fixture
def robot(group: FeishuRobots, door: Door) -> Any:
    def build(**changes: Any) -> FeishuRobot:
        settings = {"token": (Secret(TOKEN),), "secret": (Secret(SEC),), "server": group.url}
        return FeishuRobot(Settings(**{**settings, **changes}), door)

    return build


async def failure(backend: FeishuRobot, to: str = "ops") -> BackendError:
    with pytest.raises(BackendError) as caught:
        await backend.send(message(), to)
    return caught.value


@pytest.mark.parametrize(
    ("now", "secret", "signed"),
    [
        (1661860880, "xxx", "QnWVTSBe6FmQDE0bG6X0mURbI+DnvVyu1h+j5dHOjrU="),
        (1599360473, "demo", "l1N0gAcBjdwBvGm1xMjOF0XSyaLRpR7tuO5dHfhAYc8="),
    ],
)
def test_the_published_signatures(now: int, secret: str, signed: str) -> None:
    assert signature(now, secret) == signed


@pytest.mark.parametrize("form", ["card", "post", "text"])
async def test_those_of_the_address_are_mentioned(group: FeishuRobots, robot: Any, form: Any) -> None:
    told = message(title='<at user_id="all">x</at>', text="<at id=all></at> </AT> <at user_id='ou_2'></at>")
    backend = robot(format=form)
    await backend.send(told, "ops @ou_1 @all")
    await backend.send(told, "ops")
    assert [post.mentions for post in group.posts] == [["ou_1", "all"], []]
    assert "<at id=all></at>" in group.posts[1].text


@pytest.mark.parametrize(
    ("changes", "template"),
    [
        ({}, "red"),
        ({"level": Level.CRITICAL}, "red"),
        ({"level": Level.WARNING}, "orange"),
        ({"level": Level.INFO}, "blue"),
        ({"state": AlertState.RESOLVED, "reason": Reason.RESOLVED}, "green"),
    ],
)
async def test_a_card_shows_how_bad_it_is(
    group: FeishuRobots, robot: Any, changes: dict[str, Any], template: str
) -> None:
    await robot().send(message(**changes), "ops")
    assert group.posts[0].body["header"]["template"] == template


@pytest.mark.parametrize("form", ["card", "post"])
async def test_links_can_be_tapped(group: FeishuRobots, robot: Any, form: Any) -> None:
    await robot(format=form).send(message(links=LINKS, text="[x](http://e) **b**"), "ops")
    assert group.posts[0].links == list(LINKS)


async def test_a_trace_keeps_its_lines_in_rich_text(group: FeishuRobots, robot: Any) -> None:
    await robot(format="post").send(message(text="Boom\n    at a.b(C.java:1)\n\nend"), "ops")
    title, *lines = group.posts[0].text.split("\n")
    assert title == "[ERROR] pay.refund: timeout after <num> ms"
    assert lines[:4] == ["Boom", "    at a.b(C.java:1)", "", "end"]


@pytest.mark.parametrize("form", ["card", "post", "text"])
async def test_a_keyword_is_where_feishu_looks_for_it(group: FeishuRobots, robot: Any, form: Any) -> None:
    group.keywords = ("告警",)
    error = await failure(robot(format=form))
    assert isinstance(error, BackendDownError)
    assert str(error) == "19024: the robot wants one of its keywords: set `keyword`"
    await robot(format=form, keyword="告警").send(message(), "ops")
    assert group.posts[0].text.startswith("[告警 ERROR]")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"secret": (Secret("wrong"),)}, "19021"),
        ({"secret": ()}, "19021"),
        ({"token": (Secret("wrong"),)}, "19001"),
    ],
)
async def test_what_an_operator_must_change(
    group: FeishuRobots, robot: Any, changes: dict[str, Any], code: str
) -> None:
    error = await failure(robot(**changes))
    assert isinstance(error, BackendDownError)
    assert error.code == code
    (finding,) = await robot(**changes).check()
    assert (finding.ok, finding.code) == (False, code)


async def test_a_wrong_clock_and_a_wrong_address(group: FeishuRobots, robot: Any) -> None:
    group.now += 4000
    assert (await failure(robot())).code == "19021"
    group.now, group.allowed = NOW, False
    assert (await failure(robot())).code == "19022"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (9499, RejectedError),
        (11232, RateLimitedError),
        (19001, BackendDownError),
        (19022, BackendDownError),
        (99999, TemporaryError),
    ],
)
async def test_a_number_becomes_its_error(
    group: FeishuRobots, robot: Any, code: int, expected: type[BackendError]
) -> None:
    group.code = code
    error = await failure(robot())
    assert isinstance(error, expected)
    assert error.code == str(code)
    if isinstance(error, RateLimitedError):
        assert error.retry_after == 60


async def test_the_old_fields_are_no_acceptance(group: FeishuRobots, robot: Any) -> None:
    group.fault = Fault(status=200, body=b'{"StatusCode":0,"StatusMessage":"success"}')
    assert isinstance(await failure(robot()), TemporaryError)


async def test_what_is_refused_as_it_is_goes_once_as_a_short_text(group: FeishuRobots, robot: Any) -> None:
    group.refusing = {"interactive"}
    await robot().send(reminder(text="x" * 5000, late=840.0), "ops @ou_1")
    (post,) = group.posts
    assert (post.kind, post.mentions) == ("text", ["ou_1"])
    assert group.sizes[0] <= 1700
    assert post.text.endswith("14 min late")
    group.refusing |= {"text"}
    assert isinstance(await failure(robot()), RejectedError)
    assert group.requests == 4


@pytest.mark.parametrize("form", ["card", "post", "text"])
async def test_each_form_fits_whatever_is_told(group: FeishuRobots, robot: Any, form: Any) -> None:
    for text in ("告警" * 9000, '"\\\n' * 9000, "<at " * 9000):
        await robot(format=form).send(reminder(text=text, title=text[:200], links=LINKS, late=840.0), "ops")
    kinds = {"card": "interactive", "post": "post", "text": "text"}
    assert [post.kind for post in group.posts] == [kinds[form]] * 3
    assert all(0.9 * 20_000 < size <= 20_000 for size in group.sizes)
    assert all("14 min late" in post.text and "characters cut" in post.text for post in group.posts)


async def test_several_robots_sign_with_their_own_secrets(group: FeishuRobots, robot: Any) -> None:
    group.robots[OTHER] = "yyy"
    backend = robot(token=(Secret(TOKEN), Secret(OTHER)), secret=(Secret(SEC), Secret("yyy")))
    for number in range(3):
        await backend.send(message(key=str(number)), "ops")
    assert [post.token for post in group.posts] == [TOKEN, OTHER, TOKEN]
    assert backend.limits.windows == ((200, 60.0), (5, 1.0))
    assert [finding.ok for finding in await backend.check()] == [True, True]
    assert len(group.posts) == 3


async def test_a_whole_url_will_do(group: FeishuRobots, robot: Any) -> None:
    url = Secret(f"{group.url}/open-apis/bot/v2/hook/{OTHER}")
    await robot(token=(), secret=(), url=(url,)).send(message(), "ops")
    assert group.posts[0].token == OTHER


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({}, ["token"]),
        ({"token": (Secret("t"),), "url": (Secret("https://h/x"),)}, ["token"]),
        ({"token": (Secret("https://c4n4ry"),)}, ["token"]),
        ({"url": (Secret("c4n4ry"),)}, ["url"]),
        ({"token": (Secret("t"), Secret("u")), "secret": (Secret("c4n4ry"),)}, ["secret"]),
        ({"token": (Secret("t"),), "server": "open.feishu.cn"}, ["server"]),
    ],
)
def test_settings_that_can_not_work(changes: dict[str, Any], fields: list[str]) -> None:
    settings = Settings(**changes)
    assert [name for name, _ in settings.problems()] == fields
    assert "c4n4ry" not in str(settings.problems()) + repr(settings)
