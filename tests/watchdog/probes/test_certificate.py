"""Certificates that an authority in the looks' own store signed, and that are wrong otherwise."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from relay.config.checks import Check, HttpCheck
from relay.config.schema import Watch
from relay.models import CheckRecord
from relay.watchdog.entry import Entry
from relay.watchdog.lag import Lag
from relay.watchdog.standing import Moment
from relay.watchdog.tools import Tools
from relay.watchdog.verdict import Kind, Verdict
from tests.watchdog.probes.authority import DAY, Authority

Serve = Callable[[ssl.SSLContext], Awaitable[int]]
SCHEMES = pytest.mark.parametrize("scheme", ["tls", "https"])


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    runners = []

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def start(context: ssl.SSLContext) -> int:
        app = web.Application()
        app.router.add_get("/", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        return int(runner.addresses[0][1])

    yield start
    for runner in runners:
        await runner.cleanup()


async def found(authority: Authority, check: Check) -> Verdict:
    """One look, as the service makes it."""
    tools = Tools(ca=str(authority.pem))
    entry = Entry("web", Watch(check=check), CheckRecord(name="web"), Moment(0, 0), 0.0)
    try:
        return await entry.look(tools, Lag(), Moment(0, 0))
    finally:
        await tools.close()


@SCHEMES
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"ends": -60}, "certificate has expired"),
        ({"begins": DAY}, "certificate is not yet valid"),
        ({"host": "elsewhere.example.com"}, "Hostname mismatch, certificate is not valid for 'localhost'."),
    ],
)
async def test_a_certificate_that_is_wrong_is_down_and_restarted_for_nothing(
    authority: Authority, serve: Serve, scheme: str, fields: dict[str, float], words: str
) -> None:
    port = await serve(authority.server(**fields))  # type: ignore[arg-type]
    verdict = await found(authority, f"{scheme}://localhost:{port}")
    assert verdict == Verdict(
        Kind.FAILED, f"{scheme}://localhost:{port}: its certificate is refused: {words}", remediable=False
    )


@SCHEMES
async def test_a_certificate_by_an_authority_that_is_not_known(
    authority: Authority, serve: Serve, scheme: str, tmp_path: Path
) -> None:
    port = await serve(Authority(tmp_path, "another CA").server())
    verdict = await found(authority, f"{scheme}://localhost:{port}")
    assert verdict.kind is Kind.FAILED
    assert not verdict.remediable
    assert verdict.text.endswith("its certificate is refused: unable to get local issuer certificate")


@SCHEMES
async def test_how_long_it_must_be_valid(authority: Authority, serve: Serve, scheme: str) -> None:
    port = await serve(authority.server(ends=5 * DAY + 1800))
    url = f"{scheme}://localhost:{port}"
    verdict = await found(authority, HttpCheck(url=url, certificate=4.9 * DAY))
    assert verdict.kind is Kind.HELD
    assert verdict.text.endswith("its certificate is valid for 5 d")
    verdict = await found(authority, HttpCheck(url=url, certificate=5.1 * DAY))
    assert verdict.kind is Kind.FAILED
    assert not verdict.remediable
    assert verdict.text.endswith("its certificate ends in 5 d")
    expired = await serve(authority.server(ends=-60))
    verdict = await found(authority, HttpCheck(url=f"{scheme}://localhost:{expired}", certificate=DAY))
    assert verdict.text.endswith("its certificate is refused: certificate has expired")


@SCHEMES
async def test_an_address_is_a_name_too(authority: Authority, serve: Serve, scheme: str) -> None:
    port = await serve(authority.server(host="127.0.0.1"))
    assert (await found(authority, f"{scheme}://127.0.0.1:{port}")).kind is Kind.HELD
    port = await serve(authority.server())
    verdict = await found(authority, f"{scheme}://127.0.0.1:{port}")
    assert "IP address mismatch, certificate is not valid for '127.0.0.1'" in verdict.text
