"""Matrix: threads and edits, transactions, aliases, logins, mentions and codes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from relay.backends.base import Door
from relay.backends.matrix import Matrix, Settings
from relay.errors import BackendDownError, BackendError, RateLimitedError, RejectedError, TemporaryError
from relay.models import AlertState, Reason
from relay.values import Secret
from tests.backends.messages import message, reminder
from tests.emulators.faults import Fault
from tests.emulators.matrix import MatrixServer

ROOM = "!ops:example.org"


@pytest.fixture
async def server() -> AsyncIterator[MatrixServer]:
    async with MatrixServer("t0ken", password="pa55") as server:
        yield server


@pytest.fixture
def matrix(server: MatrixServer, door: Door) -> Any:
    return lambda **changes: Matrix(
        Settings(**{"homeserver": server.url, "access_token": Secret("t0ken"), **changes}), door
    )


@pytest.fixture
def by_password(matrix: Any) -> Any:
    return lambda **changes: matrix(access_token=None, user="relay", password=Secret("pa55"), **changes)


async def failure(backend: Matrix, to: str = ROOM) -> BackendError:
    with pytest.raises(BackendError) as caught:
        await backend.send(message(), to)
    return caught.value


async def test_a_message_says_all(server: MatrixServer, matrix: Any) -> None:
    receipt = await matrix(msgtype="m.notice").send(
        message(text="<b>", links=(("book", "https://h/x"),)), ROOM
    )
    (content,) = server.contents()
    assert receipt.id == receipt.handle == "$event0"
    assert content["msgtype"] == "m.notice"
    assert content["body"].startswith("[ERROR] pay.refund: timeout after <num> ms\n<b>\n")
    assert "<strong>[ERROR] pay.refund: timeout after &lt;num&gt; ms</strong>" in content["formatted_body"]
    assert "<pre>&lt;b&gt;</pre>" in content["formatted_body"]
    assert '<a href="https://h/x">book</a>' in content["formatted_body"]
    assert content["m.mentions"] == {}


async def test_news_goes_into_the_thread(server: MatrixServer, matrix: Any) -> None:
    first = await matrix().send(message(key="k1"), ROOM)
    second = await matrix().send(reminder(key="k2", handle=first.handle), ROOM)
    told = message(key="k3", handle=second.handle, state=AlertState.RESOLVED, reason=Reason.RESOLVED)
    await matrix().send(told, ROOM)
    _, *news = server.contents()
    assert [content["m.relates_to"] for content in news] == [
        {
            "rel_type": "m.thread",
            "event_id": "$event0",
            "is_falling_back": True,
            "m.in_reply_to": {"event_id": "$event0"},
        }
    ] * 2


async def test_news_takes_the_place_of_the_first_message(server: MatrixServer, matrix: Any) -> None:
    backend = matrix(news="edit")
    first = await backend.send(message(key="k1"), ROOM)
    second = await backend.send(reminder(key="k2", handle=first.handle), ROOM)
    await backend.send(message(key="k3", handle=second.handle, state=AlertState.RESOLVED), ROOM)
    (shown,) = server.shown()
    assert shown.startswith("[RESOLVED]")
    assert server.contents()[2]["body"].startswith("* [RESOLVED]")


async def test_news_may_be_a_message_of_its_own(server: MatrixServer, matrix: Any) -> None:
    first = await matrix(news="new").send(message(key="k1"), ROOM)
    await matrix(news="new").send(reminder(key="k2", handle=first.handle), ROOM)
    assert "m.relates_to" not in server.contents()[1]


async def test_a_first_message_that_is_gone(server: MatrixServer, matrix: Any) -> None:
    receipt = await matrix().send(reminder(handle="$gone"), ROOM)
    assert receipt.handle == receipt.id == "$event0"
    assert "m.relates_to" not in server.contents()[0]


async def test_a_removed_message_is_not_rewritten(server: MatrixServer, matrix: Any) -> None:
    first = await matrix(news="edit").send(message(key="k1"), ROOM)
    server.redact(first.handle)
    for handle in (first.handle, "$gone"):
        receipt = await matrix(news="edit").send(reminder(key=f"k{handle}", handle=handle), ROOM)
        assert receipt.handle == receipt.id != handle
    assert len(server.shown()) == 2


async def test_what_is_refused_is_sent_plainer(server: MatrixServer, matrix: Any) -> None:
    server.no_html = True
    first = await matrix().send(message(key="k1"), ROOM)
    await matrix().send(reminder(key="k2", handle=first.handle, text="x" * 60_000), ROOM)
    _, news = server.contents()
    assert "formatted_body" not in news
    assert news["m.relates_to"]["event_id"] == first.handle
    assert 9_000 < len(news["body"].encode()) <= 10_000
    assert "+312 more in 10 min" in news["body"]


async def test_an_attempt_that_comes_twice_is_one_event(server: MatrixServer, matrix: Any) -> None:
    server.fault = Fault(cut="before")
    assert isinstance(await failure(matrix()), TemporaryError)
    server.fault = Fault()
    receipt = await matrix().send(message(late=300.0), ROOM)
    assert receipt.id == "$event0"
    assert len(server.events) == 1
    await matrix().send(message(key="another"), ROOM)
    assert len(server.events) == 2


async def test_a_room_without_a_servers_name(server: MatrixServer, matrix: Any) -> None:
    await matrix().send(message(), "!v12-without-server")
    assert server.events["$event0"]["room"] == "!v12-without-server"


async def test_an_alias_is_looked_up_once(server: MatrixServer, matrix: Any, door: Any) -> None:
    backend = matrix()
    sends = (backend.send(message(key=f"k{n}"), "#ops:example.org") for n in range(5))
    await asyncio.gather(*sends)
    assert server.lookups == 1
    assert {event["room"] for event in server.events.values()} == {ROOM}
    door.clock.advance(3601)
    await backend.send(message(key="later"), "#ops:example.org")
    assert server.lookups == 2
    assert isinstance(await failure(backend, "#nowhere:example.org"), RejectedError)


async def test_an_invitation_is_taken(server: MatrixServer, matrix: Any) -> None:
    await matrix().send(message(), "!invited:example.org")
    assert server.requests == 3
    await matrix().send(message(key="k2"), "!invited:example.org")
    assert server.requests == 4
    error = await failure(matrix(), "!nowhere:example.org")
    assert isinstance(error, RejectedError)
    assert str(error) == "M_FORBIDDEN: not in this room, or there is no such room"


async def test_a_mention_comes_from_the_address_only(server: MatrixServer, matrix: Any) -> None:
    await matrix().send(message(text="@room @ann:example.org"), ROOM)
    await matrix().send(message(key="k2"), f"{ROOM} @ann:example.org @b<o>b:example.org @room")
    nobody, some = server.contents()
    assert nobody["m.mentions"] == {}
    assert some["m.mentions"] == {"user_ids": ["@ann:example.org", "@b<o>b:example.org"], "room": True}
    assert some["body"].startswith("@ann:example.org @b<o>b:example.org @room\n[ERROR]")
    pill = '<a href="https://matrix.to/#/%40ann%3Aexample.org">@ann:example.org</a>'
    assert some["formatted_body"].startswith(f"<p>{pill} ")
    assert "@b&lt;o&gt;b:example.org</a> @room</p>" in some["formatted_body"]


async def test_a_password_logs_in_once_with_the_same_device(server: MatrixServer, by_password: Any) -> None:
    backend = by_password(device_id="D9")
    await asyncio.gather(*(backend.send(message(key=f"k{n}"), ROOM) for n in range(20)))
    assert server.logins == 1
    server.devices = {"t0ken": "D0"}  # the token is taken back
    await backend.send(message(key="k0"), ROOM)
    assert server.logins == 2
    assert "D9" in server.devices.values()
    assert len(server.events) == 20  # the same device: its transactions are still known


async def test_a_login_that_is_refused(matrix: Any) -> None:
    error = await failure(matrix(access_token=None, user="relay", password=Secret("wrong")))
    assert isinstance(error, BackendDownError)
    assert str(error) == "the homeserver refused user and password"


async def test_a_token_that_is_refused(matrix: Any) -> None:
    error = await failure(matrix(access_token=Secret("old")))
    assert isinstance(error, BackendDownError)
    assert error.code == "M_UNKNOWN_TOKEN"


@pytest.mark.parametrize(
    ("headers", "body", "wait"),
    [
        ({"Retry-After": "2"}, {"retry_after_ms": 1052}, 2.0),
        ({}, {"retry_after_ms": 1052}, 1.052),
        ({}, {"retry_after_ms": "x"}, 30.0),
        ({}, {}, 30.0),
    ],
)
async def test_a_limit_names_its_wait(
    server: MatrixServer, matrix: Any, headers: dict[str, str], body: dict[str, Any], wait: float
) -> None:
    server.limit, server.limit_headers = {"errcode": "M_LIMIT_EXCEEDED", **body}, headers
    error = await failure(matrix())
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == wait


async def test_a_500_is_tried_a_few_times(server: MatrixServer, matrix: Any) -> None:
    server.fault = Fault(status=500, body=b'{"errcode": "M_UNKNOWN"}')
    error = await failure(matrix())
    assert isinstance(error, TemporaryError)
    assert error.limit == 3


async def test_an_answer_without_an_event_is_no_success(server: MatrixServer, matrix: Any) -> None:
    server.without_id = True
    error = await failure(matrix())
    assert isinstance(error, TemporaryError)
    assert error.limit == 3


@pytest.mark.parametrize("text", ["a" * 60_000, "告警" * 30_000, "<&>" * 20_000, "😀\n" * 20_000])
@pytest.mark.parametrize("news", ["thread", "edit"])
async def test_long_texts_fit(server: MatrixServer, matrix: Any, text: str, news: str) -> None:
    first = await matrix(news=news).send(message(text=text, key="k1"), ROOM)
    await matrix(news=news).send(reminder(text=text, key="k2", late=840.0, handle=first.handle), ROOM)
    content = server.contents()[1]
    assert content["body"].endswith("14 min late")
    assert "characters cut" in content["body"]
    assert len(content["body"].encode()) + len(content["formatted_body"].encode()) <= 40_000


async def test_the_doctor_asks_who_we_are(matrix: Any, by_password: Any) -> None:
    for good in (matrix(), by_password()):
        (check,) = await good.check()
        assert (check.ok, check.text) == (True, "logged in as @relay:example.org")
    (check,) = await matrix(access_token=Secret("old")).check()
    assert (check.ok, check.code) == (False, "M_UNKNOWN_TOKEN")


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"homeserver": "example.org"}, "homeserver"),
        ({"access_token": None}, "access_token"),
        ({"access_token": Secret("x\ny")}, "access_token"),
        ({"user": "relay", "password": Secret("x")}, "access_token"),
        ({"access_token": None, "user": "relay"}, "user"),
    ],
)
def test_settings_that_can_not_work(changes: dict[str, Any], key: str) -> None:
    good: dict[str, Any] = {"homeserver": "https://h", "access_token": Secret("x")}
    assert Settings(**good).problems() == []
    assert [found for found, _ in Settings(**{**good, **changes}).problems()] == [key]
