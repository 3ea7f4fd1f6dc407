from __future__ import annotations

import json
from typing import Any

from msgspec import Struct

from relay.config.schema import Pair, Rule, Threshold
from relay.explain import explain
from relay.models import Reason
from relay.placing import Known
from relay.routing.decide import decide, fold
from relay.routing.fingerprint import fingerprint
from relay.routing.meters.base import Arrived
from relay.routing.meters.kinds import meter_of, subject
from relay.routing.ruleset import Ruleset
from relay.rulebook import Rules
from tests.routing.build import NOW, WANG, config, event, match, rule

PAY = rule("pay", match=match(module="pay.*"), to=("team",))


def rules_of(*rules: Rule, **recipients: Any) -> Rules:
    made = config(*rules, **recipients)
    return Rules.of(made, Ruleset(made))


RULES = rules_of(
    rule("web", match=match(module="web.*")), PAY, team=("wang",), wang={"rtx": "wangwei", "mail": "w@x"}
)
NOTHING = Known(lambda _: {})  # is live


def test_it_says_who_would_be_told_how_and_why() -> None:
    said = explain(RULES, event(), NOTHING, NOW).json()
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
    said = explain(RULES, event(), Known(lambda _: {problem.key: alert}), NOW + 60)
    (route,) = said.json()["routes"]
    assert (said.reason, route["told"], route["count"]) == (Reason.WINDOW, [], 2)
    assert [person["recipient"] for person in route["recipients"]] == ["wang"]


def test_no_rule_is_a_reason_too() -> None:
    said = explain(RULES, event(module="mail"), NOTHING, NOW)
    assert (said.reason, said.json()["routes"]) == (Reason.NO_RULE, [])
    assert said.steps[0].why == "module mail is not web.*"


def test_what_a_rule_holds_back_is_said_with_how_far_it_is() -> None:
    counting = rule("three", match=match(module="pay.*"), threshold=Threshold(count=3, within=60.0))
    rules = rules_of(counting, wang={"rtx": "wangwei"})
    states = dict[str, Struct]()

    def counted(name: str, key: str) -> Struct | None:
        assert name == "three"
        return states.get(key)

    for number in (1, 2):
        said = explain(rules, event(), NOTHING, NOW, counted=counted).json()
        (route,) = said["routes"]
        assert (said["reason"], route["why"]) == ("below", f"{number} of 3 within 1 min")
        assert (route["told"], route["next"], route["counted"]) == ([], None, [])
        meter, key = meter_of(counting), subject(event(), counting).key
        assert meter is not None
        outcome = meter.take(states.get(key), Arrived((event(),), NOW))
        assert outcome.state is not None
        states[key] = outcome.state
    said = explain(rules, event(), NOTHING, NOW, counted=counted).json()
    (route,) = said["routes"]
    assert (said["reason"], route["count"], route["counted"][0]) == ("first", 3, "3 in 0 s")
    assert [person["recipient"] for person in route["told"]] == ["wang"]


def test_what_ends_a_pair_is_said_though_no_rule_takes_it() -> None:
    ends = match(message="finished")
    jobs = rule("jobs", match=match(message="started"), pair=Pair(ends=ends, within=60.0, by=("job",)))
    rules = rules_of(jobs, wang={"rtx": "wangwei"})
    said = explain(rules, event("job finished"), NOTHING, NOW).json()
    (route,) = said["routes"]
    assert (said["reason"], route["why"]) == ("paired", "nothing was open that it ends")
