"""The scan benchmark in small: its corpus is what it claims to be, and the daemon finds what was planted."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from relay.backends.registry import Types
from relay.config.load import load
from tests.bench.scan import contest, daemon, reference
from tests.bench.scan.corpus import Corpus, corpus
from tests.bench.scan.peers import perl, posix
from tests.bench.scan.rules import rules, sources, yaml

SIZE = 4 << 20
DENSITY = 0.04
RULES = rules(100)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return corpus(SIZE, DENSITY, RULES, tmp_path_factory.mktemp("corpus"))


def digests(made: Corpus) -> list[str]:
    return [hashlib.sha256(log.path.read_bytes()).hexdigest() for log in made.logs.values()]


def test_the_same_parameters_make_the_same_corpus(made: Corpus, tmp_path: Path) -> None:
    again = corpus(SIZE, DENSITY, RULES, tmp_path)
    assert digests(again) == digests(made)
    assert [log.cuts for log in again.logs.values()] == [log.cuts for log in made.logs.values()]
    assert digests(corpus(SIZE, DENSITY / 2, RULES, tmp_path)) != digests(made)


def test_it_has_the_size_and_the_share_of_matching_lines_that_were_asked_for(made: Corpus) -> None:
    assert made.size == sum(log.path.stat().st_size for log in made.logs.values())
    assert SIZE <= made.size < SIZE * 1.05
    mixed = made.logs["mixed"].whole
    assert sum(mixed.planted.values()) / mixed.lines == pytest.approx(DENSITY, rel=0.02)
    assert set(made.planted) == {rule.name for rule in RULES}


def test_no_line_is_there_often(made: Corpus) -> None:
    lines = made.logs["mixed"].path.read_bytes().splitlines()
    assert len(set(lines)) > 0.9 * len(lines)


def test_cuts_are_between_lines_and_end_with_a_planted_one(made: Corpus) -> None:
    data = made.logs["mixed"].path.read_bytes()
    wanted = re.compile("|".join(map(perl, RULES)))
    for cut in made.logs["mixed"].cuts:
        assert data[: cut.offset].endswith(b"\n")
        assert data[: cut.offset].count(b"\n") == cut.lines
        assert wanted.search(data[: cut.offset].splitlines()[-1].decode())


@pytest.mark.parametrize("count", [10, 100, 1000])
def test_relay_takes_every_set_of_rules_without_a_word(count: int, tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(yaml(rules(count), sources(str(tmp_path)), str(tmp_path)))
    path.chmod(0o600)
    loaded = load(path, backend_types=Types(), environ={})
    assert loaded.problems == []
    assert len(loaded.usable().rules) == count


def test_planted_lines_are_found_by_the_rules_they_claim(made: Corpus) -> None:
    for name, log in made.logs.items():
        cut = log.at_most(1 << 19)
        assert reference.counted(made, RULES, name, cut) == cut.planted


def test_patterns_for_other_tools_find_as_many_lines(made: Corpus) -> None:
    part = contest.cut(made, 1 << 19)
    lines = part.path.read_text().splitlines()
    assert counted([re.compile(perl(rule)) for rule in RULES], lines) == part.matching
    as_python = [posix(rule).replace("[:alnum:]", "A-Za-z0-9") for rule in RULES]
    assert counted([re.compile(pattern) for pattern in as_python], lines) == part.matching


def counted(patterns: list[re.Pattern[str]], lines: list[str]) -> int:
    return sum(1 for line in lines if any(pattern.search(line) for pattern in patterns))


@pytest.mark.e2e
def test_the_daemon_counts_for_each_rule_what_was_planted(made: Corpus) -> None:
    assert daemon.measure(made, RULES).found == made.planted
