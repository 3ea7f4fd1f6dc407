"""A wide pattern hits wherever the exact one matches."""

from __future__ import annotations

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.scan.engine import Hyperscan, Re2, hyperscan
from relay.scan.syntax import UnreadableError, read
from relay.scan.widen import Alphabet, widen

UTF_8 = Alphabet("utf-8")
needs_hyperscan = pytest.mark.skipif(hyperscan is None, reason="no hyperscan here")

PIECES = [
    *(
        "a",
        "b",
        "K",
        "s",
        "é",
        "超",
        "😀",
        "\\.",
        "\\d",
        "\\D",
        "\\w",
        "\\W",
        "\\s",
        "\\S",
        ".",
        "[ab]",
        "[^ab]",
        "[^\\n]",
    ),
    *(
        "[[:alpha:]]",
        "[[:^digit:]]",
        "[a-c]",
        "[а-я]",
        "\\x41",
        "\\x{8d85}",
        "\\Qa.b\\E",
        "\\t",
        "\\n",
        "^",
        "$",
        "\\b",
        "\\101",
    ),
    *("(?i:k)", "(?i:É)", "(?s:.)", "\\pL", "\\p{Greek}", "[]a]", "[a\\]b]", "[-a]", "(?:)", "\\C"),
]
SUFFIXES = ["", "", "", "*", "+", "?", "{2}", "{1,3}", "{0,}", "+?", "*?", "{3,20}"]


@st.composite
def patterns(draw: st.DrawFn, depth: int = 2) -> str:
    parts = []
    for _ in range(draw(st.integers(1, 4))):
        if depth and draw(st.integers(0, 3)) == 0:
            inner = "|".join(draw(st.lists(patterns(depth=depth - 1), min_size=1, max_size=3)))
            part = draw(st.sampled_from(["(", "(?:", "(?i:", "(?P<x>", "(?s:"])) + inner + ")"
        else:
            part = draw(st.sampled_from(PIECES))
        parts.append(part + draw(st.sampled_from(SUFFIXES)))
    return "".join(parts)


TEXTS = st.text(alphabet="abABkKsſ\u212aéÉ超时😀 .0\t\n_-αЖж]", max_size=30)


def exact(pattern: str) -> object:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)


def wide_hits(pattern: str, alphabet: Alphabet, data: bytes) -> bool:
    """Whether the wide pattern hits, and the coarse one; both do where there is none."""
    both = [widen(read(pattern), alphabet, coarse=coarse) for coarse in (0, 3)]
    return all(not wide.text or bool(Re2([wide.text]).ends(data)) for wide in both)


@settings(max_examples=1500)
@given(pattern=patterns(), text=TEXTS)
def test_a_wide_pattern_hits_where_the_exact_one_matches(pattern: str, text: str) -> None:
    try:
        found = exact(pattern).search(text)  # type: ignore[attr-defined]
    except re2.error:
        return
    folded = set(text) & {"ſ", "\u212a"}  # lines with these are looked at anyway
    if found and not folded:
        assert wide_hits(pattern, UTF_8, text.encode())


@settings(max_examples=500)
@given(pattern=patterns(), text=TEXTS, encoding=st.sampled_from(["gbk", "gb18030", "cp1251", "big5"]))
def test_in_the_bytes_of_other_encodings(pattern: str, text: str, encoding: str) -> None:
    data = text.encode(encoding, "replace")
    alphabet = Alphabet.of(encoding)
    assert alphabet is not None
    try:
        found = exact(pattern).search(data.decode(encoding))  # type: ignore[attr-defined]
    except re2.error:
        return
    if found and not set(data.decode(encoding)) & {"ſ", "\u212a"}:
        assert wide_hits(pattern, alphabet, data)


@needs_hyperscan
@settings(max_examples=300)
@given(pattern=patterns(), text=TEXTS)
def test_both_engines_find_the_same(pattern: str, text: str) -> None:
    try:
        exact(pattern)
    except re2.error:
        return
    wide = widen(read(pattern), UTF_8)
    if wide.text:
        data = text.encode()
        assert bool(Hyperscan([wide.text]).ends(data)) is bool(Re2([wide.text]).ends(data))


@pytest.mark.parametrize(
    ("pattern", "text", "weight"),
    [
        ("timeout", "timeout", 7),
        (".*time[-_]?out.*$", "time(?:[\\x2d\\x5f]){0,1}out", 7),
        ("^\\d+ ms$", "\\d ms", 3),
        ("(?i)Dead", "(?i:dead)", 4),
        ("a|b*", "", 0),
        ("foo|ba", "(?:foo|ba)", 2),
        ("超时", "\\xe8\\xb6\\x85\\xe6\\x97\\xb6", 4),
    ],
)
def test_how_it_is_written(pattern: str, text: str, weight: int) -> None:
    wide = widen(read(pattern), UTF_8)
    assert (wide.text, wide.weight) == (text, weight)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("user \\w+ (refused|timed) for long \\d+", " for long "),
        ("\\d+: (?:deadlock|timed out)$", "(?:deadlock|timed out)"),
        ("ab\\d+", "ab\\d"),
    ],
)
def test_a_coarse_one_is_the_text_it_cant_do_without(pattern: str, text: str) -> None:
    assert widen(read(pattern), UTF_8, coarse=8).text == text


def test_across_newlines_only_a_part_without_one_is_asked_for() -> None:
    assert widen(read("error:\\s+deadlock found"), UTF_8, broken=True).text == "deadlock found"
    assert widen(read("a\\nb"), UTF_8, broken=True).text in {"a", "b"}
    assert widen(read("\\s"), UTF_8, broken=True).text == ""


def test_what_cant_be_scanned_as_bytes() -> None:
    assert Alphabet.of("utf-16") is None
    assert Alphabet.of("iso2022_jp") is None
    assert Alphabet.of("hz") is None
    assert Alphabet.of("utf-8-sig") == Alphabet("utf-8")


@pytest.mark.parametrize("pattern", ["(a", "a)", "(?<!a)b", "\\y", "[a", "a\\"])
def test_what_it_doesnt_know_is_refused(pattern: str) -> None:
    with pytest.raises((UnreadableError, IndexError)):
        read(pattern)
