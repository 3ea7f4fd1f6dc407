"""RTX against its emulator: addresses, presence, limits, and every answer its scripts give."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from relay.backends.base import Door
from relay.backends.compose import compose
from relay.backends.fit import utf8_bytes
from relay.backends.rtx import Rtx, Settings
from relay.backends.rtx_scripts import MOST_URL, WebRoot, call_for
from relay.errors import BackendDownError, NeedsFallbackError, RateLimitedError, RejectedError, TemporaryError
from tests.backends.messages import message, reminder
from tests.emulators.faults import Fault
from tests.emulators.rtx import LINK, RtxServer


@pytest.fixture
async def server() -> AsyncIterator[RtxServer]:
    async with RtxServer() as server:
        yield server


@pytest.fixture
def rtx(server: RtxServer, door: Door) -> Any:
    return lambda **changes: Rtx(Settings(url=server.url, **changes), door)


async def test_a_popup_has_a_title_the_text_and_its_delay(server: RtxServer, rtx: Any) -> None:
    await rtx(delaytime=10_000).send(message(text="订单 4711 超时"), "zhangsan")
    (popup,) = server.popups
    assert popup.title == "ERROR pay.refund"
    assert popup.msg.startswith("【ERROR】 pay.refund: timeout after <num> ms\n订单 4711 超时\n")
    assert popup.delaytime == 10_000
    assert popup.by == "/sendnotify.cgi"
    assert server.targets == ["/sendnotify.cgi"]
    assert b"okurl" not in server.bodies[0]


async def test_a_default_title_and_a_long_one(server: RtxServer, rtx: Any) -> None:
    await rtx(default_title="[值班] 告警").send(message(), "zhangsan")
    await rtx().send(message(module="模块" * 40), "zhangsan")
    assert server.popups[0].title == "【值班】 告警"
    await rtx(max_title_bytes=20).send(message(module="模块" * 40), "zhangsan")
    sizes = [len(popup.title.encode("gbk")) for popup in server.popups[1:]]
    assert 60 < sizes[0] <= 64
    assert 16 < sizes[1] <= 20
    assert server.popups[1].title.endswith("…")


async def test_several_accounts_in_one_call(server: RtxServer, rtx: Any) -> None:
    await rtx().send(message(), "zhangsan; lisi ，朱镕基")
    assert [popup.user for popup in server.popups] == ["zhangsan", "lisi", "朱镕基"]
    assert server.requests == 1


@pytest.mark.parametrize("partial", [False, True])
async def test_one_unknown_account_in_a_list_is_told(server: RtxServer, rtx: Any, *, partial: bool) -> None:
    server.partial = partial
    with pytest.raises(RejectedError) as caught:
        await rtx().send(message(), "zhangsan,nobody")
    assert "不存在" in caught.value.detail
    assert "<br>" not in caught.value.detail


async def test_too_many_accounts_are_refused(rtx: Any) -> None:
    assert not rtx(max_receivers=3).settings.refuses("a,b,c")
    assert "at most 3" in rtx(max_receivers=3).settings.refuses("a,b,c,d")


async def test_a_broadcast_needs_its_switch(server: RtxServer, rtx: Any) -> None:
    with pytest.raises(RejectedError, match="broadcast"):
        await rtx().send(message(), "ALL")
    assert server.broadcasts == []
    await rtx(allow_broadcast=True).send(message(), "all")
    assert len(server.broadcasts) == 1
    for to in ("", ",", "all,zhangsan"):
        with pytest.raises(RejectedError, match="broadcast"):
            await rtx(allow_broadcast=True).send(message(), to)
    assert len(server.broadcasts) == 1


async def test_departments_and_groups_reach_members_online(server: RtxServer, rtx: Any) -> None:
    await rtx().send(message(), "depart:运维开发组")
    await rtx().send(message(), "Group: 值班")
    assert [popup.user for popup in server.popups] == ["zhangsan", "lisi"]
    await rtx(online_only=False).send(message(), "depart:运维开发组")
    assert [popup.user for popup in server.popups[2:]] == ["zhangsan", "wangwu"]
    with pytest.raises(RejectedError):
        await rtx().send(message(), "depart:no such")


def test_a_department_call_on_the_wire(rtx: Any) -> None:
    call = call_for("depart:运维开发组", "通知", method="POST", delaytime=10_000, online_only=True)
    root = WebRoot("http://h:8012", guarded=True)
    assert root.target(call.path, call.form(rtx().settings.coding, "吃饭了")) == (
        "/sendnotifybydepart.php?receiverdepart=%D4%CB%CE%AC%BF%AA%B7%A2%D7%E9&msg=%B3%D4%B7%B9%C1%CB"
        "&title=%CD%A8%D6%AA&online=1&delaytime=10000"
    )


async def test_get_keeps_its_url_short_and_its_footer(server: RtxServer, rtx: Any) -> None:
    await rtx(method="GET").send(reminder(text="告警" * 2000), "zhangsan")
    await rtx().send(reminder(text="告警" * 2000), "depart:运维开发组")
    for target, popup in zip(server.targets, server.popups, strict=True):
        assert MOST_URL * 0.9 < len(target) <= MOST_URL
        assert "characters cut" in popup.msg
        assert "+312 more in 10 min" in popup.msg.splitlines()[-1]
    assert len(server.bodies[0]) == 0


async def test_limits_count_gbk_bytes(server: RtxServer, rtx: Any) -> None:
    await rtx(max_msg_bytes=500).send(reminder(text="告警" * 2000), "zhangsan")
    size = len(server.popups[0].msg.encode("gbk"))
    assert 450 < size <= 500 < utf8_bytes(server.popups[0].msg)


async def test_a_patched_server_takes_and_answers_utf8(server: RtxServer, rtx: Any) -> None:
    server.patched = True
    await rtx(charset="utf-8").send(message(text="€ 😀 告警"), "朱镕基")
    assert "€ 😀 告警" in server.popups[0].msg


async def test_the_wrong_charset_shows_as_mojibake_only(server: RtxServer, rtx: Any) -> None:
    await rtx(charset="utf-8").send(message(text="告警"), "zhangsan")
    assert "告警" not in server.popups[0].msg
    server.strict = True
    with pytest.raises(TemporaryError):
        await rtx(charset="utf-8").send(message(text="告警"), "zhangsan")


async def test_what_gbk_lacks_is_replaced(server: RtxServer, rtx: Any) -> None:
    server.strict = True
    await rtx().send(message(text="a😀b"), "zhangsan")
    await rtx(unencodable="ignore").send(message(text="a😀b"), "zhangsan")
    assert "\na?b\n" in server.popups[0].msg
    assert "\nab\n" in server.popups[1].msg
    with pytest.raises(RejectedError):
        await rtx(unencodable="error").send(message(text="a😀b"), "zhangsan")


async def test_relays_own_links_survive(server: RtxServer, rtx: Any, door: Door) -> None:
    backend = rtx()
    told = message(text="[x|http://evil]", links=(("确认", "http://relay/a/17?x=1"),))
    composition = compose(told, door.clock.now())
    text, _ = backend._form(backend._call_for("zhangsan", composition), composition)
    assert LINK.findall(text) == [("确认", "http://relay/a/17?x=1")]


class TestAnswers:
    @pytest.mark.parametrize(
        "switch",
        [
            {},
            {"patched": True},
            {"jsonp": "raw"},
            {"jsonp": "escaped"},
            {"chunked": True},
            {"close_delimited": True},
            {"odd_headers": True},
            {"odd_headers": True, "close_delimited": True},
        ],
        ids=str,
    )
    async def test_acceptance_in_every_form(
        self, server: RtxServer, rtx: Any, switch: dict[str, Any]
    ) -> None:
        for name, value in switch.items():
            setattr(server, name, value)
        await rtx(charset=server.charset).send(message(), "zhangsan")
        assert len(server.popups) == 1

    async def test_refusal_by_header(self, server: RtxServer, rtx: Any) -> None:
        server.odd_headers = True
        with pytest.raises((RejectedError, TemporaryError)) as caught:
            await rtx().send(message(), "nobody")
        assert caught.value.code == "-1"
        assert "用户不存在" in caught.value.detail

    @pytest.mark.parametrize("by_404", [False, True])
    async def test_the_ip_list(self, server: RtxServer, rtx: Any, *, by_404: bool) -> None:
        server.allowed, server.denied_by_404 = ["10.0.0.1"], by_404
        await rtx().send(message(), "zhangsan")  # loopback passes
        server.loopback_passes = False
        with pytest.raises(BackendDownError, match="IP list"):
            await rtx().send(message(), "zhangsan")
        (check,) = await rtx().check()
        assert not check.ok
        server.allowed = [" 127.0.0.1 "]
        await rtx().send(message(), "zhangsan")
        (check,) = await rtx().check()
        assert check.ok

    async def test_an_empty_answer_is_temporary(self, server: RtxServer, rtx: Any) -> None:
        server.empty = True
        with pytest.raises(TemporaryError) as caught:
            await rtx().send(message(), "zhangsan")
        assert caught.value.limit == 0

    @pytest.mark.parametrize("answer", ["发送失败<br>".encode("gbk"), b"<h1>It works</h1>", b"\xff\x00\x81"])
    async def test_an_answer_nobody_knows_is_tried_few_times(
        self, server: RtxServer, rtx: Any, answer: bytes
    ) -> None:
        server.answer = answer
        with pytest.raises(TemporaryError) as caught:
            await rtx().send(message(), "zhangsan")
        assert caught.value.limit == 3
        assert caught.value.detail.isprintable()

    async def test_markers_are_settings(self, server: RtxServer, rtx: Any) -> None:
        server.answer = b"DONE"
        await rtx(success_markers=("done",)).send(message(), "zhangsan")
        server.answer = b"WHO?"
        with pytest.raises(RejectedError):
            await rtx(unknown_markers=("who?",)).send(message(), "zhangsan")

    async def test_unknown_scripts_and_failing_ones(self, server: RtxServer, rtx: Any, door: Door) -> None:
        with pytest.raises(BackendDownError):
            await Rtx(Settings(url=f"{server.url}/other/"), door).send(message(), "zhangsan")
        assert server.targets[-1] == "/other/sendnotify.cgi"
        server.fault = Fault(status=503, headers={"Retry-After": "9"})
        with pytest.raises(RateLimitedError) as caught:
            await rtx().send(message(), "zhangsan")
        assert caught.value.retry_after == 9.0


class TestPresence:
    async def test_offline_takes_the_next_address(self, server: RtxServer, rtx: Any) -> None:
        with pytest.raises(NeedsFallbackError):
            await rtx(presence_check=True).send(message(), "wangwu")
        assert server.popups == []
        await rtx().send(message(), "wangwu")
        assert len(server.popups) == 1

    @pytest.mark.parametrize("jsonp", ["", "raw"])
    async def test_states(self, server: RtxServer, rtx: Any, jsonp: Any) -> None:
        server.jsonp = jsonp
        assert await rtx().presence("zhangsan") is True
        assert await rtx().presence("zhaoliu") is True  # away can be reached
        assert await rtx().presence("wangwu") is False
        assert await rtx().presence("朱镕基") is True
        with pytest.raises(RejectedError) as caught:
            await rtx().presence("nobody")
        assert caught.value.code == "-984"

    @pytest.mark.parametrize("state", ["12", "-1", "error<br>", "", "9" * 20, "1x"])
    async def test_what_is_unknown_is_sent_anyway(self, server: RtxServer, rtx: Any, state: str) -> None:
        server._getstatus = lambda *_: state  # type: ignore[method-assign]
        backend = rtx(presence_check=True)
        assert await backend.presence("wangwu") is None
        await backend.send(message(), "wangwu")
        assert len(server.popups) == 1

    async def test_a_stuck_script_leaves_time_to_send(self, server: RtxServer, rtx: Any) -> None:
        server.fault = Fault(hang="accept")
        sending = asyncio.create_task(rtx(presence_check=True, timeout=0.4).send(message(), "zhangsan"))
        while server.requests == 0:
            await asyncio.sleep(0.005)
        server.fault = Fault()
        await sending
        assert server.requests == 2
        assert len(server.popups) == 1

    async def test_lists_and_departments_are_not_asked_about(self, server: RtxServer, rtx: Any) -> None:
        backend = rtx(presence_check=True)
        assert await backend.presence("zhangsan,lisi") is None
        assert await backend.presence("depart:运维开发组") is None
        assert server.requests == 0


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"url": "10.0.0.8:8012"}, "url"),
        ({"url": "http://user:pw@h:8012"}, "url"),
        ({"url": "http://h:8012/?a=b"}, "url"),
        ({"replacement": "�"}, "replacement"),
        ({"success_markers": ("操作成功", "")}, "success_markers"),
        ({"ip_denied_markers": (" ",)}, "ip_denied_markers"),
        ({"unknown_markers": ("",)}, "unknown_markers"),
    ],
)
def test_settings_that_can_not_work(changes: dict[str, Any], field: str) -> None:
    settings = Settings(**{"url": "http://h:8012", **changes})
    assert [name for name, _ in settings.problems()] == [field]
    assert Settings(url="http://h:8012").problems() == []


async def test_link_local_servers_are_refused(rtx: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.backends.guard._METADATA", {__import__("ipaddress").ip_address("127.0.0.1")})
    with pytest.raises(BackendDownError, match="allow_link_local"):
        await rtx().send(message(), "zhangsan")
    await rtx(allow_link_local=True).send(message(), "zhangsan")
