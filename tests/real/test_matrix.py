"""`matrix` against Synapse: what the people in a room see, by the server's own word."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from relay.backends.base import Door
from relay.backends.matrix import Matrix, Settings
from relay.errors import BackendDownError, BackendError, RateLimitedError, RejectedError
from relay.models import AlertState, Message, Reason
from relay.values import Secret
from tests.backends.messages import NOW, message, reminder
from tests.real.synapse import PYTHON, Synapse, User, synapse

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="Synapse is not installed: make test-real")


@pytest.fixture(scope="module")
def server() -> Iterator[Synapse]:
    with synapse() as server:
        yield server


@pytest.fixture(scope="module")
def admin(server: Synapse) -> User:
    return server.user("admin", admin=True)


@pytest.fixture(scope="module")
def relay(server: Synapse) -> User:
    return server.user("relay")


@pytest.fixture(scope="module")
def ann(server: Synapse) -> User:
    return server.user("ann")


@pytest.fixture
def room(relay: User, ann: User) -> str:
    room = relay.room(ann)
    ann.join(room)
    return room


@pytest.fixture
def matrix(server: Synapse, relay: User, door: Door) -> Any:
    fields = {"homeserver": server.url, "access_token": Secret(relay.token)}
    return lambda **changes: Matrix(Settings(**{**fields, **changes}), door)


def unique(told: Message, **changes: Any) -> dict[str, Any]:
    """A key of its own, as the server outlives each test."""
    return {"key": f"{told.key}-{uuid.uuid4().hex}", **changes}


def first(**changes: Any) -> Message:
    return message(**unique(message(), **changes))


def again(**changes: Any) -> Message:
    return reminder(**unique(message(), **changes))


def resolved(**changes: Any) -> Message:
    over = {"count": 57, "first_seen": NOW - 900, "last_seen": NOW - 180}
    return first(state=AlertState.RESOLVED, reason=Reason.RESOLVED, **over, **changes)


async def failure(backend: Matrix, to: str, **changes: Any) -> BackendError:
    with pytest.raises(BackendError) as caught:
        await backend.send(first(**changes), to)
    return caught.value


async def test_a_message_as_a_person_sees_it(ann: User, relay: User, room: str, matrix: Any) -> None:
    text = "退款 timeout\n<b>not bold</b> @room @ann:test.local\ud800"
    receipt = await matrix().send(first(text=text, links=(("book", "https://h/x?a=1&b=2"),)), room)
    (event,) = ann.messages(room)
    assert (event["event_id"], event["sender"]) == (receipt.id, relay.id)
    content = event["content"]
    assert content["body"].startswith(
        "[ERROR] pay.refund: timeout after <num> ms\n退款 timeout\n<b>not bold</b>"
    )
    assert "book: https://h/x?a=1&b=2" in content["body"]
    assert "&lt;b&gt;not bold&lt;/b&gt;" in content["formatted_body"]
    assert ann.mentions() == 0  # a log line pings nobody


async def test_a_mention_reaches_who_is_meant(ann: User, room: str, matrix: Any) -> None:
    before = ann.mentions()
    await matrix().send(first(), f"{room} {ann.id}")
    assert ann.mentions() == before + 1


async def test_news_and_the_end_are_in_the_thread(ann: User, room: str, matrix: Any) -> None:
    root = await matrix().send(first(), room)
    second = await matrix().send(again(handle=root.handle, late=840.0), room)
    await matrix().send(resolved(handle=second.handle), room)
    news, end = (event["content"]["body"] for event in ann.thread(room, root.id))
    assert "still happening" in news
    assert "+312 more" in news
    assert "14 min late" in news
    assert end.startswith("[RESOLVED]")
    assert "resolved after 12 min, 57 events" in end


async def test_news_and_the_end_take_the_place_of_the_first(ann: User, room: str, matrix: Any) -> None:
    backend = matrix(news="edit")
    root = await backend.send(first(), room)
    await backend.send(again(handle=root.handle), room)
    await backend.send(resolved(handle=root.handle), room)
    shown = ann.messages(room)[0]["unsigned"]["m.relations"]["m.replace"]
    assert shown["content"]["m.new_content"]["body"].startswith("[RESOLVED]")


async def test_many_alerts_are_one_message(ann: User, room: str, matrix: Any) -> None:
    lines = ("[ERROR] db: deadlock (x3) #18", "[CRITICAL] disk: full @room #19")
    await matrix().send(first(digest=lines), room)
    (event,) = ann.messages(room)
    assert event["content"]["body"].endswith("\nand 2 more:\n" + "\n".join(lines))
    assert event["content"]["m.mentions"] == {}


@pytest.mark.parametrize("news", ["thread", "edit"])
async def test_a_first_message_that_is_gone(ann: User, room: str, matrix: Any, news: str) -> None:
    receipt = await matrix(news=news).send(again(handle="$nowhere"), room)
    assert receipt.handle == receipt.id
    (event,) = ann.messages(room)
    assert "m.relates_to" not in event["content"]


async def test_a_removed_message_is_not_rewritten(relay: User, ann: User, room: str, matrix: Any) -> None:
    """Synapse takes edits of what was removed, and no client shows them."""
    root = await matrix(news="edit").send(first(), room)
    relay.redact(room, root.id)
    receipt = await matrix(news="edit").send(resolved(handle=root.handle), room)
    assert receipt.handle == receipt.id
    assert ann.messages(room)[-1]["content"]["body"].startswith("[RESOLVED]")


async def test_an_attempt_that_comes_twice_is_one_event(ann: User, room: str, matrix: Any) -> None:
    told = first()
    one, two = await matrix().send(told, room), await matrix().send(told, room)
    assert one.id == two.id
    assert len(ann.messages(room)) == 1


async def test_the_longest_text_is_taken(ann: User, room: str, matrix: Any) -> None:
    for text in ("告警" * 40_000, "<&>" * 40_000):
        for news in ("thread", "edit"):
            root = await matrix(news=news).send(first(text=text), room)
            await matrix(news=news).send(again(text=text, handle=root.handle), room)
    bodies = [event["content"]["body"] for event in ann.messages(room)]
    assert len(bodies) == 8
    assert all("characters cut" in body for body in bodies)
    assert all("+312 more" in body for body in bodies[1::2])


async def test_an_alias_and_an_invitation(relay: User, ann: User, matrix: Any) -> None:
    room = ann.room(relay, alias="ops")
    await matrix().send(first(), "#ops:test.local")
    assert len(ann.messages(room)) == 1


async def test_a_room_that_is_unknown_or_closed(ann: User, matrix: Any) -> None:
    closed = ann.room()
    for to in ("!nowhere:test.local", "#nowhere:test.local", closed):
        assert type(await failure(matrix(), to)) is RejectedError, to
    assert ann.messages(closed) == []


async def test_credentials(relay: User, ann: User, room: str, matrix: Any) -> None:
    def login(password: str) -> Matrix:
        backend = matrix(access_token=None, user="relay", password=Secret(password), device_id="D1")
        assert isinstance(backend, Matrix)
        return backend

    told = first()
    one = await login(relay.password).send(told, room)
    two = await login(relay.password).send(told, room)  # another login of the same device
    assert one.id == two.id
    token = await failure(matrix(access_token=Secret("wr0ng-t0ken")), room)
    word = await failure(login("wr0ng-w0rd"), room)
    assert (type(token), token.code) == (BackendDownError, "M_UNKNOWN_TOKEN")
    assert (type(word), word.code) == (BackendDownError, "M_FORBIDDEN")
    assert "wr0ng" not in f"{token} {token.detail} {word} {word.detail}"
    assert len(ann.messages(room)) == 1


async def test_a_token_that_ends_is_replaced(server: Synapse, ann: User, room: str, matrix: Any) -> None:
    backend = matrix(access_token=None, user="relay", password=Secret("pw-relay"), device_id="D2")
    await backend.send(first(), room)
    other = matrix(access_token=None, user="relay", password=Secret("pw-relay"), device_id="D2")
    await other.send(first(), room)  # a login of a device ends its earlier token
    await backend.send(first(), room)
    assert len(ann.messages(room)) == 3


async def test_a_limit_names_its_wait(server: Synapse, admin: User, ann: User, matrix: Any) -> None:
    hasty = server.user("hasty")
    limit = {"messages_per_second": 1, "burst_count": 1}
    admin.call("POST", f"/_synapse/admin/v1/users/{hasty.id}/override_ratelimit", limit)
    room = hasty.room(ann)
    backend = matrix(access_token=Secret(hasty.token))
    sent = [backend.send(first(), room) for _ in range(5)]
    outcomes = await asyncio.gather(*sent, return_exceptions=True)
    limited = [outcome for outcome in outcomes if isinstance(outcome, RateLimitedError)]
    assert limited
    assert all(0.5 <= error.retry_after <= 10 and error.code == "429" for error in limited)


async def test_the_doctor_asks_who_we_are(relay: User, matrix: Any) -> None:
    (fine,) = await matrix().check()
    (wrong,) = await matrix(access_token=Secret("wr0ng-t0ken")).check()
    assert (fine.ok, fine.text) == (True, f"logged in as {relay.id}")
    assert (wrong.ok, wrong.code) == (False, "M_UNKNOWN_TOKEN")
