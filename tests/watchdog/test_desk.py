"""What the commands and `/metrics` are told of the watchdog, while time passes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from relay.config.checks import Allowance, Heartbeat
from relay.config.schema import Watch
from relay.models import Json
from relay.watchdog.desk import WatchdogDesk
from relay.watchdog.verdict import UnknownError
from tests.watchdog.rig import Stage, staged


def watch(**fields: Any) -> Watch:
    usual: dict[str, Any] = {
        "check": "tcp://web:1",
        "every": 10.0,
        "failures": 2,
        "start_grace": 5.0,
        "to": ("owner",),
    }
    return Watch(**usual | fields)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as stage:
        yield stage


async def rows(stage: Stage) -> dict[str, Json]:
    verbs = WatchdogDesk(stage.watchdog, stage.clock).verbs()
    return {row["name"]: row for row in await verbs["watchdog"]({})}


def status(stage: Stage) -> Json:
    return WatchdogDesk(stage.watchdog, stage.clock).status()


async def test_looks_are_counted_by_outcome(stage: Stage) -> None:
    await stage.open(stage.config(web=watch(failures=9)))
    assert (await rows(stage))["web"]["looked_at"] == 0
    await stage.run(30, step=10)
    judged_at = stage.clock.now()
    stage.break_("web", UnknownError("the bus is away"))
    await stage.run(20, step=10)
    row = (await rows(stage))["web"]
    assert row["looks"] == {"held": 3, "failed": 0, "unknown": 2, "late": 0}
    assert row["looked_at"] == judged_at
    stage.break_("web")
    await stage.run(10, step=10)
    row = (await rows(stage))["web"]
    assert (row["looks"]["failed"], row["looked_at"]) == (1, stage.clock.now())
    assert sum(stage.watchdog.look_seconds.counts) == 6


async def test_a_look_by_hand_counts_as_none(stage: Stage) -> None:
    await stage.open(stage.config(web=watch()))
    stage.break_("web")
    await WatchdogDesk(stage.watchdog, stage.clock).verbs()["watchdog_check"]({"name": "web"})
    assert sum((await rows(stage))["web"]["looks"].values()) == 0


async def test_restarts_are_counted_with_what_came_of_them(stage: Stage) -> None:
    allowed = Allowance(count=2, within=3600.0)
    await stage.open(stage.config(web=watch(restart=("/bin/true",), max_restarts=allowed)))
    stage.break_("web")
    await stage.run(30)
    row = (await rows(stage))["web"]
    assert (row["restarts"], row["max_restarts"], row["restarts_begun"]) == (2, 2, 2)
    assert row["restart_results"]["still down"] >= 1
    stage.mend("web")
    await stage.run(20)
    assert sum((await rows(stage))["web"]["restart_results"].values()) == 2
    stage.clock.advance(3600)  # they count no more
    row = (await rows(stage))["web"]
    assert (row["restarts"], row["restarts_begun"]) == (0, 2)


async def test_a_pause_shows_at_once_and_the_end_of_it_too(stage: Stage) -> None:
    await stage.open(stage.config(web=watch(every=600.0)))
    await stage.run(10)
    desk = WatchdogDesk(stage.watchdog, stage.clock).verbs()
    shown = await desk["watchdog_pause"]({"name": "web", "seconds": 60})
    assert (shown["state"], shown["standing"]) == ("paused", "up")
    assert (await rows(stage))["web"]["state"] == "paused"
    stage.clock.advance(61)
    assert (await rows(stage))["web"]["state"] == "up"


async def test_the_status_names_what_is_not_well(stage: Stage) -> None:
    down = watch(restart=("/bin/false",), max_restarts=Allowance(count=1, within=3600.0))
    entries: dict[str, Any] = {
        "well": watch(check="tcp://well:1"),
        "db": down,
        "front": watch(depends_on=("db",)),
        "odd": watch(failures=9),
        "flaky": watch(failures=9),
    }
    await stage.open(stage.config(**entries))
    await stage.run(10)
    for name in ("db", "front", "flaky"):
        stage.break_(name)
    stage.break_("odd", UnknownError("the bus is away"))
    await stage.run(60)
    shown = status(stage)
    assert (shown["checks"], shown["gave_up"]) == (5, 1)
    assert shown["states"] == {"up": 2, "down": 1, "waiting": 1, "unknown": 1}
    unwell = {row["name"]: row for row in shown["unwell"]}
    assert list(unwell) == ["db", "front", "odd", "flaky"]
    assert unwell["front"]["waits_for"] == "db"
    assert unwell["flaky"]["failing"]


async def test_an_entry_that_left_is_shown_no_more(stage: Stage) -> None:
    await stage.open(stage.config(web=watch(), db=watch(check="tcp://db:1")))
    await stage.run(20)
    stage.reload(stage.config(db=watch(check="tcp://db:1")))
    assert list(await rows(stage)) == ["db"]
    assert (await rows(stage))["db"]["looks"]["held"] > 0
    assert status(stage)["checks"] == 1


async def test_heartbeats_show_their_beat_and_are_no_looks_in_the_histogram(stage: Stage) -> None:
    await stage.open(stage.config(job=Watch(heartbeat=Heartbeat(every=60.0, grace=10.0))))
    await stage.run(20, step=5)
    row = (await rows(stage))["job"]
    assert (row["heartbeat"], row["beat_at"]) == (True, 0.0)
    assert row["looks"]["held"] == 4
    assert sum(stage.watchdog.look_seconds.counts) == 0
