"""Stack traces are joined to their first line."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config.schema import TailSource
from relay.sources.lines import RawEvent, RawLine
from relay.sources.multiline import ALONE, JOINED, Joiner

HEAD = "2026-03-01 10:00:00,123 ERROR pay: boom"


def joiner(form: str = "python", **settings: Any) -> Joiner:
    return Joiner(TailSource(tail=("x",), format=form, **settings))  # type: ignore[arg-type]


def fed(joiner: Joiner, *lines: str, now: float = 0.0, offset: int = 0) -> list[RawEvent]:
    events: list[RawEvent] = []
    for line in lines:
        data = line.encode()
        events += joiner.feed(RawLine(data, offset, offset + len(data) + 1), now)
        offset += len(data) + 1
    return events


def joined(form: str, text: str, **settings: Any) -> list[str]:
    """The events of a text, in which a line `--` marks where each should end."""
    lines = [line for line in text.split("\n") if line != "--"]
    one = joiner(form, **settings)
    events = fed(one, *lines)
    last = one.flush()
    return [b"\n".join(event.lines).decode().rstrip() for event in [*events, *([last] if last else [])]]


def expected(text: str) -> list[str]:
    return [part.rstrip() for part in text.split("\n--\n")]


PYTHON = f"""{HEAD}
Traceback (most recent call last):
  File "a.py", line 1, in f
    g()
ValueError: bad
and its second line

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 3, in h
KeyError: 'x'
--
{HEAD}
--
ERROR:root:no traceback
--
INFO:     started
--
ERROR:root:with one
Traceback (most recent call last):
  File "a.py", line 1, in f
pay.errors.DeclinedError
--
Traceback (most recent call last):
  File "b.py", line 1, in f
The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "b.py", line 9, in f
KeyboardInterrupt
--
a stray print
--
what a program prints before its trace
Traceback (most recent call last):
  File "b.py", line 1, in f
ValueError
--
[2026-03-01 10:00:00 +0000] [123] [ERROR] last"""

JAVA = """2026-03-01 10:00:00.123 ERROR 123 --- [main] c.e.pay.Refund : boom
java.lang.IllegalStateException: no money
\tat c.e.pay.Refund.run(Refund.java:12)
\t... 12 more
Caused by: java.io.IOException: closed
\tat c.e.pay.Net.read(Net.java:1)
\tSuppressed: java.lang.Error
--
10:00:00.123 [main] ERROR c.x.Pay - one
  two
three
--
Mar 01, 2026 10:00:00 AM com.x.Pay refund
SEVERE: boom
java.lang.Error: x
\tat y
--
Mar 01, 2026 10:00:00 AM com.x.Pay refund
INFO: fine
--
SEVERE: alone"""

PLAIN = """disk full
--
disk still full
Traceback (most recent call last):
  File "b.py", line 1, in f
ValueError: bad
--
boom
    at x.y(z.js:1:2)
    at y
--
2026-03-01 10:00:00 boom
java.lang.Error: x
    at y
