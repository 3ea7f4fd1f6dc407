"""Syslog as it is met."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.models import Level
from relay.sources.syslog import read_syslog

NOW = datetime(2026, 11, 20, 13, tzinfo=UTC).timestamp()


def test_what_logger_writes_by_default() -> None:
    reading = read_syslog("<13>Nov 20 12:52:10 pay: hello: x", NOW)
    assert reading is not None
    assert (reading.module, reading.message, reading.level) == ("pay", "hello: x", Level.NOTICE)
    assert reading.labels == {}
    assert reading.time is not None
    assert abs(reading.time - NOW) < 86400


def test_rfc_3164_with_host_and_pid() -> None:
    reading = read_syslog("<11>Nov 20 12:52:10 web-1 pay[7527]: hello", NOW)
    assert reading is not None
    assert (reading.module, reading.message, reading.level) == ("pay", "hello", Level.ERROR)
    assert reading.labels == {"host": "web-1", "pid": "7527"}


def test_rfc_5424_with_structured_data() -> None:
    line = (
        '<130>1 2026-11-20T12:52:10.823858+00:00 vm pay 42 ID7 [timeQuality tzKnown="1" isSynced="0"]'
        r'[z@1 k="v \"w\" \] x" n="2"] ' + "\ufeffhello"
    )
    reading = read_syslog(line, NOW)
    assert reading is not None
    assert (reading.module, reading.message, reading.level) == ("pay", "hello", Level.CRITICAL)
    assert reading.time == datetime(2026, 11, 20, 12, 52, 10, 823858, tzinfo=UTC).timestamp()
    assert reading.labels == {"host": "vm", "pid": "42", "msgid": "ID7", "z@1.k": 'v "w" ] x', "z@1.n": "2"}


@pytest.mark.parametrize("tail", ["- hello", "[broken hello"])
def test_rfc_5424_with_nothing_known(tail: str) -> None:
    reading = read_syslog(f"<11>1 - - pay - - {tail}", NOW)
    assert reading is not None
    assert (reading.time, reading.module, reading.labels) == (None, "pay", {})
    assert reading.message.endswith("hello")


@pytest.mark.parametrize(
    ("line", "module", "message"),
    [
        ("Nov 20 12:52:10 web-1 systemd[1]: redis failed", "systemd", "redis failed"),
        ("2026-11-20T12:52:10.123456+08:00 web-1 pay[12]: hello", "pay", "hello"),
        ("<11>kernel panic: not syncing", "", "kernel panic: not syncing"),
        ("<11>pay[12]: hello", "pay", "hello"),
        ("<11>Nov 20 12:52:10 hello world", "", "hello world"),
        ("<13>Nov 20 12:52:10 pay: trace\n  at x", "pay", "trace\n  at x"),
    ],
)
def test_other_forms(line: str, module: str, message: str) -> None:
    reading = read_syslog(line, NOW)
    assert reading is not None
    assert (reading.module, reading.message) == (module, message)


@pytest.mark.parametrize(
    "line", ["hello", "<hello> world", "<192>Nov 20 12:52:10 pay: x", "<1234>x", "", "<>"]
)
def test_what_is_no_syslog(line: str) -> None:
    assert read_syslog(line, NOW) is None


@pytest.mark.parametrize(
    ("priority", "level"),
    [
        (8, "critical"),
        (9, "critical"),
        (10, "critical"),
        (11, "error"),
        (12, "warning"),
        (13, "notice"),
        (14, "info"),
        (15, "debug"),
        (0, "critical"),
        (191, "debug"),
    ],
)
def test_the_severity_is_the_level(priority: int, level: str) -> None:
    reading = read_syslog(f"<{priority}>x", NOW)
    assert reading is not None
    assert reading.level == Level.of(level)


@given(st.from_regex(r"<1[0-9]{0,2}>(1 )?.{0,120}", fullmatch=True))
def test_no_text_breaks_it(line: str) -> None:
    read_syslog(line, NOW)
