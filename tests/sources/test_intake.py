"""Writers come first, files keep their order, and the bounds hold."""

from __future__ import annotations

import asyncio

import pytest

from relay.models import Batch, Event, Level
from relay.sources import intake as module
from relay.sources.intake import Intake


def batch(*texts: str, answered: bool = False) -> Batch:
    events = [Event(time=0.0, source="s", module="m", level=Level.ERROR, message=text) for text in texts]
    return Batch(events=events, size=sum(map(len, texts)), done=(lambda _: None) if answered else None)


def texts(batches: list[Batch]) -> list[str]:
    return [event.message for each in batches for event in each.events]


async def test_writers_come_before_what_files_hold() -> None:
    intake = Intake()
    intake.put_nowait(batch("f1", "f2"), of_files=True)
    intake.put_nowait(batch("f3"), of_files=True)
    intake.put_nowait(batch("w", answered=True))
    assert texts(await intake.get(10)) == ["w", "f1", "f2", "f3"]
    assert len(intake) == 0


async def test_beside_writers_a_batch_holds_little_of_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BESIDE_WRITERS", 2)
    intake = Intake()
    for number in range(6):
        intake.put_nowait(batch(str(number)), of_files=True)
    assert texts(await intake.get(4)) == ["0", "1", "2", "3"]
    intake.put_nowait(batch("w", answered=True))
    assert texts(await intake.get(10)) == ["w", "4", "5"]


async def test_a_backlog_waits_for_calm_a_writer_only_for_room() -> None:
    intake = Intake(calm_events=2)
    assert intake.put_nowait(batch("a", "b", "c"), of_files=True)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await intake.calm()
    await intake.room()
    await intake.get(10)
    await intake.calm()


async def test_what_is_left_comes_after_the_close() -> None:
    intake = Intake()
    intake.put_nowait(batch("f"), of_files=True)
    intake.put_nowait(batch("w"))
    intake.close()
    assert texts(await intake.get(1)) == ["w"]
    assert texts(await intake.get(1)) == ["f"]
    assert await intake.get(1) == []
