"""Lines of the socket to events and answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.models import Event, Level
from relay.sources.framing import TOO_LONG
from relay.sources.peer import Peer
from relay.sources.wire import Answer, Lines, Taken

NOW = 1_772_366_400.0
PEER = Peer.of(12, 1000, 100, "shop")


def take(line: bytes | str, **settings: Any) -> Taken:
    data = line.encode() if isinstance(line, str) else line
    return Lines(source="apps", max_line=1000, **settings).take(data, PEER, NOW)


def event_of(line: bytes | str, **settings: Any) -> Event:
    taken = take(line, **settings)
    assert taken.event is not None, taken
    return taken.event


def error_of(line: bytes | str) -> str:
    taken = take(line)
    assert taken.event is None
    assert taken.answer is not None
    assert not taken.answer.ok
    assert taken.fault
    return taken.answer.error


def test_a_whole_json_event() -> None:
    taken = take(
        '{"module":"pay","level":"warn","message":"slow","time":1772366399.5,"labels":{"host":"a"},"id":"x1"}'
    )
    assert taken.answer == Answer(True, "x1")
    assert taken.event == Event(
        time=NOW - 0.5,
        source="apps",
        module="pay",
        level=Level.WARNING,
        message="slow",
        labels={"host": "a"},
        origin="pid 12 uid 1000 gid 100 shop",
        id="x1",
        program="1000/shop",
    )


def test_the_least_json_event() -> None:
    taken = take('{"message":"boom"}')
    assert taken.answer is None
    assert taken.event is not None
    assert (taken.event.level, taken.event.module, taken.event.time) == (Level.ERROR, "shop", NOW)


def test_null_is_as_good_as_absent() -> None:
    taken = take('{"message":"boom","module":null,"level":null,"time":null,"labels":null,"id":null}')
    assert taken.event == take('{"message":"boom"}').event
    assert taken.answer is None


def test_unknown_keys_become_labels_and_given_labels_win() -> None:
    event = event_of(
        '{"message":"m","host":"a","order":7,"http":{"status":502},"labels":{"host":"b"},"none":null}'
    )
    assert event.labels == {"host": "b", "order": "7", "http.status": "502"}
    assert next(iter(event.labels)) == "host"


def test_the_sources_labels_win() -> None:
    assert event_of('{"message":"m","site":"x"}', labels={"site": "eu"}).labels == {"site": "eu"}
    assert event_of("plain", labels={"site": "eu"}).labels == {"site": "eu"}


def test_the_payload_cannot_say_who_it_is() -> None:
    event = event_of('{"message":"m","origin":"pid 1","program":"0/root","source":"x","uid":0}')
    assert (event.origin, event.program, event.source) == (PEER.origin, PEER.program, "apps")


def test_an_id_is_echoed_as_given() -> None:
    taken = take('{"message":"m","id":7}')
    assert taken.answer == Answer(True, 7)
    assert taken.event is not None
    assert taken.event.id == "7"


@pytest.mark.parametrize("at", ['"2026-03-01T12:00:00Z"', "1772366400", "1772366400000", '"1772366400"'])
def test_times(at: str) -> None:
    assert event_of(f'{{"message":"m","time":{at}}}').time == NOW


@pytest.mark.parametrize("at", ["0", "99999999999", '"1970-01-01T00:00:00Z"'])
def test_an_absurd_time_is_now(at: str) -> None:
    assert event_of(f'{{"message":"m","time":{at}}}').time == NOW


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"module":"pay"}', ["message is missing or empty"]),
        ('{"message":" \\n"}', ["message is missing or empty"]),
        ('{"message":5}', ["message is 5", "a text"]),
        ('{"message":"m","module":["a"]}', ['module is ["a"]', "a text"]),
        ('{"message":"m","level":"eror"}', ['level is "eror"', "warning error critical"]),
        ('{"message":"m","level":40}', ["level is 40"]),
        ('{"message":"m","time":"yesterday"}', ['time is "yesterday"', "ISO 8601"]),
        ('{"message":"m","time":true}', ["time is true"]),
        ('{"message":"m","labels":[1]}', ["labels is [1]", "an object"]),
        ('{"message":"m","id":{"a":1}}', ['id is {"a":1}', "a text"]),
        ('{"message":"m","id":""}', ['id is ""']),
        ('{"message":"m","id":1.5}', ["id is 1.5"]),
        ('{"message":"m","labels":"' + "x" * 500 + '"}', ["labels is", "…"]),
        ('{"message":"m"', ["not a JSON object"]),
        ('{"message":"m"} {}', ["not a JSON object"]),
        ('{"message":NaN}', ["not a JSON object"]),
        ('{"a":' * 5000, ["nested too deeply"]),
        (b'{"message":"\xff"}', ["not UTF-8", "0xff"]),
        (b"plain \xff", ["not UTF-8", "0xff", "6"]),
        (b"<13>pay \xff", ["not UTF-8"]),
    ],
)
def test_a_bad_line_is_told_what_and_why(line: bytes | str, words: list[str]) -> None:
    error = error_of(line)
    for word in words:
        assert word in error
    assert len(error) < 300


def test_a_bad_line_keeps_its_id() -> None:
    assert take('{"message":5,"id":"x1"}').answer == Answer(False, "x1", "message is 5, but must be a text")


def test_a_long_line() -> None:
    taken = Lines(source="apps", max_line=1000).take(TOO_LONG, PEER, NOW)
    assert taken.answer == Answer(False, None, "the line is longer than 1000 bytes")


def test_plain_text() -> None:
    event = event_of("disk \x1b[31mfull\x1b[0m\r")
    assert (event.message, event.level, event.module) == ("disk full", Level.ERROR, "shop")
    assert event_of("<b>no syslog</b>").message == "<b>no syslog</b>"


def test_syslog() -> None:
    event = event_of("<12>Mar  1 12:00:00 pay[7]: slow")
    assert (event.message, event.level, event.module) == ("slow", Level.WARNING, "pay")
    assert event.labels == {"pid": "7"}
    assert event_of("<11>no tag").module == "shop"


@pytest.mark.parametrize("line", ["", "  ", "\r", "\x1b[0m", "<13>Mar  1 12:00:00 pay: "])
def test_a_blank_line_is_nothing(line: str) -> None:
    assert take(line) == Taken()


def test_a_process_without_a_name() -> None:
    nameless = Lines(source="apps", max_line=1000).take(b"x", Peer.of(9, 0, 0, ""), NOW)
    assert nameless.event is not None
    assert (nameless.event.module, nameless.event.program) == ("apps", "0/")
    assert nameless.event.origin == "pid 9 uid 0 gid 0"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["message", "module", "level", "time", "labels", "id"]) | st.text(max_size=8)


@given(st.dictionaries(KEYS, VALUES, max_size=8) | st.just({}))
def test_any_json_object_is_an_event_or_told_why(members: dict[str, Any]) -> None:
    taken = take(json.dumps(members))
    assert (taken.event is None) == bool(taken.fault)
    if taken.event is None:
        assert taken.answer is not None
        assert taken.answer.error


@given(st.binary(max_size=100) | st.binary(max_size=60).map(lambda data: b"{" + data))
def test_any_bytes_are_taken_or_told_why(line: bytes) -> None:
    taken = Lines(source="apps", max_line=1000).take(line, PEER, NOW)
    assert taken.event is None or taken.event.message
