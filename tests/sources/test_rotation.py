from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from relay.sources.identity import FileId
from relay.sources.rotation import Folder, are_related, logs_of, order_of


@pytest.mark.parametrize(
    ("name", "log"),
    [
        ("app.log.1", "app.log"),
        ("app.log.12.gz", "app.log"),
        ("app.log-20260301", "app.log"),
        ("app.log-20260301-1772323200.xz", "app.log"),
        ("app.log.2026-03-01", "app.log"),
        ("app.log.2026-03-01_10-00-00", "app.log"),
        ("app.log.old", "app.log"),
        ("app.log~", "app.log"),
        ("app.1.log", "app.log"),
        ("app-2026-03-01.log", "app.log"),
        ("app-2026-03-01.1.log.gz", "app.log"),
        ("app.log.1.gz", "app.log.1"),
        ("messages.1", "messages"),
    ],
)
def test_rotations_are_known_by_their_names(name: str, log: str) -> None:
    assert log in logs_of(name)
    assert are_related(f"/var/log/{name}", f"/var/log/{log}")
    assert not are_related(f"/var/{name}", f"/var/log/{log}")


@pytest.mark.parametrize(
    "name", ["app.log", "app-debug.log", "app2.log", "application.log", "app.log.lock", "x"]
)
def test_other_names_are_none(name: str) -> None:
    assert logs_of(name) == []


@pytest.mark.parametrize(
    "oldest_first",
    [
        ["app.log.10", "app.log.2.gz", "app.log.1"],
        ["app.log-20260228", "app.log-20260301", "app.log-20260302.gz"],
        ["app-2026-02-28.log", "app-2026-03-01.log"],
    ],
)
def test_of_files_of_one_time_names_tell_the_age(oldest_first: list[str]) -> None:
    assert sorted(oldest_first, key=order_of) == oldest_first


def test_siblings_are_sorted_by_their_last_write(tmp_path: Path) -> None:
    for age, name in enumerate(["app.log.3", "app.log.1", "app.log.2.gz", "other.log.1"]):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    found = [Path(each.path).name for each in Folder(str(tmp_path)).siblings("app.log")]
    assert found == ["app.log.2.gz", "app.log.1", "app.log.3"]


def test_a_file_that_is_being_compressed_counts_once(tmp_path: Path) -> None:
    (tmp_path / "app.log.1").touch()
    (tmp_path / "app.log.1.gz").touch()
    found = [Path(each.path).name for each in Folder(str(tmp_path)).siblings("app.log")]
    assert found == ["app.log.1"]


def test_a_file_is_found_under_its_new_name(tmp_path: Path) -> None:
    path, folder = tmp_path / "app.log", Folder(str(tmp_path))
    path.touch()
    id_ = FileId.of(path.stat())
    assert folder.find(id_) == str(path)
    path.rename(tmp_path / "moved")
    assert folder.find(id_) == str(tmp_path / "moved")
    (tmp_path / "moved").unlink()
    assert folder.find(id_) is None


def test_news_are_told_once(tmp_path: Path) -> None:
    folder, log = Folder(str(tmp_path)), str(tmp_path / "app.log")
    assert folder.news() == set()
    (tmp_path / "app.log.1").touch()
    assert folder.news() == {log}
    assert folder.news() == set()
    (tmp_path / "app.log.1").rename(tmp_path / "app.log.2")
    (tmp_path / "app.log.1").touch()
    assert folder.news() == {log}


def test_an_unchanged_folder_isnt_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.utime(tmp_path, (time.time() - 9, time.time() - 9))
    folder = Folder(str(tmp_path))
    assert folder.refresh()
    monkeypatch.setattr(os, "scandir", None)
    assert not folder.refresh()


def test_a_folder_that_is_gone_is_empty(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path / "none"))
    assert folder.siblings("app.log") == []
    assert folder.find(FileId(1, 2)) is None
