"""Zulip: topics as threads, people, mentions that come from the address only, and its codes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from relay.backends.base import Door
from relay.backends.zulip import Place, Settings, Zulip, _place, _topic
from relay.errors import BackendDownError, BackendError, RateLimitedError, RejectedError, TemporaryError
from relay.models import AlertState, Reason
from relay.values import Secret
from tests.backends.messages import message, reminder
from tests.emulators.zulip import API_KEY, EMAIL, ZulipServer


@pytest.fixture
async def server() -> AsyncIterator[ZulipServer]:
    async with ZulipServer() as server:
        yield server


@pytest.fixture
def zulip(server: ZulipServer, door: Door) -> Any:
    def build(**changes: Any) -> Zulip:
        given = {"site": server.url, "email": EMAIL, "api_key": Secret(API_KEY), **changes}
        return Zulip(Settings(**given), door)

    return build


async def failure(backend: Zulip, to: str = "#ops") -> BackendError:
    with pytest.raises(BackendError) as caught:
        await backend.send(message(), to)
    return caught.value


def resolution() -> Any:
    return message(state=AlertState.RESOLVED, reason=Reason.RESOLVED)


async def test_an_alert_has_a_topic_of_its_own(server: ZulipServer, zulip: Any) -> None:
    receipt = await zulip().send(message(), "#ops")
    await zulip().send(reminder(), "#ops")
    await zulip().send(resolution(), "#ops")
    await zulip().send(message(title="disk full"), "#数据库")
    assert receipt.id == "1"
    assert [(one["to"], one["topic"]) for one in server.messages] == [
        *[("ops", "pay.refund: timeout after <num> ms")] * 3,
        ("数据库", "pay.refund: disk full"),
    ]
    assert server.messages[0]["content"].startswith("```text\n[ERROR] pay.refund: timeout after <num> ms\n")


def test_long_topics_stay_apart() -> None:
    topics = {_topic(message(title="x" * 100 + end, fingerprint=f"{end}0f1e2d3c4b5")) for end in "ab"}
    assert len(topics) == 2
    assert all(len(topic) == 60 for topic in topics)
    assert _topic(message(module="", title="x" * 60)) == "x" * 60
    assert _topic(message(module="", title="")) == "relay"


async def test_a_topic_that_is_given(server: ZulipServer, zulip: Any) -> None:
    await zulip(topic="alerts").send(message(), "#ops")
    await zulip(topic="alerts").send(message(), "#ops > disk db-1")
    assert [one["topic"] for one in server.messages] == ["alerts", "disk db-1"]


@pytest.mark.parametrize("to", ["#ops", "ann@example.com"])
async def test_news_takes_the_place_of_the_first_message(server: ZulipServer, zulip: Any, to: str) -> None:
    backend = zulip(news="edit")
    first = await backend.send(message(), to)
    second = await backend.send(reminder(handle=first.handle), to)
    assert second.handle == first.handle
    (one,) = server.messages
    assert "still happening" in one["content"]


async def test_a_first_message_that_can_not_be_rewritten(server: ZulipServer, zulip: Any) -> None:
    first = await zulip(news="edit").send(message(), "#ops")
    server.may_move = False
    second = await zulip(news="edit").send(reminder(handle=first.handle), "#ops")
    assert second.handle != first.handle
    server.may_move = True
    await zulip(news="edit").send(reminder(handle="99"), "#ops")
    assert len(server.messages) == 3


async def test_people(server: ZulipServer, zulip: Any) -> None:
    await zulip().send(message(), "ann@example.com, bob@example.com")
    assert server.messages[0]["to"] == '["ann@example.com", "bob@example.com"]'
    error = await failure(zulip(), "nobody@example.com")
    assert isinstance(error, RejectedError)
    assert "Invalid email" in error.detail


@pytest.mark.parametrize(
    ("to", "place"),
    [
        ("#ops", Place("ops")),
        ("# ops > a topic ", Place("ops", "a topic")),
        ("#ops @**Ann Lee** @*oncall*", Place("ops", "", "@**Ann Lee** @*oncall*")),
        ("#ops > disk @**all**", Place("ops", "disk", "@**all**")),
        ("a@x.y", Place(people=("a@x.y",))),
        ("ops", Place()),
        ("a@x.y, ops", Place()),
    ],
)
def test_addresses(to: str, place: Place) -> None:
    assert _place(to) == place


async def test_a_mention_comes_from_the_address_only(server: ZulipServer, zulip: Any) -> None:
    text = "@**all** @*oncall* ``` @**all**\n```\n@**all**\n~~~\n```text"
    await zulip().send(message(text=text, title=text), "#ops")
    assert server.mentions() == []
    await zulip().send(message(text=text), "#ops @**Ann Lee** @*oncall*")
    assert server.mentions() == ["@**Ann Lee**", "@*oncall*"]


async def test_links_stand_outside_of_the_code(server: ZulipServer, zulip: Any) -> None:
    await zulip().send(message(links=(("runbook", "https://h/x"),)), "#ops")
    assert server.messages[0]["content"].endswith("\n```\n\n[runbook](https://h/x)\n\nalert 17")


async def test_a_topic_is_resolved(server: ZulipServer, zulip: Any) -> None:
    backend = zulip(resolve_topics=True)
    await backend.send(message(), "#ops")
    await backend.send(resolution(), "#ops")
    assert {one["topic"] for one in server.messages} == {"✔ pay.refund: timeout after <num> ms"}
    server.may_move = False
    receipt = await backend.send(resolution(), "#ops")  # it was accepted, whatever came after
    assert receipt.id == "3"


@pytest.mark.parametrize(
    ("seconds", "wait"), [(28.7, 28.7), ("5", 5.0), (0, 0.5), (-3, 0.5), ("soon", 30.0), (1e9, 3600.0)]
)
async def test_a_limit_names_its_wait(server: ZulipServer, zulip: Any, seconds: Any, wait: float) -> None:
    server.rate_limited = seconds
    error = await failure(zulip())
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == wait


async def test_credentials_that_are_refused(zulip: Any) -> None:
    error = await failure(zulip(api_key=Secret("wrong")))
    assert isinstance(error, BackendDownError)
    assert str(error) == "INVALID_API_KEY: the API key is not valid"


async def test_a_channel_that_is_not_there(zulip: Any) -> None:
    error = await failure(zulip(), "#nowhere")
    assert isinstance(error, RejectedError)
    assert str(error) == "STREAM_DOES_NOT_EXIST: no such channel"


@pytest.mark.parametrize("answer", [{}, {"id": 1}, {"result": "error"}])
async def test_an_answer_without_success_is_none(
    server: ZulipServer, zulip: Any, answer: dict[str, Any]
) -> None:
    server.answer = answer
    error = await failure(zulip())
    assert isinstance(error, TemporaryError)
    assert error.limit == 3


async def test_the_doctor_asks_who_we_are(zulip: Any) -> None:
    (good,) = await zulip().check()
    (bad,) = await zulip(api_key=Secret("wrong")).check()
    assert (good.ok, good.text) == (True, "the bot is Relay")
    assert (bad.ok, bad.code) == (False, "INVALID_API_KEY")


def test_basic_authentication(zulip: Any) -> None:
    backend = zulip(email="relay-bot@example.com", api_key=Secret("abcd1234"))
    assert backend._headers == {"Authorization": "Basic cmVsYXktYm90QGV4YW1wbGUuY29tOmFiY2QxMjM0"}


@pytest.mark.parametrize(
    ("changes", "key"),
    [({"site": "h"}, "site"), ({"email": "relay"}, "email"), ({"topic": "x" * 61}, "topic")],
)
def test_settings_that_can_not_work(changes: dict[str, Any], key: str) -> None:
    good: dict[str, Any] = {"site": "https://h", "email": EMAIL, "api_key": Secret("x")}
    assert Settings(**good).problems() == []
    assert [found for found, _ in Settings(**{**good, **changes}).problems()] == [key]
