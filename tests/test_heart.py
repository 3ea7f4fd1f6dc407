"""systemd's watchdog is fed only while everything turns."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from relay import systemd
from relay.clock import FakeClock
from relay.heart import STILL, Heart, Part


def test_one_part_that_stands_still_is_enough() -> None:
    clock = FakeClock()
    heart = Heart(clock)
    turned = {"pipeline": clock.monotonic(), "checks": clock.monotonic()}
    heart.join(Part("the pipeline", lambda: turned["pipeline"]))
    heart.join(Part("the checks", lambda: turned["checks"], still=60.0))
    assert heart.unwell() == ""
    clock.advance(STILL)
    assert heart.unwell() == f"the pipeline stands still for {STILL:.0f} s"
    assert heart.unwell(limit=30.0) == ""  # the unit allows more
    turned["pipeline"] = clock.monotonic()
    assert heart.unwell() == ""
    clock.advance(40.0)
    turned["pipeline"] = clock.monotonic()
    assert heart.unwell() == "the checks stands still for 60 s"
    heart.leave("the checks")
    assert heart.unwell() == ""


class Service:
    """What systemd hears of a heart with one part, as time passes a second at a time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, patience: float) -> None:
        self.clock = FakeClock()
        self.turned_at = self.clock.monotonic()
        self.beats: list[float] = []
        self.triggered: list[float] = []
        self.said = ""
        monkeypatch.setattr(systemd, "notify", self.hear)
        monkeypatch.setattr(systemd, "watchdog_seconds", lambda: patience)
        self.heart = Heart(self.clock)
        self.heart.join(Part("the pipeline", lambda: self.turned_at))

    def hear(self, **fields: str | int) -> None:
        heard = self.beats if fields.get("WATCHDOG") == 1 else self.triggered
        heard.append(self.clock.monotonic())
        self.said = str(fields.get("STATUS", self.said))

    async def pass_by(self, seconds: float, step: float = 1.0, *, turns: bool = False) -> None:
        for _ in range(round(seconds / step)):
            self.clock.advance(step)
            if turns:
                self.turned_at = self.clock.monotonic()
            for _ in range(5):
                await asyncio.sleep(0)


@asynccontextmanager
async def beating(service: Service) -> AsyncIterator[None]:
    task = asyncio.create_task(service.heart.run())
    await asyncio.sleep(0)
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_it_beats_while_all_turn_and_not_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(monkeypatch, patience=3.0)
    async with beating(service):
        await service.pass_by(30)
        assert 19 <= len(service.beats) <= 21  # one a second, until it had stood still for 20 s
        assert len(service.triggered) == 11
        service.turned_at = service.clock.monotonic()
        await service.pass_by(1)
        assert service.beats[-1] >= service.turned_at


async def test_a_part_that_hangs_is_told_to_systemd_within_the_watchdogs_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only to feed it no more would take that time once again."""
    service = Service(monkeypatch, patience=30.0)
    async with beating(service):
        await service.pass_by(60, turns=True)
        hung_at = service.turned_at
        await service.pass_by(24)
        assert service.triggered == []
        await service.pass_by(36)
        assert 25.0 <= service.triggered[0] - hung_at <= 30.0
        assert service.said.startswith("the pipeline stands still for ")


async def test_after_a_stop_of_the_process_its_parts_turn_before_they_are_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = Service(monkeypatch, patience=30.0)
    async with beating(service):
        await service.pass_by(20, turns=True)
        await service.pass_by(27, step=27)  # SIGSTOP, SIGCONT
        assert service.triggered == []
        await service.pass_by(1, turns=True)
        assert service.triggered == []
        assert service.beats[-1] == service.clock.monotonic()
        await service.pass_by(30)
        assert service.triggered  # one that doesn't turn then hangs
