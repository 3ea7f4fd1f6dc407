"""Messages that lie in the outbox though their backend is up are told, once, and once when they go out."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from relay.backlog import LONG, Backlog
from relay.clock import FakeClock
from relay.errors import StoreBusyError
from relay.vitals import OVER
from tests.fakes import Reports


class Stage:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.due: dict[str, float] = {}
        self.up = ["a", "b"]
        self.away = False
        self.reports = Reports()
        self.backlog = Backlog(self.clock, self.next_due, lambda: self.up, self.reports)

    async def next_due(self) -> Mapping[str, float]:
        if self.away:
            raise StoreBusyError("busy")
        return self.due

    async def look(self, seconds: float = 30.0) -> None:
        self.clock.advance(seconds)
        await self.backlog.run_once()


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def test_what_is_overdue_for_long_is_told_once_and_once_when_it_is_gone(stage: Stage) -> None:
    stage.due = {"a": stage.clock.now(), "b": stage.clock.now() + 2 * LONG}
    await stage.look(LONG - 1)
    assert stage.reports.told == []
    assert stage.backlog.overdue == {"a": LONG - 1, "b": 0.0}
    await stage.look()
    await stage.look()
    assert stage.reports.told == [("vitals", "outbox of a", False)]
    stage.due = {}
    await stage.look()
    await stage.look(OVER)
    await stage.look()
    assert stage.reports.told[1:] == [("vitals", "outbox of a", True)]
    assert stage.backlog.overdue == {}


async def test_a_backend_that_is_down_or_gone_is_not_told_of_again(stage: Stage) -> None:
    stage.due = {"a": stage.clock.now(), "gone": stage.clock.now()}
    stage.up = ["b"]
    await stage.look(LONG * 2)
    assert stage.reports.told == []
    stage.up = ["a", "b"]  # it accepts messages again, and yet they lie there
    await stage.look()
    assert stage.reports.told == [("vitals", "outbox of a", False)]


async def test_a_store_that_can_not_be_asked_changes_nothing(stage: Stage) -> None:
    stage.due = {"a": stage.clock.now()}
    await stage.look(LONG * 2)
    stage.away = True
    await stage.look()
    assert stage.reports.told == [("vitals", "outbox of a", False)]
    assert stage.backlog.overdue == {"a": LONG * 2}
