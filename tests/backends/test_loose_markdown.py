"""Untrusted text among marks that have no escapes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.backends.compose import Link
from relay.backends.loose_markdown import disarmed, link
from tests.emulators.loose_markdown import marks, shown

PARTS = [
    "*",
    "**",
    "_",
    "__",
    "~~",
    "`",
    "```",
    "[",
    "](",
    "]",
    "(http://e)",
    "<",
    "@a>",
    "<@a>",
    "</b>",
    ">",
    "#",
]
PARTS += ["# ", "- ", "1. ", "\n", "    ", "&lt;", "&", "!", "x", " ", "---", "===", ":", "中"]

marked = st.lists(st.sampled_from(PARTS), max_size=12).map("".join)


@given(marked)
def test_no_mark_is_left(text: str) -> None:
    assert marks(disarmed(text)) == []


@pytest.mark.parametrize(
    "text",
    ["order_id=7 a.b_c", "x = a < b", "at a.b(C.java:1)", "2026-01-05 10:00", "/srv/x_y-z", "50 % of 3"],
)
def test_usual_text_looks_as_it_did(text: str) -> None:
    assert shown(disarmed(text)) == text


def test_only_what_is_parted_is_changed() -> None:
    assert disarmed("plain text_with words - and 1.5 s") == "plain text_with words - and 1.5 s"
    assert shown(disarmed("*a* `b`")) == "∗a∗ ˋbˋ"


def test_a_link_can_not_be_broken_out_of() -> None:
    assert link(Link("a](b) [c", "https://h/x) [y](z")) == "[a］(b) ［c](https://h/x%29%20%5By%5D%28z)"
