"""What comes through the scan is what every line read by itself gives: the same events for the same rules."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from relay.config.patterns import message_text, name_text
from relay.config.schema import Config, Match, Rule, TailSource
from relay.models import Event, Level
from relay.routing.ruleset import Ruleset
from relay.scan import engine
from relay.scan.engine import Re2
from relay.sources.lines import readable
from relay.sources.parse import Parser, module_of
from relay.sources.reader import Reader
from relay.sources.scan.sieve import Sieve, Sieves

NOW = 1_772_359_200.0
PATH = "/srv/logs/shop.log"

MODULES = ["pay.refund", "pay", "payload", "shop.cart", "com.x.Pay", "auth", "gate-way", "shop"]
LEVELS = [
    "INFO",
    "DEBUG",
    "WARN",
    "WARNING",
    "ERROR",
    "CRITICAL",
    "FATAL",
    "NOTICE",
    "info",
    "Error",
    "TRACE",
]
WORDS = [
    *(
        "timeout",
        "after",
        "3000",
        "ms",
        "deadlock",
        "ERROR",
        "error",
        "INFO",
        "pay",
        "pay.refund",
        "超时",
        "支付失败",
        "é",
    ),
    *(
        "ſtart",
        "K8s",
        "\u212a8s",
        "a|b",
        "\\",
        "Ёлка",
        "[error]",
        "level=error",
        "\x1b[31m",
        "\u200b",
        "\ufffd",
        "\x00",
        "\t",
    ),
    *("code=500", "code=404", "x" * 90, "Exception", "user_1"),
]
HEADERS: dict[str, list[str]] = {
    "python": [
        "2026-03-01 10:00:00,123 {l} {m}: ",
        "2026-03-01 10:00:00,123 - {m} - {l} - ",
        "2026-03-01 10:00:00 | {l}    | {m}:f:42 - ",
        "[2026-03-01 10:00:00,123: {l}/Fork-1] ",
        "[E 2026-03-01 10:00:00.123 {m}:123] ",
        "[I 2026-03-01 10:00:00.123 {m}:123] ",
        "2026-03-01 10:00:00,123 [Main] {l} {m}: ",
        "[2026-03-01 10:00:00] {l} in {m}: ",
        "2026-03-01 10:00:00 [{l}] {m}: ",
        "{l}:{m}:",
        "[{l}] {m}: ",
        "{l}: ",
        "{l} 2026-03-01 10:00:00,123 {m}: ",
        "2026-03-01 10:00:00 ",
        "Mar  1 10:00:00 host {m}: ",
        "10:00:00{l} ",
    ],
    "java": [
        "2026-03-01 10:00:00.123  {l} 123 --- [    main] {m}    : ",
        "2026-03-01 10:00:00,123 - {l} [Quorum[myid=1]/0:0:Election@774] - ",
        "2026-03-01 10:00:00,123 {l} [{m}] (main) ",
        "[2026-03-01T10:00:00,123][{l} ][{m}  ] [node-1] ",
        "10:00:00.123 [main] {l} {m} - ",
        "{l} [2026-03-01 10:00:00,123] {m}: ",
        "01-Mar-2026 10:00:00.123 {l} [main] {m}.load ",
        "Mar 01, 2026 10:00:00 AM {m} refund\n{l}: ",
        "26/03/01 10:00:00 {l} {m}: ",
        "{l}: ",
        "10:00:00.123 ",
    ],
    "nginx": ["2026/03/01 10:00:00 [{l}] 123#45: *67 ", "2026/03/01 10:00:00 [error] 1#1: ", "10.0.0.1 - - "],
    "plain": [
        "2026-03-01 10:00:00,123 {l} {m}: ",
        "2026-03-01T10:00:00Z [{l}] ",
        "081109 203615 148 {l} {m}: ",
        "{l} ",
        "{l}: ",
        "I0301 10:00:00.123456   12 {m}:33] ",
        "E0301 10:00:00.123456   12 {m}:33] ",
        "10:00:00 [main] {l} ",
        "<{l}> ",
        "",
        "Mar  1 10:00:00 host {m}[12]: ",
    ],
    "syslog": [
        "<131>Mar  1 10:00:00 host {m}[12]: ",
        "<134>1 2026-03-01T10:00:00Z host {m} 1 - - ",
        "Mar  1 10:00:00 h {m}: ",
    ],
}
HEADERS["json"] = HEADERS["logfmt"] = HEADERS["plain"]
HEADERS["regex"] = ["10:00:00 {l} {m} | ", "{l}|{m}|", ""]
PATTERN = r"^(?:[\d:]+ )?(?P<level>\w+)[ |](?P<module>[\w.-]+) ?\| ?(?P<message>\S* ?\S*)"
CONTINUED = [
    "\tat {m}.f(F.java:12)",
    "Caused by: java.lang.IllegalStateException: {w}",
    '  File "/srv/a.py", line 3, in f',
    "Traceback (most recent call last):",
    "ValueError: {w}",
    "",
    "{w} {w}",
    "\x1b[0m2026-03-01 10:00:00,123 ERROR {m}: {w}",
]
PATTERNS = [
    *(
        "timeout",
        "deadlock",
        "/time.?out/i",
        "/timeout after \\d+ ms/",
        "/超时|支付/",
        "/\\bpay\\b/",
        "/k8s/i",
        "/[^|]{3}b/",
    ),
    *(
        "/code=[45]\\d\\d/",
        "/^ERROR/",
        "/Exception.*State/",
        "/(?s)timeout.*ms/",
        "/start/i",
        "/\\w+/",
        "/x{80,}/",
        "/a\\|b/",
    ),
    *(
        "/é|ё/i",
        "/[[:alpha:]]+_1/",
        "/ms$/",
        "/after\\s+3000/",
        "支付失败",
        "/State: timeout\\s+at/",
        "/\\x{fffd}/",
        "/\\\\/",
    ),
]
NAMES = [
    "pay.*",
    "pay",
    "*.refund",
    "com.x.*",
    "/pay.*/",
    "/(?i)PAY|AUTH/",
    "shop",
    "shop.*",
    "gate?way",
    "nothing.*",
]


def rules_of(rng: random.Random) -> list[Rule]:
    rules = []
    for number in range(rng.randint(1, 5)):
        match: dict[str, Any] = {}
        if rng.random() < 0.6:
            match["message"] = tuple(message_text(text) for text in rng.sample(PATTERNS, rng.randint(1, 2)))
        if rng.random() < 0.5:
            match["module"] = tuple(name_text(text) for text in rng.sample(NAMES, rng.randint(1, 2)))
        if rng.random() < 0.6 or not match:
            match["level"] = rng.choice([Level.INFO, Level.WARNING, Level.ERROR, Level.ERROR, Level.CRITICAL])
        rules.append(Rule(name=f"r{number}", match=Match(**match), continue_=True))
    return rules


def structured(rng: random.Random, format_: str, fill: dict[str, str], said: str) -> str:
    """A line of named members, as several libraries write them."""
    members: dict[str, Any] = {"time": "2026-03-01T10:00:00Z"}
    if rng.random() < 0.8:
        members[rng.choice(["level", "level", "severity", "lvl"])] = rng.choice(
            [fill["l"], fill["l"], 30, 50, "3"]
        )
    if rng.random() < 0.7:
        members[rng.choice(["module", "logger", "name"])] = fill["m"]
    members[rng.choice(["msg", "message", "error"])] = said
    if rng.random() < 0.3:
        members["stack_trace"] = f"java.lang.X: {fill['w']}\n\tat {fill['m']}.f(F.java:1)"
    if rng.random() < 0.3:
        members["ctx"] = {"level": "error", "user": fill["w"]}
    names = list(members)
    rng.shuffle(names)
    members = {name: members[name] for name in names}
    if format_ == "json":
        return json.dumps(members, ensure_ascii=rng.random() < 0.5)
    members.pop("ctx", None)
    return " ".join(f"{name}={_logfmt(str(value))}" for name, value in members.items())


def _logfmt(value: str) -> str:
    return (
        value
        if value.isalnum()
        else '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    )


def lines_of(rng: random.Random, format_: str, count: int) -> Iterator[str]:
    headers = rng.sample(HEADERS[format_], min(len(HEADERS[format_]), rng.randint(1, 4)))
    levels = rng.sample(LEVELS, rng.randint(1, 4))
    continues = rng.choice([0.0, 0.2, 0.6])
    for _ in range(count):
        fill = {"m": rng.choice(MODULES), "l": rng.choice(levels), "w": rng.choice(WORDS)}
        said = " ".join(rng.choices(WORDS, k=rng.randint(0, 6)))
        if rng.random() < continues:
            yield rng.choice(CONTINUED).format(**fill)
        elif format_ in {"json", "logfmt"} and rng.random() < 0.8:
            yield structured(rng, format_, fill, said)
        else:
            yield rng.choice(headers).format(**fill) + said


def read(data: bytes, cuts: list[int], source: TailSource, sieve: Sieve | None) -> list[Event]:
    parser = Parser("app", readable(source))
    reader = Reader(source, parser, data[:4], 0)
    events, before = [], 0
    for cut in [*sorted(cuts), len(data)]:
        events += reader.feed(data[before:cut], PATH, NOW, 0.0, sieve)
        before = cut
    return events + reader.finish(PATH, NOW, 0.0, sieve)


def pairs(events: list[Event], ruleset: Ruleset) -> list[tuple[str, Event]]:
    return [(rule.name, event) for event in events for rule in ruleset.route(event)]


def check(seed: int, format_: str, encoding: str, **other: Any) -> None:
    """Whatever the seed makes of lines, rules and slices: both ways give the same."""
    rng = random.Random(seed)
    rules = rules_of(rng)
    source = TailSource(
        tail=(PATH,),
        format=format_,  # type: ignore[arg-type]
        encoding=encoding,
        pattern=PATTERN if format_ == "regex" else "",
        level=rng.choice([None, None, Level.INFO]),
        module=rng.choice(["", "", "auth"]),
        max_line=rng.choice([1024, 65536]),
        **other,
    )
    end = rng.choice(["\n", "\n", "\r\n"])
    text = end.join(lines_of(rng, format_, rng.choice([20, 200, 600]))) + rng.choice(["", end])
    data = text.encode(encoding, "replace")
    if rng.random() < 0.3:
        data = data.replace(b"after", b"\xff\xfe", 3)
    cuts = [rng.randint(0, len(data)) for _ in range(rng.choice([0, 0, 1, 3]))]
    ruleset = Ruleset(Config(rules=tuple(rules)))
    sieves = Sieves("app", readable(source), rules)
    sieve = sieves.of_module(source.module or module_of(PATH))
    wanted = pairs(read(data, cuts, source, None), ruleset)
    assert pairs(read(data, cuts, source, sieve), ruleset) == wanted


FORMATS = list(HEADERS)
PHASES = (Phase.explicit, Phase.generate)  # a seed has no smaller form


@pytest.mark.parametrize("format_", FORMATS)
@settings(max_examples=40, phases=PHASES, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_the_scan_finds_what_every_line_by_itself_gives(seed: int, format_: str) -> None:
    check(seed, format_, "utf-8")


@pytest.mark.parametrize("encoding", ["gbk", "gb18030", "latin-1", "cp1251", "utf-16", "big5", "iso2022_jp"])
@settings(max_examples=8, phases=PHASES, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), format_=st.sampled_from(FORMATS))
def test_in_any_encoding(seed: int, format_: str, encoding: str) -> None:
    check(seed, format_, encoding)


@pytest.mark.parametrize("multiline", [True, False])
@settings(max_examples=20, phases=PHASES, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), format_=st.sampled_from(FORMATS))
def test_joined_or_not(seed: int, format_: str, multiline: bool) -> None:  # noqa: FBT001 - a test's parameter
    check(seed, format_, "utf-8", multiline=multiline)


@settings(max_examples=20, phases=PHASES, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), format_=st.sampled_from(FORMATS))
def test_without_hyperscan(seed: int, format_: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "hyperscan", None)
        assert isinstance(engine.build(["x"]), Re2)
        check(seed, format_, "utf-8")
