"""Hours, rotas and calendars as rules.yaml writes them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from relay.config.schema import Calendar, Person, Rota, Team, Way
from tests.config.conftest import Check
from tests.config.fakes import errors, lines

BACKENDS = "backends: {im: {type: fake, url: http://im}, post: {type: fake, url: http://im}}\n"
ROTA = "  a: {im: x}\n  b: {rota: a, every: 1d, from: 2026-01-05"


def test_the_long_forms_and_the_short_ones(check: Check) -> None:
    text = (
        "recipients:\n"
        "  a: {addresses: {im: x, post: {to: y, active: workdays 09:00-18:00}}, zone: Asia/Shanghai,\n"
        "      active: [mon-fri, sat 10:00-12:00], mute: 22:00-06:00}\n"
        "  b: {im: {to: x, mute: weekends}, post: y}\n"
        "  c: {team: [a, b], active: 09:00-18:00}\n"
        "  d: {rota: [a, b], every: 1w, from: 2026-01-05T09:00, zone: Europe/Berlin,\n"
        "      overrides: [{from: 2026-05-01, until: 2026-05-03, to: c}], mute: sun}\n"
    )
    loaded = check(BACKENDS + text)
    assert errors(loaded) == []
    a, b, c, d = loaded.usable().recipients.values()
    assert isinstance(a, Person)
    assert [window.text for window in a.active] == ["mon-fri", "sat 10:00-12:00"]
    assert a.mute[0].spans == ((1320, 1800),)
    assert isinstance(a.addresses["post"], Way)
    assert isinstance(b, dict)
    assert isinstance(b["im"], Way)
    assert isinstance(c, Team)
    assert isinstance(d, Rota)
    assert d.overrides[0].to == ("c",)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("  a: {addresses: {im: all}}\n", "3:23: nobody by that name"),
        ("  a: {im: {to: all, mute: sun}}\n", "3:16: nobody by that name"),
        ("  a: {im: {mute: sun}}\n", "3:11: the key 'to' is missing"),
        ("  a: {addresses: {}}\n", "3:18: must not be empty"),
        ("  a: {addresses: {im: x}, active: noon}\n", "3:35: 'noon' is no day"),
        ("  a: {addresses: {im: x}, zone: Mars/Olympus}\n", "3:33: 'Mars/Olympus' is no time zone"),
        ("  a: {addresses: {im: x}, calendar: us}\n", "3:37: unknown calendar 'us'"),
        ("  a: {addresses: {im: x}, mute: holidays}\n", "3:3: `holidays` needs a calendar"),
        ("  a: {im: {to: x, mute: holidays}}\n", "3:3: `holidays` needs a calendar"),
        ("  a: {team: [a]}\n", "3:3: teams in a circle: a -> a"),
        (
            f"{ROTA}, overrides: [{{from: 2026-01-09, until: 2026-01-08T09:00, to: a}}]}}\n",
            "4:83: `until` is not after `from`",
        ),
        (
            f"{ROTA}, overrides: [{{from: 2026-01-09, until: 2026-01-09, to: z}}]}}\n",
            "4:99: unknown recipient 'z'",
        ),
        ("  a: {owner: CODEOWNERS}\n", "3:6: the key 'else' is missing"),
    ],
)
def test_one_problem(check: Check, text: str, problem: str) -> None:
    found = [line for line in lines(check(f"{BACKENDS}recipients:\n{text}")) if not line.startswith("1:")]
    assert len(found) == 1, found
    assert found[0].startswith(problem)


def test_a_rule_with_hours(check: Check) -> None:
    text = "recipients: {a: {im: x}}\nrules: [{name: r, to: a, mute: [22:00-06:00, weekends], zone: UTC}]\n"
    (rule,) = check(BACKENDS + text).usable().rules
    assert [window.text for window in rule.mute] == ["22:00-06:00", "weekends"]


# -- calendars ----------------------------------------------------------------------------------------------


def calendar_of(check: Check, text: str) -> Calendar:
    loaded = check(f"{BACKENDS}recipients: {{a: {{im: x}}}}\ncalendars: {{china: {text}}}\n")
    assert errors(loaded) == []
    (found,) = loaded.usable().calendars.values()
    assert isinstance(found, Calendar)
    return found


def days(found: frozenset[int]) -> list[str]:
    return [date.fromordinal(day).isoformat() for day in sorted(found)]


def test_lists_of_dates(check: Check) -> None:
    found = calendar_of(check, "{holidays: 2026-10-01..2026-10-03, workdays: [2026-10-10], weekend: fri}")
    assert days(found.off) == ["2026-10-01", "2026-10-02", "2026-10-03"]
    assert (days(found.on), found.weekend) == (["2026-10-10"], ("fri",))


def test_a_file_of_dates(check: Check, tmp_path: Path) -> None:
    text = "# 2026\n2026-10-01..2026-10-02 holiday National Day\n2026-10-10 workday\n2027-01-01\n"
    (tmp_path / "days.txt").write_text(text)
    found = calendar_of(check, "days.txt")
    assert days(found.off) == ["2026-10-01", "2026-10-02", "2027-01-01"]
    assert days(found.on) == ["2026-10-10"]


def test_what_is_wrong_in_a_file_of_dates_is_told_there(check: Check, tmp_path: Path) -> None:
    (tmp_path / "days.txt").write_text("2026-10-01\n1.10.2026\n")
    text = f"{BACKENDS}recipients: {{a: {{im: x}}}}\ncalendars: {{china: days.txt}}\n"
    assert [str(problem) for problem in check(text).problems if problem.severity == "error"] == [
        f"{tmp_path}/days.txt:2:1: '1.10.2026' is no date: write 2026-10-01 or 2026-10-01..2026-10-07"
    ]


def test_the_calendars_file_is_one_of_those_that_are_watched(check: Check, tmp_path: Path) -> None:
    (tmp_path / "days.txt").write_text("2026-10-01\n")
    text = f"{BACKENDS}recipients: {{a: {{im: x}}}}\ncalendars: {{china: days.txt}}\n"
    assert str(tmp_path / "days.txt") in check(text).usable().files


def test_a_missing_file_is_a_problem(check: Check) -> None:
    text = f"{BACKENDS}recipients: {{a: {{im: x}}}}\ncalendars: {{china: china.ics}}\n"
    assert any("can't be read" in problem.text for problem in check(text).problems)


# -- owners -------------------------------------------------------------------------------------------------


def test_codeowners_are_read(check: Check, tmp_path: Path) -> None:
    folder = tmp_path / ".github"
    folder.mkdir()
    text = "# who\n* @li\n/pay/ @wang w@example.com # both\n/pay/gen/\n[Docs] @li\ndocs/\n"
    (folder / "CODEOWNERS").write_text(text + "with\\ space.py @wang\n")
    rules = f"{BACKENDS}recipients: {{a: {{im: x}}, o: {{owner: .github/CODEOWNERS, else: a}}}}\n"
    owner = check(rules).usable().recipients["o"]
    assert not isinstance(owner, dict | tuple | Rota | Person | Team)
    assert owner.root == str(tmp_path)
    assert owner.entries == (
        ("*", ("@li",)),
        ("/pay/", ("@wang", "w@example.com")),
        ("/pay/gen/", ()),
        ("docs/", ("@li",)),
        ("with space.py", ("@wang",)),
    )
