"""The keys of a rule that count before it tells."""

from __future__ import annotations

import pytest

from relay.config.schema import Absent, Distinct, Jump, Match, Pair, Text, Threshold
from tests.config.conftest import Check
from tests.config.fakes import BASE, errors, lines

RULE = BASE.partition("rules:")[0] + "rules:\n  - {name: a, to: ops, "


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("threshold: {count: 3, within: 1m}", Threshold(count=3, within=60.0)),
        ("threshold: {count: 3, within: 1m, by: rule}", Threshold(count=3, within=60.0, by=("rule",))),
        ("distinct: {of: user, count: 5, within: 1h, by: [host, fingerprint]}",
         Distinct(of="user", count=5, within=3600.0, by=("host", "fingerprint"))),
        ("absent: 26h", 26 * 3600.0),
        ("absent: {for: 26h}", Absent(for_=26 * 3600.0)),
        ("absent: {for: 10m, grace: 1m}", Absent(for_=600.0, grace=60.0)),
        ("rate: {factor: 3}", Jump(factor=3.0)),
        ("rate: {factor: 1.5, within: 1m, over: 30m, least: 50}",
         Jump(factor=1.5, within=60.0, over=1800.0, least=50)),
        ("pair: {ends: {message: /finished/}, within: 2h, by: job}",
         Pair(ends=Match(message=(Text("regex", "finished"),)), within=7200.0, by=("job",))),
        ("new: true", True),
    ],
)  # fmt: skip
def test_it_is_read(check: Check, written: str, read: object) -> None:
    loaded = check(f"{RULE}{written}}}\n")
    assert lines(loaded) == []
    assert getattr(loaded.usable().rules[0], written.partition(":")[0]) == read


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("threshold: {count: 1, within: 1m}", "'1' must be at least 2"),
        ("threshold: {count: 3}", "the key 'within' is missing"),
        ("threshold: 3", "given a single value, allowed: a mapping"),
        ("threshold: {count: 3, within: 1m, by: []}", "must not be empty"),
        ("distinct: {of: user, count: 2000, within: 1m}", "'2000' must be at most 1000"),
        ("absent: {grace: 1m}", "the key 'for' is missing"),
        ("absent: soon", "'soon' is not a duration"),
        ("absent: {for: 0s}", "'0s' must be more than 0 s"),
        ("rate: {factor: 1}", "'1' must be more than 1"),
        ("rate: {within: 2h}", "must be at least as long as `within`"),
        ("rate: {within: 1s}", "must be at most 300 times as long as `within`"),
        ("pair: {within: 1m, by: job}", "the key 'ends' is missing"),
        ("pair: {ends: {message: x}, within: 1m}", "the key 'by' is missing"),
        ("new: true, threshold: {count: 3, within: 1m}", "`threshold` and `new` exclude each other"),
        ("absent: {for: 1m}, resolve_after: 1h", "an alert of `absent` is over when something matches"),
        ("fingerprint: event, threshold: {count: 3, within: 1m}", "each event is a problem of its own: say"),
        ("fingerprint: event, new: true", "each event is a problem of its own"),
    ],
)
def test_nonsense_is_refused_with_what_is_allowed(check: Check, written: str, problem: str) -> None:
    (found,) = errors(check(f"{RULE}{written}}}\n"))
    assert problem in found
    assert found.startswith(f"{RULE.count(chr(10)) + 1}:")


def test_each_event_of_its_own_may_be_counted_by_something_else(check: Check) -> None:
    assert lines(check(f"{RULE}fingerprint: event, threshold: {{count: 3, within: 1m, by: rule}}}}\n")) == []


def test_a_rule_that_waits_for_events_takes_none_away(check: Check) -> None:
    below = "  - {name: b, to: ops, match: {module: pay.x}}\n"
    assert lines(check(f"{RULE}match: {{module: pay.*}}, absent: 1h}}\n{below}")) == []
