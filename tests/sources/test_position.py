from __future__ import annotations

from pathlib import Path

import pytest

from relay.sources.content import open_content
from relay.sources.position import Mark


def mark(path: Path, offset: int, head: str = "") -> Mark:
    content = open_content(str(path), follow=False)
    try:
        return Mark.at(content, offset, head)
    finally:
        content.close()


def fits(mark: Mark, path: Path) -> bool:
    content = open_content(str(path), follow=False)
    try:
        return mark.fits(content)
    finally:
        content.close()


@pytest.mark.parametrize("size", [0, 1, 100, 256, 1023, 1024, 1025, 5000])
def test_fits_what_has_grown(tmp_path: Path, size: int) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"".join(b"%d\n" % n for n in range(size))[:size])
    made = mark(path, size)
    assert fits(made, path)
    with path.open("ab") as file:
        file.write(b"more\n")
    assert fits(made, path)


@pytest.mark.parametrize("changed", [0, 1023, 4800, 4999])
def test_notices_other_bytes_at_the_beginning_and_before_the_offset(tmp_path: Path, changed: int) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * 5000)
    made = mark(path, 5000)
    path.write_bytes(b"x" * changed + b"y" + b"x" * 9000)
    assert not fits(made, path)


def test_notices_what_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * 5000)
    made = mark(path, 5000)
    path.write_bytes(b"x" * 4999)
    assert not fits(made, path)


def test_a_head_is_widened_as_the_file_grows(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * 10)
    first = mark(path, 10)
    path.write_bytes(b"x" * 10 + b"y" * 2000)
    second = mark(path, 2010, first.head)
    assert first.head.startswith("10:")
    assert second.head.startswith("1024:")
    assert mark(path, 2010, second.head).head == second.head


def test_an_empty_file_is_known_by_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.touch()
    assert not mark(path, 0).known
