"""Raw events to events."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from relay.config.schema import TailSource
from relay.models import Event, Level
from relay.sources.fields import MAX_LABELS, MAX_VALUE
from relay.sources.lines import RawEvent
from relay.sources.parse import READERS, Parser, guess, module_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()
TEN = "2026-03-01T10:00:00Z"
AT = NOW - 7200


def parsed(form: str, *lines: str | bytes, cut: int = 0, **settings: Any) -> Event:
    source = TailSource(tail=("/srv/*.log",), format=form, **settings)  # type: ignore[arg-type]
    data = [line if isinstance(line, bytes) else line.encode() for line in lines]
    return Parser("shop", source).event(RawEvent(data, 1234, 2000, cut), "/srv/logs/pay.log", NOW)


PYTHON = [
    (f"{TEN} ERROR pay.refund: timeout after 3 s", "pay.refund", "timeout after 3 s"),
    (f"{TEN} - pay.refund - ERROR - timeout", "pay.refund", "timeout"),
    ("ERROR:pay.refund:timeout: x", "pay.refund", "timeout: x"),
    (f"[{TEN}] [123] [ERROR] timeout: x", "pay", "timeout: x"),
    (f"ERROR {TEN} refund 123 456 timeout: x", "refund", "timeout: x"),
    (f"ERROR {TEN} pay.refund: timeout", "pay.refund", "timeout"),
    (f"[{TEN}] ERROR in app: Exception on / [GET]", "app", "Exception on / [GET]"),
    (f"{TEN} | ERROR    | pay.refund:charge:42 - timeout", "pay.refund", "timeout"),
    (f"[{TEN}: ERROR/ForkPoolWorker-1] Task failed", "pay", "Task failed"),
    (f"[{TEN}] {{task.py:1935}} ERROR - failed", "task.py", "failed"),
    (f"[E {TEN} web:123] timeout", "web", "timeout"),
    (f"{TEN} 4567 ERROR shop odoo.http: timeout", "odoo.http", "timeout"),
    (f"{TEN} [MainThread] ERROR pay.refund: timeout", "pay.refund", "timeout"),
    (f"{TEN} [ERROR] pay.refund: timeout", "pay.refund", "timeout"),
    (f"{TEN} [error    ] timeout          [pay] k=v", "pay", "timeout          [pay] k=v"),
    (f"{TEN} pay.refund ERROR timeout", "pay.refund", "timeout"),
    (f"{TEN} ERROR timeout", "pay", "timeout"),
    ("[ERROR] pay.refund: timeout", "pay.refund", "timeout"),
    ("ERROR:    Exception in ASGI application", "pay", "Exception in ASGI application"),
    (f"{TEN} something without a level", "pay", "something without a level"),
    ("Traceback (most recent call last):", "pay", "Traceback (most recent call last):"),
]
JAVA = [
    (f"{TEN} ERROR 123 --- [main] c.e.pay.Refund : timeout", "c.e.pay.Refund", "timeout"),
    (
        f"{TEN} ERROR 123 --- [shop] [     main] c.e.pay.Refund     : timeout: x",
        "c.e.pay.Refund",
        "timeout: x",
    ),
    (f"{TEN} [main] ERROR com.x.Pay - timeout", "com.x.Pay", "timeout"),
    (f"{TEN} ERROR [main] com.x.Pay - timeout", "com.x.Pay", "timeout"),
    (f"{TEN} ERROR Pay:42 - timeout", "Pay", "timeout"),
    (f"{TEN} ERROR [main] org.apache.MRAppMaster: timeout", "org.apache.MRAppMaster", "timeout"),
    ("10:00:00.123 [main] ERROR c.x.Pay - timeout", "c.x.Pay", "timeout"),
    (f"ERROR [{TEN}] com.x.Pay: timeout", "com.x.Pay", "timeout"),
    (f"{TEN} ERROR [org.jboss.as] (main) timeout", "org.jboss.as", "timeout"),
    (f"[{TEN}][ERROR][o.e.x.Y          ] [node-1] timeout", "o.e.x.Y", "[node-1] timeout"),
    ("01-Mar-2026 10:00:00.123 SEVERE [main] org.apache.X.load timeout", "org.apache.X.load", "timeout"),
    (f"{TEN} - ERROR [QuorumPeer[myid=1]/0.0.0.0:2181:Election@774] - timeout", "Election", "timeout"),
    ("Mar 01, 2026 10:00:00 AM com.x.Pay refund\nSEVERE: timeout", "com.x.Pay", "timeout"),
    ("26/03/01 10:00:00 ERROR executor.Backend: timeout", "executor.Backend", "timeout"),
    (f"[{TEN}] ERROR timeout (kafka.server.X)", "pay", "timeout (kafka.server.X)"),
    ("SEVERE: timeout", "pay", "timeout"),
]
PLAIN = [
    ("disk full", Level.ERROR, "disk full"),
    (f"{TEN} disk full", Level.ERROR, "disk full"),
    (f"{TEN} WARN disk full", Level.WARNING, "WARN disk full"),
    (f"{TEN} db-1 WARN disk full", Level.WARNING, "db-1 WARN disk full"),
    ("[info] started", Level.INFO, "[info] started"),
    ("[core:info] [pid 1] started", Level.INFO, "[core:info] [pid 1] started"),
    ("warning: disk full", Level.WARNING, "warning: disk full"),
    ("12 [main] WARN c.x.Pay - x", Level.WARNING, "12 [main] WARN c.x.Pay - x"),
    ("ts=1 level=info msg=x", Level.INFO, "ts=1 level=info msg=x"),
    ('{"severity": "WARNING"}', Level.WARNING, '{"severity": "WARNING"}'),
    ("I0301 10:00:00.123456    1 pay.go:12] started", Level.INFO, "started"),
    ("The INFO desk was closed", Level.ERROR, "The INFO desk was closed"),
    ("we got no info: nothing", Level.ERROR, "we got no info: nothing"),
    ("debugging is fun", Level.ERROR, "debugging is fun"),
    ("information about x", Level.ERROR, "information about x"),
]


@pytest.mark.parametrize(("line", "module", "message"), PYTHON)
def test_python(line: str, module: str, message: str) -> None:
    event = parsed("python", line)
    assert (event.module, event.message, event.level) == (module, message, Level.ERROR)
    assert abs(event.time - (AT if "10:00:00" in line else NOW)) < 1


@pytest.mark.parametrize(("line", "module", "message"), JAVA)
def test_java(line: str, module: str, message: str) -> None:
    event = parsed("java", *line.split("\n"))
    assert (event.module, event.message, event.level) == (module, message, Level.ERROR)
    assert abs(event.time - (AT if "10:00:00" in line else NOW)) < 1


@pytest.mark.parametrize(("line", "level", "message"), PLAIN)
def test_plain(line: str, level: Level, message: str) -> None:
    event = parsed("plain", line)
    assert (event.level, event.message) == (level, message)


@pytest.mark.parametrize("form", ["python", "java"])
@pytest.mark.parametrize("word", ["DEBUG", "INFO", "WARN", "WARNING", "ERROR", "CRITICAL", "FATAL"])
def test_level_words(form: str, word: str) -> None:
    assert parsed(form, f"{TEN} {word} pay - x").level == Level.of(word)


def test_nginx() -> None:
    event = parsed(
        "nginx",
        "2026/03/01 10:00:00 [crit] 123#45: *67 connect() failed (111: refused), client: 1.2.3.4, server: x, "
        'request: "GET /a, b HTTP/1.1", upstream: "http://10.0.0.1/", host: "shop"',
    )
    assert (event.level, event.message) == (Level.CRITICAL, "connect() failed (111: refused)")
    assert event.labels == {
        "client": "1.2.3.4",
        "server": "x",
        "request": "GET /a, b HTTP/1.1",
        "upstream": "http://10.0.0.1/",
        "host": "shop",
    }


def test_json() -> None:
    event = parsed(
        "json",
        f'{{"ts":"{TEN}","level":"warn","logger":"pay.refund","msg":"timeout","order":7,"ok":false,"none":null,'
        '"http":{"status":502,"tags":["a","b"]}}',
    )
    assert (event.level, event.module, event.message) == (Level.WARNING, "pay.refund", "timeout")
    assert abs(event.time - AT) < 1
    assert event.labels == {"order": "7", "ok": "false", "http.status": "502", "http.tags": '["a","b"]'}


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("50", Level.ERROR),
        ("60", Level.CRITICAL),
        ("10", Level.DEBUG),
        ("3", Level.ERROR),
        ("7", Level.DEBUG),
        ('"Error"', Level.ERROR),
        ('"30"', Level.INFO),
        ("true", Level.ERROR),
        ("[1]", Level.ERROR),
    ],
)
def test_json_levels(level: str, expected: int) -> None:
    assert parsed("json", f'{{"msg":"x","level":{level}}}').level == expected


def test_json_levels_of_python_are_by_number() -> None:
    assert parsed("json", '{"msg":"x","levelno":40}').level == Level.ERROR
    assert parsed("json", '{"msg":"x","levelno":35}').level == Level.WARNING


@pytest.mark.parametrize("name", ["exception", "stack_trace", "exc_info"])
def test_json_traces_follow_the_message(name: str) -> None:
    event = parsed("json", f'{{"event":"boom","{name}":"Traceback\\n  File x\\nValueError: y"}}')
    assert event.message == "boom\nTraceback\n  File x\nValueError: y"
    assert event.labels == {}


def test_json_of_pino_and_ecs_errors() -> None:
    event = parsed(
        "json", '{"level":50,"err":{"type":"Error","message":"no route","stack":"Error: no route\\n at x"}}'
    )
    assert event.message == "no route\nError: no route\n at x"
    event = parsed(
        "json", '{"message":"m","error":{"stack_trace":"T"},"log":{"level":"info","logger":"a.b"}}'
    )
    assert (event.message, event.level, event.module) == ("m\nT", Level.INFO, "a.b")


@pytest.mark.parametrize("line", ['{"broken', "[1,2]", '{"a":1} trailing', "{" * 5000])
def test_what_is_no_json_is_plain(line: str) -> None:
    event = parsed("json", line)
    assert (event.message, event.level) == (line, Level.ERROR)


def test_controls_in_json_are_shown_and_do_not_break_it() -> None:
    event = parsed("json", '{"msg":"a\x7fb\\u001b[31mc","logger":"x\\ny","k":"\\u202e"}')
    assert (event.message, event.module, event.labels) == ("a\\x7fbc", "x y", {"k": "\\u202e"})


def test_json_without_a_message_is_its_own() -> None:
    assert parsed("json", '{"status":500}').message == '{"status":500}'


def test_labels_are_capped() -> None:
    many = ",".join(f'"k{number}":"{"v" * 3000}"' for number in range(100))
    event = parsed("json", f'{{"msg":"x",{many}}}')
    assert len(event.labels) == MAX_LABELS
    assert {len(value) for value in event.labels.values()} == {MAX_VALUE}


def test_logfmt() -> None:
    event = parsed(
        "logfmt", f'ts={TEN} level=warn component=pay msg="no \\"route\\"\\nx" order=7 empty= flag'
    )
    assert (event.level, event.module, event.message) == (Level.WARNING, "pay", 'no "route"\nx')
    assert abs(event.time - AT) < 1
    assert event.labels == {"order": "7", "empty": ""}
    assert parsed("logfmt", "no pairs here").message == "no pairs here"


def test_regex() -> None:
    pattern = r"^(?P<time>\S+) <(?P<level>\w+)> (?P<module>\w+)/(?P<order>\d+) (?P<message>.*)"
    event = parsed("regex", f"{TEN} <warn> pay/7 timeout", "  more", pattern=pattern)
    assert (event.level, event.module, event.message) == (Level.WARNING, "pay", "timeout\n  more")
    assert abs(event.time - AT) < 1
    assert event.labels == {"order": "7"}
    assert parsed("regex", "something else", pattern=pattern).message == "something else"


def test_a_pattern_that_re2_refuses() -> None:
    with pytest.raises(re2.error):
        parsed("regex", "x", pattern="(?=x)")


def test_settings_fill_what_the_line_does_not_say() -> None:
    event = parsed("plain", "x", module="gateway", level=Level.WARNING, labels={"site": "eu"})
    assert (event.module, event.level, event.labels) == ("gateway", Level.WARNING, {"site": "eu"})
    assert (event.source, event.origin, event.time) == ("shop", "/srv/logs/pay.log:1234", NOW)


def test_encodings_and_bad_bytes() -> None:
    assert parsed("plain", "磁盘已满".encode("gbk"), encoding="gbk").message == "磁盘已满"
    assert parsed("plain", b"a\xff\xfe\x00b\r").message == "a\ufffd\ufffdb"
    with pytest.raises(LookupError):
        parsed("plain", "x", encoding="no-such")


def test_a_cut_event_is_marked() -> None:
    assert parsed("plain", "long", cut=99).message == "long … [99 bytes cut]"


def test_colours_do_not_hide_a_header() -> None:
    event = parsed("python", f"\x1b[31m{TEN} ERROR pay.refund:\x1b[0m timeout")
    assert (event.module, event.message) == ("pay.refund", "timeout")


def test_an_absurd_time_is_now() -> None:
    assert parsed("python", "2036-03-01 10:00:00 ERROR pay: x").time == NOW
    assert parsed("python", "1970-01-01 00:00:00 ERROR pay: x").time == NOW


@pytest.mark.parametrize(
    ("path", "module"),
    [
        ("/a/app.log", "app"),
        ("/a/app", "app"),
        ("/a/app.log.1", "app"),
        ("/a/app.log-20260301.gz", "app"),
        ("/a/app-2026-03-01.log", "app"),
        ("/a/worker-12.log", "worker-12"),
        ("/a/*.log", ""),
        ("", ""),
    ],
)
def test_a_file_names_its_module(path: str, module: str) -> None:
    assert module_of(path) == module


@given(
    st.sampled_from(sorted(READERS)),
    st.text(max_size=300) | st.text(" []{}:=-|,.09aEROR\n\"'\\<>", max_size=120),
)
def test_no_text_breaks_a_format(form: str, text: str) -> None:
    event = parsed(form, text)
    assert "\x1b" not in event.message + event.module


def test_guess_takes_the_examples_of_rules_yaml() -> None:
    event = guess("2026-03-01 10:00:00,123 ERROR pay.refund: timeout after 3000 ms", "", [], NOW)
    assert (event.module, event.level, event.message) == ("pay.refund", Level.ERROR, "timeout after 3000 ms")


def test_guess_prefers_the_sources_own_format() -> None:
    nginx = TailSource(tail=("/var/log/nginx/error.log",), format="nginx", module="gateway")
    other = TailSource(tail=("/srv/other.log",), format="regex", pattern="^!(?P<message>.*)")
    settings = [("gateway", nginx), ("other", other)]
    event = guess("2026/03/01 10:00:00 [error] 1#1: boom", "", settings, NOW)
    assert (event.source, event.module, event.message) == ("gateway", "gateway", "boom")
    event = guess("!boom", "", settings, NOW)
    assert (event.source, event.module, event.message) == ("other", "other", "boom")
    event = guess("boom", "gateway", settings, NOW)
    assert (event.source, event.module, event.message) == ("gateway", "gateway", "boom")


@pytest.mark.parametrize("line", [line for line, *_ in (*PYTHON, *JAVA)])
def test_guess_finds_as_much_as_the_format_itself(line: str) -> None:
    known = max(
        (parsed(form, *line.split("\n")).module != "pay" for form in ("python", "java")), default=False
    )
    assert (guess(line, "", [], NOW).module != "") >= known


def test_guess_of_prose_is_plain() -> None:
    event = guess("just some words", "", [], NOW)
    assert (event.message, event.level, event.module, event.time) == ("just some words", Level.ERROR, "", NOW)
