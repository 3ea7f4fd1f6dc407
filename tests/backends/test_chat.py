"""Addresses with mentions, and text that stays text."""

from __future__ import annotations

import re

import pytest

from relay.backends.chat import (
    Markup,
    Target,
    address_problem,
    fenced,
    inert,
    laid_out,
    markdown_link,
    only_mentions,
    room_and_mentions,
    severity,
    text_forms,
)
from relay.backends.compose import Link, compose
from relay.backends.dialect import markdown
from relay.models import AlertState, Level
from tests.backends.messages import NOW, message

MARKUP = Markup(
    escaped=str.upper, strong=lambda text: f"*{text}*", code=fenced, link=lambda one: f"<{one.label}>"
)


@pytest.mark.parametrize(
    ("to", "target"),
    [
        ("C1", Target("C1")),
        ("@wang", Target("@wang")),
        ("  C1   @here @U1 ", Target("C1", ("here", "U1"))),
        ("C1 here", Target("C1", (), "here")),
        ("C1 @a b c", Target("C1", ("a",), "b")),
        ("", Target("")),
    ],
)
def test_a_room_and_whom_to_mention(to: str, target: Target) -> None:
    assert room_and_mentions(to) == target


@pytest.mark.parametrize(
    ("to", "target"),
    [
        ("ops", Target("ops")),
        ("the ops room @here", Target("the ops room", ("here",))),
        ("@here", Target("", ("here",))),
    ],
)
def test_a_webhooks_room_is_only_a_name(to: str, target: Target) -> None:
    assert only_mentions(to) == target


@pytest.mark.parametrize("to", ["", " ", "a\nb", "a\x00", "C1 here", "C1 @", "C1 @x"])
def test_an_address_that_is_none(to: str) -> None:
    assert address_problem(to, room_and_mentions(to), re.compile("here"), "write @here")


def test_the_order_of_a_message() -> None:
    told = message(links=(("ack", "http://r/a"), ("runbook", "http://r/b")))
    text = laid_out(compose(told, NOW), MARKUP, "@here")
    assert text.splitlines()[:4] == [
        "@here *[ERROR] PAY.REFUND: TIMEOUT AFTER <NUM> MS*",
        "```",
        "timeout after 3000 ms",
        "```",
    ]
    assert text.splitlines()[-2:] == ["<ack> · <runbook>", "ALERT 17"]


def test_the_second_form_is_short_and_without_markup() -> None:
    told = compose(message(text="line\n" * 900, links=(("ack", "http://r/a"),)), NOW)
    full, plain = text_forms(told, MARKUP, "@here", len, 2000)
    assert 1900 < len(full) <= 2000
    assert 400 < len(plain) <= 500
    assert plain.startswith("@here [ERROR] PAY.REFUND")
    assert "```" not in plain
    assert "ACK: http://r/a" in plain


@pytest.mark.parametrize("text", ["```", "a ```` b", "`" * 7, "x\n```\ny", "`"])
def test_nothing_ends_a_fence_but_its_end(text: str) -> None:
    fence = fenced(text)
    assert fence.count("```") == 2
    assert fence.replace("\u200b", "") == f"```\n{text}\n```"


@pytest.mark.parametrize(
    "text", ["@all", ".@all", "_@all", "<!here>", "<@U1>", "<http://e|x>", "<mailto:x@e>", "#ops"]
)
def test_no_sign_stays_beside_its_name(text: str) -> None:
    assert not re.search(r"@\w|<[@!h m]|<mailto|#\w", inert(text))
    assert inert(text).replace("\u200b", "") == text


@pytest.mark.parametrize("text", ["after <num> ms", "a < b", "C# code", "1 # 2"])
def test_what_is_no_sign_is_left_alone(text: str) -> None:
    assert inert(text) == text


def test_a_link_can_not_end_early() -> None:
    link = markdown_link(markdown)(Link("a]b", "https://r/x?q=(1)&r=a b>c"))
    assert link == r"[a\]b](https://r/x?q=%281%29&r=a%20b%3Ec)"


@pytest.mark.parametrize(
    ("level", "state", "word"),
    [
        (Level.CRITICAL, AlertState.FIRING, "bad"),
        (Level.ERROR, AlertState.FIRING, "bad"),
        (Level.WARNING, AlertState.FIRING, "warning"),
        (Level.INFO, AlertState.FIRING, "info"),
        (Level.CRITICAL, AlertState.RESOLVED, "good"),
    ],
)
def test_how_bad_it_looks(level: Level, state: AlertState, word: str) -> None:
    assert severity(message(level=level, state=state)) == word
