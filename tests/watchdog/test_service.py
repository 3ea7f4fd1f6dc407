"""From looks to what is owed to whom: scripted probes, a fake clock, the real pipeline and store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from relay.config.checks import Allowance, Heartbeat
from relay.config.schema import Match, Remedies, Text, Watch
from relay.config.windows import window
from relay.models import AlertState, Event, Level
from relay.watchdog import service, told
from relay.watchdog.desk import PauseError, UnknownEntryError, WatchdogDesk
from relay.watchdog.ending import Ending
from relay.watchdog.tools import Tools
from relay.watchdog.units import Unit
from relay.watchdog.verdict import NoRemedyError, UnknownError
from tests.fakes import event
from tests.watchdog.rig import Script, Stage, rule, staged

WEB = Watch(check="tcp://web:1", every=10.0, failures=2, start_grace=5.0, to=("owner",), repeat=(600.0,))


def but(watch: Watch = WEB, **fields: Any) -> Watch:
    return replace(watch, **fields)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as stage:
        yield stage


class Gate:
    """A probe that waits before it looks."""

    def __init__(self, script: Script, gate: asyncio.Event) -> None:
        self.target, self._script, self._gate = script.target, script, gate

    async def look(self, tools: Tools) -> str:
        await self._gate.wait()
        return await self._script.look(tools)


def script(stage: Stage, body: str) -> tuple[str]:
    path = stage.folder / "restart"
    path.write_text(f"#!/bin/sh\necho run >> {stage.folder}/runs\n{body}\n")
    path.chmod(0o755)
    return (str(path),)


def runs(stage: Stage) -> int:
    path = stage.folder / "runs"
    return len(path.read_text().splitlines()) if path.exists() else 0


async def test_down_once_reminders_and_recovered_once(stage: Stage) -> None:
    await stage.open(stage.config(web=WEB))
    await stage.run(30)
    stage.break_("web")
    await stage.run(700)
    stage.mend("web")
    await stage.run(120)
    told = await stage.told()
    assert [(who, reason) for who, reason, _ in told] == [
        ("owner", "first"),
        ("owner", "reminder"),
        ("owner", "resolved"),
    ]
    assert told[0][2] == "web is down: tcp://web:1: connection refused"
    assert told[2][2].startswith("web recovered after 11 min")
    (row,) = await stage.store.alerts()
    assert row.alert.title == "web is down: tcp://web:1: connection refused"
    assert row.alert.module == "watchdog.web"


async def test_without_to_the_rules_decide_and_the_recovery_ends_that_alert(stage: Stage) -> None:
    errors = rule("errors", match=Match(level=Level.ERROR), resolve_after=60.0)
    await stage.open(stage.config(rules=(errors,), web=but(to=())))
    stage.break_("web")
    await stage.run(300)
    stage.mend("web")
    await stage.run(30)
    told = await stage.told()
    assert [(who, reason) for who, reason, _ in told] == [("ops", "first"), ("ops", "resolved")]
    (row,) = await stage.store.alerts()
    assert row.alert.rule == "errors"


async def test_where_no_rule_takes_it_the_operators_hear(stage: Stage) -> None:
    other = rule("other", match=Match(module=(Text("exact", "x"),)), to=("owner",))
    await stage.open(stage.config(rules=(other,), web=but(to=())))
    stage.break_("web")
    await stage.run(60)
    assert [who for who, _, _ in await stage.told()] == ["ops"]


async def test_what_cannot_be_judged_is_told_to_the_operators_and_never_restarted(stage: Stage) -> None:
    await stage.open(stage.config(web=but(restart=script(stage, ""), start_grace=60.0)))
    await stage.run(70)
    stage.break_("web", UnknownError("the bus is away"))
    await stage.run(600)
    assert await stage.told() == []
    assert runs(stage) == 0
    assert stage.reports.told == [("watchdog", "web", False)]
    stage.break_("web")  # and now it can be judged, and is down
    await stage.run(30)
    assert stage.reports.told[-1] == ("watchdog", "web", True)
    assert len(await stage.told()) == 1


async def test_a_restart_that_helps(stage: Stage) -> None:
    await stage.open(stage.config(web=but(restart=script(stage, "echo starting"), start_grace=30.0)))
    await stage.run(40)
    stage.break_("web")
    await stage.run(21)
    assert runs(stage) == 1
    await stage.run(4)
    stage.mend("web")
    await stage.run(10)
    texts = await stage.texts()
    assert "restarting: " in texts[0]
    assert "(1 of 3 within 1 h)" in texts[0]
    assert "memory: " in texts[0]
    assert "by the restart (1 of 3)" in texts[1]
    assert [reason for _, reason, _ in await stage.told()] == ["first", "resolved"]


async def test_w03_a_service_that_needs_a_minute_is_restarted_once(stage: Stage) -> None:
    await stage.open(stage.config(web=but(restart=script(stage, ""), start_grace=90.0)))
    await stage.run(100)
    stage.break_("web")
    await stage.run(21 + 60)
    stage.mend("web")
    await stage.run(30)
    assert runs(stage) == 1


async def test_a_restart_that_does_not_help_is_said_at_once_and_it_gives_up(stage: Stage) -> None:
    entry = but(
        restart=script(stage, "echo no such user >&2; exit 7"), max_restarts=Allowance(count=2, within=3600.0)
    )
    await stage.open(stage.config(web=entry))
    stage.break_("web")
    await stage.run(300)
    assert runs(stage) == 2
    texts = await stage.texts()
    assert [reason for _, reason, _ in await stage.told()] == ["first", "reminder", "reminder"]
    assert "the restart did not help: ended with status 7: no such user" in texts[1]
    assert "relay gives up: 2 restarts within 1 h did not help for long" in texts[2]


async def test_restarts_are_counted_over_a_restart_of_relay(stage: Stage) -> None:
    config = stage.config(
        web=but(restart=script(stage, ""), max_restarts=Allowance(count=2, within=3600.0), start_grace=20.0)
    )
    await stage.open(config)
    stage.break_("web")
    await stage.run(35)
    assert runs(stage) == 1
    await stage.again(config)
    await stage.run(60)
    assert runs(stage) == 2
    await stage.again(config)
    await stage.run(600)
    assert runs(stage) == 2
    assert sum("gives up" in text for text in await stage.texts()) == 1


async def test_resume_lets_it_be_restarted_again(stage: Stage) -> None:
    await stage.open(
        stage.config(web=but(restart=script(stage, ""), max_restarts=Allowance(count=1, within=3600.0)))
    )
    stage.break_("web")
    await stage.run(120)
    assert runs(stage) == 1
    await stage.watchdog.resume(stage.watchdog.entries["web"])
    await stage.run(20)
    assert runs(stage) == 2


async def test_the_hosts_budget_stops_a_cascade(stage: Stage) -> None:
    entries = {f"web{number}": but(restart=script(stage, ""), start_grace=1.0) for number in range(6)}
    remedies = Remedies(budget=Allowance(count=3, within=3600.0))
    await stage.open(stage.config((), remedies, **entries))
    for name in entries:
        stage.break_(name)
    await stage.run(120)
    assert runs(stage) == 3
    assert sum("this host's 3 restarts within 1 h are used up" in text for text in await stage.texts()) >= 3


async def test_observing_changes_nothing(stage: Stage) -> None:
    await stage.open(stage.config(web=but(restart=script(stage, ""), mode="observe")))
    stage.break_("web")
    await stage.run(120)
    assert runs(stage) == 0
    assert "would have run: " in (await stage.texts())[0]


async def test_a_unit_that_an_administrator_stopped_is_not_restarted(stage: Stage) -> None:
    stage.units.unit = Unit("web.service", "loaded", "inactive", "dead", "success", ending=Ending.ASKED)
    await stage.open(stage.config(web=but(restart=script(stage, ""), unit="web")))
    stage.break_("web")
    await stage.run(300)
    assert runs(stage) == 0
    assert "it is not restarted: web.service was stopped" in (await stage.texts())[0]
    assert "unit: web.service was stopped" in (await stage.texts())[0]


async def test_while_systemd_cannot_be_asked_no_restart_is_spent_and_then_relay_acts(stage: Stage) -> None:
    await stage.open(stage.config(web=but(restart=script(stage, ""), unit="web")))
    stage.break_("web")
    await stage.run(300)
    assert runs(stage) == 0
    assert "it is not restarted now: systemd can't be asked about web.service" in (await stage.texts())[0]
    stage.units.unit = Unit("web.service", "loaded", "failed", "failed", "exit-code")
    await stage.run(120)
    assert runs(stage) >= 1


async def test_systemd_is_given_time_and_then_relay_acts(stage: Stage) -> None:
    stage.units.unit = Unit("web.service", "loaded", "activating", "auto-restart", "exit-code")
    await stage.open(stage.config(web=but(restart=script(stage, ""), unit="web")))
    stage.break_("web")
    await stage.run(60)
    assert runs(stage) == 0
    stage.units.unit = Unit("web.service", "loaded", "failed", "failed", "start-limit-hit")
    await stage.run(120)
    assert runs(stage) >= 1


async def test_w10_the_wrong_owner_of_a_port_is_told_and_not_restarted(stage: Stage) -> None:
    await stage.open(stage.config(web=but(restart=script(stage, ""))))
    stage.break_("web", NoRemedyError("the wrong owner: nc (pid 7)"))
    await stage.run(300)
    assert runs(stage) == 0
    assert "the wrong owner" in (await stage.texts())[0]


async def test_a_failed_cause_silences_who_depends_on_it_and_is_restarted_first(stage: Stage) -> None:
    db = but(check="tcp://db:1", failures=3, restart=script(stage, ""), start_grace=60.0)
    web = but(failures=1, restart=("/does/not/exist",), depends_on=("db",))
    await stage.open(stage.config(web=web, db=db))
    await stage.run(70)
    stage.break_("db")
    stage.break_("web")
    await stage.run(45)
    assert runs(stage) == 1
    assert [line for _, _, line in await stage.told()] == ["db is down: tcp://db:1: connection refused"]
    stage.mend("db")
    stage.mend("web")
    await stage.run(30)
    assert len(await stage.told()) == 2
    assert "held back meanwhile, as they depend on it: web" in (await stage.texts())[1]
    stage.break_("web")
    await stage.run(60)
    assert "web is down" in (await stage.texts())[2]


async def test_a_cause_that_works_excuses_nobody(stage: Stage) -> None:
    await stage.open(stage.config(web=but(depends_on=("db",)), db=but(check="tcp://db:1")))
    await stage.run(30)
    stage.break_("web")
    await stage.run(30)
    assert [line for _, _, line in await stage.told()] == ["web is down: tcp://web:1: connection refused"]


async def test_events_of_its_modules_are_counted_into_the_outage(stage: Stage) -> None:
    everything = rule("errors", match=Match(level=Level.ERROR))
    await stage.open(stage.config(rules=(everything,), web=but(module=(Text("glob", "shop.*"),))))
    await stage.send(event("before", module="shop.cart"))
    stage.break_("web")
    await stage.run(30)
    await stage.send(event("cannot reach the shop", module="shop.cart"), event("other", module="pay"))
    await stage.send(event("cannot reach it still", module="shop.cart"))
    assert [line for _, _, line in await stage.told()] == [
        "before",
        "web is down: tcp://web:1: connection refused",
        "other",
    ]
    outage = next(row.alert for row in await stage.store.alerts() if row.alert.module == "watchdog.web")
    assert outage.count == 3
    reasons = [row.reason for row in await stage.store.events_of(outage.id)]
    assert reasons == ["linked", "linked", "first"]
    stage.mend("web")
    await stage.run(30)
    await stage.send(event("after", module="shop.cart"))
    assert [line for _, _, line in await stage.told()][-1] == "after"


async def test_a_pause_a_maintenance_window_and_hours(stage: Stage) -> None:
    config = stage.config(web=WEB)
    await stage.open(config)
    await stage.run(20)
    desk = WatchdogDesk(stage.watchdog, stage.clock).verbs()
    await desk["watchdog_pause"]({"name": "web", "seconds": 600})
    stage.break_("web")
    await stage.run(300)
    await stage.again(config)
    looks = stage.scripts["web"].looks
    await stage.run(200)
    assert stage.scripts["web"].looks == looks
    assert (await desk["watchdog"]({}))[0]["state"] == "paused"
    assert await stage.told() == []
    await stage.run(200)
    assert len(await stage.told()) == 1
    desk = WatchdogDesk(stage.watchdog, stage.clock).verbs()
    assert (await desk["watchdog_check"]({"name": "web"}))["outcome"] == "failed"
    assert (await desk["watchdog_resume"]({"name": "web"}))["paused_until"] == 0
    with pytest.raises(UnknownEntryError, match=r"did you mean 'web'"):
        await desk["watchdog_check"]({"name": "wbe"})
    with pytest.raises(PauseError, match="more than 0 s"):
        await desk["watchdog_pause"]({"name": "web", "seconds": float("nan")})


async def test_it_is_not_looked_at_in_a_maintenance_window(stage: Stage) -> None:
    await stage.open(stage.config(web=but(mute=(window("mon-sun"),))))
    stage.break_("web")
    await stage.run(120)
    assert await stage.told() == []
    assert stage.watchdog.entries["web"].resting == "outside of its hours"


async def test_an_entry_that_goes_ends_its_alert_and_one_that_stays_goes_on(stage: Stage) -> None:
    config = stage.config(web=WEB, db=but(check="tcp://db:1"))
    await stage.open(config)
    stage.break_("web")
    stage.break_("db")
    await stage.run(40)
    entry = stage.watchdog.entries["db"]
    stage.reload(stage.config(db=but(check="tcp://db:1")))
    await stage.send()
    assert stage.watchdog.entries["db"] is entry
    assert (await stage.told())[-1] == ("ops", "resolved", "web is no longer watched")
    assert len(stage.pipeline.book) == 1


async def test_an_entry_that_went_while_relay_was_away(stage: Stage) -> None:
    await stage.open(stage.config(web=WEB))
    stage.break_("web")
    await stage.run(40)
    await stage.again(stage.config())
    await stage.send()
    assert (await stage.told())[-1][1:] == ("resolved", "web is no longer watched")


async def test_an_edit_that_turns_a_dependency_around_leaves_nobody_waiting_for_good(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = but(failures=1, start_grace=0.0)
    await stage.open(stage.config(web=but(one, depends_on=("cache", "db")), cache=one, db=one))
    await stage.run(10)
    stage.break_("web")
    stage.break_("db")
    entries, first, second = stage.watchdog.entries, asyncio.Event(), asyncio.Event()
    entries["cache"].probes = [Gate(stage.scripts["cache"], first)]
    async with asyncio.timeout(10):
        old = asyncio.create_task(stage.watchdog._turn(entries["web"]))
        while not entries["cache"].lock.locked():  # web holds its own lock, and looks at its first cause
            await asyncio.sleep(0)
        stage.reload(stage.config(web=one, cache=one, db=but(one, depends_on=("web",))))
        entries["db"].probes = [Gate(stage.scripts["db"], second)]
        new = asyncio.create_task(stage.watchdog._turn(entries["db"]))
        while not entries["db"].lock.locked():
            await asyncio.sleep(0)
        monkeypatch.setattr(service, "CAUSE_WITHIN", 0.1)
        first.set()
        while not entries["db"].lock._waiters:  # web's next cause is db
            await asyncio.sleep(0)
        monkeypatch.setattr(service, "CAUSE_WITHIN", 30.0)
        second.set()  # db's cause is web
        await asyncio.gather(old, new)
    stage._script()
    await stage.run(30)
    assert [line.partition(":")[0] for _, _, line in await stage.told()] == ["web is down"]


async def test_an_outage_that_ended_while_relay_was_away_is_told_as_over(stage: Stage) -> None:
    config = stage.config(web=WEB)
    await stage.open(config)
    stage.break_("web")
    await stage.run(40)
    await stage.again(config)
    stage.mend("web")
    await stage.run(30)
    assert [reason for _, reason, _ in await stage.told()] == ["first", "resolved"]


BEAT = Event(
    time=0.0,
    source="apps",
    module="beat.job",
    level=Level.INFO,
    message="done",
    labels={"beat": "job"},
    program="0/cron",
)


async def test_heartbeats_come_by_events_and_survive_a_restart(stage: Stage) -> None:
    config = stage.config(
        job=Watch(heartbeat=Heartbeat(every=60.0, grace=10.0), start_grace=1.0, to=("owner",))
    )
    await stage.open(config)
    for _ in range(4):
        await stage.send(BEAT)
        await stage.run(50, step=5)
    assert await stage.told() == []
    await stage.again(config)
    await stage.run(40, step=5)
    assert [line.partition(":")[0] for _, _, line in await stage.told()] == ["job is down"]
    forged = Event(
        time=0.0, source="shop", module="x", level=Level.INFO, message="x", labels={"beat": "job"}
    )  # a log line's label is no sign of life
    await stage.send(forged)
    await stage.run(10, step=5)
    await stage.again(config)  # nor is relay's own start
    await stage.run(10, step=5)
    assert len(await stage.told()) == 1
    await stage.send(BEAT)
    await stage.run(10, step=5)
    assert [reason for _, reason, _ in await stage.told()] == ["first", "resolved"]
    with capture_logs() as logs:
        await stage.send(replace(BEAT, labels={"beat": "jbo"}))
    assert next(each for each in logs if each["event"] == "beat_unknown")["beat"] == "jbo"


@pytest.mark.parametrize("why", ["its store takes nothing", "its loop is held up"])
async def test_while_relay_hears_nothing_no_sign_of_life_is_missed(stage: Stage, why: str) -> None:
    await stage.open(stage.config(job=Watch(heartbeat=Heartbeat(every=60.0, grace=10.0), to=("owner",))))
    await stage.send(BEAT)
    lag = stage.watchdog._lag
    if why == "its store takes nothing":
        stage.is_deaf = True
    else:
        lag.since = lambda began: stage.clock.monotonic() - began  # type: ignore[method-assign]
    await stage.run(600, step=5)
    stage.is_deaf = False
    await stage.send(BEAT)  # it had waited
    await stage.run(65, step=5)
    assert await stage.told() == []
    lag.since = lambda began: 0.0  # type: ignore[method-assign]
    await stage.run(30, step=5)
    assert [reason for _, reason, _ in await stage.told()] == ["first"]


async def test_a_rest_is_no_part_of_its_grace(stage: Stage) -> None:
    await stage.open(stage.config(job=Watch(heartbeat=Heartbeat(every=60.0, grace=30.0), start_grace=1.0)))
    await stage.run(70, step=5)
    entry = stage.watchdog.entries["job"]
    await stage.watchdog.pause(entry, 600.0)
    await stage.run(625, step=5)
    assert await stage.told() == []
    await stage.run(30, step=5)
    assert [reason for _, reason, _ in await stage.told()] == ["first"]


async def test_what_a_clock_that_was_set_makes_of_a_heartbeat_is_stored(stage: Stage) -> None:
    config = stage.config(job=Watch(heartbeat=Heartbeat(every=3600.0, grace=10.0), to=("owner",)))
    await stage.open(config)
    await stage.run(60, step=5)
    stage.clock._now += 86400.0
    await stage.run(60, step=5)
    await stage.again(config)
    await stage.run(3400, step=5)
    stage.clock._now -= 7200.0
    await stage.send(BEAT)  # before anything is looked at
    await stage.run(3600, step=5)
    assert await stage.told() == []
    await stage.run(60, step=5)
    assert [reason for _, reason, _ in await stage.told()] == ["first"]


async def test_an_outage_that_outlasts_relays_own_restart_is_told_with_its_length(stage: Stage) -> None:
    await stage.open(stage.config(web=WEB))
    stage.break_("web")
    await stage.run(40)
    await stage.again(stage.config(web=WEB))
    stage.break_("web")
    await stage.run(60)
    stage.mend("web")
    await stage.run(20)
    (recovered,) = [text for text in await stage.texts() if "recovered after" in text]
    assert "web recovered after 1 min" in recovered


async def test_the_event_and_the_record_are_in_one_transaction(stage: Stage) -> None:
    await stage.open(stage.config(web=WEB))
    stage.break_("web")
    await stage.run(40)
    (record,) = await stage.store.checks()
    assert record.down
    (row,) = await stage.store.alerts()
    assert row.sample is not None
    assert row.sample.labels == {"check": "web", "state": "down", "target": "tcp://web:1"}


async def test_a_probe_with_a_mistake_ends_nothing(stage: Stage) -> None:
    await stage.open(stage.config(web=WEB, db=but(check="tcp://db:1")))
    stage.break_("web", ZeroDivisionError())
    stage.break_("db")
    await stage.run(40)
    assert [line for _, _, line in await stage.told()] == ["db is down: tcp://db:1: connection refused"]
    assert "relay can't judge it (ZeroDivisionError)" in stage.watchdog.entries["web"].standing.text


async def test_it_runs_by_itself_until_it_is_cancelled(stage: Stage) -> None:
    await stage.open(stage.config(web=WEB))
    task = asyncio.create_task(stage.watchdog.run())
    stage.clock.advance(10)
    while not stage.scripts["web"].looks:
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()


async def test_events_of_the_outage_that_come_with_its_end_are_counted_before_it(stage: Stage) -> None:
    everything = rule("errors", match=Match(level=Level.ERROR))
    await stage.open(stage.config(rules=(everything,), web=but(module=(Text("glob", "shop.*"),))))
    stage.break_("web")
    await stage.run(30)
    watchdog, down = stage.watchdog, list(stage.watchdog.down)
    over = told.event(
        "web", watchdog.entries["web"].watch, told.OVER, "web recovered", "x", stage.clock.now()
    )
    assert down == ["web"]
    await stage.send(event("cannot reach it", module="shop.cart"), over)
    (row,) = await stage.store.alerts()
    assert (row.alert.count, row.alert.state) == (2, AlertState.RESOLVED)
    assert [line for _, _, line in await stage.told()][-1] == "web recovered"


async def test_an_acknowledged_outage_has_no_reminders_and_its_end_is_told(stage: Stage) -> None:
    await stage.open(stage.config(web=but(restart=script(stage, "exit 1"))))
    stage.break_("web")
    await stage.run(20, step=10)
    (alert,) = await stage.store.live_alerts()
    stage.pipeline.book.put(replace(alert, state=AlertState.ACKED))
    await stage.run(900, step=10)
    stage.mend("web")
    await stage.run(30)
    reasons = [reason for _, reason, _ in await stage.told()]
    assert reasons[-1] == "resolved"
    assert reasons.count("reminder") == 0


async def test_an_edit_while_evidence_is_gathered_restarts_nothing_by_the_old_rules(stage: Stage) -> None:
    await stage.open(stage.config(web=but(restart=script(stage, ""))))
    stage.break_("web")
    state = stage.units.state

    async def edited(name: str) -> Unit:
        stage.reload(stage.config(web=but(restart=(), unit="web")))
        return await state(name)

    stage.units.state = edited  # type: ignore[method-assign]
    stage.reload(stage.config(web=but(restart=script(stage, ""), unit="web")))
    await stage.run(60)
    assert runs(stage) == 0
