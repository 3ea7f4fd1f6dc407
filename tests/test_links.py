"""Links in messages: who may do what, and for how long."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from relay.clock import FakeClock
from relay.config.schema import Http
from relay.links import LIFE, Links
from relay.outbox.sqlite import SqliteStore

NOW = 1_767_600_000.0
HTTP = Http(listen="127.0.0.1:8787", url="https://relay.example.com/alerts/")


def parts(url: str) -> dict[str, str]:
    asked = {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}
    *_, action, alert = urlsplit(url).path.split("/")
    return {"action": action, "alert": alert, **asked}


def refused(links: Links, asked: dict[str, str], now: float = NOW) -> str:
    return links.refused(asked["action"], int(asked["alert"]), asked["r"], asked["e"], asked["t"], now)


async def test_links(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "relay.db", FakeClock())
    links = Links(HTTP)
    assert links.made(17, "wang", NOW) == ()  # no key yet
    await links.load(store)
    made = links.made(17, "o p/ö", NOW)
    assert [label for label, _ in made] == ["ack", "silence 1h"]
    url = made[0][1]
    assert url.startswith("https://relay.example.com/alerts/a/ack/17?e=")
    asked = parts(url)
    assert asked["r"] == "o p/ö"
    assert len(asked["t"]) == 22
    assert refused(links, asked) == ""
    assert "expired" in refused(links, asked, NOW + LIFE)
    for key, value in {
        "action": "silence", "alert": "18", "r": "li", "e": str(int(NOW) + 1), "t": asked["t"][:-1],
    }.items():  # fmt: skip
        assert "not one of relay's" in refused(links, asked | {key: value})
    for odd in ("", "-1", "1e9", "٣", "9" * 13):
        assert "not one of relay's" in refused(links, asked | {"e": odd})
    assert refused(links, asked | {"t": "ö\udcff"}) != ""

    again = Links(HTTP)
    await again.load(store)
    assert refused(again, asked) == ""  # the key outlives a restart
    await again.rotate(store)
    assert refused(again, asked) == ""  # the key before is still taken ...
    assert again.made(17, "o p/ö", NOW) != made
    await again.rotate(store)
    assert refused(again, asked) != ""  # ... but not the one before that
    await store.close()


@pytest.mark.parametrize("http", [None, Http(listen="127.0.0.1:8787")])
async def test_without_a_url_there_are_none(tmp_path: Path, http: Http | None) -> None:
    store = await SqliteStore.open(tmp_path / "relay.db", FakeClock())
    links = Links(http)
    await links.load(store)
    assert links.made(17, "wang", NOW) == ()
    await store.close()
