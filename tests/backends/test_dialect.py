"""Escapes."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.backends.dialect import cleaned, html, markdown, unmentioned


@pytest.mark.parametrize(
    "text",
    [
        "@all",
        "x @here y",
        "@所有人",
        "＠all",
        "@**all**",
        "<@U1>",
        "<!channel>",
        "<#C1>",
        '<at user_id="all">',
        "@<b>",
        "</at>",
    ],
)
def test_no_mention_is_left(text: str) -> None:
    shown = unmentioned(text)
    assert shown.replace("\u200b", "") == text
    assert "\u200b" in shown


@pytest.mark.parametrize("text", ["root@web1", "a < b", "<num> ms", "wang@example.com", "@ 3 pm"])
def test_what_mentions_nobody_stays(text: str) -> None:
    assert unmentioned(text) == text


def test_markdown_is_escaped() -> None:
    assert markdown("# [x](http://e) `a` *b* _c_ <d>") == (
        "\\# \\[x\\]\\(http\\:\\/\\/e\\) \\`a\\` \\*b\\* \\_c\\_ \\<d\\>"
    )
    assert "\u200b" in markdown("@all")


@given(st.text())
def test_no_html_gets_through(text: str) -> None:
    found: list[str] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            found.append(tag)

        def handle_endtag(self, tag: str) -> None:
            found.append(tag)

        def handle_comment(self, data: str) -> None:
            found.append(data)

        def handle_decl(self, decl: str) -> None:
            found.append(decl)

        def handle_pi(self, data: str) -> None:
            found.append(data)

    Parser().feed(f"<p>{html(text)}</p>")
    assert found == ["p", "p"]


def test_every_string_in_data_is_cleaned() -> None:
    assert cleaned({"a\x1b[1m": ["b\x00", ("c\u202e",)], "n": 1, "z": None}) == {
        "a": ["b", ["c\\u202e"]],
        "n": 1,
        "z": None,
    }
