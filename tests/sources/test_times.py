"""The times that logs write."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.sources import times
from relay.sources.times import from_number, parse_time

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()
TEN = NOW - 7200


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from _zone(monkeypatch, "UTC")


def _zone(monkeypatch: pytest.MonkeyPatch, name: str) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", name)
        time.tzset()
        times._second.cache_clear()
        yield
    time.tzset()
    times._second.cache_clear()


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-03-01 10:00:00", TEN),
        ("2026-03-01T10:00:00Z", TEN),
        ("2026-03-01 10:00:00,123", TEN + 0.123),
        ("2026-03-01T10:00:00.123456789Z", TEN + 0.123456789),
        ("2026-03-01T18:00:00.5+08:00", TEN + 0.5),
        ("2026-03-01 04:30:00 -0530", TEN),
        ("2026-03-01 11:00:00+01", TEN),
        ("2026-03-01 10:00:00 UTC", TEN),
        ("2026-03-01, 10:00:00", TEN),
        ("2026/03/01 10:00:00", TEN),
        ("2026-03-01 09:59:60", TEN - 1),  # a leap second
        ("26/03/01 10:00:00", TEN),
        ("260301 10:00:00", TEN),
        ("10:00:00.250", TEN + 0.25),
        ("Mar  1 10:00:00", TEN),
        ("Mar 01 10:00:00.5", TEN + 0.5),
        ("Sun Mar 01 10:00:00.123456 2026", TEN + 0.123456),
        ("01/Mar/2026:18:00:00 +0800", TEN),
        ("01-Mar-2026 10:00:00.250", TEN + 0.25),
        ("Mar 01, 2026 10:00:00 AM", TEN),
        ("Mar 1, 2026 12:30:00 AM", NOW - 11.5 * 3600),
        ("2026-03-01T10:00Z", TEN),
        ("1772359200", TEN),
        ("1772359200.5", TEN + 0.5),
        ("1772359200500", TEN + 0.5),
    ],
)
def test_a_time_is_read(text: str, at: float) -> None:
    assert parse_time(text, NOW) == pytest.approx(at, abs=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-13-01 10:00:00",
        "2026-02-30 10:00:00",
        "2026-03-01 25:00:00",
        "Foo  1 10:00:00",
        "1970-01-01T00:00:00Z",
        "1999-12-31T23:59:59Z",
        "2026-03-02T12:00:01Z",
        "9999-12-31T23:59:59Z",
        "nan",
        "inf",
        "2026-03-01 10:00:00+99:99",
        "٢٠٢٦-03-01 10:00:00x",
    ],
)
def test_what_is_no_time_or_absurd_is_none(text: str) -> None:
    assert parse_time(text, NOW) is None


def test_a_day_ahead_is_still_a_time() -> None:
    assert parse_time("2026-03-02T11:59:59Z", NOW) == NOW + 86399


def test_a_time_without_a_zone_is_the_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    zone = _zone(monkeypatch, "Asia/Shanghai")
    next(zone)
    assert parse_time("2026-03-01 18:00:00", NOW) == TEN
    assert parse_time("Mar  1 18:00:00", NOW) == TEN
    assert parse_time("18:00:00", NOW) == TEN
    assert parse_time("2026-03-01T10:00:00Z", NOW) == TEN
    assert next(zone, None) is None


def test_a_time_without_a_year_is_the_nearest() -> None:
    new_year = datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC).timestamp()
    assert parse_time("Dec 31 23:59:59", new_year) == new_year - 6
    assert parse_time("Jan  1 00:00:04", new_year) == new_year - 1
    before = datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()
    assert parse_time("Jan  1 00:00:04", before) == before + 5
    assert parse_time("Feb 29 10:00:00", datetime(2028, 3, 1, tzinfo=UTC).timestamp()) is not None


def test_a_time_of_day_is_the_nearest() -> None:
    midnight = datetime(2026, 3, 1, 0, 0, 1, tzinfo=UTC).timestamp()
    assert parse_time("23:59:59.500", midnight) == midnight - 1.5


@given(st.floats(min_value=1e9, max_value=4e9))
def test_the_size_of_a_number_tells_its_unit(at: float) -> None:
    for unit in (1, 1e3, 1e6, 1e9):
        assert from_number(at * unit) == pytest.approx(at)


@given(st.text(max_size=40) | st.from_regex(times.TIME, fullmatch=True))
def test_any_text_is_a_time_or_none(text: str) -> None:
    at = parse_time(text, NOW)
    assert at is None or 946684800 <= at <= NOW + 86400
