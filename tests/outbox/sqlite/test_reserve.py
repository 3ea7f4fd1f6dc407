from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from relay.clock import FakeClock
from relay.errors import StoreFullError
from relay.outbox.sqlite.reserve import MOST, Reserve


def no_space(descriptor: int, offset: int, size: int) -> None:
    raise OSError(errno.ENOSPC, "no space")


def test_it_takes_room_and_lets_it_go(tmp_path: Path, clock: FakeClock) -> None:
    reserve = Reserve(tmp_path / "relay.db", clock)
    assert reserve.hold()
    file = tmp_path / "relay.db.reserve"
    assert file.stat().st_size == reserve.size <= MOST
    reserve.require()
    reserve.let_go("full")
    assert not file.exists()


def test_one_that_an_earlier_process_left_needs_no_room(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Reserve(tmp_path / "relay.db", clock).hold()
    monkeypatch.setattr(os, "posix_fallocate", no_space)
    assert Reserve(tmp_path / "relay.db", clock).hold()


def test_room_is_looked_for_once_a_second(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve = Reserve(tmp_path / "relay.db", clock)
    with monkeypatch.context() as full:
        full.setattr(os, "posix_fallocate", no_space)
        assert not reserve.hold()
    with pytest.raises(StoreFullError):
        reserve.require()
    clock.advance(0.9)
    with pytest.raises(StoreFullError):
        reserve.require()
    clock.advance(0.2)
    reserve.require()


def test_the_refusal_says_what_failed(tmp_path: Path, clock: FakeClock) -> None:
    reserve = Reserve(tmp_path / "relay.db", clock)
    reserve.hold()
    reserve.let_go("disk is full")
    with pytest.raises(StoreFullError, match="disk is full"):
        reserve.require()
