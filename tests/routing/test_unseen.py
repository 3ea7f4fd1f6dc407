"""Labelled events of other systems, stacks and services than those that the masks grew on.

Each line of `unseen/` is one event; its group is what someone on call would want to hear of once. What is
still split are mostly names that people chose, of letters alone (a host called `gw`): no single line shows
that they are data.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from relay.routing.fingerprint import fingerprint
from tests.routing.build import event, rule

SETS = sorted((Path(__file__).parent / "unseen").glob("*.jsonl"))


@pytest.mark.parametrize("path", SETS, ids=lambda path: path.stem)
def test_no_two_problems_are_merged_and_few_are_split(path: Path) -> None:
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    keys: defaultdict[str, Counter[str]] = defaultdict(Counter)
    owners: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        found = fingerprint(event(row["text"], module=row["module"]), rule()).key
        keys[row["group"]][found] += 1
        owners[found].add(row["group"])
    assert [sorted(names) for names in owners.values() if len(names) > 1] == []
    whole = sum(sum(found.values()) for found in keys.values() if len(found) == 1)
    assert whole / len(rows) >= 0.95
    assert sum(map(len, keys.values())) / len(keys) <= 1.07  # alerts for each problem
