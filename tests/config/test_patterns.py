from __future__ import annotations

import time

import pytest

from relay.config.patterns import MAX_LENGTH, doubt, message_text, name_text, refusal
from relay.config.schema import Text


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("timed out", Text("part", "timed out")),
        ("a*b?", Text("part", "a*b?")),
        ("/a|b/", Text("regex", "a|b")),
        ("/a b/i", Text("regex", "a b", ignore_case=True)),
        ("/a.b/smi", Text("regex", "(?ms)a.b", ignore_case=True)),
        ("/a/b/", Text("regex", "a/b")),
        (r"/a\/b/i", Text("regex", r"a\/b", ignore_case=True)),
        ("/usr/local/bin", Text("part", "/usr/local/bin")),
        ("/srv", Text("part", "/srv")),
        ("a/b/", Text("part", "a/b/")),
    ],
)
def test_messages(written: str, read: Text) -> None:
    assert message_text(written) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("pay", Text("exact", "pay")),
        ("pay.*", Text("glob", "pay.*")),
        ("web?", Text("glob", "web?")),
        ("/pay.*/", Text("regex", "pay.*")),
        ("/srv/x.log", Text("exact", "/srv/x.log")),
    ],
)
def test_names(written: str, read: Text) -> None:
    assert name_text(written) == read


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("", "matches everything"),
        ("//", "matches everything"),
        ("/x/q", "unknown flag 'q'"),
        ("/x/I", "unknown flag 'I'"),
        ("/(/", "RE2 refuses"),
    ],
)
def test_refused(written: str, words: str) -> None:
    for read in (message_text, name_text):
        with pytest.raises(ValueError, match=words):
            read(written)


def test_doubt() -> None:
    assert doubt("/usr/local/bin")
    assert doubt("/foo")
    assert not doubt("/foo/")
    assert not doubt("foo/")


@pytest.mark.parametrize(
    ("pattern", "advice"),
    [
        ("(?=a)", "no look-around"),
        ("(?!a)", "use `except`"),
        ("(?<=a)b", "use `except`"),
        ("(?<!a)b", "use `except`"),
        (r"(a)\1", "no back-references"),
        ("(?P<x>a)(?P=x)", "no back-references"),
        ("(?>a)", "no atomic groups"),
        ("a++", "no possessive repeats"),
        (r"a\Z", r"as \\z"),
        ("(?#x)", "no comments"),
        ("a{1001}", "at most 1000 times"),
        ("(a{100}){100}", "at most 1000 times"),
        (r"\pL{1000}", "too much memory"),
        ("[", "missing ]"),
        ("x" * (MAX_LENGTH + 1), f"longer than {MAX_LENGTH} characters"),
    ],
)
def test_refusals_come_with_advice(pattern: str, advice: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert advice.replace("\\\\", "\\") in refusal(pattern)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(?i)deadlock|too many connections", r"\S{1,500}", ".{0,1000}x", "(?<n>a)"]
)
def test_taken(pattern: str) -> None:
    assert refusal(pattern) == ""


def test_monstrous_patterns_are_judged_quickly() -> None:
    start = time.process_time()
    for pattern in (r"[[:^ascii:]]{900}\pL{90}", "a?" * 2000, "(" * 900 + ")" * 900, r"((\pL|\pN){9}){99}"):
        refusal(pattern)
    assert time.process_time() - start < 0.5
