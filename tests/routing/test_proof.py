from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.config.schema import Example, Match, Place, Rule
from relay.models import Event, Level
from relay.routing.matcher import Matcher
from relay.routing.proof import covers, event_of, problems
from tests.routing.build import config, event, match, rule
from tests.routing.test_ruleset import events, matches

HERE = Place("rules.yaml", 7, 3)


def parse(line: str) -> Event:
    level, module, message = line.split(" ", 2)
    return event(message, module=module, level=Level.of(level) or Level.ERROR)


def found(*rules: Rule) -> list[str]:
    return [problem.text for problem in problems(config(*rules), parse)]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (match(), match(module="pay.*")),
        (match(module="pay.*"), match(module="pay.*", level=Level.ERROR)),
        (match(module="pay.*"), match(module="pay.refund.*")),
        (match(module="pay.*"), match(module="pay")),
        (match(module="pay.* web.*"), match(module="web.api pay.x")),
        (match(level=Level.WARNING), match(level=Level.ERROR)),
        (match(message="/dead/"), match(message="/dead/", module="db")),
        (match(message="card"), match(message="card declined")),
        (match(host="a*"), match(host="ab", level=Level.INFO)),
    ],
)
def test_a_wider_rule_before_shadows(earlier: Match, later: Match) -> None:
    rules = rule("a", match=earlier, place=HERE), rule("b", match=later, place=Place("rules.yaml", 20, 5))
    (problem,) = problems(config(*rules), parse)
    assert (problem.severity, problem.place.line) == ("warning", 20)
    assert problem.text == "rule 'b' is never reached: 'a' (rules.yaml:7:3) takes all it matches"


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (match(module="pay.*"), match()),
        (match(module="pay.refund.*"), match(module="pay.*")),
        (match(module="pay.*"), match(module="pay*")),
        (match(level=Level.ERROR), match()),
        (match(level=Level.ERROR), match(level=Level.WARNING)),
        (match(message="/dead/"), match(message="/deadlock/")),  # true, but not certain for us
        (match(message="card declined"), match(message="card")),
        (match(host="a*"), match(module="pay")),
    ],
)
def test_no_claim_where_it_is_not_certain(earlier: Match, later: Match) -> None:
    assert found(rule("a", match=earlier), rule("b", match=later)) == []


def test_a_rule_that_continues_or_excepts_shadows_nothing() -> None:
    assert found(rule("a", continue_=True), rule("b")) == []
    assert found(rule("a", except_=match(module="web.*")), rule("b")) == []


@settings(max_examples=300, derandomize=True)
@given(matches, st.none() | matches, matches, st.none() | matches, events)
def test_shadowed_is_never_claimed_wrongly(
    wide: Match, wide_except: Match | None, narrow: Match, narrow_except: Match | None, given: Event
) -> None:
    earlier = rule("a", match=wide, except_=wide_except)
    later = rule("b", match=narrow, except_=narrow_except)

    def takes(each: Rule) -> bool:
        excluded = each.except_ is not None and Matcher(each.except_).holds(given)
        return Matcher(each.match).holds(given) and not excluded

    if covers(earlier, later) and takes(later):
        assert takes(earlier)


def test_an_example_that_reaches_its_rule_is_fine() -> None:
    assert found(rule("pay", match=match(module="pay.*"), examples=(Example("error pay.x timeout"),))) == []


def test_an_example_that_misses_says_why_and_who_took_it() -> None:
    examples = (Example("info pay.x timeout", place=HERE), Example("error web.x timeout", place=HERE))
    picky = rule("pay", match=match(module="pay.*", level=Level.ERROR), examples=examples)
    first, second = problems(config(picky, rule("rest", match=match(module="web.*"))), parse)
    assert (first.severity, first.place) == ("error", HERE)
    assert first.text == "this example doesn't reach rule 'pay': level info is below error"
    assert second.text == (
        "this example doesn't reach rule 'pay': module web.x is not pay.*; 'rest' takes it"
    )


def test_an_example_taken_by_an_earlier_rule() -> None:
    late = rule("late", examples=(Example("error pay.x timeout"),))
    assert found(rule("early", match=match(module="pay.*")), late) == [
        "this example doesn't reach rule 'late': early took it"
    ]


def test_an_example_given_by_its_fields() -> None:
    made = event_of(Example(event={"module": "pay", "message": "x", "level": "warn", "region": "cn"}), parse)
    assert (made.module, made.message, made.level) == ("pay", "x", Level.WARNING)
    assert made.labels == {"region": "cn"}
