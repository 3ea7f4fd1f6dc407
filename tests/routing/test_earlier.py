"""What is looked up is what a comparison with every earlier rule finds."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from relay.config.patterns import message_text, name_text
from relay.config.schema import Match, Rule
from relay.models import Level
from relay.routing.earlier import Earlier
from relay.routing.proof import covers

MESSAGES = ["timeout", "time", "a timeout", "/time/", "/time/i", "x"]
MODULES = ["pay.*", "pay", "pay.refund", "pay.refund.*", "*", "*.refund", "p?y", "/pay.*/", "/PAY/i", "pa*"]

matches = st.builds(
    Match,
    message=st.lists(st.sampled_from(MESSAGES), max_size=2).map(
        lambda texts: tuple(map(message_text, texts))
    ),
    module=st.lists(st.sampled_from(MODULES), max_size=2).map(lambda texts: tuple(map(name_text, texts))),
    level=st.sampled_from([None, Level.ERROR]),
)


@settings(max_examples=500)
@given(st.lists(matches, min_size=2, max_size=8))
def test_no_covering_rule_is_overlooked(found: list[Match]) -> None:
    rules = [Rule(name=str(number), match=match) for number, match in enumerate(found)]
    earlier = Earlier()
    for number, later in enumerate(rules):
        may = earlier.may_cover(later)
        assert [each for each in may if covers(each, later)] == [
            each for each in rules[:number] if covers(each, later)
        ]
        earlier.add(later)
