from __future__ import annotations

import pytest

from relay.routing.structured import fields_of


@pytest.mark.parametrize(
    ("line", "texts"),
    [
        ('{"error": "refused", "message": "no answer", "user": "x"}', ["no answer", "refused"]),
        ('{"msg": "a", "error": {"type": "Timeout", "message": "b"}}', ["a", "b", "Timeout"]),
        ('{"message": "a", "error.type": "T", "error.message": "b"}', ["a", "b", "T"]),
        ('{"MSG": "a", "code": 502}', ["a", "error code 502"]),
        ('{"b": 1, "a": 2}', ["a", "b"]),
        ('ts=1 msg="say \\"no\\"" err=refused x=y', ['say "no"', "refused"]),
    ],
)
def test_only_what_says_what_happened_in_a_fixed_order(line: str, texts: list[str]) -> None:
    assert fields_of(line) == texts


@pytest.mark.parametrize(
    "line",
    ["plain text", "uid=0 user=root", '{"msg": "cut of', "{not json}", "[1, 2]", "{" * 5000, '{"a":' * 5000],
)
def test_other_lines_are_neither(line: str) -> None:
    assert fields_of(line) is None
