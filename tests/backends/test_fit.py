"""Cuts: how much, where, and what never."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from relay.backends.compose import Composition
from relay.backends.dialect import html, markdown, plain, text_of
from relay.backends.fit import boundary, clip, fit, shorten, utf8_bytes, utf16_units

SMALL = Composition(
    tag="ERROR",
    note="still happening",
    module="pay.refund",
    title="timeout after <num> ms",
    facts=(("seen", "313 times"), ("host", "web1"), ("rule", "payments")),
    footer="alert 17 · +312 more",
)


def with_body(body: str) -> Composition:
    return Composition(
        **{name: getattr(SMALL, name) for name in SMALL.__struct_fields__ if name != "body"}, body=body
    )


def fitted(composition: Composition, cap: int) -> str:
    return fit(composition, text_of, lambda text: utf8_bytes(text) <= cap)


@pytest.mark.parametrize("escaped", [plain, markdown, html])
@pytest.mark.parametrize("size", [len, utf8_bytes, utf16_units])
@given(body=st.text(max_size=600), cap=st.integers(200, 600))
def test_it_fits_in_any_unit_and_escape(
    escaped: Callable[[str], str], size: Callable[[str], int], body: str, cap: int
) -> None:
    text = fit(with_body(body), lambda told: text_of(told, escaped), lambda text: size(text) <= cap)
    assert size(text) <= cap
    assert text.endswith(escaped(SMALL.footer))
    assert text.startswith(escaped("[ERROR, still happening] pay.refund: "))


def test_what_fits_is_untouched() -> None:
    told = with_body("a" * 300)
    whole = text_of(told)
    assert fitted(told, utf8_bytes(whole)) == whole
    assert "characters cut" in fitted(told, utf8_bytes(whole) - 1)


def test_where_there_is_little_room_facts_go_before_a_long_body_and_the_title_last() -> None:
    told = with_body("b" * 1000)
    assert "rule: payments" in fitted(told, 300)
    assert "b" * 20 in fitted(told, 300)
    less = fitted(told, 140)
    assert "b" * 20 not in less
    assert "seen: 313 times" in less
    assert "rule" not in less
    least = fitted(told, 110)
    assert "seen" not in least
    assert least.startswith("[ERROR, still happening] pay.refund: timeou")
    assert least.endswith("alert 17 · +312 more")
    assert fitted(told, 1).endswith("alert 17 · +312 more")  # an impossible cap: the smallest there is


def test_one_long_fact_does_not_cost_the_text() -> None:
    facts = (("seen", "once"), ("host", "web1"), ("labels", "告" * 600))
    text = fitted(structs.replace(with_body("b" * 3000), facts=facts), 2048)
    assert "seen: once\nhost: web1\nlabels: 告告" in text
    assert text.count("b" * 700) == 1
    assert utf8_bytes(text) > 2000


def test_a_short_body_stays_whole_and_the_facts_are_shortened() -> None:
    facts = (("seen", "once"), ("from", "/srv/" + "x" * 290), ("labels", "y" * 295))
    body = "disk /dev/sda1 is full: 0 bytes left"
    text = fitted(structs.replace(with_body(body), facts=facts), 300)
    assert body in text
    assert "seen: once\nfrom: /srv/xxx" in text
    assert "labels: yyy" in text


def test_what_dropped_facts_leave_goes_to_the_body() -> None:
    facts = tuple((f"fact{n}", "z" * 39) for n in range(8))
    text = fitted(structs.replace(with_body("b" * 1000), facts=facts), 420)
    assert 420 - 2 <= utf8_bytes(text) <= 420
    assert "fact0" in text
    assert "fact7" not in text
    assert "b" * 100 in text


# Each escape, and the sign that stands nowhere else.
ESCAPES: dict[Callable[[str], str], tuple[str, str]] = {
    markdown: (r"\\[!-/:-@\[-`{-~]", "\\"),
    html: ("&(?:amp|lt|gt|quot|#x27);", "&"),
}
LETTERS = st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("<&*_`[]\\é😀🇨🇳\n")))


@pytest.mark.parametrize("escaped", ESCAPES)
@given(
    body=LETTERS.flatmap(lambda text: st.sampled_from([text, text * 7, text * 60])),
    title=st.text(max_size=300),
    facts=st.lists(st.tuples(st.sampled_from(["seen", "host", "labels"]), LETTERS), max_size=5),
    cap=st.integers(1, 1500),
)
def test_whatever_can_fit_does_with_footer_and_escapes_whole(
    escaped: Callable[[str], str], body: str, title: str, facts: list[tuple[str, str]], cap: int
) -> None:
    told = structs.replace(with_body(body), title=title, facts=tuple(facts))
    text = fit(told, lambda part: text_of(part, escaped), lambda text: utf8_bytes(text) <= cap)
    least = structs.replace(told, title="", facts=(), body="… 1,000 characters cut" if body else "")
    assert utf8_bytes(text) <= max(cap, utf8_bytes(text_of(least, escaped)))
    assert text.endswith(escaped(SMALL.footer))
    assert text.encode().decode() == text
    escape, sign = ESCAPES[escaped]
    assert sign not in re.sub(escape, "", text)


@given(body=st.text(min_size=1), facts=st.lists(st.tuples(st.just("host"), st.text()), max_size=5))
def test_nothing_is_cut_before_it_must_be(body: str, facts: list[tuple[str, str]]) -> None:
    told = structs.replace(with_body(body * 20), facts=tuple(facts))
    whole = utf8_bytes(text_of(told))
    assert fitted(told, whole) == text_of(told)
    assert utf8_bytes(fitted(told, whole - 1)) < whole


def test_a_stack_trace_keeps_its_last_line() -> None:
    trace = (
        "Traceback\n"
        + "".join(f'  File "x.py", line {n}\n' for n in range(200))
        + "ValueError: no such order"
    )
    text = fitted(with_body(trace), 700)
    assert "Traceback" in text
    assert "ValueError: no such order" in text
    assert "characters cut …" in text


@pytest.mark.parametrize("cap", range(200, 900, 37))
def test_no_more_is_cut_than_must_be(cap: int) -> None:
    assert cap - 1 <= utf8_bytes(fitted(with_body("b" * 1000), cap)) <= cap


def test_the_number_cut_is_right() -> None:
    text = shorten("x" * 5000, 1000)
    assert text == "x" * 1000 + "… 4,000 characters cut"
    assert shorten("x" * 10, 10) == "x" * 10
    assert shorten("x" * 10, 0) == "… 10 characters cut"


@pytest.mark.parametrize("character", ["é", "👨‍👩‍👧‍👦", "👍🏽", "🇨🇳", "❤️", "1️⃣", "ก็"])
def test_no_cut_is_inside_a_character(character: str) -> None:
    text = "ab" + character * 5
    places = {2 + len(character) * n for n in range(6)} | {0, 1}
    for at in range(len(text) + 1):
        assert boundary(text, at) in places
        assert boundary(text, at) <= at


def test_a_run_of_marks_does_not_take_for_ever() -> None:
    text = "a" + "\u0301" * 100_000
    assert boundary(text, 50_000) == 50_000 - 32


@given(st.text(), st.integers(0, 50))
def test_a_clip_is_short_and_marked(text: str, most: int) -> None:
    clipped = clip(text, most)
    assert len(clipped) <= most
    assert clipped == text or not most or clipped.endswith("…")


def test_units() -> None:
    assert utf8_bytes("告警" * 1000) == 6000
    assert utf8_bytes("😀" * 1025) == 4100
    assert utf16_units("😀" * 1025) == 2050
    assert utf8_bytes("\udc80") == 1
