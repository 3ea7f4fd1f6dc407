from __future__ import annotations

import os
from pathlib import Path

import pytest

from relay.sources.discover import Patterns


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a.log", "b.log", ".hidden.log", "c.txt", "jobs/d.log", "jobs/deep/e.log", ".git/f.log"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def found(tree: Path, *patterns: str, exclude: tuple[str, ...] = ()) -> set[str]:
    """The files, relative; what `want` says of a path alone must agree."""
    looked = Patterns([str(tree / each) for each in patterns], [str(tree / each) for each in exclude])
    paths = {path for path in looked.walk() if Path(path).is_file()}
    assert {str(path) for path in tree.rglob("*") if path.is_file() and looked.want(str(path))} == paths
    return {str(Path(path).relative_to(tree)) for path in paths}


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["*.log"], {"a.log", "b.log"}),
        (["a.log", "*.log"], {"a.log", "b.log"}),
        ([".*.log"], {".hidden.log"}),
        (["*/*.log"], {"jobs/d.log"}),
        (["**/*.log"], {"a.log", "b.log", "jobs/d.log", "jobs/deep/e.log"}),
        (["**"], {"a.log", "b.log", "c.txt", "jobs/d.log", "jobs/deep/e.log"}),
        (["jobs/**/e.log"], {"jobs/deep/e.log"}),
        (["[ab].log"], {"a.log", "b.log"}),
        (["?.txt", "jobs/d*"], {"c.txt", "jobs/d.log"}),
    ],
)
def test_patterns(tree: Path, patterns: list[str], expected: set[str]) -> None:
    assert found(tree, *patterns) == expected


def test_exclude(tree: Path) -> None:
    assert found(tree, "**/*.log", exclude=("jobs/**", "b.*")) == {"a.log"}


def test_folders_to_watch(tree: Path) -> None:
    walk = Patterns([str(tree / "*" / "*.log"), str(tree / "later" / "x" / "*.log")]).walk()
    list(walk)
    assert walk.folders == {str(tree / "jobs")}
    assert walk.parents == {str(tree)}  # whose new folders matter, and the deepest one there is of the other


def test_a_path_without_magic_is_named_whether_it_is_there_or_not(tree: Path) -> None:
    walk = Patterns([str(tree / "none.log")]).walk()
    assert list(walk) == [str(tree / "none.log")]
    assert walk.folders == {str(tree)}


def test_odd_names(tmp_path: Path) -> None:
    names = [b"new\nline.log", b"\xff\xfe.log", b"x" * 251 + b".log"]
    for name in names:
        (tmp_path / os.fsdecode(name)).touch()
    walk = Patterns([str(tmp_path / "*.log")]).walk()
    assert {os.fsencode(Path(path).name) for path in walk} == set(names)


def test_symlinked_folders_are_passed_but_not_by_two_stars(tree: Path) -> None:
    (tree / "link").symlink_to(tree / "jobs")
    (tree / "loop").symlink_to(tree)
    assert set(Patterns([str(tree / "link" / "*.log")]).walk()) == {str(tree / "link" / "d.log")}
    paths = list(Patterns([str(tree / "**" / "d.log")]).walk())
    assert [path for path in paths if Path(path).is_file()] == [str(tree / "jobs" / "d.log")]
