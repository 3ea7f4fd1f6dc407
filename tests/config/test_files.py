from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from relay.config.files import MAX_BYTES, _check_writers, files_of, read
from relay.config.problems import Problems
from relay.config.schema import Place
from tests.config.conftest import Check
from tests.config.fakes import BASE


def problem_of(file: Path) -> str:
    problems = Problems()
    assert read(str(file), problems) is None or problems.refused
    (problem,) = problems.sorted()
    return str(problem).removeprefix(f"{file}:")


def test_text_with_and_without_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    for data in (b"a: \xc3\xa9\r\n", b"\xef\xbb\xbfa: \xc3\xa9\r\n"):
        file.write_bytes(data)
        assert read(str(file), Problems()) == "a: é\r\n"


def test_a_byte_order_mark_does_not_shift_the_columns(check: Check) -> None:
    (problem,) = [each for each in check(b"\xef\xbb\xbfstoor: x\n").problems if each.severity == "error"]
    assert (problem.place.line, problem.place.column) == (1, 1)


def test_what_is_no_rules_file(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    assert problem_of(file) == "1:1: the file can't be read: No such file or directory"
    file.mkdir()
    assert problem_of(file) == "1:1: the file can't be read: not a regular file"
    file.rmdir()
    os.mkfifo(file)
    assert problem_of(file) == "1:1: the file can't be read: not a regular file"
    file.unlink()
    file.write_bytes(b"x: 1\n  \xc3\xa9 \xff: 1\n")
    assert problem_of(file) == "2:5: not UTF-8: save the file in this encoding"
    file.write_bytes("a: b".encode("utf-16"))
    assert problem_of(file) == "1:1: not UTF-8: save the file in this encoding"
    assert problem_of(Path("a\0b")).startswith("1:1: the file can't be read: embedded null byte")


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    with file.open("wb") as opened:
        opened.truncate(50 << 30)  # sparse
    assert problem_of(file) == "1:1: larger than 1024 KiB: split it over a folder of files"
    file.write_bytes(b"#" * MAX_BYTES)
    assert read(str(file), Problems())


def test_a_file_that_everyone_may_write_is_refused_and_still_checked(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text("a: 1")
    file.chmod(0o666)
    assert problem_of(file) == "1:1: everyone may write this file: chmod o-w"
    file.chmod(0o644)
    problems = Problems()
    assert read(str(file), problems) == "a: 1"
    assert problems.sorted() == []


def writers(mode: int, uid: int, gid: int) -> list[str]:
    problems = Problems()
    status = os.stat_result((stat.S_IFREG | mode, 0, 0, 1, uid, gid, 0, 0, 0, 0))
    _check_writers(status, Place("f", 1, 1), problems)
    return [str(problem) for problem in problems.sorted()]


def test_who_may_own_and_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 990)
    monkeypatch.setattr(os, "getegid", lambda: 991)
    for uid in (0, 990):
        assert writers(0o640, uid, 5) == []
    assert writers(0o640, 1000, 5) == [
        "f:1:1: owned by uid 1000: it must be root's, or of the user relay runs as"
    ]
    for gid in (0, 991):
        assert writers(0o660, 0, gid) == []
    assert writers(0o660, 0, 5) == [
        "f:1:1: warning: group 5 may write this file, and so decide what relay does"
    ]


def test_folders(tmp_path: Path) -> None:
    problems = Problems()
    assert files_of(str(tmp_path), problems) == []
    assert [problem.text for problem in problems.sorted()] == ["no *.yaml file in this folder"]
    for name in ("b.yaml", "a.yaml", ".hidden.yaml", "c.yml", "d.txt"):
        (tmp_path / name).write_text(BASE)
    problems = Problems()
    assert files_of(str(tmp_path), problems) == [f"{tmp_path}/a.yaml", f"{tmp_path}/b.yaml"]
    assert [str(problem) for problem in problems.sorted()] == [
        f"{tmp_path}/c.yml:1:1: warning: not read: only *.yaml is"
    ]


def test_a_folder_that_everyone_may_write_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "rules.d"
    folder.mkdir()
    (folder / "a.yaml").write_text(BASE)
    for mode, texts in [(0o777, ["everyone may write in this folder: chmod o-w"]), (0o1777, []), (0o755, [])]:
        folder.chmod(mode)
        problems = Problems()
        files_of(str(folder), problems)
        assert [problem.text for problem in problems.sorted()] == texts
