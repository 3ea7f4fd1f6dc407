"""Restarts that meet edits, pauses, causes, a full house and relay's own end."""

from __future__ import annotations

import asyncio

import pytest

from relay.config.checks import Allowance
from relay.config.schema import Remedies
from relay.watchdog import service
from relay.watchdog.command import Ran
from relay.watchdog.restarts import _said
from relay.watchdog.units import Unit
from relay.watchdog.verdict import NoRemedyError, UnknownError
from tests.watchdog.rig import Stage
from tests.watchdog.test_service import WEB, but, runs, script, stage

__all__ = ["stage"]


async def begun(stage: Stage, count: int = 1) -> None:
    async with asyncio.timeout(20):
        while runs(stage) < count:
            await asyncio.sleep(0.02)


def waiting(stage: Stage) -> tuple[str]:
    """A restart that lasts until the test lets it end."""
    return script(stage, f"while [ ! -e {stage.folder}/go ]; do sleep 0.05; done")


async def turn(stage: Stage) -> asyncio.Task[None]:
    stage.clock.advance(10)
    task = asyncio.create_task(stage.watchdog.run_once())
    await asyncio.sleep(0)
    return task


async def test_its_reason_is_in_the_verdict_though_systemctl_says_it_last_but_one(stage: Stage) -> None:
    said = "echo 'Job for web.service failed because of a bad thing.'; echo 'See systemctl status.'; exit 1"
    await stage.open(stage.config(web=but(restart=script(stage, said))))
    stage.break_("web")
    await stage.run(60)
    assert (
        "ended with status 1: Job for web.service failed because of a bad thing.\nSee"
        in (await stage.texts())[1]
    )


async def test_a_long_restart_keeps_no_other_check_from_its_look(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "AT_ONCE", 1)
    await stage.open(stage.config(web=but(restart=waiting(stage), failures=1), db=but(check="tcp://db:1")))
    await stage.run(20)
    stage.break_("web")
    task = await turn(stage)
    await begun(stage)
    looks = stage.scripts["db"].looks
    stage.clock.advance(10)
    await asyncio.wait_for(stage.watchdog.run_once(), 10)
    assert stage.scripts["db"].looks == looks + 1
    (stage.folder / "go").touch()
    await task


async def test_an_edit_while_it_is_restarted_waits_for_that_and_tells_what_became_of_it(stage: Stage) -> None:
    command = waiting(stage)
    await stage.open(stage.config(web=but(restart=command, failures=1)))
    await stage.run(20)
    stage.break_("web")
    task = await turn(stage)
    await begun(stage)
    stage.reload(stage.config(web=but(restart=command, failures=1, labels={"a": "b"})))
    looks = stage.scripts["web"].looks
    for _ in range(3):
        other = await turn(stage)
        await asyncio.sleep(0.05)
    assert (runs(stage), stage.scripts["web"].looks) == (1, looks)
    (stage.folder / "go").touch()
    await asyncio.gather(task, other)
    stage.mend("web")
    await stage.run(20)
    assert [reason for _, reason, _ in await stage.told()] == ["first", "resolved"]
    assert "by the restart (1 of 3)" in (await stage.texts())[-1]


async def test_a_look_that_an_edit_overtakes_says_nothing(stage: Stage) -> None:
    await stage.open(stage.config(web=but(failures=1)))
    stage.break_("web")
    await stage.run(20)
    probe, look = stage.scripts["web"], stage.scripts["web"].look

    async def slow(tools: object) -> str:
        stage.reload(stage.config(web=but(failures=1, check="tcp://other:1")))
        probe.look = look  # type: ignore[method-assign]
        return "fine"

    probe.look = slow  # type: ignore[method-assign]
    await stage.run(50)
    assert [reason for _, reason, _ in await stage.told()] == ["first"]
    assert [record.name for record in await stage.store.checks() if record.down] == ["web"]


async def test_a_verdict_that_was_still_to_come_when_relay_ended_is_told(stage: Stage) -> None:
    config = stage.config(
        web=but(restart=script(stage, ""), start_grace=20.0, max_restarts=Allowance(count=1, within=3600.0))
    )
    await stage.open(config)
    await stage.run(30)
    stage.break_("web")
    await stage.run(20)
    assert runs(stage) == 1
    await stage.again(config)
    await stage.run(60)
    text = (await stage.texts())[-1]
    assert "the restart did not help: relay itself was restarted meanwhile" in text
    assert "relay gives up" in text
    told = await stage.told()
    await stage.again(config)
    await stage.run(60)
    assert await stage.told() == told


