"""The units as systemd itself judges them, and the notification protocol."""

import asyncio
import os
import socket
import subprocess
from pathlib import Path
from shutil import which

import pytest

from relay import systemd

UNITS = Path(__file__).parent.parent / "systemd"

needs_systemd = pytest.mark.skipif(which("systemd-analyze") is None, reason="systemd-analyze is not here")


@needs_systemd
def test_verify_prints_nothing(tmp_path: Path) -> None:
    """Its exit status is 0 for unknown keys: what it prints counts. /usr/bin/relay needn't be here."""
    for unit in UNITS.glob("relay.*"):
        (tmp_path / unit.name).write_text(unit.read_text().replace("/usr/bin/relay", "/bin/true"))
    command = ["systemd-analyze", "verify", "--man=no", *map(str, sorted(tmp_path.iterdir()))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""


@needs_systemd
def test_exposure_is_at_most_1_5() -> None:
    command = [
        "systemd-analyze",
        "security",
        "--offline=true",
        "--threshold=15",
        str(UNITS / "relay.service"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-500:]


def test_notify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        assert systemd.notify(READY=1, STATUS="fine")
        assert listener.recv(100) == b"READY=1\nSTATUS=fine"
    monkeypatch.delenv("NOTIFY_SOCKET")
    assert not systemd.notify(READY=1)


def test_watchdog_of_another_process_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    assert systemd.watchdog_seconds() == 30.0
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert systemd.watchdog_seconds() == 0.0
    monkeypatch.delenv("WATCHDOG_PID")
    monkeypatch.setenv("WATCHDOG_USEC", "soon")
    assert systemd.watchdog_seconds() == 0.0


def test_a_systemd_that_doesnt_listen_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systemd, "_PATIENCE", 0.01)
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        assert not all(systemd.notify(WATCHDOG=1) for _ in range(5000))  # its queue is full


async def test_a_long_start_asks_for_time_until_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, str | int]] = []
    monkeypatch.setattr(systemd, "notify", lambda **fields: asked.append(fields))
    monkeypatch.setattr(systemd, "_MORE_TIME", 0.003)
    async with systemd.taking_long("opening the store"):
        while len(asked) < 3:
            await asyncio.sleep(0.001)
    assert asked[0] == {"EXTEND_TIMEOUT_USEC": 3000, "STATUS": "opening the store"}
    most = len(asked)
    await asyncio.sleep(0.01)
    assert len(asked) == most
