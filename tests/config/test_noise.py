"""Silences of the rules, inhibition, escalation, runbooks: what may be written, and what is wrong."""

from __future__ import annotations

import pytest

from relay.config.schema import Inhibit, Step
from tests.config.conftest import Check
from tests.config.fakes import BASE, errors, lines

DB = "{name: db, to: ops, match: {module: db}"
WITH_DB = BASE.replace("rules: [", f"rules: [{DB}}}, ")


def rules(extra: str) -> str:
    return BASE.replace("rules: [", f"rules: [{DB}, {extra}}}, ")


def test_escalate_takes_one_step_or_several(check: Check) -> None:
    step = Step(after=600.0, to=("ops",))
    for written in ("{after: 10m, to: ops}", "[{after: 10m, to: [ops]}]"):
        assert check(rules(f"escalate: {written}")).usable().rules[0].escalate == (step,)
    two = check(rules("escalate: [{after: 10m, to: ops}, {after: 1h, to: ops}]")).usable().rules[0]
    assert [each.after for each in two.escalate] == [600.0, 3600.0]


def test_inhibit_acknowledge_and_runbook(check: Check) -> None:
    rule = (
        check(rules("inhibit: {equal: host}, ack_for: 1h, runbook: 'https://wiki/x?a=1'")).usable().rules[0]
    )
    assert rule.inhibit == (Inhibit(equal=("host",)),)
    assert (rule.ack_for, rule.runbook) == (3600.0, "https://wiki/x?a=1")


def test_silences(check: Check) -> None:
    text = WITH_DB + (
        "silences:\n"
        "  nightly: {match: {module: backup.*}, every: sat-sun 02:00-04:00, zone: Asia/Tokyo, reason: d}\n"
        "  move: {rules: [db], until: '2026-03-02T06:00', reason: moving, author: wang}\n"
    )
    loaded = check(text)
    assert lines(loaded) == []
    silences = loaded.usable().silences
    assert silences["move"].rules == ("db",)
    assert silences["nightly"].author == "rules.yaml"


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        ("escalate: 10m", "given a single value, allowed: a mapping"),
        ("escalate: {to: ops}", "the key 'after' is missing"),
        ("escalate: {after: 0s, to: ops}", "must be more than 0 s"),
        ("escalate: {after: 10m, to: []}", "must not be empty"),
        ("escalate: {after: 10m, to: opps}", "unknown recipient 'opps' (did you mean 'ops'?)"),
        ("inhibit: {}", "it would hold back every other alert"),
        ("inhibit: {rules: dbb, equal: host}", "unknown rule 'dbb' (did you mean 'db'?)"),
        ("runbook: wiki/pay", "must be a whole URL"),
        ("runbook: 'javascript:alert(1)'", "must be a whole URL"),
        ("ack_for: soon", "'soon' is not a duration"),
    ],
)
def test_one_problem_of_a_rule(check: Check, extra: str, problem: str) -> None:
    (found,) = errors(check(rules(extra)))
    assert problem in found


@pytest.mark.parametrize(
    ("silence", "problem"),
    [
        ("{every: 'sat 02:00-04:00', reason: x}", "it would silence everything: give `match` or `rules`"),
        ("{match: {module: x}, reason: x}", "either `every` (sat 02:00-04:00) or `until`"),
        ("{match: {module: x}, every: sat 2-4, reason: x}", "'2-4'"),
        ("{match: {module: x}, every: sat 02:00-04:00, zone: Mars, reason: x}", "'Mars' is no time zone"),
        ("{match: {module: x}, every: 'sat 02:00-04:00'}", "the key 'reason' is missing"),
        ("{match: {module: x}, until: tomorrow, reason: x}", "'tomorrow' is no date and time"),
        ("{rules: nobody, every: 'sat 02:00-04:00', reason: x}", "unknown rule 'nobody'"),
        ("{match: {module: x, modul: y}, every: 'sat 02:00-04:00', reason: x}", "unknown key 'modul'"),
    ],
)
def test_one_problem_of_a_silence(check: Check, silence: str, problem: str) -> None:
    found = errors(check(f"{BASE}silences:\n  s: {silence}\n"))
    assert any(problem in each for each in found)
    assert len(found) == 1
