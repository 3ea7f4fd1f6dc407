"""Labelled events of other systems, stacks and services than those that the masks grew on.

Each line of `unseen/` is one event; its group is what someone on call would want to hear of once. What is
still split are mostly names that people chose, of letters alone (a host called `gw`): no single line shows
that they are data.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest

from relay.routing.fingerprint import fingerprint
from tests.routing.build import event, rule

SETS = sorted((Path(__file__).parent / "unseen").glob("*.jsonl"))


@pytest.mark.parametrize("path", SETS, ids=lambda path: path.stem)
def test_no_two_problems_are_merged_and_few_are_split(path: Path) -> None:
    assert _merged(rows := _rows(path)) == []
    assert _share_whole(rows) >= 0.93


def test_few_alerts_for_each_problem() -> None:
    rows = [row for path in SETS for row in _rows(path)]
    assert _share_whole(rows) >= 0.96
    problems = {(row["module"], row["group"]) for row in rows}
    assert len({row["key"] for row in rows}) / len(problems) <= 1.06


def _rows(path: Path) -> list[dict[str, str]]:
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [row | {"key": fingerprint(event(row["text"], module=row["module"]), rule()).key} for row in rows]


def _merged(rows: list[dict[str, str]]) -> list[set[str]]:
    """Problems that share a fingerprint."""
    owners: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        owners[row["key"]].add(row["group"])
    return [groups for groups in owners.values() if len(groups) > 1]


def _share_whole(rows: list[dict[str, str]]) -> float:
    """The share of events whose problem has one fingerprint."""
    keys: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        keys[row["module"], row["group"]].add(row["key"])
    return sum(len(keys[row["module"], row["group"]]) == 1 for row in rows) / len(rows)
