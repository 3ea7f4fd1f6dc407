"""Robots by key or URL, by turns, with their secrets."""

from __future__ import annotations

import pytest

from relay.backends.compose import compose
from relay.backends.loose_markdown import disarmed
from relay.backends.robots import key_problems, keyword_problems, robots, secret_problems, with_keyword
from relay.values import Secret
from tests.backends.messages import NOW, message

K, L = Secret("key-1"), Secret("key_2")


def test_robots_take_turns_each_with_its_secret() -> None:
    turns = robots("https://h/?k=", (K, L), (), (Secret("s1"), Secret("s2")))
    found = [next(turns) for _ in range(3)]
    assert [(each.url, each.secret) for each in found] == [
        ("https://h/?k=key-1", "s1"),
        ("https://h/?k=key_2", "s2"),
        ("https://h/?k=key-1", "s1"),
    ]
    assert "key" not in repr(found)
    assert next(robots("https://h/", (), (Secret("https://x/y"),), ())).url == "https://x/y"


@pytest.mark.parametrize(
    ("keys", "urls", "fields"),
    [
        ((K,), (), []),
        ((), (Secret("https://h/x"),), []),
        ((), (), ["token"]),
        ((K,), (Secret("https://h/x"),), ["token"]),
        ((K, Secret("a/b")), (), ["token"]),
        ((), (Secret("https://h/x"), Secret("h/x")), ["url"]),
        ((K, L, K), (), ["token"]),
        ((), (Secret("https://h/x"), Secret("https://h/x")), ["url"]),
    ],
)
def test_either_keys_or_urls(keys: tuple[Secret, ...], urls: tuple[Secret, ...], fields: list[str]) -> None:
    assert [field for field, _ in key_problems("token", keys, urls)] == fields


def test_a_secret_for_each_robot_or_none() -> None:
    assert list(secret_problems((), 2)) == []
    assert list(secret_problems((K, L), 2)) == []
    assert [field for field, _ in secret_problems((K,), 2)] == ["secret"]
    assert [field for field, _ in secret_problems((Secret("a b"),), 1)] == ["secret"]


@pytest.mark.parametrize("keyword", ["", "alert", "告警", "on_call", "alert:", "[ops]", "C++"])
def test_keywords_that_arrive(keyword: str) -> None:
    assert list(keyword_problems(keyword, disarmed)) == []


@pytest.mark.parametrize("keyword", [" ", "a ", "a\nb", "*a*", "<b>", "`x`", "a" * 41])
def test_keywords_that_would_not(keyword: str) -> None:
    assert [field for field, _ in keyword_problems(keyword, disarmed)] == ["keyword"]


def test_a_keyword_stands_where_nothing_cuts_it_off() -> None:
    told = compose(message(), NOW)
    assert with_keyword(told, "告警").tag == "告警 ERROR"
    assert with_keyword(told, "ERROR") is with_keyword(told, "") is told
