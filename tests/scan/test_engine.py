"""Two engines behind one adapter, and the databases kept for the next start."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from relay.scan import engine
from relay.scan.engine import KEPT, Engine, EngineError, Hyperscan, Re2, build

DATA = b"one timeout\nnothing\ntwo deadlocks, deadlock again\n"

ENGINES: list[Callable[[Sequence[str]], Engine]] = [Re2]
if engine.hyperscan is not None:
    ENGINES.append(Hyperscan)


def lines(ends: list[int], data: bytes) -> set[int]:
    return {data.count(b"\n", 0, end - 1) for end in ends}


@pytest.mark.parametrize("made", ENGINES)
def test_the_lines_of_what_is_found(made: Callable[[Sequence[str]], Engine]) -> None:
    found = made(["timeout", "dead.?lock"]).ends(DATA)
    assert found == sorted(found)
    assert lines(found, DATA) == {0, 2}


@pytest.mark.parametrize("made", ENGINES)
def test_which_patterns_may_match(made: Callable[[Sequence[str]], Engine]) -> None:
    patterns = made(["timeout", "deadlock", "absent"])
    assert {0, 1} <= set(patterns.which(DATA))
    assert not set(patterns.which(b"quiet"))


@pytest.mark.parametrize("made", ENGINES)
def test_the_refused_are_named(made: Callable[[Sequence[str]], Engine]) -> None:
    with pytest.raises(EngineError) as error:
        made(["fine", "(unbalanced"])
    assert error.value.refused == (1,)


def test_a_match_over_two_lines_tells_of_lines_that_its_event_holds() -> None:
    data = b"x\na begins\nends b\nc begins\nends d\n"
    assert lines(Re2([r"begins\s+ends"]).ends(data), data) == {1, 3}


needs_hyperscan = pytest.mark.skipif(engine.hyperscan is None, reason="no hyperscan here")


@needs_hyperscan
def test_a_database_is_kept_and_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(["timeout"], tmp_path)
    assert [each.suffix for each in tmp_path.iterdir()] == [".hsdb"]

    def compiled(_: Sequence[str]) -> None:
        raise AssertionError("compiled again")

    monkeypatch.setattr(engine, "_compiled", compiled)
    assert lines(build(["timeout"], tmp_path).ends(DATA), DATA) == {0}
    with pytest.raises(AssertionError):
        build(["other"], tmp_path)


@needs_hyperscan
def test_what_is_kept_is_of_no_use_when_damaged(tmp_path: Path) -> None:
    build(["timeout"], tmp_path)
    for file in tmp_path.iterdir():
        file.write_bytes(file.read_bytes()[:100])
    assert lines(build(["timeout"], tmp_path).ends(DATA), DATA) == {0}


@needs_hyperscan
def test_few_are_kept(tmp_path: Path) -> None:
    for number in range(KEPT + 5):
        build([f"timeout{number}"], tmp_path)
    assert len(list(tmp_path.iterdir())) == KEPT


def test_a_folder_that_cant_be_written_costs_nothing_but_time(tmp_path: Path) -> None:
    assert lines(build(["timeout"], tmp_path / "absent").ends(DATA), DATA) == {0}
