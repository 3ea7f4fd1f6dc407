from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from relay.config.schema import Match, Rule
from relay.models import Event, Level
from relay.routing import ruleset as tested
from relay.routing.matcher import Matcher
from relay.routing.ruleset import Ruleset
from tests.routing.build import config, event, match, rule


def names(rules: Ruleset, given: Event) -> list[str]:
    return [each.name for each in rules.route(given)]


def test_the_first_rule_that_matches_wins() -> None:
    rules = Ruleset(config(rule("web", match=match(module="web.*")), rule("all"), rule("more")))
    assert names(rules, event(module="web.api")) == ["web"]
    assert names(rules, event(module="pay")) == ["all"]


def test_continue_lets_a_further_rule_take_it_too() -> None:
    rules = Ruleset(config(rule("a", continue_=True), rule("b", match=match(message="/time/")), rule("c")))
    assert names(rules, event("timeout")) == ["a", "b"]
    assert names(rules, event("deadlock")) == ["a", "c"]


def test_except_takes_out_what_holds_in_all_its_keys() -> None:
    picky = rule("a", match=match(module="pay.*"), except_=match(message="/card declined/", region="cn"))
    rules = Ruleset(config(picky))
    assert names(rules, event("card declined")) == ["a"]
    assert names(rules, event("card declined", labels={"region": "cn"})) == []


def test_except_on_fixed_keys_alone() -> None:
    rules = Ruleset(config(rule("a", except_=match(module="pay.test"))))
    assert names(rules, event(module="pay.test")) == []
    assert names(rules, event(module="pay.live")) == ["a"]


def test_many_message_rules_are_still_found_behind_the_gate() -> None:
    rules = Ruleset(
        config(*(rule(f"r{n}", match=match(message=f"/disk {n} (?P<what>full)/i")) for n in range(20)))
    )
    assert names(rules, event("DISK 17 FULL")) == ["r17"]
    assert names(rules, event("disk 17 empty")) == []


def test_endless_module_names_are_forgotten_again() -> None:
    rules = Ruleset(config(rule("a", match=match(module="m7"))))
    for number in range(tested._REMEMBERED + 10):
        rules.route(event(module=f"m{number}"))
    assert len(rules._known) <= tested._REMEMBERED
    assert names(rules, event(module="m7")) == ["a"]


def test_the_trace_names_every_rule_and_why() -> None:
    rules = Ruleset(
        config(
            rule("web", match=match(module="web.*")),
            rule("bad", match=match(level=Level.CRITICAL)),
            rule("pay", match=match(module="pay.*"), except_=match(message="/timeout/")),
            rule("all"),
            rule("rest"),
        )
    )
    steps = [(step.rule, step.outcome, step.why) for step in rules.trace(event())]
    assert steps == [
        ("web", "failed", "module pay.refund is not web.*"),
        ("bad", "failed", "level error is below critical"),
        ("pay", "failed", "except message /timeout/"),
        ("all", "matched", "matches everything"),
        ("rest", "not reached", "all took it"),
    ]


MODULES = ["pay", "pay.refund", "payroll", "web.db"]
MESSAGES = ["timeout", "deadlock 7", "card declined", ""]
matches = st.builds(
    match,
    source=st.sampled_from(["", "shop", "s*"]),
    module=st.sampled_from(["", "pay.*", "*.db", "pay", "/pay.*/ web.db", "p?y"]),
    level=st.sampled_from([None, Level.ERROR, Level.CRITICAL]),
    message=st.sampled_from(["", "/dead/", "/t.m/i", "card", "/x{3}/", "/^$/"]),
    host=st.sampled_from(["", "a*", "b /c/"]),
)
rules_ = st.lists(
    st.builds(Rule, name=st.just("r"), match=matches, except_=st.none() | matches, continue_=st.booleans()),
    max_size=8,
)
events = st.builds(
    event,
    st.sampled_from(MESSAGES),
    source=st.sampled_from(["shop", "x"]),
    module=st.sampled_from(MODULES),
    level=st.sampled_from(list(Level)),
    labels=st.sampled_from([{}, {"host": "a1"}, {"host": "b"}]),
)


def plainly(rules: list[Rule], given: Event) -> list[Rule]:
    taken = []
    for each in rules:
        excluded = each.except_ is not None and Matcher(each.except_).holds(given)
        if Matcher(each.match).holds(given) and not excluded:
            taken.append(each)
            if not each.continue_:
                break
    return taken


@settings(max_examples=150, derandomize=True)
@given(rules_, st.lists(events, min_size=1, max_size=5))
def test_route_and_trace_agree_with_asking_each_rule_in_turn(rules: list[Rule], given: list[Event]) -> None:
    built = Ruleset(config(*rules))
    for each in given:
        expected = plainly(rules, each)
        assert list(built.route(each)) == expected
        assert list(built.route(each)) == expected  # remembered
        assert sum(step.outcome == "matched" for step in built.trace(each)) == len(expected)


def test_a_rule_is_found_by_its_name() -> None:
    rules = Ruleset(config(rule("a", match=Match())))
    assert rules.rule("a") is not None
    assert rules.rule("b") is None
