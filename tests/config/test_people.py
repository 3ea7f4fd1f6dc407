from __future__ import annotations

import pytest

from relay.config.people import walked
from tests.config.conftest import Check
from tests.config.fakes import errors, lines

BACKENDS = "backends: {im: {type: fake, url: http://im}}\n"


def people(check: Check, text: str) -> list[str]:
    """The problems of that recipients section, which starts on line 2."""
    loaded = check(f"{BACKENDS}recipients:\n{text}")
    return [line for line in lines(loaded) if not line.startswith("1:")]


def test_people_teams_and_rotas(check: Check) -> None:
    text = "  a: {im: x}\n  b: [a]\n  c: b\n  d: {rota: [a, b], every: 1w, from: 2026-01-05T09:00}\n"
    loaded = check(f"{BACKENDS}recipients:\n{text}")
    assert errors(loaded) == []
    assert list(loaded.usable().recipients.values())[:3] == [{"im": "x"}, ("a",), ("b",)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("  a: {imm: x}\n", "3:7: unknown backend 'imm' (did you mean 'im'?)"),
        ("  a: {im: all}\n", "3:11: nobody by that name"),
        ("  a: {im: ''}\n", "3:11: an empty text"),
        ("  a: {im: 0123}\n", "3:11: '0123' without quotes is the number 83 in YAML 1.1: write it in quotes"),
        ("  a: {im: [x]}\n", "3:11: given a list, allowed: a single value"),
        ("  a: {}\n", "3:3: nobody can be reached through 'a': it has no address"),
        ("  a: []\n", "3:3: nobody can be reached through 'a': it has no address"),
        ("  a: [bb]\n  b: {im: x}\n", "3:7: unknown recipient 'bb' (did you mean 'b'?)"),
        ("  a: [b]\n  b: a\n  c: b\n", "3:3: teams in a circle: a -> b -> a"),
        ("  a: {rota: [a], every: 1w, from: 2026-01-05T09:00}\n", "3:3: teams in a circle: a -> a"),
        (
            "  a: {im: x}\n  b: {rota: a, every: 0s, from: 2026-01-05T09:00}\n",
            "4:23: '0s' must be more than 0",
        ),
        ("  a: {im: x}\n  b: {rota: a, every: 1d, from: soon}\n", "4:33: 'soon' is no date and time: "),
        ("  a: {im: x}\n  b: {rota: [], every: 1d, from: 2026-01-05}\n", "4:13: must not be empty"),
        ("  a: {im: x}\n  b: {rota: [c], every: 1d, from: 2026-01-05}\n", "4:14: unknown recipient 'c' "),
    ],
)
def test_one_problem(check: Check, text: str, problem: str) -> None:
    found = people(check, text)
    assert len(found) == 1, found
    assert found[0].startswith(problem)


def test_seven_is_written_as_it_stands(check: Check) -> None:
    loaded = check(f"{BACKENDS}recipients: {{a: {{im: 007}}}}\n")
    assert loaded.usable().recipients == {"a": {"im": "007"}}


def test_addresses_keep_their_order(check: Check) -> None:
    text = "backends: {x: {type: fake, url: http://im}, im: {type: fake, url: http://im}}\n"
    person = check(text + "recipients: {a: {im: 1, x: 3}}\n").usable().recipients["a"]
    assert isinstance(person, dict)
    assert list(person) == ["im", "x"]


def test_teams_within_teams_have_an_end(check: Check) -> None:
    text = "".join(f"  t{n}: [t{n + 1}]\n" for n in range(30)) + "  t30: {im: x}\n"
    assert people(check, text) == ["12:3: more than 20 teams within each other"]


def test_a_chain_longer_than_the_stack_and_many_circles() -> None:
    chain = {f"t{n}": (f"t{n + 1}",) for n in range(20_000)}
    circles, depths = walked({**chain, "t20000": ()})
    assert circles == []
    assert depths["t0"] == 20_000
    circles, _ = walked({f"t{n}": (f"t{n}",) for n in range(1000)})
    assert circles[:2] == [["t0", "t0"], ["t1", "t1"]]
    assert len(circles) == 20
