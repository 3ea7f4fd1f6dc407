from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from relay.models import AlertState, Reason
from relay.routing.decide import decide, fold
from relay.routing.render import cut, excerpt, message
from tests.routing.build import NOW, PROBLEM, WANG, event, rule


def test_a_first_message_carries_the_event() -> None:
    sample = event("timeout after 7 ms\nmore", labels={"host": "web1"}, origin="/a.log:12")
    decision = decide(rule(), None, fold([sample, sample]), (WANG,), NOW, new_id=3, fingerprint=PROBLEM)
    said = message(decision, None, sample, "store-1")
    assert (said.reason, said.alert, said.key, said.state) == (Reason.FIRST, 3, "store-1", AlertState.FIRING)
    assert (said.title, said.text) == (PROBLEM.title, "timeout after 7 ms\nmore")
    assert (said.count, said.more, said.since) == (2, 0, 0.0)
    assert (said.source, said.origin, said.labels, said.hosts) == (
        "shop",
        "/a.log:12",
        {"host": "web1"},
        ("web1",),
    )


def test_what_is_over_at_once_still_begins() -> None:
    each = rule(fingerprint="event")
    decision = decide(each, None, fold([event()]), (WANG,), NOW, new_id=3, fingerprint=PROBLEM)
    assert decision.alert.state is AlertState.RESOLVED
    assert message(decision, None, event(), "k").state is AlertState.FIRING


def test_a_reminder_says_how_many_more_since_when() -> None:
    before = decide(rule(), None, fold([event()]), (WANG,), NOW, new_id=3, fingerprint=PROBLEM).alert
    decision = decide(rule(), before, fold([event()] * 4), (WANG,), NOW + 9999)
    said = message(decision, before, event(), "k")
    assert (said.reason, said.count, said.more, said.since) == (Reason.REMINDER, 5, 4, NOW)


def test_a_new_life_owes_nothing_to_the_old_one() -> None:
    before = decide(rule(), None, fold([event()] * 9), (WANG,), NOW, new_id=3, fingerprint=PROBLEM).alert
    over = replace(before, state=AlertState.RESOLVED)
    decision = decide(rule(), over, fold([event()]), (WANG,), NOW + 9999, new_id=4, fingerprint=PROBLEM)
    said = message(decision, over, event(), "k")
    assert (said.count, said.more, said.since) == (1, 0, 0.0)


def test_a_sample_that_is_gone_leaves_the_text_empty() -> None:
    before = decide(rule(), None, fold([event()]), (WANG,), NOW, new_id=3, fingerprint=PROBLEM).alert
    said = message(decide(rule(), before, fold([event()]), (WANG,), NOW + 9999), before, None, "k")
    assert (said.text, said.labels) == ("", {})


def test_a_python_trace_keeps_its_last_line() -> None:
    frames = [f'  File "a.py", line {n}, in f\n    g()' for n in range(100)]
    text = "\n".join(["Traceback (most recent call last):", *frames, "KeyError: 'price'"])
    lines = excerpt(text).split("\n")
    assert (lines[0], lines[-2:]) == ("Traceback (most recent call last):", ["...", "KeyError: 'price'"])
    assert len(lines) == 40


def test_a_java_trace_keeps_its_last_cause() -> None:
    frames = "\n".join(f"\tat com.example.A.f(A.java:{n})" for n in range(60))
    causes = f"Caused by: a.B: first\n{frames}\nCaused by: a.C: root\n{frames}"
    text = f"java.lang.IllegalStateException: x\n{frames}\n{causes}"
    lines = excerpt(text).split("\n")
    assert lines[0] == "java.lang.IllegalStateException: x"
    assert lines[-1] == "Caused by: a.C: root"


def test_short_texts_stay_as_they_are() -> None:
    assert excerpt("a\n b\n") == "a\n b"
    assert cut("付款失败", 12) == "付款失败"


def test_cutting_never_breaks_a_character() -> None:
    assert cut("付款失败了", 12) == "付款失..."


@settings(max_examples=150, derandomize=True)
@given(
    st.lists(st.text(st.sampled_from("ab 付\ud800é"), max_size=60), max_size=30).map("\n".join),
    st.integers(32, 200),
    st.integers(3, 12),
)
def test_both_limits_hold_whatever_comes(text: str, most_bytes: int, most_lines: int) -> None:
    short = excerpt(text, most_bytes, most_lines)
    assert len(short.encode(errors="replace")) <= most_bytes
    assert short.count("\n") < most_lines
