from __future__ import annotations

import json

from relay.models import Alert, Reason
from relay.routing.decide import decide, fold
from relay.routing.explain import explain
from relay.routing.fingerprint import fingerprint
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
