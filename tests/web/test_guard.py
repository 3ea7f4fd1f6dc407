"""Headers of requests that may be made, and of those that may not."""

from __future__ import annotations

import pytest

from relay.config.schema import Http
from relay.values import Secret
from relay.web.guard import foreign, misdirected, names_of, unauthorized

PLAIN = Http(listen="127.0.0.1:8787")
PUBLIC = Http(
    listen="relay-1:8787", url="https://Relay.example.com/x", hosts=("ops",), token=Secret("s" * 16)
)


@pytest.mark.parametrize("host", ["127.0.0.1:8787", "localhost", "LOCALHOST:8787", "[::1]:8787", "10.0.0.8"])
def test_own_hosts(host: str) -> None:
    assert misdirected([host], names_of(PLAIN)) == ""


@pytest.mark.parametrize("host", ["relay.example.com", "ops:8787", "relay-1"])
def test_named_hosts(host: str) -> None:
    assert misdirected([host], names_of(PUBLIC)) == ""
    assert misdirected([host], names_of(PLAIN))


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        [""],
        ["evil.example"],
        ["localhost", "localhost"],
        ["localhost.evil.example"],
        ["127.0.0.1.evil.example"],
        ["2130706433"],
        ["0x7f000001"],
        ["localhost@evil.example"],
        ["localhost/"],
        ["localhost:80:80"],
        ["localhost "],
        ["127.0.0.1, evil.example"],
    ],
)
def test_hosts_that_are_not_ours(hosts: list[str]) -> None:
    assert misdirected(hosts, names_of(PLAIN))


@pytest.mark.parametrize(
    "origin", ["http://127.0.0.1:8787", "https://127.0.0.1:8787", "HTTP://127.0.0.1:8787"]
)
def test_own_origins(origin: str) -> None:
    assert foreign([origin], "127.0.0.1:8787", PLAIN) == ""
    assert foreign([], "127.0.0.1:8787", PLAIN) == ""
    assert foreign(["https://relay.example.com"], "127.0.0.1:8787", PUBLIC) == ""


@pytest.mark.parametrize(
    "origins",
    [
        ["null"],
        [""],
        ["http://evil.example"],
        ["http://127.0.0.1:9000"],
        ["https://relay.example.com"],
        ["http://127.0.0.1:8787", "http://127.0.0.1:8787"],
    ],
)
def test_foreign_origins(origins: list[str]) -> None:
    assert foreign(origins, "127.0.0.1:8787", PLAIN)


@pytest.mark.parametrize(
    "given",
    [[], [""], ["Bearer"], ["Bearer x"], ["Basic " + "s" * 16], ["Bearer " + "s" * 17], ["Bearer \udcff"]],
)
def test_no_token_and_wrong_tokens(given: list[str]) -> None:
    assert unauthorized(given, PUBLIC)
    assert unauthorized(given, PLAIN) == ""


def test_the_token() -> None:
    assert unauthorized(["Bearer " + "s" * 16], PUBLIC) == ""
    assert unauthorized(["bearer  " + "s" * 16], PUBLIC) == ""
    assert unauthorized(["Bearer " + "s" * 16] * 2, PUBLIC)
