from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay import cli
from relay.cli import check, explain, oncall

RULES = """\
store: relay.db
sources: {apps: {socket: run/relay.sock}}
backends: {terminal: {type: console}}
recipients:
  wang: {addresses: {terminal: wang}, mute: 22:00-06:00}
  li: {terminal: li}
  oncall:
    {rota: [wang, li], every: 1w, from: 2026-01-05T09:00,
     overrides: [{from: 2026-01-14, until: 2026-01-14, to: li}]}
rules: [{name: all, match: {level: error}, to: oncall}]
"""


@pytest.fixture(autouse=True)
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "rules.yaml"
    file.write_text(RULES)
    file.chmod(0o600)
    yield file
    monkeypatch.undo()
    time.tzset()


def test_who_is_on_duty(capsys: pytest.CaptureFixture[str]) -> None:
    assert oncall.main("oncall", ["-c", "rules.yaml", "--at", "2026-01-07T12:00"]) == 0
    assert capsys.readouterr().out == (
        "oncall: wang until 2026-01-12 09:00, then li\n  wang by terminal (wang)\n"
    )


def test_at_night_it_says_when_they_are_reached(capsys: pytest.CaptureFixture[str]) -> None:
    assert oncall.main("oncall", ["-c", "rules.yaml", "--at", "2026-01-07T03:00"]) == 0
    assert (
        "wang is outside of their hours: reached from 2026-01-07 06:00 by terminal" in capsys.readouterr().out
    )


def test_an_override_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert oncall.main("oncall", ["-c", "rules.yaml", "--json", "--at", "2026-01-14T12:00", "oncall"]) == 0
    (shown,) = json.loads(capsys.readouterr().out)
    assert (shown["on_duty"], shown["override"], shown["next"]) == (["li"], True, ["li"])
    assert shown["reached"][0]["now"] is True


def test_what_it_can_not_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert oncall.main("oncall", ["-c", "rules.yaml", "wang"]) == 2
    assert "no rota is called 'wang'; there are: oncall" in capsys.readouterr().err
    assert oncall.main("oncall", ["-c", "rules.yaml", "--at", "soon"]) == 2
    assert oncall.main("oncall", ["-c", "nowhere.yaml"]) == 1


def test_explain_says_who_waits_until_when(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["-c", "rules.yaml", "-m", "pay", "--message", "no", "--at", "2026-01-07T03:00"]
    assert explain.main("explain", asked) == 0
    said = capsys.readouterr().out
    assert "rule 'all': muted: a new problem, but all its recipients, or the rule, are outside" in said
    assert "wang is outside of their hours, or the rule's: told from 2026-01-07 06:00" in said


def test_check_says_when_nobody_is_reached(capsys: pytest.CaptureFixture[str], rules: Path) -> None:
    assert check.main("check", ["rules.yaml", "--at", "2026-01-05T09:00"]) == 0
    said = capsys.readouterr().out
    assert "rule 'all' reaches nobody mon-sun 00:00-06:00 22:00-24:00 in some weeks: it waits" in said
    assert "1 warning" in said
    assert check.main("check", ["rules.yaml", "--at", "soon"]) == 2


def test_check_asks_the_running_relay(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert check.main("check", ["rules.yaml", "--store"]) == 3
    event = {"time": 0.0, "source": "apps", "module": "web", "level": 30, "message": "slow\x1b"}
    attempt = {"delivery": 1, "backend": "terminal", "to": "li", "started_at": 0.0, "seconds": 0.0}
    data = {
        "events": [{"event": event, "count": 3}],
        "attempts": [{**attempt, "outcome": "rejected", "detail": "no such user"}],
    }
    monkeypatch.setattr(check, "ask", lambda *_, **__: data)
    capsys.readouterr()
    assert check.main("check", ["rules.yaml", "--store", "--json"]) == 0
    texts = [problem["text"] for problem in json.loads(capsys.readouterr().out)["problems"]]
    assert "no rule takes what module 'web' wrote (warning), such as: slow·" in texts
    assert "recipient 'li' has no address that works: terminal: no such user" in texts


def test_it_is_listed() -> None:
    assert "oncall" in cli.usage()
