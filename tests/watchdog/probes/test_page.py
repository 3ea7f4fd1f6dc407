from __future__ import annotations

import ssl
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from relay.config.checks import HttpCheck
from relay.watchdog.probes.page import PageProbe
from relay.watchdog.tools import Tools
from relay.watchdog.verdict import FailedError, NoRemedyError
from tests.watchdog.probes.conftest import PEM, Listen, Look


@pytest.fixture(params=["http", "https"])
async def url(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    async def answer(asked: web.Request) -> web.Response:
        status = int(asked.match_info["status"])
        return web.Response(status=status, text="database: ok", headers={"X-Version": "7", "Location": "/x"})

    async def large(asked: web.Request) -> web.Response:
        return web.Response(body=b"x" * 3_000_000 + b"end")

    app = web.Application()
    app.router.add_get("/large", large)
    app.router.add_get("/{status}", answer)
    server = TestServer(app, host="127.0.0.1")
    if request.param == "https":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(PEM)
        await server.start_server(ssl=context)
    else:
        await server.start_server()
    yield f"{request.param}://localhost:{server.port}"
    await server.close()


async def test_a_page_that_answers_as_it_should(look: Look, url: str) -> None:
    assert await look(f"{url}/200") == "answers 200"
    assert await look(f"{url}/302") == "answers 302"  # and is not followed
    check = HttpCheck(url=f"{url}/204", status=(204,), header={"X-Version": "/^[0-9]+$/"})
    assert await look(check) == "answers 204"
    assert await look(HttpCheck(url=f"{url}/200", body="/DATABASE: OK/i")) == "answers 200"


async def test_a_page_that_does_not(look: Look, url: str) -> None:
    with pytest.raises(FailedError, match="answers 503 Service Unavailable"):
        await look(f"{url}/503?token=c4nary")
    with pytest.raises(FailedError, match="answers 200 OK"):
        await look(HttpCheck(url=f"{url}/200", status=(204,)))
    with pytest.raises(FailedError, match="body is not as expected: 'database: ok'"):
        await look(HttpCheck(url=f"{url}/200", body="all well"))
    with pytest.raises(FailedError, match="but X-Version is not as expected: '7'"):
        await look(HttpCheck(url=f"{url}/200", header={"X-Version": "8"}))
    with pytest.raises(FailedError, match="without the header X-None"):
        await look(HttpCheck(url=f"{url}/200", header={"X-None": "8"}))
    with pytest.raises(FailedError, match="body is not as expected"):
        await look(HttpCheck(url=f"{url}/large", body="end"))  # read to a bound


async def test_a_certificate_that_ends_too_soon(look: Look, url: str) -> None:
    if url.startswith("https"):
        assert "valid for" in await look(HttpCheck(url=f"{url}/200", certificate=86400.0))
        with pytest.raises(NoRemedyError, match="ends in"):
            await look(HttpCheck(url=f"{url}/200", certificate=86400.0 * 36500))
        strangers = Tools()
        with pytest.raises(NoRemedyError, match="is refused: self"):
            await PageProbe(HttpCheck(url=f"{url}/200")).look(strangers)
        await strangers.close()


async def test_what_is_no_http(look: Look, listen: Listen) -> None:
    port = await listen(b"SSH-2.0-OpenSSH\r\n")
    with pytest.raises(FailedError, match="no answer that is HTTP"):
        await look(f"http://localhost:{port}/c4nary")
    silent = await listen()
    with pytest.raises(FailedError, match="hangs up without an answer"):
        await look(f"http://localhost:{silent}/")


async def test_a_peer_that_is_gone_before_it_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """As aiohttp says it where the answer to the connection was an end: an OSError without a number."""
    tools = Tools()

    def gone(*_: object, **__: object) -> None:
        raise aiohttp.ClientConnectionResetError("Cannot write to closing transport")

    monkeypatch.setattr(tools.session, "get", gone)
    with pytest.raises(FailedError, match="hangs up without an answer"):
        await PageProbe(HttpCheck(url="http://localhost:1/")).look(tools)
    await tools.close()


async def test_what_is_no_tls_and_what_breaks_off(look: Look, listen: Listen) -> None:
    port = await listen(b"hello\n")
    with pytest.raises(FailedError, match="no TLS: wrong version number"):
        await look(f"https://localhost:{port}/")
    header = b"X-Policy: " + b"x" * 20_000 + b"\r\nX-Policy: last\r\n"
    port = await listen(b"HTTP/1.0 200 OK\r\n" + header + b"\r\nok")
    assert (
        await look(HttpCheck(url=f"http://localhost:{port}/", header={"X-Policy": "last"})) == "answers 200"
    )


async def test_nobody_listens(look: Look) -> None:
    with pytest.raises(FailedError, match="connection refused") as raised:
        await look("http://127.0.0.1:1/c4nary")
    assert "c4nary" not in str(raised.value)
