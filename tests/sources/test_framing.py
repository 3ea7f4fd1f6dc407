"""Bytes of a socket to lines."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from relay.sources.framing import TOO_LONG, Framer, TooLong


def framed(chunks: list[bytes], most: int = 10) -> list[bytes | TooLong]:
    framer = Framer(most)
    lines = [line for chunk in chunks for line in framer.feed(chunk)]
    return lines + framer.end()


def test_lines_end_with_newline_nul_or_the_end() -> None:
    assert framed([b"a\nb\0c", b"d\n\ne"]) == [b"a", b"b", b"cd", b"", b"e"]


def test_a_long_line_is_told_at_once_and_the_next_is_whole() -> None:
    framer = Framer(10)
    assert framer.feed(b"x" * 11) == [TOO_LONG]
    assert not framer.partial
    assert framer.feed(b"x" * 1000) == []
    assert framer.feed(b"x\nnext\n") == [b"next"]
    assert framer.feed(b"y" * 11 + b"\nz\n") == [TOO_LONG, b"z"]
    assert framer.feed(b"1234567890\n") == [b"1234567890"]


def test_an_endless_line_takes_no_memory() -> None:
    framer = Framer(1000)
    for _ in range(1000):
        framer.feed(b"x" * 10_000)
    assert len(framer._partial) <= 1000
    assert framer.end() == []


@given(
    st.binary(max_size=200).map(lambda data: data.replace(b"\1", b"\n")),
    st.lists(st.integers(0, 200), max_size=9),
)
def test_any_split_into_chunks_gives_the_same_lines(data: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    chunks = [data[start:end] for start, end in pairwise(places)]
    assert framed(chunks) == framed([data])
    whole = data.replace(b"\0", b"\n").split(b"\n")
    last = [] if not whole[-1] else [whole[-1]]
    assert framed([data]) == [line if len(line) <= 10 else TOO_LONG for line in whole[:-1] + last]
