from __future__ import annotations

import pytest
import re2

from relay.config.texts import any_of
from relay.models import Level
from relay.routing.matcher import Matcher
from tests.routing.build import event, match, text


@pytest.mark.parametrize(
    ("glob", "module", "holds"),
    [
        ("pay.*", "pay", True),
        ("pay.*", "pay.refund", True),
        ("pay.*", "pay.refund.worker", True),
        ("pay.*", "payroll", False),
        ("pay.*", "web.pay.x", False),
        ("*.db", "shop.orders.db", True),
        ("*.db", "db", False),
        ("*.db", "shop.dbx", False),
        ("p?y", "pay", True),
        ("p?y", "payy", False),
        ("*", "", True),
        ("pay", "pay.refund", False),
        ("Pay", "pay", False),
        ("a+b.*", "a+b.c", True),
        ("a+b.*", "aab.c", False),
        ("/pay|web/", "web", True),
        ("/pay|web/", "web.api", False),
        ("/PAY/i", "pay", True),
    ],
)
def test_modules_match_as_a_whole(glob: str, module: str, holds: bool) -> None:  # noqa: FBT001 - the expected value
    assert any_of([text(glob)], dotted=True)(module) is holds


@pytest.mark.parametrize(
    ("condition", "message", "holds"),
    [
        ("/deadlock|too many/i", "a DEADLOCK was found", True),
        ("/^dead/", "a deadlock", False),
        ("card declined", "the card declined it", True),
        ("card declined", "the Card declined it", False),
        ("a.c", "abc", False),
        ("/付款.败/", "订单 12 付款失败了", True),
        ("/a.b/", "a\x00b", True),
    ],
)
def test_messages_match_anywhere(condition: str, message: str, holds: bool) -> None:  # noqa: FBT001 - the expected value
    assert any_of([text(condition, message=True)])(message) is holds


def test_a_lone_surrogate_in_a_message_is_no_error() -> None:
    assert any_of([text("/dead/", message=True)])("\ud800 deadlock")


def test_any_of_several_kinds() -> None:
    holds = any_of([text("pay"), text("web.*"), text("/db[0-9]/")])
    assert [holds(name) for name in ("pay", "web.api", "db7", "dbx")] == [True, True, True, False]


def test_a_pattern_that_re2_refuses_is_an_error() -> None:
    with pytest.raises(re2.error):
        any_of([text("/(?=a)/")])


def test_a_hostile_pattern_takes_no_time() -> None:
    assert not any_of([text("/(a+)+$/", message=True)])("a" * 20_000 + "!")


def test_all_keys_must_hold_and_the_first_that_fails_is_named() -> None:
    wanted = Matcher(match(module="pay.*", level=Level.ERROR, message="/card/", region="cn hk"))
    good = event("card declined", labels={"region": "hk"})
    assert wanted.holds(good)
    assert wanted.failure(event("card", module="web.api")) == "module web.api is not pay.*"
    assert wanted.failure(event("card", level=Level.INFO)) == "level info is below error"
    assert wanted.failure(event("cash")) == "message doesn't match /card/"
    assert wanted.failure(event("card")) == "no label region"
    assert wanted.failure(event("card", labels={"region": "us"})) == "label region us is not cn or hk"
    assert wanted.success() == "module pay.*, level error, message /card/, label region cn or hk"


def test_an_empty_match_holds_for_everything() -> None:
    assert Matcher(match()).holds(event())
