from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from relay.config.cron import latest, parse

BERLIN = ZoneInfo("Europe/Berlin")


def wall(text: str, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold).timestamp()


@pytest.mark.parametrize(
    ("cron", "now", "expected"),
    [
        ("*/15 * * * *", "2026-05-05T12:14", "2026-05-05T12:00"),
        ("*/15 * * * *", "2026-05-05T12:15", "2026-05-05T12:15"),
        ("30 2 * * *", "2026-05-05T02:29", "2026-05-04T02:30"),
        ("0 9 * * mon-fri", "2026-05-10T12:00", "2026-05-08T09:00"),  # a Sunday
        ("0 0 1 * *", "2026-05-31T00:00", "2026-05-01T00:00"),
        ("0 0 29 2 *", "2026-05-31T00:00", "2024-02-29T00:00"),
        ("0 0 13 * fri", "2026-05-14T00:00", "2026-05-13T00:00"),  # either is enough
        ("0 12 * * 7", "2026-05-11T00:00", "2026-05-10T12:00"),
        ("5,35 8-10/2 * jan,may *", "2026-05-05T10:10", "2026-05-05T10:05"),
        ("@daily", "2026-05-05T10:10", "2026-05-05T00:00"),
        ("10/20 * * * *", "2026-05-05T10:49", "2026-05-05T10:30"),
    ],
)
def test_when_it_was_last_to_run(cron: str, now: str, expected: str) -> None:
    assert latest(cron, wall(now), BERLIN) == wall(expected)


def test_a_time_that_the_clocks_skip_is_not_expected() -> None:
    assert latest("30 2 * * *", wall("2026-03-29T12:00"), BERLIN) == wall("2026-03-28T02:30")


def test_a_time_that_comes_twice_is_expected_the_first_time() -> None:
    assert latest("30 2 * * *", wall("2026-10-25T12:00"), BERLIN) == wall("2026-10-25T02:30", fold=0)
    assert latest("30 2 * * *", wall("2026-10-25T02:10", fold=1), BERLIN) == wall("2026-10-25T02:30", fold=0)


NONSENSE = (
    "* * * *, 60 * * * *, * 24 * * *, * * 0 * *, * * * 13 *, * * * * 8, */0 * * * *, 5-1 * * * *, a * * * *,"
    " 0 0 31 2 *, @reboot, * * * * * *, , 1- * * * *, -1 * * * *"
)


@pytest.mark.parametrize("text", NONSENSE.split(", "))
def test_what_is_no_cron_expression(text: str) -> None:
    with pytest.raises(ValueError, match=r"cron expression|never comes"):
        parse(text)
