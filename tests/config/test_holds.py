"""What rules.yaml says about holding messages back."""

from __future__ import annotations

import pytest

from relay.config.schema import Config, Flap, Rule, Storm
from tests.config.conftest import Check
from tests.config.fakes import errors
from tests.config.test_check import RULE, sole


def with_keys(keys: str) -> str:
    return f"{RULE}  - {{name: a, to: ops, {keys}}}\n"


def rule_of(check: Check, keys: str) -> Rule:
    loaded = check(with_keys(keys))
    assert errors(loaded) == []
    (found,) = loaded.usable().rules
    return found


def test_the_defaults_hold_back_without_being_asked() -> None:
    assert (Rule(name="a").storm, Rule(name="a").flap) == (Storm(20, 60.0), Flap(3, 3600.0))
    assert Config().budget == ("10/1m", "60/1h")


def test_all_of_it_can_be_set(check: Check) -> None:
    found = rule_of(check, "group_by: [host, module], group_wait: 0s, group_interval: 1m")
    assert (found.group_by, found.group_wait, found.group_interval) == (("host", "module"), 0.0, 60.0)
    assert rule_of(check, "storm: {within: 5m}").storm == Storm(20, 300.0)
    assert rule_of(check, "flap: {times: 5, within: 2h}").flap == Flap(5, 7200.0)
    off = rule_of(check, "storm: false, flap: false")
    assert (off.storm, off.flap) == (False, False)


def test_budgets_are_global_and_of_a_recipient(check: Check) -> None:
    config = check("budget: 5/1m\nbudgets: {ops: [30/1m, 300/1h]}\n" + with_keys("match: {}")).usable()
    assert (config.budget, config.budgets) == (("5/1m",), {"ops": ("30/1m", "300/1h")})
    assert check("budget: []\n").usable().budget == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("budget: [|fast]\n", "'fast' is not a rate: write 20/1m"),
        ("budget: [|5000/1h]\n", "'5000/1h' counts too many: at most 1000"),
        (RULE.replace("rules", "budgets: {|opps: [1/1m]}\nrules") + "  - {name: a, to: ops}\n",
         "unknown recipient 'opps' (did you mean 'ops'?)"),
        (with_keys("storm: {|cuont: 3}"), "unknown key 'cuont' (did you mean 'count'?)"),
        (with_keys("storm: {count: |0}"), "'0' must be at least 1"),
        (with_keys("flap: {times: |1}"), "'1' must be at least 2"),
        (with_keys("flap: |sometimes"), "'sometimes' is neither true nor false"),
        (with_keys("group_interval: |0s"), "'0s' must be more than 0"),
        (with_keys("group_wait: |soon"), "'soon' is not a duration"),
        (with_keys("group_by: |{a: b}"), "given a mapping, allowed: a list"),
    ],
)  # fmt: skip
def test_nonsense_is_told_with_its_place(check: Check, text: str, problem: str) -> None:
    assert sole(check, text).startswith(problem)
