from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from relay.sources.identity import HEAD, begins_alike, count_of, digest, shown


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_a_grown_file_is_known_by_its_first_bytes(first: bytes, more: bytes) -> None:
    assert begins_alike(digest(first), first + more)


@given(st.binary(min_size=1, max_size=50))
def test_a_shorter_file_is_another_one(first: bytes) -> None:
    assert not begins_alike(digest(first), first[:-1])


def test_the_count_says_how_many_bytes_to_compare() -> None:
    assert count_of(digest(b"x" * HEAD)) == HEAD
    assert count_of(digest(b"")) == 0
    assert count_of("") == 0
    assert not begins_alike(digest(b"abc"), b"abd and more")


def test_names_are_shown_with_escapes() -> None:
    assert shown("/var/log/app.log") == "/var/log/app.log"
    assert shown("/var/log/日志.log") == "/var/log/日志.log"
    assert shown("/a\nb") == "/a\\nb"
    assert shown("/a\udcffb") == "/a\\xffb"
    assert shown("/a\x1b[31mb") == "/a\\x1b[31mb"
