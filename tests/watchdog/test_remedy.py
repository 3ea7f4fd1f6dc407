from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from relay.config.checks import Allowance
from relay.config.schema import Remedies
from relay.models import CheckRecord
from relay.watchdog.ending import Ending
from relay.watchdog.remedy import Choice, argv, forgiven, is_pending, plan
from relay.watchdog.units import Unit, unasked
from tests.watchdog.build import WALL, watch

RESTARTED = watch(restart=("systemctl", "restart", "web"), max_restarts=Allowance(count=2, within=600.0))
DOWN = CheckRecord(name="web", down=True, since=WALL)
HOST = Remedies()


def unit(**fields: Any) -> Unit:
    usual: dict[str, Any] = {
        "name": "web.service",
        "load": "loaded",
        "active": "failed",
        "sub": "failed",
        "result": "exit-code",
    }
    return Unit(**{**usual, **fields})


def test_without_a_remedy_nothing_is_done() -> None:
    assert plan(watch(), DOWN, HOST, [], WALL).choice is Choice.NONE


def test_it_is_restarted_so_often_and_then_given_up() -> None:
    record, choices = DOWN, []
    for number in range(5):
        made = plan(RESTARTED, record, HOST, record.restarts, WALL + number)
        record = made.record
        choices.append(made.choice)
    assert choices == [Choice.RESTART, Choice.RESTART, Choice.SPENT, Choice.GIVEN_UP, Choice.GIVEN_UP]
    assert record.gave_up


def test_w02_flapping_for_ten_minutes_restarts_as_often_as_allowed_and_no_more() -> None:
    record, restarts = DOWN, 0
    for second in range(0, 600, 2):
        made = plan(RESTARTED, record, HOST, record.restarts, WALL + second)
        restarts += made.choice is Choice.RESTART
        record = forgiven(
            replace(made.record, down=False, since=WALL + second + 1), RESTARTED, WALL + second + 1
        )
    assert restarts == 2
    assert record.gave_up


def test_it_may_be_restarted_again_once_it_held_for_as_long_as_restarts_count() -> None:
    record = replace(DOWN, down=False, gave_up=True, restarts=(WALL,))
    assert forgiven(record, RESTARTED, WALL + 599) is record
    assert forgiven(record, RESTARTED, WALL + 600) == replace(record, gave_up=False, restarts=())


def test_a_clock_set_back_leaves_no_restart_in_the_future() -> None:
    record = replace(DOWN, restarts=(WALL + 9000, WALL + 9001))
    assert plan(RESTARTED, record, HOST, [], WALL).choice is Choice.SPENT


def test_the_whole_host_has_a_budget() -> None:
    budget = Remedies(budget=Allowance(count=3, within=60.0))
    assert plan(RESTARTED, DOWN, budget, [WALL, WALL, WALL], WALL + 59).choice is Choice.BUDGET
    assert plan(RESTARTED, DOWN, budget, [WALL, WALL, WALL], WALL + 61).choice is Choice.RESTART


@pytest.mark.parametrize("host", [True, False])
def test_observing_says_what_would_have_been_done(host: bool) -> None:  # noqa: FBT001
    entry = RESTARTED if host else replace(RESTARTED, mode="observe")
    made = plan(entry, DOWN, Remedies(mode="observe") if host else HOST, [], WALL)
    assert made.choice is Choice.OBSERVE
    assert made.text == "would have run: systemctl restart web"
    assert made.record is DOWN  # nothing was done: it spends nothing, and is never given up


@pytest.mark.parametrize(
    ("state", "choice"),
    [
        ({"active": "inactive", "sub": "dead", "result": "success"}, Choice.STOPPED),
        ({"active": "inactive", "sub": "dead", "result": "success", "ending": Ending.ASKED}, Choice.STOPPED),
        ({"active": "inactive", "sub": "dead", "result": "success", "ending": Ending.ITSELF}, Choice.RESTART),
        ({"active": "inactive", "sub": "dead", "result": "exit-code"}, Choice.RESTART),
        ({"ending": Ending.ASKED}, Choice.STOPPED),  # Java: a stop that ends with 143
        ({"ending": Ending.ITSELF}, Choice.RESTART),
        ({}, Choice.RESTART),
        ({"active": "activating", "sub": "auto-restart", "result": "exit-code"}, Choice.SYSTEMD),
        ({"active": "activating", "sub": "start", "result": "success"}, Choice.SYSTEMD),
        ({"active": "active", "sub": "running", "result": "success"}, Choice.RESTART),  # it runs, and hangs
        ({"load": "masked", "active": "inactive", "sub": "dead", "result": "success"}, Choice.STOPPED),
        ({"load": "not-found", "active": "inactive", "sub": "dead", "result": "success"}, Choice.HOPELESS),
    ],
)
def test_w05_what_the_units_state_means_for_the_remedy(state: dict[str, Any], choice: Choice) -> None:
    assert plan(RESTARTED, DOWN, HOST, [], WALL, unit=unit(**state)).choice is choice


def test_w06_nothing_is_done_to_a_unit_that_systemd_cannot_be_asked_about() -> None:
    made = plan(RESTARTED, DOWN, HOST, [], WALL, unit=unasked("web.service"))
    assert made.choice is Choice.SYSTEMD
    assert made.record is DOWN  # no restart is counted


def test_what_a_restart_would_not_help_is_not_restarted() -> None:
    assert plan(RESTARTED, DOWN, HOST, [], WALL, remediable=False).choice is Choice.HOPELESS


def test_a_unit_is_restarted_without_asking_anybody_for_a_password() -> None:
    assert argv(watch(restart="web")) == ("systemctl", "--no-ask-password", "restart", "web")


def test_what_is_paused_is_not_restarted() -> None:
    paused = replace(DOWN, paused_until=WALL + 1)
    assert plan(RESTARTED, paused, HOST, [], WALL).choice is Choice.PAUSED
    assert plan(RESTARTED, paused, HOST, [], WALL + 2).choice is Choice.RESTART


def test_a_clock_set_back_does_not_put_off_forgiving() -> None:
    record = replace(DOWN, down=False, gave_up=True, since=WALL + 86400)
    record = forgiven(record, RESTARTED, WALL)
    assert record.since == WALL
    assert not forgiven(record, RESTARTED, WALL + 600).gave_up


def test_which_verdict_is_still_to_come() -> None:
    assert not is_pending(DOWN)
    assert is_pending(replace(DOWN, restarts=(WALL - 9, WALL + 1)))
    assert not is_pending(replace(DOWN, restarts=(WALL - 9,)))  # of an earlier outage
    assert not is_pending(replace(DOWN, restarts=(WALL + 1,), gave_up=True))
    assert not is_pending(replace(DOWN, restarts=(WALL + 1,), down=False))
