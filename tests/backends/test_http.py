"""One request: what goes out as it was written, what comes back within its caps."""

from __future__ import annotations

import asyncio
import gzip
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web
from msgspec import json

from relay.backends.answer import Answer
from relay.backends.base import Door, Receipt
from relay.backends.http import (
    MOST_BODY,
    HttpBackend,
    HttpSettings,
    json_bytes,
    operator_url,
    url_problem,
)
from relay.errors import BackendDownError, TemporaryError
from relay.models import Message

Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Plain(HttpBackend):
    type = "plain"

    async def send(self, message: Message, to: str) -> Receipt:
        raise NotImplementedError


class Site:
    """One handler on a loopback port, and the raw targets that came."""

    def __init__(self) -> None:
        self.handle: Handle
        self.seen: list[web.Request] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        await request.read()
        return await self.handle(request)

    def says(self, body: bytes, **headers: str) -> None:
        async def handle(request: web.Request) -> web.StreamResponse:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return web.Response(body=body, headers=named)

        self.handle = handle


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", site.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    site.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    site.says(b"ok")
    yield site
    await runner.cleanup()


async def get(door: Door, url: str, settings: HttpSettings | None = None) -> Answer:
    return await Plain(settings or HttpSettings(timeout=2), door).ask("GET", operator_url(url))


async def test_an_operators_url_is_sent_untouched(site: Site, door: Door) -> None:
    target = "/a%2Fb/%21x?sp=%2Ftriggers%2Frun&sig=a%2Bb%3D&q=+x"
    await get(door, site.url + target)
    assert site.seen[0].raw_path == target


async def test_userinfo_becomes_basic_authorization(site: Site, door: Door) -> None:
    await get(door, site.url.replace("//", "//us%40er:p%2Fw@") + "/x%2Fy?a=%2F")
    assert site.seen[0].headers["Authorization"] == aiohttp.BasicAuth("us@er", "p/w").encode()
    assert site.seen[0].raw_path == "/x%2Fy?a=%2F"


async def test_a_large_body_is_read_up_to_the_cap(site: Site, door: Door) -> None:
    site.says(b"x" * 5_000_000)
    assert len((await get(door, site.url)).body) == MOST_BODY
    site.says(b"small")
    assert (await get(door, site.url)).body == b"small"


@pytest.mark.parametrize(("coding", "packed"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_a_compressed_body_is_unpacked_up_to_the_cap(
    site: Site, door: Door, coding: str, packed: Callable[[bytes], bytes]
) -> None:
    site.says(packed(b"\0" * 40_000_000), Content_Encoding=coding)
    assert len((await get(door, site.url)).body) == MOST_BODY
    site.says(packed(b'{"code":0}'), Content_Encoding=coding)
    assert (await get(door, site.url)).code("code") == "0"
    site.says(b"not packed", Content_Encoding=coding)
    assert (await get(door, site.url)).body == b"not packed"


async def test_bytes_that_are_no_text_are_no_trouble(site: Site, door: Door) -> None:
    site.says(b"\xff\xfe\x00", Content_Type="application/json; charset=nonsense")
    answer = await get(door, site.url)
    assert answer.json() is None
    assert "\x00" not in answer.detail


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "2852039166",
        "0xA9FEA9FE",
        "0251.0376.0251.0376",
        "[::ffff:169.254.169.254]",
        "[fe80::1]",
    ],
)
async def test_link_local_addresses_are_not_connected_to(door: Door, host: str) -> None:
    with pytest.raises(BackendDownError) as caught:
        await get(door, f"http://{host}/latest/meta-data")
    assert caught.value.code == "link-local"


async def test_allow_link_local_lets_it_through(
    site: Site, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(address: str) -> None:
        raise AssertionError(address)

    monkeypatch.setattr("relay.backends.guard.refuse_link_local", refuse)
    await get(door, site.url, HttpSettings(allow_link_local=True))
    assert len(site.seen) == 1


async def test_a_name_that_does_not_resolve_is_temporary(door: Door) -> None:
    with pytest.raises(TemporaryError) as caught:
        await get(door, "http://no-such-host.invalid/s3cr3t")
    assert not caught.value.ambiguous
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.__context__ is None


async def test_no_http_at_all_is_temporary(door: Door) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(TemporaryError) as caught:
            await get(door, f"http://127.0.0.1:{port}/")
    assert caught.value.ambiguous


async def test_a_header_that_can_not_be_sent_is_for_an_operator(site: Site, door: Door) -> None:
    backend = Plain(HttpSettings(), door)
    with pytest.raises(BackendDownError) as caught:
        await backend.ask("GET", operator_url(site.url), headers={"X": "s3cr3t\r\nY: 1"})
    assert "s3cr3t" not in str(caught.value)


async def test_the_deadline_covers_connecting(door: Door) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    began = time.monotonic()
    with pytest.raises(TemporaryError) as caught:
        await get(door, f"https://127.0.0.1:{port}/", HttpSettings(timeout=0.1))
    assert time.monotonic() - began < 1
    assert not caught.value.ambiguous
    server.close()
    await server.wait_closed()


async def test_cookies_are_not_kept(site: Site, door: Door) -> None:
    site.says(b"", Set_Cookie="a=b")
    await get(door, site.url)
    await get(door, site.url)
    assert "Cookie" not in site.seen[1].headers


async def test_json_goes_out_as_utf8(site: Site, door: Door) -> None:
    await Plain(HttpSettings(), door).post_json(operator_url(site.url), {"t": "中😀"})
    (request,) = site.seen
    assert await request.read() == '{"t":"中😀"}'.encode()
    assert request.headers["Content-Type"] == "application/json; charset=utf-8"


def test_json_without_lone_surrogates() -> None:
    assert json_bytes({"t": "中"}) == b'{"t":"\xe4\xb8\xad"}'
    assert json.decode(json_bytes({"t": "a\udc80", "u": ["\ud800"]})) == {"t": "a?", "u": ["?"]}


@pytest.mark.parametrize(
    "url",
    ["", "x", "//h/p", "ftp://h/", "http://", "http:///p", "http://h:99999/", "http://h/a b", "http://h/\n"],
)
def test_what_is_no_url_is_said_without_quoting_it(url: str) -> None:
    assert url_problem(url)


@pytest.mark.parametrize(
    "url", ["http://h", "https://u:p@h:8/x%2Fy?z=1", "http://[::1]:80/", "http://10.0.0.8:8012"]
)
def test_urls_are_urls(url: str) -> None:
    assert url_problem(url) == ""