async def test_a_pause_while_evidence_is_gathered_is_respected(stage: Stage) -> None:
    await stage.open(stage.config(web=but(restart=script(stage, ""), unit="web")))
    await stage.run(20)
    state = stage.units.state

    async def paused(name: str) -> Unit:
        await stage.watchdog.pause(stage.watchdog.entries["web"], 600)
        return await state(name)

    stage.units.unit = Unit("web.service", "loaded", "failed", "failed", "exit-code")
    stage.units.state = paused  # type: ignore[method-assign]
    stage.break_("web")
    await stage.run(60)
    assert runs(stage) == 0
    assert "it is not restarted: it was paused" in (await stage.texts())[0]


@pytest.mark.parametrize("first", ["stopped", "hopeless"])
async def test_what_kept_it_from_being_restarted_may_pass(stage: Stage, first: str) -> None:
    failed = Unit("web.service", "loaded", "failed", "failed", "exit-code")
    stage.units.unit = Unit("web.service", "loaded", "inactive", "dead", "success")
    error = None
    if first == "hopeless":
        stage.units.unit, error = failed, NoRemedyError("the wrong owner: nc")
    await stage.open(stage.config(web=but(restart=script(stage, ""), unit="web")))
    stage.break_("web", error)
    await stage.run(300)
    assert runs(stage) == 0
    assert len(await stage.told()) == 1
    stage.units.unit = failed
    stage.break_("web")
    await stage.run(90)
    assert runs(stage) >= 1


async def test_evidence_is_not_told_each_minute_that_a_remedy_waits(stage: Stage) -> None:
    stage.units.unit = Unit("web.service", "loaded", "inactive", "dead", "success")
    await stage.open(stage.config(web=but(restart=script(stage, ""), unit="web")))
    stage.break_("web")
    await stage.run(600)
    (row,) = await stage.store.alerts()
    rows = await stage.store.events_of(row.alert.id)
    assert sum("memory: " in each.event.message for each in rows) == 1
    assert 8 <= row.alert.count <= 12


async def test_a_dependant_that_is_down_already_is_not_restarted_before_its_cause(stage: Stage) -> None:
    db = but(check="tcp://db:1", failures=1)
    web = but(restart=script(stage, ""), depends_on=("db",), start_grace=15.0)
    await stage.open(stage.config(web=web, db=db))
    await stage.run(20)
    stage.break_("web")
    await stage.run(21)
    assert runs(stage) == 1
    stage.break_("db")
    await stage.run(300)
    assert runs(stage) == 1
    stage.mend("db")
    await stage.run(100)
    assert runs(stage) >= 2


async def test_a_cause_that_an_edit_takes_away_meanwhile_ends_nothing(stage: Stage) -> None:
    db = but(check="tcp://db:1", failures=9)
    await stage.open(stage.config(web=but(failures=1, depends_on=("db",)), db=db))
    await stage.run(20)
    probe, look = stage.scripts["db"], stage.scripts["db"].look

    async def gone(tools: object) -> str:
        if stage.watchdog.entries["web"].standing.failing_since:
            stage.reload(stage.config(web=but(failures=1)))
        return await look(tools)  # type: ignore[arg-type]

    probe.look = gone  # type: ignore[method-assign]
    stage.watchdog.entries["db"].next_at += 1000
    stage.break_("db")
    stage.break_("web")
    await stage.run(60)
    assert [line.partition(":")[0] for _, _, line in await stage.told()] == ["web is down"]


async def test_observing_spends_nothing_and_never_gives_up(stage: Stage) -> None:
    entry = but(restart=script(stage, ""), failures=1, max_restarts=Allowance(count=2, within=3600.0))
    watched = stage.config((), Remedies(mode="observe"), web=entry)
    await stage.open(watched)
    await stage.run(20)
    for _ in range(4):
        stage.break_("web")
        await stage.run(20)
        stage.mend("web")
        await stage.run(20)
    record = stage.watchdog.entries["web"].record
    assert (runs(stage), record.restarts, record.gave_up) == (0, (), False)
    assert not [text for text in await stage.texts() if "gives up" in text]


@pytest.mark.parametrize("goes", [True, False])
async def test_that_a_check_could_not_be_judged_is_over_with_an_edit(stage: Stage, goes: bool) -> None:  # noqa: FBT001
    await stage.open(stage.config(web=WEB))
    stage.break_("web", UnknownError("no bus"))
    await stage.run(60)
    assert stage.reports.told == [("watchdog", "web", False)]
    stage.mend("web")
    other = but(labels={"a": "b"})
    stage.reload(stage.config(db=other) if goes else stage.config(web=other))
    await stage.run(20)
    assert stage.reports.told == [("watchdog", "web", False), ("watchdog", "web", True)]


def test_only_the_end_of_what_a_restart_printed_is_told() -> None:
    ran = Ran(1, "\n".join(f"{number} {'x' * 300}" for number in range(50)))
    assert len(_said(ran)) < 500
