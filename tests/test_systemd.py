"""The units as systemd itself judges them, and the notification protocol."""

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
    for unit in UNITS.iterdir():
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
