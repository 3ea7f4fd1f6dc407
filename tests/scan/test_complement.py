"""Lines that begin with none of some headers, as patterns without negation."""

from __future__ import annotations

import random
import re

import pytest

from relay.scan.complement import TooComplexError, complement
from relay.scan.engine import Re2

WORDS = [
    "INFO",
    "DEBUG",
    "ERROR",
    "2026-03-01",
    "10:00:00",
    " ",
    "[",
    "]",
    "x",
    "1",
    ":",
    "-",
    "\tat",
    "Mar",
    "é",
    "",
]
STARTS = ["10:00:00 INFO ", "10:00:00,1 DEBUG:", "[m] INFO ", "I0301  12 ", "INFO: "]
HEADERS = [
    r"\d\d:\d\d:\d\d INFO ",
    r"\d\d:\d\d:\d\d(?:[.,]\d+)? (?:INFO|DEBUG)[ :]|(?:INFO|DEBUG):",
    r"\[[^\]\n]*\] (?:INFO|DEBUG) ",
    r"I\d{4} +\d+ ",
]


@pytest.mark.parametrize("headers", HEADERS)
@pytest.mark.parametrize("begins", ["", r"\d|\[|[A-Z][a-z][a-z] "])
def test_it_finds_the_lines_that_begin_otherwise(headers: str, begins: str) -> None:
    engine = Re2(complement(headers, begins))
    chance = random.Random(1)
    for _ in range(3000):
        line = "".join(chance.choices(WORDS, k=chance.randint(0, 5))) + "\n"
        if chance.random() < 0.5:
            line = (
                chance.choice(["10:00:00 INFO ", "10:00:00,1 DEBUG:", "[m] INFO ", "I0301  12 ", "INFO: "])
                + line
            )
        wanted = not re.match(headers, line, re.ASCII) and bool(re.match(begins, line, re.ASCII))
        assert bool(engine.ends(line.encode())) is wanted, line


def test_among_many_lines() -> None:
    engine = Re2(complement(r"\d+ INFO "))
    data = b"1 INFO a\n22 INFO b\n3 ERROR c\n\n4 INFO d\n"
    lines = {data[: end - 1].count(b"\n") for end in engine.ends(data)}
    assert lines == {2, 3}


def test_what_has_loops_is_refused() -> None:
    with pytest.raises(TooComplexError):
        complement(r"\{[^{\n]*level=INFO")
