from __future__ import annotations

import itertools
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config.schema import TailSource
from relay.sources.lines import Lines, RawLine, Script, readable


def lines(encoding: str = "utf-8", max_line: int = 1024, first: bytes = b"", offset: int = 0) -> Lines:
    return Lines(Script.of(encoding, first), max_line, offset)


def slices(data: bytes, at: list[int]) -> list[bytes]:
    cuts = [0, *sorted(each % (len(data) + 1) for each in at), len(data)]
    return [data[begin:end] for begin, end in itertools.pairwise(cuts)]


def fed(splitter: Lines, parts: list[bytes]) -> list[RawLine]:
    return [line for part in parts for line in splitter.feed(part)]


ODD = st.lists(
    st.sampled_from([b"a", b"\n", b"\r\n", b"\r", b"\0", b"\xff", b"\x85", "日😀".encode(), b"xyz"])
)


@given(ODD.map(b"".join), st.lists(st.integers(0, 1000), max_size=8))
def test_slices_make_no_difference(data: bytes, at: list[int]) -> None:
    whole, sliced = lines(), lines()
    assert fed(sliced, slices(data, at)) == whole.feed(data)
    assert (sliced.start, sliced.read) == (whole.start, whole.read) == (data.rfind(b"\n") + 1, len(data))


@given(ODD.map(b"".join))
def test_each_line_stands_in_the_file_where_it_says(data: bytes) -> None:
    at = 0
    for line in lines(offset=0).feed(data):
        assert line.offset == at
        assert data[line.offset : line.end - 1].removesuffix(b"\r") == line.data
        assert data[line.end - 1 : line.end] == b"\n"
        at = line.end


def test_line_ends() -> None:
    found = [line.data for line in lines().feed(b"lf\ncrlf\r\nlone\rcr\n\n\r\nnul\0s\n")]
    assert found == [b"lf", b"crlf", b"lone\rcr", b"", b"", b"nul\0s"]


def test_an_unfinished_line_waits_and_keeps_its_place() -> None:
    splitter = lines(offset=100)
    assert splitter.feed(b"whole\nhal") == [RawLine(b"whole", 100, 106)]
    assert (splitter.start, splitter.read, splitter.unfinished) == (106, 109, True)
    assert splitter.feed(b"f\n") == [RawLine(b"half", 106, 111)]
    assert not splitter.unfinished


def test_the_last_line_may_lack_its_newline() -> None:
    splitter = lines()
    splitter.feed(b"one\ntwo")
    assert splitter.finish() == RawLine(b"two", 4, 7)
    assert splitter.finish() is None
    assert splitter.feed(b" more\n") == [RawLine(b" more", 7, 13)]


@given(st.lists(st.integers(0, 5000), max_size=8))
def test_a_long_line_is_cut_and_the_next_one_isnt(at: list[int]) -> None:
    data = b"short\n" + b"x" * 3000 + b"\nnext\n"
    found = fed(lines(max_line=1000), slices(data, at))
    assert found == [
        RawLine(b"short", 0, 6),
        RawLine(b"x" * 1000, 6, 3007, cut=2000),
        RawLine(b"next", 3007, 3012),
    ]


def test_a_very_long_line_takes_no_memory() -> None:
    splitter, part = lines(max_line=64 * 1024), b"x" * 65536
    tracemalloc.start()
    for _ in range(1024):
        assert splitter.feed(part) == []
    [line] = splitter.feed(b"\n")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert line.cut == 64 * 1024 * 1024 - 64 * 1024
    assert peak < 1024 * 1024


@given(st.lists(st.integers(0, 30_000), max_size=8))
def test_a_hole_before_a_line_doesnt_push_its_text_over_the_limit(at: list[int]) -> None:
    data = b"\0" * 20_000 + b"text\nnext\n"
    found = fed(lines(max_line=1000), slices(data, at))
    assert [line.data.lstrip(b"\0") for line in found] == [b"text", b"next"]
    assert [line.cut for line in found] == [0, 0]
    assert found[-1].end == len(data)


WIDE = ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"]


@pytest.mark.parametrize("encoding", WIDE)
@given(at=st.lists(st.integers(0, 1000), max_size=8))
def test_wide_encodings_come_as_utf_8(encoding: str, at: list[int]) -> None:
    # U+0A0A and U+0D0A hold a newline's byte, aligned otherwise.
    text = ["erste Zeile", "ਊ\u0d0aਊ", "日志😀", ""]
    data = "".join(f"{line}\r\n" for line in text).encode(encoding)
    splitter = lines(encoding, first=data[:4])
    found = fed(splitter, slices(data, at))
    assert [line.data.decode() for line in found] == text
    assert [data[line.offset : line.end] for line in found] == data.splitlines(keepends=True) or found[
        -1
    ].end == len(data)
    assert splitter.start == len(data)


def test_a_byte_order_mark_decides() -> None:
    data = "\ufeffeins\nzwei\n".encode("utf-16-be")
    found = lines("utf-16", first=data[:4]).feed(data)
    assert [line.data for line in found] == [b"eins", b"zwei"]


def test_a_torn_character_at_the_end_of_a_wide_file() -> None:
    data = "eins\nzw".encode("utf-16-le")[:-1]
    splitter = lines("utf-16-le")
    assert [line.data for line in splitter.feed(data)] == [b"eins"]
    last = splitter.finish()
    assert last is not None
    assert (last.offset, last.end, last.data.decode()[0]) == (10, len(data), "z")


def test_gbk_is_split_by_bytes() -> None:
    data = "支付失败\n超时\n".encode("gbk")
    assert [line.data.decode("gbk") for line in lines("gbk").feed(data)] == ["支付失败", "超时"]


def test_what_reads_lines_is_told_that_wide_ones_are_utf_8() -> None:
    assert readable(TailSource(tail=("/x",), encoding="utf-16")).encoding == "utf-8"
    assert readable(TailSource(tail=("/x",), encoding="gbk")).encoding == "gbk"
