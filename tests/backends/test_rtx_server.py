"""The emulator of RTX itself: what published copies of the scripts do, byte for byte."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from relay.backends.lenient import Connection, Host, RawAnswer, request
from tests.emulators.rtx import RtxServer

SUCCESS = bytes.fromhex("B2D9D7F7B3C9B9A6") + b"!"


@pytest.fixture
async def server() -> AsyncIterator[RtxServer]:
    async with RtxServer() as server:
        yield server


async def exchange(server: RtxServer, data: bytes) -> RawAnswer:
    port = int(server.url.rpartition(":")[2])
    return await Connection(Host("127.0.0.1", port)).exchange(data)


async def call(server: RtxServer, target: str, body: str | None = None) -> RawAnswer:
    method = "GET" if body is None else "POST"
    return await exchange(server, request(method, target, Host("h", 8012), (body or "").encode()))


async def test_the_ip_list(server: RtxServer) -> None:
    server.allowed = ["10.0.0.1"]
    assert (await call(server, "/sendnotify.cgi?receiver=lisi&msg=x")).body == SUCCESS  # loopback passes
    server.loopback_passes = False
    answer = await call(server, "/sendnotify.cgi?receiver=lisi&msg=x")
    assert (answer.status, answer.body) == (200, "IP受限制".encode("gbk"))


async def test_text_is_gbk_whatever_was_meant(server: RtxServer) -> None:
    assert (await call(server, "/sendnotify.cgi?receiver=lisi&msg=%E5%91%8A%E8%AD%A6")).body == SUCCESS
    assert server.popups[0].msg.startswith("鍛婅")  # two characters of UTF-8, read as GBK
    server.strict = True
    assert (await call(server, "/sendnotify.cgi?receiver=lisi&msg=%E5%91%8A%E8%AD%A6")).body != SUCCESS
    assert len(server.popups) == 1


async def test_a_patched_server(server: RtxServer) -> None:
    server.patched = True
    answer = await call(server, "/sendnotify.cgi?receiver=lisi&msg=%E5%91%8A%E8%AD%A6")
    assert answer.body == bytes.fromhex("E6938DE4BD9CE68890E58A9F") + b"!"
    assert server.popups[0].msg == "告警"


async def test_unknown_receivers(server: RtxServer) -> None:
    answer = await call(server, "/sendnotify.cgi?receiver=lisi,nobody&msg=x")
    assert (answer.status, answer.body) == (200, "用户不存在<br>".encode("gbk"))
    assert server.popups == []
    server.partial = True
    assert (await call(server, "/sendnotify.cgi?receiver=lisi;nobody&msg=x")).body != SUCCESS
    assert [popup.user for popup in server.popups] == ["lisi"]


async def test_what_is_posted_counts_only_where_the_url_has_nothing(server: RtxServer) -> None:
    await call(server, "/sendnotify.cgi", "receiver=lisi&msg=posted")
    await call(server, "/sendnotify.cgi?receiver=lisi&msg=in+the+url", "receiver=lisi&msg=posted")
    assert [popup.msg for popup in server.popups] == ["posted", "in the url"]
    await call(server, "/sendnotify.cgi?delaytime=5", "receiver=lisi&msg=lost")
    assert len(server.popups) == 2
    assert server.broadcasts == [""]  # an empty receiver is everybody


async def test_titles_paths_and_unknown_scripts(server: RtxServer) -> None:
    await call(server, "/SendNotify.CGI?receiver=lisi&msg=x")
    await call(server, "/sendnotify.cgi?receiver=lisi&msg=x&title=%B8%E6%BE%AF&delaytime=9")
    assert [(popup.title, popup.delaytime) for popup in server.popups] == [("通知", 0), ("告警", 9)]
    assert (await call(server, "/nosuch.cgi")).status == 404


async def test_states(server: RtxServer) -> None:
    found = [
        (await call(server, f"/getstatus.php?username={name}")).body for name in ("wangwu", "lisi", "zhaoliu")
    ]
    assert [int(body) for body in found] == [0, 1, 2]
    assert int((await call(server, "/getstatus.php?username=nobody")).body) == -984
    server.unknown_state = "error<br>"
    assert b"error" in (await call(server, "/getstatus.php?username=nobody")).body
    assert b"error" in (await call(server, "/getstatus.php?username=lisi", "username=lisi")).body


async def test_departments_and_groups_tell_those_online(server: RtxServer) -> None:
    depart = "/sendnotifybydepart.php?receiverdepart=%D4%CB%CE%AC%BF%AA%B7%A2%D7%E9&msg=x"
    assert (await call(server, depart)).body == SUCCESS
    assert [popup.user for popup in server.popups] == ["zhangsan"]
    await call(server, f"{depart}&online=0")
    assert [popup.user for popup in server.popups[1:]] == ["zhangsan", "wangwu"]
    await call(server, "/sendnotifybygroup.php?receivergroup=%D6%B5%B0%E0&msg=x")
    assert [popup.user for popup in server.popups[3:]] == ["lisi"]
    answer = await call(server, "/sendnotifybydepart.php?receiverdepart=x&msg=x")
    assert answer.body == "部门不存在<br>".encode("gbk")


@pytest.mark.parametrize("text", [b"a b", "告警".encode("gbk"), "告警".encode()])
async def test_request_lines_that_are_none(server: RtxServer, text: bytes) -> None:
    line = b"GET /sendnotify.cgi?receiver=lisi&msg=" + text + b" HTTP/1.1\r\nHost: h\r\n\r\n"
    assert (await exchange(server, line)).status == 400
    assert server.popups == []


async def test_links_are_recorded(server: RtxServer) -> None:
    wire = "%5B%B5%E3%BB%F7%B2%E9%BF%B4%7Chttp%3A%2F%2Fmon.example.com%2Fa%3Fb%3D1%26c%3D2%5D"
    await call(server, "/sendnotify.cgi", f"receiver=lisi&msg={wire}")
    assert server.popups[0].links == (("点击查看", "http://mon.example.com/a?b=1&c=2"),)
