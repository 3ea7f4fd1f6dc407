"""Log text never reaches a terminal or a chat raw."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.text import clean, one_line


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain text, 中文, émoji 🚀", "plain text, 中文, émoji 🚀"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[31;1mERROR\x1b[0m boom", "ERROR boom"),
        ("\x9b2Jgone", "gone"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPdevice string\x1b\\after", "after"),
        ("\x1bc\x1b(Breset", "reset"),
        ("a\x1b", "a\\x1b"),
        ("\x1b\x1b[31m[31mnested", "\\x1b[31mnested"),
        ("a\x00b\x00", "ab"),
        ("bell\x07 back\x08 del\x7f nel\x85", "bell\\x07 back\\x08 del\\x7f nel\\x85"),
        ("dos\r\nline", "dos\nline"),
        ("over\rwritten", "over\\x0dwritten"),
        ("user\u202ecod.exe", "user\\u202ecod.exe"),
        ("a\u2028b\u2029c", "a\\u2028b\\u2029c"),
        ("zero\u200bwidth\ufeff\u2060", "zerowidth"),
        ("tag\U000e0041s", "tags"),
        ("lone \ud800 surrogate", "lone \ufffd surrogate"),
    ],
)
def test_what_would_fool_a_reader_is_removed_or_shown(raw: str, shown: str) -> None:
    assert clean(raw) == shown


@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=200))
def test_nothing_harmful_is_left_and_cleaning_again_changes_nothing(raw: str) -> None:
    shown = clean(raw)
    assert clean(shown) == shown
    harmful = [c for c in shown if unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} and c not in "\n\t"]
    assert not harmful
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u200d\ufeff")
    shown.encode()


@given(
    st.lists(
        st.sampled_from(["\x1b", "[", "]", "31", "m", ";", "\x07", "\x9b", "P", "\\", "(", "x"]), max_size=40
    )
)
def test_pieces_of_sequences_never_make_a_new_one(pieces: list[str]) -> None:
    assert not set(clean("".join(pieces))) & set("\x1b\x9b\x07")


def test_one_line_collapses_white_space_and_cuts() -> None:
    assert one_line("a\n b\t\tc\x1b[0m") == "a b c"
    assert one_line("x" * 300, 10) == "x" * 9 + "…"
    assert one_line("short") == "short"