Caused by: z
--
done"""


@pytest.mark.parametrize(("form", "text"), [("python", PYTHON), ("java", JAVA)])
def test_traces_are_one_event(form: str, text: str) -> None:
    assert joined(form, text) == expected(text)


def test_plain_joins_where_it_is_told_to() -> None:
    assert joined("plain", PLAIN, multiline=True) == expected(PLAIN)
    assert joined("plain", PLAIN) == [line for line in PLAIN.split("\n") if line != "--"]


def test_other_formats_join_what_is_not_of_the_format() -> None:
    text = '{"msg":"a"}\nstray\n--\n{"msg":"b",' + '"x":"' + "y" * 2000 + '"}'
    assert joined("json", text, multiline=True) == expected(text)
    text = "Nov 20 12:52:10 web pay: a\nmore\n--\nNov 20 12:52:10 web pay: b"
    assert joined("syslog", text, multiline=True) == expected(text)
    text = "!a\nmore\n--\n!b"
    assert joined("regex", text, multiline=True, pattern="^!(?P<message>.*)") == expected(text)


def test_python_without_multiline() -> None:
    assert joined("python", f"{HEAD}\nTraceback", multiline=False) == [HEAD, "Traceback"]


def test_a_lone_line_waits_little_and_a_trace_longer() -> None:
    one = joiner()
    assert (one.due(), one.pending_offset) == (None, None)
    fed(one, HEAD, now=5.0, offset=100)
    assert (one.due(), one.pending_offset) == (5.0 + ALONE, 100)
    fed(one, "", now=5.001)
    assert one.due() == 5.0 + ALONE  # a blank line is no sign of a trace
    fed(one, "Traceback (most recent call last):", now=5.002)
    assert one.due() == 5.002 + JOINED
    fed(one, "  File x", now=5.1)
    assert one.due() == 5.1 + JOINED
    assert one.flush() is not None
    assert (one.due(), one.pending_offset, one.flush()) == (None, None, None)


def test_the_setting_says_how_long() -> None:
    one = joiner(flush_after=3.0)
    fed(one, HEAD)
    assert one.due() == 3.0
    fed(one, "  more", now=1.0)
    assert one.due() == 4.0


def test_offsets_are_the_files() -> None:
    one = joiner()
    (event,) = fed(one, "", HEAD, "  more", "", HEAD, offset=50)
    start = 51
    end = start + len(HEAD) + 1 + len("  more") + 1 + 1
    assert (event.offset, event.end) == (start, end)
    assert one.pending_offset == end


def test_blank_lines_are_no_events() -> None:
    assert fed(joiner(), "", "  ") == []
    assert [event.lines for event in fed(joiner("plain"), "", "a", "\t", "b")] == [[b"a"], [b"b"]]


def test_a_long_event_is_cut_in_bounded_memory() -> None:
    one = joiner(max_event=100)
    fed(one, HEAD, *["  " + "x" * 40] * 1000)
    event = one.flush()
    assert event is not None
    assert sum(len(line) + 1 for line in event.lines) <= 102
    assert event.cut == len(HEAD) + 42 * 1000 - sum(len(line) for line in event.lines)


def test_what_was_cut_from_lines_is_counted() -> None:
    one = joiner()
    one.feed(RawLine(HEAD.encode(), 0, 100, 7), 0.0)
    one.feed(RawLine(b"  more", 100, 200, 5), 0.0)
    event = one.flush()
    assert event is not None
    assert event.cut == 12


LINES = st.sampled_from(
    ["", HEAD, "ERROR:a:b", "  File x", "Traceback (most recent call last):", "ValueError: x", "plain"]
)


@given(st.lists(LINES, max_size=30), st.sampled_from(["python", "java", "plain", "json"]), st.booleans())
def test_no_line_is_lost_or_moved(lines: list[str], form: str, multiline: bool) -> None:  # noqa: FBT001
    one = joiner(form, multiline=multiline)
    events = fed(one, *lines)
    if last := one.flush():
        events.append(last)
    assert [line for event in events for line in event.lines if line] == [
        line.encode() for line in lines if line
    ]
    ends = [0, *(event.end for event in events)]
    assert all(before <= event.offset < event.end for before, event in zip(ends, events, strict=False))


@pytest.mark.parametrize("line", [b"\x00\x00", "\u200b".encode(), b"\x1b[0m"])
@pytest.mark.parametrize("format_", ["plain", "python"])
def test_a_line_of_nothing_to_see_stops_nothing(line: bytes, format_: str) -> None:
    joiner = Joiner(TailSource(tail=("/x",), format=format_, multiline=True))  # type: ignore[arg-type]
    first = b"2026-03-01 10:00:00 ERROR a: b"
    assert joiner.feed(RawLine(first, 0, len(first) + 1), 0.0) == []
    joiner.feed(RawLine(line, 40, 40 + len(line)), 0.0)
    assert joiner.flush() is not None
