"""ntfy: topics, priorities, replacement, and the meaning of its codes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from relay.backends.base import Door
from relay.backends.meaning import PayloadError
from relay.backends.ntfy import Ntfy, Settings
from relay.errors import BackendDownError, BackendError, RateLimitedError, RejectedError, TemporaryError
from relay.models import AlertState, Level
from relay.values import Secret
from tests.backends.messages import message, reminder
from tests.emulators.faults import Fault
from tests.emulators.ntfy import NtfyServer


@pytest.fixture
async def server() -> AsyncIterator[NtfyServer]:
    async with NtfyServer() as server:
        yield server


@pytest.fixture
def ntfy(server: NtfyServer, door: Door) -> Any:
    return lambda **changes: Ntfy(Settings(**{"server": server.url, **changes}), door)


async def failure(backend: Ntfy) -> BackendError:
    with pytest.raises(BackendError) as caught:
        await backend.send(message(), "ops")
    return caught.value


async def test_a_message_says_all(server: NtfyServer, ntfy: Any) -> None:
    links = tuple((f"link {n}", f"https://h/{n}") for n in range(5))
    receipt = await ntfy(tags=("shop",)).send(message(links=links), "ops")
    (told,) = server.published
    assert (receipt.id, receipt.handle) == ("id0", "id0")
    assert told["title"] == "[ERROR] pay.refund: timeout after <num> ms"
    assert (told["priority"], told["tags"]) == (4, ["shop", "warning"])
    assert told["click"] == "https://h/0"
    assert told["actions"] == [{"action": "view", "label": label, "url": url} for label, url in links[:3]]
    assert "link 4: https://h/4" in told["message"]


async def test_news_takes_the_place_of_what_was_shown(server: NtfyServer, ntfy: Any) -> None:
    first = await ntfy().send(message(), "ops")
    second = await ntfy().send(reminder(handle=first.handle), "ops")
    await ntfy().send(message(handle=second.handle, state=AlertState.RESOLVED), "ops")
    (shown,) = server.shown.values()
    assert shown["title"].startswith("[RESOLVED]")
    await ntfy(update=False).send(reminder(handle=first.handle), "ops")
    assert len(server.shown) == 2


async def test_an_older_server_shows_each(server: NtfyServer, ntfy: Any) -> None:
    server.replaces = False
    first = await ntfy().send(message(), "ops")
    await ntfy().send(reminder(handle=first.handle), "ops")
    assert len(server.shown) == 2


@pytest.mark.parametrize(
    ("level", "state", "expected"),
    [
        (Level.CRITICAL, AlertState.FIRING, 5),
        (Level.ERROR, AlertState.FIRING, 3),
        (Level.DEBUG, AlertState.FIRING, 1),
        (Level.CRITICAL, AlertState.RESOLVED, 2),
    ],
)
async def test_priorities(
    server: NtfyServer, ntfy: Any, level: Level, state: AlertState, expected: int
) -> None:
    await ntfy(priority={"error": 3}).send(message(level=level, state=state), "ops")
    assert server.published[0]["priority"] == expected


async def test_credentials(door: Door) -> None:
    async with NtfyServer(login=("relay", "pä:ss")) as server:
        good = Settings(server=server.url, user="relay", password=Secret("pä:ss"))
        await Ntfy(good, door).send(message(), "ops")
        assert all(check.ok for check in await Ntfy(good, door).check())
        bad = Ntfy(Settings(server=server.url), door)
        error = await failure(bad)
        assert isinstance(error, BackendDownError)
        up, known = await bad.check()
        assert (up.ok, known.ok, known.code) == (True, False, "401")
        assert len(server.published) == 1


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (40007, PayloadError),
        (40009, RejectedError),
        (40024, PayloadError),
        (40099, PayloadError),
        (40101, BackendDownError),
        (40301, BackendDownError),
        (41303, PayloadError),
        (42901, RateLimitedError),
        (42908, RateLimitedError),
        (42909, BackendDownError),
        (42999, RateLimitedError),
        (50001, TemporaryError),
        (50701, TemporaryError),
    ],
)
async def test_a_code_becomes_its_error(
    server: NtfyServer, ntfy: Any, code: int, expected: type[BackendError]
) -> None:
    server.code = code
    error = await failure(ntfy())
    assert type(error) is expected
    if isinstance(error, RateLimitedError):
        assert error.retry_after == {42901: 5.0, 42908: 3600.0}.get(code, 30.0)


async def test_the_days_quota(server: NtfyServer, ntfy: Any) -> None:
    server.left = 1
    await ntfy().send(message(), "ops")
    error = await failure(ntfy())
    assert str(error) == "42908: the day's messages are used up, asked to wait 3600 s"


async def test_a_wait_that_the_server_names(server: NtfyServer, ntfy: Any) -> None:
    server.fault = Fault(status=429, headers={"Retry-After": "77"}, body=b'{"code": 42901}')
    error = await failure(ntfy())
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == 77


@pytest.mark.parametrize("text", ['"' * 9000, "\n" * 9000, "\\" * 9000, "告" * 9000])
async def test_what_json_escapes_fits_too(server: NtfyServer, ntfy: Any, text: str) -> None:
    """The whole request may have twice the bytes of a message; quotes and newlines take two each."""
    links = tuple((f"book {n}", "https://h/" + "x" * 400) for n in range(3))
    await ntfy().send(reminder(text=f"a{text}b", title='"' * 300, links=links), "ops")
    (one,) = server.published
    assert "characters cut" in one["message"]
    assert "+312 more" in one["message"]
    assert server.requests == 1


async def test_actions_that_are_refused_are_left_out(server: NtfyServer, ntfy: Any) -> None:
    server.no_actions = True
    await ntfy().send(message(links=(("book", "https://h/x"),)), "ops")
    (one,) = server.published
    assert "timeout after 3000 ms" in one["message"]
    assert server.requests == 2


async def test_an_answer_without_an_id_is_no_success(server: NtfyServer, ntfy: Any) -> None:
    server.without_id = True
    error = await failure(ntfy())
    assert isinstance(error, TemporaryError)
    assert error.limit == 3


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"server": "ntfy.sh"}, "server"),
        ({"token": Secret("tk_x"), "user": "u", "password": Secret("p")}, "token"),
        ({"token": Secret("tk_é")}, "token"),
        ({"user": "u"}, "user"),
        ({"password": Secret("p")}, "password"),
        ({"priority": {"fatal": 5}}, "priority"),
        ({"priority": {"error": 6}}, "priority"),
    ],
)
def test_settings_that_can_not_work(changes: dict[str, Any], key: str) -> None:
    assert Settings().problems() == []
    assert [found for found, _ in Settings(**changes).problems()] == [key]
