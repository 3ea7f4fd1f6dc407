"""Entries as events: whose they are, how bad, and what their text adds."""

import os
from typing import Any

import pytest

from relay.config.schema import Journal, JournalSource
from relay.models import Event, Level
from relay.sources.export import Fields
from relay.sources.journal_entry import Entry, EntryReader, Own
from relay.sources.journal_events import HOLD, EntryEvents

NOW = 1_767_600_100.0


def entry(message: str | bytes = "boom", **fields: str) -> Entry:
    raw = message if isinstance(message, bytes) else message.encode()
    usual = {
        "__CURSOR": "s=1;i=2",
        "__REALTIME_TIMESTAMP": "1767600000123456",
        "_PID": "12",
        "_SYSTEMD_UNIT": "pay.service",
        "SYSLOG_IDENTIFIER": "python3",
        "_HOSTNAME": "shop1",
        "_TRANSPORT": "stdout",
        "_STREAM_ID": "a",
        "PRIORITY": "6",
    }
    values = {name: value.encode() for name, value in (usual | fields).items()}
    return Entry.of(Fields(values | {"MESSAGE": raw}))


def event(given: Entry, **settings: Any) -> Event:
    reader = EntryReader("j", JournalSource(**{"journal": Journal()} | settings))
    return reader.event(given, given.message.split(b"\n"), given.cut, NOW)


def test_what_an_entry_becomes() -> None:
    found = event(entry(), labels={"team": "pay"})
    assert (found.module, found.message, found.time) == ("pay", "boom", 1767600000.123456)
    assert found.labels == {"unit": "pay.service", "pid": "12", "host": "shop1", "team": "pay"}
    assert found.origin == "journal pay.service"
    assert event(entry(), journal=Journal(name="identifier")).module == "python3"
    assert event(entry(), module="fixed").module == "fixed"
    assert event(entry(_SYSTEMD_UNIT="session-3.scope", SYSLOG_IDENTIFIER="sudo")).module == "sudo"
    assert event(entry(_SYSTEMD_UNIT="", SYSLOG_IDENTIFIER="kernel")).module == "kernel"


@pytest.mark.parametrize(
    ("fields", "text", "level"),
    [
        ({"PRIORITY": "6"}, "2026-03-01 10:00:00,123 ERROR pay: x", Level.ERROR),  # printed: the text knows
        ({"PRIORITY": "3"}, "no level here", Level.ERROR),
        ({"PRIORITY": "6"}, "no level here", Level.INFO),
        ({"PRIORITY": "4", "_TRANSPORT": "syslog"}, "ERROR says the text", Level.WARNING),  # a logger's word
        ({"PRIORITY": "0", "_TRANSPORT": "kernel"}, "panic", Level.CRITICAL),
        ({"PRIORITY": ""}, "nobody says", Level.INFO),
        ({"PRIORITY": "77"}, "nonsense", Level.INFO),
    ],
)
def test_levels(fields: dict[str, str], text: str, level: Level) -> None:
    assert event(entry(text, **fields), format="python").level is level


def test_bytes_that_are_no_text_and_harmful_ones_are_made_safe() -> None:
    found = event(entry(b"\xff\xfe\x1b[31mred\x00", _TRANSPORT="journal"))
    assert found.message == "\ufffd\ufffdred"
    assert event(entry("x", _SYSTEMD_UNIT="a\x1b[2J\n.service")).labels["unit"] == "a .service"


def test_absurd_numbers_do_no_harm() -> None:
    odd = entry(__REALTIME_TIMESTAMP="x", _SOURCE_REALTIME_TIMESTAMP="99999999999999999999")
    assert event(odd).time == NOW


def test_what_systemd_says_of_a_unit_is_that_units() -> None:
    assert entry(_PID="1", _SYSTEMD_UNIT="init.scope", UNIT="orders.service").unit == "orders.service"
    # anybody may write UNIT=; only of process 1 is it believed
    assert entry(_PID="77", _SYSTEMD_UNIT="evil.service", UNIT="orders.service").unit == "evil.service"
    assert entry(_UID="0", COREDUMP_UNIT="orders.service").unit == "orders.service"
    assert entry(_UID="1000", COREDUMP_UNIT="orders.service").unit == "pay.service"


