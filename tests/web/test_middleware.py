"""What holds for every request, by real requests."""

from __future__ import annotations

import asyncio

import pytest
import structlog.testing

from relay.errors import StoreBusyError
from relay.values import Secret
from tests.web.rig import Client, House, RefusedError, served

PATHS = [
    "/-/healthy",
    "/-/ready",
    "/-/reload",
    "/metrics",
    "/api/v1/status",
    "/api/v1/alerts",
    "/api/v1/alerts/1",
    "/api/v1/outbox",
    "/api/v1/outbox/retry",
    "/api/v1/events",
    "/api/v2/alerts",
    "/callback/a",
    "/x/../api/v1/status",
    "/%2e%2e/metrics",
    "//metrics",
    "/nowhere",
]
TOKEN = "0123456789abcdef"


@pytest.mark.parametrize("host", ["Host: evil.example\r\n", "", "Host: localhost\r\nHost: localhost\r\n"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_no_request_for_another_host_gets_anywhere(
    house: House, client: Client, method: str, host: str
) -> None:
    for path in PATHS:
        body = "Content-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
        answer = await client.raw(f"{method} {path} HTTP/1.1\r\n{host}{body}".encode())
        assert answer[:13] in {b"HTTP/1.1 403 ", b"HTTP/1.0 400 "}, (path, answer)
    assert house.asked == []
    assert house.events == []


@pytest.mark.parametrize(
    ("kind", "origin"),
    [
        ("application/json", "http://evil.example"),
        ("application/json", "null"),
        ("application/x-www-form-urlencoded", ""),
        ("text/plain", ""),
        ("multipart/form-data; boundary=x", ""),
        ("", ""),
    ],
)
@pytest.mark.parametrize("path", ["/-/reload", "/api/v1/outbox/drop", "/api/v1/events", "/api/v2/alerts"])
async def test_a_page_of_another_site_changes_nothing(
    house: House, client: Client, path: str, kind: str, origin: str
) -> None:
    headers = {"Origin": origin} if origin else {}
    status, _ = await client.ask("POST", path, b'{"all_dead":true}', kind, **headers)
    assert status == 403
    assert house.asked == []
    assert house.intake._events == 0
    assert "Access-Control-Allow-Origin" not in client.headers


async def test_a_preflight_is_not_answered(client: Client) -> None:
    status, _ = await client.ask(
        "OPTIONS",
        "/api/v1/events",
        None,
        Origin="http://evil.example",
        **{"Access-Control-Request-Method": "POST"},
    )
    assert status == 403
    assert not [name for name in client.headers if name.startswith("Access-Control")]


async def test_with_a_token_all_but_probes_and_callbacks_need_it(house: House) -> None:
    async with served(house, token=Secret(TOKEN)) as client:
        for path in PATHS[2:]:
            status, answer = await client.ask("GET", path)
            if "callback" in path:
                assert status == 404
                continue
            assert status == 401, path
            assert client.headers["WWW-Authenticate"].startswith("Bearer")
            assert TOKEN not in str(answer)
        assert house.asked == []
        assert (await client.ask("GET", "/-/healthy"))[0] == 200
        assert (await client.ask("GET", "/metrics", Authorization=f"Bearer {TOKEN}"))[0] == 200
        assert client.port.counts.refused["token"] == len(PATHS) - 3


async def test_refusals_are_logged_once_a_minute(house: House, client: Client) -> None:
    with structlog.testing.capture_logs() as logs:
        for _ in range(5):
            await client.ask("GET", "/metrics", Host="evil.example")
        house.clock.advance(61)
        await client.ask("GET", "/metrics", Host="evil.example")
    assert [each["event"] for each in logs] == ["http_request_refused"] * 2
    assert client.port.counts.refused["host"] == 6


async def test_headers_of_every_answer(client: Client) -> None:
    for path in ("/-/healthy", "/api/v1/status", "/nowhere"):
        await client.ask("GET", path)
        assert client.headers["X-Content-Type-Options"] == "nosniff"
        assert client.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert client.headers["Cache-Control"] == "no-store"
        assert client.headers["Server"] == "relay"


async def test_unknown_paths_and_methods(client: Client) -> None:
    assert await client.ask("GET", "/nowhere") == (404, {"error": "Not Found"})
    assert (await client.ask("DELETE", "/metrics", b"{}"))[0] == 405
    assert client.headers["Allow"] == "GET,HEAD"
    assert client.port.counts.requests["GET", "none", 404] == 1
    assert (await client.ask("HEAD", "/metrics"))[0] == 200
    for word in ("PURGE", "LOCK"):
        assert (await client.ask(word, "/nowhere"))[0] == 403
    assert client.port.counts.requests["other", "none", 403] == 2


async def test_a_body_has_a_limit(house: House, client: Client) -> None:
    status, _ = await client.ask("POST", "/api/v1/events", b'{"message":"%s"}' % (b"x" * 256 * 1024))
    assert status == 413
    assert house.intake._events == 0


@pytest.mark.parametrize(
    ("error", "status"),
    [(StoreBusyError("busy"), 503), (RefusedError("not now"), 400), (ZeroDivisionError("secret"), 500)],
)
async def test_a_failure_ends_with_its_request(
    house: House, client: Client, error: Exception, status: int
) -> None:
    house.failing = error
    given, answer = await client.ask("GET", "/api/v1/status")
    assert given == status
    assert "secret" not in str(answer)
    house.failing = None
    assert (await client.ask("GET", "/api/v1/status"))[0] == 200


async def test_what_takes_too_long_is_given_up(
    house: House, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.web.middleware.DEADLINE", 0.05)
    head = b"POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    answer = await client.raw(head + b'Content-Length: 100\r\n\r\n{"message')
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert house.intake._events == 0
    monkeypatch.setattr("relay.web.middleware.DEADLINE", 30.0)
    asyncio.get_running_loop().call_soon(lambda: None)
    assert (await client.ask("GET", "/-/healthy"))[0] == 200


async def test_what_is_no_http_fills_no_log(house: House, client: Client) -> None:
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            assert b" 400 " in await client.raw(b"GET / HTTP/1.1\r\nHost: a\r\nHost: \x1b[2Jevil\r\n\r\n")
    assert [each["event"] for each in logs] == ["http_request_broken"]
    assert "evil" not in str(logs)
