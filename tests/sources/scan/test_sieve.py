"""What a source's lines are scanned for, and what costs a look at every line."""

from __future__ import annotations

from typing import Any

import pytest

from relay.config.patterns import message_text, name_text
from relay.config.schema import Match, Rule, TailSource
from relay.models import Level
from relay.scan.engine import EngineError
from relay.sources.scan import sieve as module
from relay.sources.scan.sieve import Sieve, Sieves


def rule(name: str = "r", **match: Any) -> Rule:
    for key, of in (("message", message_text), ("module", name_text), ("source", name_text)):
        if key in match:
            match[key] = (of(match[key]),)
    return Rule(name=name, match=Match(**match))


def sieves(*rules: Rule, **source: Any) -> Sieves:
    return Sieves("app", TailSource(tail=("/srv/app.log",), **source), rules)


def sieve(*rules: Rule, file: str = "app", **source: Any) -> Sieve:
    found = sieves(*rules, **source).of_module(file)
    assert found is not None
    return found


def hit(of: Sieve, *lines: str) -> list[int]:
    """The numbers of the lines that are found."""
    data = "".join(f"{line}\n" for line in lines).encode()
    places = of.places(data)
    assert places is not None
    return sorted({data.count(b"\n", 0, place - 1) for place in places})


def test_a_message_is_looked_for_as_it_is() -> None:
    found = sieve(rule(message="/time.?out/i", level=Level.ERROR))
    assert hit(found, "INFO fine", "ERROR Time-Out", "INFO timeout") == [1, 2]


def test_an_information_with_the_word_error_in_it_is_no_error() -> None:
    lines = (
        "2026-03-01 10:00:00,1 INFO a.b: no error here",
        "2026-03-01 10:00:00,1 ERROR a.b: x",
        "10:00:00 odd",
    )
    assert hit(sieve(rule(level=Level.ERROR), format="python"), *lines) == [1, 2]
    assert hit(sieve(rule(level=Level.ERROR), format="plain"), *lines) == [1, 2]


def test_lines_of_a_stack_trace_are_no_events() -> None:
    lines = (
        "10:00:00.123 [main] INFO c.x.A - a",
        "java.lang.X: b",
        "\tat c.x.A.f(A.java:1)",
        "Caused by: error",
    )
    assert hit(sieve(rule(level=Level.ERROR), format="java"), *lines) == []


def test_a_module_is_looked_for_beside_its_level() -> None:
    found = sieve(rule(module="pay.*", level=Level.ERROR), format="python")
    lines = (
        "2026-03-01 10:00:00,1 INFO pay.refund: x",
        "2026-03-01 10:00:00,1 ERROR pay.refund: x",
        "2026-03-01 10:00:00,1 - pay.refund - ERROR - x",
        "2026-03-01 10:00:00,1 ERROR payload: x",
    )
    assert hit(found, *lines) == [1, 2]


def test_a_file_whose_own_module_a_rule_names_is_looked_at_otherwise() -> None:
    both = sieves(rule(module="pay.*", message="deadlock"), rule(name="s", message="timeout"))
    app, pay = both.of_module("app"), both.of_module("pay")
    assert app is not None
    assert pay is not None
    assert hit(app, "a deadlock", "a timeout") == [1]
    assert hit(pay, "a deadlock", "a timeout") == [0, 1]


def test_rules_of_other_sources_and_labels_cost_nothing() -> None:
    other = rule(source="other", level=Level.ERROR)
    labelled = rule(labels={"host": (name_text("web"),)})
    assert sieves(other, labelled).patterns == 0
    assert sieves(labelled, labels={"host": "web"}).costly


@pytest.mark.parametrize(
    ("of", "source", "why"),
    [
        (rule(), {}, "asks for no text"),
        (rule(message="/.*/"), {}, "asks for no text"),
        (rule(message="/x*/", level=Level.DEBUG), {}, "asks for no text"),
        (rule(level=Level.ERROR), {"format": "regex", "pattern": "(?P<message>.*)"}, "level"),
        (rule(message="timeout"), {"encoding": "iso2022_jp"}, "can't be scanned as bytes"),
    ],
)
def test_what_has_every_line_looked_at(of: Rule, source: dict[str, Any], why: str) -> None:
    found = sieves(of, rule(name="fine", message="fine words"), **source)
    assert why in found.costly[0].why
    assert found.costly[0].rule == "r"
    assert found.of_module("app") is None


def test_what_hits_everywhere_is_noticed_and_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REST", 2)
    found = sieve(rule(message="1"))
    flood, quiet = b"111111111111\n" * 1000, b"words and words\n" * 1000
    assert found.places(flood) is None
    assert found.places(quiet) is None
    assert found.places(quiet) is None
    assert found.places(quiet) == []


def test_terminal_sequences_dont_hide_a_word() -> None:
    assert hit(sieve(rule(message="timeout")), "time\x1b[31mout", "time\u200bout", "tim out") == [0, 1]


def test_json_is_found_by_its_level_whatever_the_order() -> None:
    found = sieve(rule(level=Level.ERROR), format="json")
    lines = (
        '{"level":"info","msg":"an error"}',
        '{"msg":"x","level":"debug"}',
        '{"msg":"x","level":"error"}',
        '{"msg":"x"}',
        '{"level":30,"msg":"x"}',
        '{"level":50,"msg":"x"}',
    )
    assert hit(found, *lines) == [2, 3, 5]


def test_patterns_that_are_refused_together_have_every_line_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refusing(patterns: tuple[str, ...], _: object) -> None:
        raise EngineError(range(len(patterns)))

    monkeypatch.setattr(module, "build", refusing)
    found = sieves(rule(message="timeout"))
    assert [each.rule for each in found.costly] == ["r"]
    assert found.of_module("app") is None
