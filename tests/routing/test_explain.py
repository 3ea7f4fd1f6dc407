from __future__ import annotations

import json

from msgspec import Struct

from relay.config.schema import Pair, Threshold
from relay.models import Alert, Reason
from relay.routing.decide import decide, fold
from relay.routing.explain import explain
from relay.routing.fingerprint import fingerprint
from relay.routing.meters.base import Arrived
from relay.routing.meters.kinds import meter_of, subject
from relay.routing.ruleset import Ruleset
from tests.routing.build import NOW, WANG, config, event, match, rule

PAY = rule("pay", match=match(module="pay.*"), to=("team",))
RULES = config(
    rule("web", match=match(module="web.*")), PAY, team=("wang",), wang={"rtx": "wangwei", "mail": "w@x"}
)
RULESET = Ruleset(RULES)


def nothing_live(_key: str) -> Alert | None:
    return None


def test_it_says_who_would_be_told_how_and_why() -> None:
    said = explain(RULESET, RULES, event(), nothing_live, NOW).json()
    assert [step["outcome"] for step in said["steps"]] == ["failed", "matched"]
    (route,) = said["routes"]
    assert (said["reason"], route["rule"], route["reason"], route["why"]) == (
        "first",
        "pay",
        "first",
        "a new problem",
    )
    assert route["title"] == "timeout after <num> ms"
    assert route["told"] == [{"recipient": "wang", "addresses": [["rtx", "wangwei"], ["mail", "w@x"]]}]
    assert json.loads(json.dumps(said)) == said


def test_it_takes_a_live_alert_into_account() -> None:
    problem = fingerprint(event(), PAY)
    alert = decide(PAY, None, fold([event()]), (WANG,), NOW, new_id=1, fingerprint=problem).alert
    said = explain(RULESET, RULES, event(), {problem.key: alert}.get, NOW + 60)
    (route,) = said.json()["routes"]
    assert (said.reason, route["told"], route["count"]) == (Reason.WINDOW, [], 2)
    assert [person["recipient"] for person in route["recipients"]] == ["wang"]


def test_no_rule_is_a_reason_too() -> None:
    said = explain(RULESET, RULES, event(module="mail"), nothing_live, NOW)
    assert (said.reason, said.json()["routes"]) == (Reason.NO_RULE, [])
    assert said.steps[0].why == "module mail is not web.*"


def test_what_a_rule_holds_back_is_said_with_how_far_it_is() -> None:
    counting = rule("three", match=match(module="pay.*"), threshold=Threshold(count=3, within=60.0))
    rules = config(counting, wang={"rtx": "wangwei"})
    ruleset, states = Ruleset(rules), dict[str, Struct]()

    def counted(name: str, key: str) -> Struct | None:
        assert name == "three"
        return states.get(key)

    for number in (1, 2):
        said = explain(ruleset, rules, event(), nothing_live, NOW, counted=counted).json()
        (route,) = said["routes"]
        assert (said["reason"], route["why"]) == ("below", f"{number} of 3 within 1 min")
        assert (route["told"], route["next"], route["counted"]) == ([], None, [])
        meter, key = meter_of(counting), subject(event(), counting).key
        assert meter is not None
        outcome = meter.take(states.get(key), Arrived((event(),), NOW))
        assert outcome.state is not None
        states[key] = outcome.state
    said = explain(ruleset, rules, event(), nothing_live, NOW, counted=counted).json()
    (route,) = said["routes"]
    assert (said["reason"], route["count"], route["counted"][0]) == ("first", 3, "3 in 0 s")
    assert [person["recipient"] for person in route["told"]] == ["wang"]


def test_what_ends_a_pair_is_said_though_no_rule_takes_it() -> None:
    ends = match(message="finished")
    jobs = rule("jobs", match=match(message="started"), pair=Pair(ends=ends, within=60.0, by=("job",)))
    rules = config(jobs, wang={"rtx": "wangwei"})
    said = explain(Ruleset(rules), rules, event("job finished"), nothing_live, NOW).json()
    (route,) = said["routes"]
    assert (said["reason"], route["why"]) == ("paired", "nothing was open that it ends")
