"""What people read."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from msgspec import structs

from relay.backends.compose import compose, moment
from relay.backends.dialect import text_of
from relay.models import AlertState, Level, Reason
from tests.backends.messages import NOW, message, reminder


@pytest.fixture(autouse=True)
def _shanghai(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Shanghai")
        time.tzset()
        yield
    time.tzset()


def test_what_a_rule_counted_comes_first_and_cannot_break_the_line() -> None:
    counted = ("3 in 42 s", "timeout of 1 [web1]", "odd\n[ERROR] line")
    facts = dict(compose(message(counted=counted), NOW).facts)
    assert next(iter(facts)) == "counted"
    assert facts["counted"] == "3 in 42 s: timeout of 1 [web1]; odd [ERROR] line"
    assert (
        dict(compose(message(counted=("it ended after 1 h",)), NOW).facts)["counted"] == "it ended after 1 h"
    )
    assert "counted" not in dict(compose(message(), NOW).facts)


def test_a_first_message() -> None:
    text = text_of(compose(message(), NOW))
    assert text == (
        "[ERROR] pay.refund: timeout after <num> ms\n"
        "timeout after 3000 ms\n"
        "\n"
        "seen: once, 15:59:55\n"
        "host: web1\n"
        "from: shop, /srv/shop/logs/pay.log:81233\n"
        "rule: payments\n"
        "labels: order=o-4711\n"
        "alert 17"
    )


def test_a_closing_line_says_how_many_problems_were_new() -> None:
    text = text_of(compose(structs.replace(reminder(), variants=2), NOW))
    assert text.endswith(", 2 new variants")


def test_a_reminder_says_what_came_since() -> None:
    lines = text_of(compose(reminder(late=840.0), NOW)).splitlines()
    assert lines[0] == "[ERROR, still happening] pay.refund: timeout after <num> ms"
    assert "seen: 313 times, first 15:49:55, last 15:59:55" in lines
    assert "host: web1, web2, web3" in lines
    assert lines[-1] == "alert 17 · +312 more in 10 min, 3 hosts, first 15:49, last 15:59 · 14 min late"


def test_a_resolution() -> None:
    told = message(
        state=AlertState.RESOLVED, reason=Reason.RESOLVED, count=57, first_seen=NOW - 800, last_seen=NOW - 80
    )
    lines = text_of(compose(told, NOW)).splitlines()
    assert lines[0] == "[RESOLVED] pay.refund: timeout after <num> ms"
    assert lines[-1] == "alert 17 · resolved after 12 min, 57 events"


def test_a_closing_line() -> None:
    lines = text_of(compose(reminder(reason=Reason.CLOSED), NOW)).splitlines()
    assert lines[0] == "[ERROR, quiet now] pay.refund: timeout after <num> ms"
    assert "+312 more in 10 min" in lines[-1]


def test_the_text_is_not_said_twice() -> None:
    text = text_of(compose(message(title="disk full", text="disk full\n"), NOW))
    assert text.count("disk full") == 1


def test_a_message_about_relay_itself_has_no_empty_facts() -> None:
    told = message(
        reason=Reason.OPERATORS,
        alert=0,
        count=0,
        title="backend rtx is down",
        text="backend rtx is down: HTTP 403",
        module="relay",
        rule="",
        source="",
        origin="",
        hosts=(),
        labels={},
        level=Level.CRITICAL,
    )
    assert (
        text_of(compose(told, NOW)) == "[CRITICAL] relay: backend rtx is down\nbackend rtx is down: HTTP 403"
    )


def test_links_stand_before_the_footer() -> None:
    text = text_of(compose(message(links=(("ack", "http://relay/a/17"),)), NOW))
    assert text.endswith("ack: http://relay/a/17\nalert 17")


def test_times_have_their_day_unless_it_is_today() -> None:
    assert moment(NOW, NOW) == "16:00:00"
    assert moment(NOW - 86400, NOW) == "2026-01-04 16:00:00"
    assert moment(NOW - 86400, NOW, seconds=False) == "2026-01-04 16:00"
    assert moment(NOW + 8 * 3600, NOW) == "2026-01-06 00:00:00"


@pytest.mark.parametrize("at", [1e18, -1e18, float("inf"), float("nan")])
def test_an_absurd_time_is_shown_as_it_is(at: float) -> None:
    assert moment(at, NOW) == f"at {at:g} s"


def test_what_must_not_be_cut_is_short_from_the_start() -> None:
    told = reminder(
        module="m" * 5000,
        rule="r" * 5000,
        hosts=tuple("h" * 500 for _ in range(50)),
        origin="o" * 5000,
        labels={f"k{n}": "v" * 500 for n in range(100)},
        title="t" * 5000,
        text="",
    )
    assert len(text_of(compose(told, NOW))) < 2500


def test_hosts_beyond_a_few_are_counted() -> None:
    text = text_of(compose(reminder(hosts=tuple(f"web{n}" for n in range(8))), NOW))
    assert "host: web0, web1, web2, web3, web4 and 3 more" in text


@pytest.mark.parametrize("text", [" ", "\t\n ", "\u00a0"])
def test_a_text_of_white_space_is_none(text: str) -> None:
    assert compose(message(text=text), NOW).body == ""
