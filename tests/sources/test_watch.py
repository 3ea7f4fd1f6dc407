from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from inotify_simple import flags

from relay.clock import FakeClock
from relay.sources import watch as watch_module
from relay.sources.watch import Alarm, Watch


async def test_names_in_watched_folders_are_told(tmp_path: Path) -> None:
    woken = asyncio.Event()
    with Watch(woken.set) as watch:
        assert watch.follow({str(tmp_path)}, set())
        assert not watch.follow({str(tmp_path)}, set())
        assert not watch.polling
        (tmp_path / "app.log").write_text("x")
        async with asyncio.timeout(5):
            await woken.wait()
        stir = watch.take()
        assert stir.paths == {str(tmp_path / "app.log")}
        assert not stir.everything
        assert watch.take().paths == set()


async def test_folders_that_come_and_go_ask_for_a_look_everywhere(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    with Watch(lambda: None) as watch:
        watch.follow({str(inner)}, {str(tmp_path)})
        (tmp_path / "other").mkdir()
        assert watch.take().everything
        inner.rmdir()
        assert watch.take().everything
        assert not watch.follow({str(inner)}, {str(tmp_path)})
        inner.mkdir()
        assert watch.follow({str(inner)}, {str(tmp_path)})


async def test_folders_that_arent_asked_for_any_more_are_forgotten(tmp_path: Path) -> None:
    with Watch(lambda: None) as watch:
        watch.follow({str(tmp_path)}, set())
        watch.follow(set(), set())
        (tmp_path / "app.log").touch()
        assert watch.take().paths == set()


async def test_lost_events_ask_for_a_look_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Watch(lambda: None) as watch:
        stir = watch_module.Stir()
        watch._note(-1, flags.Q_OVERFLOW, "", stir)
        assert stir.everything


async def test_a_folder_by_two_paths_is_polled_by_the_second(tmp_path: Path) -> None:
    folder, link = tmp_path / "folder", tmp_path / "link"
    folder.mkdir()
    link.symlink_to(folder)
    with Watch(lambda: None) as watch:
        watch.follow({str(folder)}, set())
        assert not watch.polling
        watch.follow({str(folder), str(link)}, set())
        assert watch.polling


async def test_remote_file_systems_are_polled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "_kinds", lambda: {tmp_path.stat().st_dev: "nfs4"})
    with Watch(lambda: None) as watch:
        assert not watch.follow({str(tmp_path)}, set())
        assert watch.polling


def test_the_kinds_of_file_systems_are_known() -> None:
    assert "proc" in watch_module._kinds().values()


async def test_an_alarm_rings_at_the_earliest_time() -> None:
    clock, rung = FakeClock(), []
    async with asyncio.TaskGroup() as group:
        alarm = Alarm(clock, group, lambda: rung.append(clock.monotonic()))
        begun = clock.monotonic()
        alarm.set(begun + 10)
        await asyncio.sleep(0)
        alarm.set(begun + 3)
        await asyncio.sleep(0)
        alarm.set(begun + 5)
        for _ in range(12):
            clock.advance(1)
            for _ in range(3):
                await asyncio.sleep(0)
    assert rung == [begun + 3]