def test_globs_name_units_that_come_later() -> None:
    reader = EntryReader("j", JournalSource(journal=Journal(units=("shop-*", "pay"))))
    assert reader.wants(entry(_SYSTEMD_UNIT="shop-7.service"))
    assert reader.wants(entry())
    assert not reader.wants(entry(_SYSTEMD_UNIT="other.service"))


OWN = Own(unit="relay.service", machine="m1", pid="999", boot="b2")


def events_of(**settings: Any) -> EntryEvents:
    reader = EntryReader("j", JournalSource(**{"journal": Journal()} | settings))
    return EntryEvents(reader, OWN)


def test_relays_own_entries_are_skipped() -> None:
    events = events_of()
    events.take(entry("delivery_postponed", _SYSTEMD_UNIT="relay.service"), NOW, 1.0)
    events.take(entry("delivery_postponed", _PID="999"), NOW, 1.0)
    assert (events.handed(NOW, 1.0), events.skipped) == (([], 0), 2)


@pytest.mark.parametrize(
    "fields",
    [
        {"_PID": "999", "_BOOT_ID": "b1"},  # before the host was started anew: another process had the number
        {"_PID": "999", "_BOOT_ID": "x1", "_MACHINE_ID": "m2"},
        {"_SYSTEMD_UNIT": "relay.service", "_MACHINE_ID": "m2", "_BOOT_ID": "x1"},
    ],
)
def test_entries_of_others_that_look_like_relays_own_are_read(fields: dict[str, str]) -> None:
    events = events_of()
    events.take(entry("cannot charge", _TRANSPORT="journal", **fields), NOW, 1.0)
    events.take(entry("own", _PID="999", _BOOT_ID="b2", _MACHINE_ID="m1"), NOW, 1.0)
    events.take(entry("own", _SYSTEMD_UNIT="relay.service", _MACHINE_ID="m1", _BOOT_ID="b1"), NOW, 1.0)
    handed = events.handed(NOW, 1.0)
    assert handed is not None
    assert [each.message for each in handed[0]] == ["cannot charge"]
    assert events.skipped == 2


def test_lines_of_one_stream_are_joined_and_others_wait_for_them() -> None:
    events = events_of(format="python")
    events.take(entry("2026-03-01 10:00:00,123 ERROR pay.card: cannot charge"), NOW, 1.0)
    events.take(entry("alone", _TRANSPORT="syslog", _STREAM_ID=""), NOW, 1.001)
    events.take(entry("Traceback (most recent call last):"), NOW, 1.002)
    events.take(entry("2026-03-01 10:00:00,200 ERROR other: too", _STREAM_ID="b"), NOW, 1.003)
    events.take(entry("ValueError: no"), NOW, 1.004)
    assert events.handed(NOW, 1.005) is None
    assert 1.005 < events.due() <= 1.0 + HOLD
    handed = events.handed(NOW, 1.3)
    assert handed is not None
    messages = {each.module: each.message for each in handed[0]}
    assert messages["pay.card"] == "cannot charge\nTraceback (most recent call last):\nValueError: no"
    assert messages["other"] == "too"
    assert "alone" in messages.values()
    assert all(not stream.first for stream in events._streams.values())


def test_a_stream_that_never_ends_its_event_holds_the_others_only_for_so_long() -> None:
    events = events_of(format="python")
    events.take(entry("Traceback (most recent call last):"), NOW, 1.0)
    for step in range(1, 60):
        events.take(entry(f'  File "a{step}.py"'), NOW, 1.0 + step / 100)
        if events.handed(NOW, 1.0 + step / 100) is not None:
            assert step / 100 >= HOLD
            return
    raise AssertionError("held for ever")


def test_blank_lines_are_no_events() -> None:
    events = events_of()
    events.take(entry("  "), NOW, 1.0)
    events.take(entry("", _TRANSPORT="journal"), NOW, 1.0)
    assert events.handed(NOW, 1.0) == ([], 2)


def test_this_process_knows_itself() -> None:
    own = Own.now()
    assert own.unit == "" or own.unit.endswith(".service")
    assert own.pid == str(os.getpid())
    assert len(own.boot) == 32  # as the journal writes it, without dashes
