"""What a person reads at night: `relay watchdog` and the watchdog's part of `relay status`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from relay.cli import common, desk, watchdog
from relay.models import Json

NOW = 1_767_668_400.0  # 2026-01-06 03:00 UTC
FINE = "takes connections"


def row(name: str, **fields: Any) -> Json:
    usual = {
        "state": "up",
        "resting": "",
        "failing": False,
        "target": "tcp://a:1",
        "since": NOW - 7200,
        "looked_at": NOW - 4,
        "text": FINE,
        "restarts": 0,
        "max_restarts": 0,
        "gave_up": False,
        "paused_until": 0.0,
        "waits_for": "",
    }
    made = {"name": name, **usual, **fields}
    return {"standing": made["state"], **made}


REFUSED = "connection refused"
ROWS = [
    row("web"),
    row("orders-worker", state="down", text=REFUSED, restarts=3, max_restarts=3, gave_up=True, failing=True),
    row("front", state="waiting", text=REFUSED, waits_for="orders-worker", since=0.0, failing=True),
    row("db", state="paused", standing="down", resting="paused", paused_until=NOW + 1800, text=REFUSED),
    row("new", state="starting", since=0.0, looked_at=0.0, text=""),
    row("odd", text=REFUSED, failing=True),
]
STATUS: Json = {
    "version": "1.0",
    "pid": 7,
    "started_at": NOW,
    "rules": "rules.yaml",
    "config": "1 rules",
    "refused": "",
    "pipeline": {"events": {}, "waiting": 0, "live_alerts": 0, "silences": 0, "store": "ok"},
    "store": {"alerts": {}, "deliveries": {}, "events": 0, "bytes": 0},
    "backends": [],
    "sources": [],
    "scan": "re2",
    "watchdog": {
        "checks": 6,
        "states": {"up": 2, "down": 1, "waiting": 1, "paused": 1, "starting": 1},
        "gave_up": 1,
        "unwell": ROWS[1:],
    },
    "ping": None,
    "drill": None,
}


LIST = """\
name           state     since           judged          restarts  found
web            up        01:00:00 (2 h)  02:59:56 (4 s)  -         takes connections
orders-worker  down      01:00:00 (2 h)  02:59:56 (4 s)  3 of 3    GIVEN UP: connection refused
front          waiting   -               02:59:56 (4 s)  -         waits for orders-worker: connection refused
db             paused    01:00:00 (2 h)  02:59:56 (4 s)  -         PAUSED, down before: connection refused
new            starting  -               -               -         tcp://a:1: not looked at yet
odd            up        01:00:00 (2 h)  02:59:56 (4 s)  -         NOT YET: connection refused
"""
LIST = LIST.replace("GIVEN UP", "given up (relay watchdog resume orders-worker)")
LIST = LIST.replace("NOT YET", "fails, but isn't down yet")
LIST = LIST.replace("PAUSED", "paused until 03:30:00")


@pytest.fixture(autouse=True)
def night(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(time, "time", lambda: NOW)
    today = time.gmtime(NOW)
    real = time.localtime
    monkeypatch.setattr(time, "localtime", lambda seconds=None: today if seconds is None else real(seconds))
    yield
    monkeypatch.undo()
    time.tzset()


Answer = Callable[[Any], None]


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Answer:
    """The daemon says this; an exception is raised."""

    def say(data: Any) -> None:
        def ask(*_: Any, **__: Any) -> Any:
            if isinstance(data, Exception):
                raise data
            return data

        monkeypatch.setattr(watchdog, "ask", ask)
        monkeypatch.setattr(desk, "ask", ask)

    return say


def test_the_list(answer: Answer, capsys: pytest.CaptureFixture[str]) -> None:
    answer(ROWS)
    assert watchdog.main("watchdog", []) == 0
    assert capsys.readouterr().out == LIST


def test_who_resumes_an_entry_outside_of_its_hours_is_told_so(
    answer: Answer, capsys: pytest.CaptureFixture[str]
) -> None:
    for resting, more in (("", ""), ("outside of its hours", ", but outside of its hours now")):
        answer(row("web", resting=resting))
        assert watchdog.main("watchdog", ["resume", "web"]) == 0
        assert capsys.readouterr().out == f"web is looked at again{more}\n"


def test_the_status_names_the_worst_first(answer: Answer, capsys: pytest.CaptureFixture[str]) -> None:
    answer(STATUS)
    assert desk.main("status", []) == 0
    lines = capsys.readouterr().out.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("watchdog"))
    assert lines[first] == "watchdog 6 checks: 1 down, 1 waiting, 1 starting, 1 paused, 2 up; 1 given up"
    assert lines[first + 1] == (
        "         down     orders-worker  since 01:00:00 (2 h): "
        f"given up (relay watchdog resume orders-worker): {REFUSED}"
    )
    assert [line.split()[1] for line in lines[first + 1 : first + 6]] == [
        "orders-worker", "front", "new", "db", "odd",
    ]  # fmt: skip


def test_of_many_some_are_named(answer: Answer, capsys: pytest.CaptureFixture[str]) -> None:
    many = [row(f"web{number}", state="down") for number in range(100)]
    about = {"checks": 100, "states": {"down": 100}, "gave_up": 0, "unwell": many}
    answer({**STATUS, "watchdog": about})
    desk.main("status", [])
    said = capsys.readouterr().out
    assert said.count("  web") == desk.SHOWN
    assert "and 80 more: relay watchdog list" in said


def test_nothing_watched_is_nothing_said(answer: Answer, capsys: pytest.CaptureFixture[str]) -> None:
    answer({**STATUS, "watchdog": {"checks": 0, "states": {}, "gave_up": 0, "unwell": []}})
    desk.main("status", [])
    assert "watchdog" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("ping", "words"),
    [
        ({"answered_at": NOW - 60, "failures": 0, "withheld": ""}, "answered 02:59:00 (1 min)"),
        (
            {"answered_at": NOW - 60, "failures": 2, "withheld": ""},
            "failed 2 times in a row; answered 02:59:00 (1 min)",
        ),
        (
            {"answered_at": 0.0, "failures": 0, "withheld": "the store takes nothing"},
            "withheld: the store takes nothing; no answer yet",
        ),
    ],
)
def test_the_ping(answer: Answer, capsys: pytest.CaptureFixture[str], ping: Json, words: str) -> None:
    answer({**STATUS, "ping": ping})
    desk.main("status", [])
    assert f"ping     {words}\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (None, "none yet, the next 2026-01-12 10:00"),
        (
            {"at": NOW - 86400, "wrong": ""},
            "2026-01-05 03:00 (1 d) passed; the next 2026-01-12 10:00",
        ),
        (
            {"at": NOW - 86400, "wrong": "told nobody"},
            "2026-01-05 03:00 (1 d) failed: told nobody; the next 2026-01-12 10:00",
        ),
    ],
)
def test_the_drill(answer: Answer, capsys: pytest.CaptureFixture[str], last: Any, words: str) -> None:
    answer({**STATUS, "drill": {"every": "weekly", "last": last, "next_at": 1_768_212_000.0}})
    desk.main("status", [])
    assert f"drill    {words}\n" in capsys.readouterr().out


@pytest.mark.parametrize(("outcome", "status"), [("held", 0), ("failed", 1), ("unknown", 1), ("late", 1)])
def test_a_look_by_hand_ends_with_what_it_found(answer: Answer, outcome: str, status: int) -> None:
    answer({"name": "web", "outcome": outcome, "text": "x"})
    assert watchdog.main("watchdog", ["check", "web"]) == status


def test_what_goes_wrong_has_its_exit_status(answer: Answer) -> None:
    answer(common.RefusedError("no watchdog entry is called 'wbe'"))
    assert watchdog.main("watchdog", ["check", "wbe"]) == 1
    answer(common.UnreachableError("no relay answers"))
    assert watchdog.main("watchdog", ["list"]) == 3
    assert desk.main("status", []) == 3
    assert watchdog.main("watchdog", ["check"]) == 2
    assert watchdog.main("watchdog", ["pause", "web", "--for", "soon"]) == 2
