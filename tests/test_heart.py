"""systemd's watchdog is fed only while everything turns."""

import asyncio

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


async def test_it_beats_while_all_turn_and_not_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    beats: list[float] = []
    monkeypatch.setattr(systemd, "notify", lambda **_: beats.append(clock.monotonic()))
    monkeypatch.setattr(systemd, "watchdog_seconds", lambda: 3.0)
    heart = Heart(clock)
    turned = [clock.monotonic()]
    heart.join(Part("the pipeline", lambda: turned[0]))
    task = asyncio.create_task(heart.run())
    for _ in range(30):
        await asyncio.sleep(0)
        clock.advance(1.0)  # a third of the limit
    assert 19 <= len(beats) <= 21  # one a second, until it had stood still for 20 s
    turned[0] = clock.monotonic()
    await asyncio.sleep(0)
    clock.advance(1.0)
    await asyncio.sleep(0)
    assert beats[-1] >= turned[0]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
