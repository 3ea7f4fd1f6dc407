"""The pages behind the links in messages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from relay.clock import FakeClock
from relay.config.schema import Http
from relay.links import LIFE, Links
from relay.outbox.sqlite import SqliteStore
from tests.web.rig import Client, House, RefusedError, served

ALERT = {
    "id": 17,
    "fingerprint": "0123456789abcdef",
    "module": "pay",
    "title": "<script>alert(1)</script>",
    "state": "firing",
    "count": 3,
    "acked_by": "",
    "acked_until": 0.0,
}
TOKEN = "t" * 20


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = House()
    store = await SqliteStore.open(tmp_path / "relay.db", FakeClock())
    house.links = Links(Http(listen="127.0.0.1:8787", url="http://relay.example.com"))
    await house.links.load(store)
    house.answers["alert"] = {"alert": ALERT}
    house.answers["ack"] = {"acked_by": "wang", "acked_until": house.clock.now() + 7200}
    house.answers["silence"] = {"ends_at": house.clock.now() + 3600}
    yield house
    await store.close()


def link(house: House, action: str, who: str = "wang", alert: int = 17) -> str:
    made = dict(zip(("ack", "silence"), house.links.made(alert, who, house.clock.now()), strict=True))
    parts = urlsplit(made[action][1])
    return f"{parts.path}?{parts.query}"


@pytest.fixture
async def client(house: House) -> AsyncIterator[Client]:
    async with served(house, url="http://relay.example.com") as client:
        yield client


async def test_a_get_shows_and_changes_nothing(house: House, client: Client) -> None:
    for _ in range(3):
        status, page = await client.ask("GET", link(house, "ack"))
        assert status == 200
    assert [verb for verb, _ in house.asked] == ["alert"] * 3
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert '<form method="post">' in page
    assert 'content="noindex, nofollow"' in page
    policy = client.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self'" in policy
    assert client.headers["Cache-Control"] == "no-store"
    assert client.headers["Referrer-Policy"] == "no-referrer"
    assert client.headers["X-Robots-Tag"] == "noindex, nofollow"


async def test_a_post_does_it_in_the_name_of_whom_the_link_was_for(house: House, client: Client) -> None:
    # A form of a page with `no-referrer` sends this Origin; a messenger's browser may send any.
    form = "application/x-www-form-urlencoded"
    status, page = await client.ask("POST", link(house, "ack"), b"", form, Origin="null")
    assert (status, "Alert 17 is acknowledged by wang, for 2 h from now" in page) == (200, True)
    assert ("ack", {"alert": 17, "by": "wang", "once": True}) in house.asked


async def test_silence_for_an_hour(house: House, client: Client) -> None:
    status, page = await client.ask("POST", link(house, "silence", "o p<s"), b"")
    assert (status, "silenced, for 1 h" in page) == (200, True)
    asked = dict(house.asked)["silence"]
    assert asked["matchers"] == ["fingerprint=0123456789abcdef"]
    assert (asked["for"], asked["by"], asked["once"]) == (3600.0, "o p<s", True)


async def test_forged_and_expired_links_are_refused(house: House, client: Client) -> None:
    good = link(house, "ack")
    for bad in (
        good.replace("/17?", "/18?"),
        good.replace("r=wang", "r=li"),
        good.replace("/ack/", "/silence/"),
        good[:-1],
        "/a/ack/17",
    ):
        for method in ("GET", "POST"):
            status, page = await client.ask(method, bad)
            assert (status, "not one of relay" in page) == (403, True), bad
    house.clock.advance(LIFE + 1)
    status, page = await client.ask("POST", good)
    assert (status, "expired" in page) == (403, True)
    assert house.asked == []


async def test_what_is_over_or_cannot_be_done_is_said(house: House, client: Client) -> None:
    house.answers["alert"] = {"alert": {**ALERT, "state": "resolved"}}
    status, page = await client.ask("GET", link(house, "ack"))
    assert (status, "Alert 17 is over" in page, "<form" in page) == (200, True, False)
    house.answers["alert"] = None
    assert (await client.ask("GET", link(house, "ack")))[0] == 200
    house.answers["alert"] = {"alert": ALERT}

    async def over(_: object) -> None:
        raise RefusedError("alert 17 is over")

    async with served(house, url="http://relay.example.com") as again:
        again.port._inside.verbs["ack"] = over  # type: ignore[index]
        status, page = await again.ask("POST", link(house, "ack"))
        assert (status, "alert 17 is over" in page) == (409, True)


async def test_no_token_is_needed_but_there_is_nothing_else_below(house: House) -> None:
    async with served(house, token=_secret()) as client:
        assert (await client.ask("GET", link(house, "ack")))[0] == 200
        assert (await client.ask("GET", "/a/delete/17"))[0] == 401
        assert (await client.ask("GET", "/api/v1/silences"))[0] == 401
        assert (await client.ask("PUT", link(house, "ack"), b""))[0] in {401, 405}


def _secret() -> object:
    from relay.values import Secret  # noqa: PLC0415

    return Secret(TOKEN)
