"""RTX: many accounts in one call, whose answer is one for all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from relay.backends.base import Door, Receipt
from relay.backends.rtx import Rtx, Settings
from relay.errors import BackendDownError, NeedsFallbackError, RejectedError, TemporaryError
from tests.backends.messages import message, reminder
from tests.emulators.faults import Fault
from tests.emulators.rtx import RtxServer


@pytest.fixture
async def server() -> AsyncIterator[RtxServer]:
    async with RtxServer() as server:
        server.users |= {f"u{n}": 1 for n in range(200)}
        yield server


@pytest.fixture
def rtx(server: RtxServer, door: Door) -> Any:
    return lambda **changes: Rtx(Settings(url=server.url, **changes), door)


def users(count: int) -> list[str]:
    return [f"u{n}" for n in range(count)]


async def test_one_call_for_all(server: RtxServer, rtx: Any) -> None:
    backend = rtx()
    assert backend.limits.receivers == 100
    outcomes = await backend.send_many(message(), users(100))
    assert outcomes == [Receipt()] * 100
    assert server.requests == 1
    assert [popup.user for popup in server.popups] == users(100)


def test_how_many_is_a_setting(rtx: Any) -> None:
    assert rtx(max_receivers=7).limits.receivers == 7
    assert rtx(method="GET").limits.receivers == 20  # their names take room from the text
    assert rtx(method="GET", max_receivers=7).limits.receivers == 7


async def test_a_url_with_many_names_has_room_for_the_text(server: RtxServer, rtx: Any) -> None:
    names = [f"王小{n:02}" for n in range(20)]
    server.users |= dict.fromkeys(names, 1)
    await rtx(method="GET").send_many(reminder(text="告警" * 900), names)
    assert len(server.popups) == 20
    assert "+312 more" in server.popups[0].msg
    assert len(server.targets[0]) <= 2000


async def test_other_addresses_have_calls_of_their_own(server: RtxServer, rtx: Any) -> None:
    tos = ["u1", "depart:运维开发组", "u2", "all", "group:no such", "u3,u4", "u1", ""]
    outcomes = await rtx().send_many(message(), tos)
    kinds = [type(outcome) for outcome in outcomes]
    assert kinds == [
        *(Receipt, Receipt, Receipt, RejectedError),
        *(RejectedError, Receipt, Receipt, RejectedError),
    ]
    assert Counter(popup.user for popup in server.popups) == Counter(["u1", "u2", "u3", "u4", "zhangsan"])
    assert server.broadcasts == []


async def test_one_unknown_name_does_not_keep_it_from_the_others(server: RtxServer, rtx: Any) -> None:
    outcomes = await rtx().send_many(message(), ["u1", "nobody", "u2"])
    assert [type(outcome) for outcome in outcomes] == [Receipt, RejectedError, Receipt]
    assert [popup.user for popup in server.popups] == ["u1", "u2"]
    assert server.requests == 4


async def test_a_refusal_in_other_words_may_be_about_one_name(server: RtxServer, rtx: Any) -> None:
    backend = rtx(unknown_markers=("no such phrase",))
    outcomes = await backend.send_many(message(), ["u1", "nobody", "u2"])
    assert [type(outcome) for outcome in outcomes] == [Receipt, TemporaryError, Receipt]
    assert [popup.user for popup in server.popups] == ["u1", "u2"]


async def test_a_server_that_tells_the_others_tells_nobody_twice(server: RtxServer, rtx: Any) -> None:
    server.partial = True
    outcomes = await rtx(partial_lists=True).send_many(message(), ["u1", "nobody", "wangwu", "u2"])
    assert [type(outcome) for outcome in outcomes] == [Receipt, RejectedError, Receipt, Receipt]
    assert [popup.user for popup in server.popups] == ["u1", "wangwu", "u2"]


async def test_where_nobody_can_say_who_is_unknown_each_is_told_alone(server: RtxServer, rtx: Any) -> None:
    server.partial, server.unknown_state = True, "error<br>"
    outcomes = await rtx(partial_lists=True).send_many(message(), ["u1", "nobody"])
    assert [type(outcome) for outcome in outcomes] == [Receipt, RejectedError]
    assert [popup.user for popup in server.popups] == ["u1", "u1"]  # twice is better than not at all


async def test_presence_is_asked_first(server: RtxServer, rtx: Any) -> None:
    outcomes = await rtx(presence_check=True).send_many(message(), ["u1", "wangwu", "nobody", "zhaoliu"])
    assert [type(outcome) for outcome in outcomes] == [Receipt, NeedsFallbackError, RejectedError, Receipt]
    assert [popup.user for popup in server.popups] == ["u1", "zhaoliu"]
    assert sum("sendnotify" in target for target in server.targets) == 1


async def test_nobody_left_is_no_call(server: RtxServer, rtx: Any) -> None:
    outcomes = await rtx(presence_check=True).send_many(message(), ["wangwu"])
    assert [type(outcome) for outcome in outcomes] == [NeedsFallbackError]
    assert server.popups == []
    assert server.broadcasts == []


async def test_a_failure_holds_for_all(server: RtxServer, rtx: Any) -> None:
    server.fault = Fault(status=500)
    with pytest.raises(TemporaryError):
        await rtx().send_many(message(), ["u1", "u2"])
    server.fault = Fault()
    server.allowed, server.loopback_passes = ["10.0.0.1"], False
    with pytest.raises(BackendDownError):
        await rtx().send_many(message(), ["u1", "u2"])
    assert server.requests == 2


class TestCheck:
    async def test_nothing_is_sent(self, server: RtxServer, rtx: Any) -> None:
        (check,) = await rtx().check()
        assert check.ok
        assert (server.popups, server.broadcasts) == ([], [])

    async def test_a_missing_script_is_named(self, server: RtxServer, door: Door) -> None:
        (check,) = await Rtx(Settings(url=f"{server.url}/other"), door).check()
        assert not check.ok
        assert check.code == "404"
        assert "/getstatus.php: HTTP 404" in check.text

    async def test_presence_that_can_not_be_told(self, server: RtxServer, rtx: Any) -> None:
        server.unknown_state = "用户不存在<br>"
        lets_in, presence = await rtx(presence_check=True).check()
        assert lets_in.ok
        assert not presence.ok
        assert "用户不存在" in presence.text
        assert len(await rtx().check()) == 1
        server.unknown_state = "-984"
        assert [check.ok for check in await rtx(presence_check=True).check()] == [True]

    async def test_a_server_that_is_not_there(self, door: Door) -> None:
        async with RtxServer() as server:
            url = server.url
        (check,) = await Rtx(Settings(url=url), door).check()
        assert not check.ok
        assert "network error" in check.text
