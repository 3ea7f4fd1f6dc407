"""With the real logrotate: every line once, whatever it does."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.sources.following import Following, close_all

LOGROTATE = shutil.which("logrotate") or "/usr/sbin/logrotate"

pytestmark = pytest.mark.skipif(not Path(LOGROTATE).exists(), reason="logrotate is not installed")


class Rotated:
    """A log with its own logrotate configuration."""

    def __init__(self, folder: Path, options: str) -> None:
        folder.chmod(0o755)
        (folder / "logs").mkdir(mode=0o755)
        self.log = folder / "logs" / "app.log"
        self.log.touch()
        self.configuration = folder / "logrotate.conf"
        self.options = options
        self.written = self.turns = 0

    def write(self, count: int) -> None:
        with self.log.open("a") as file:
            file.writelines(f"line {number}\n" for number in range(self.written, self.written + count))
        self.written += count

    def rotate(self) -> None:
        self.turns += 1
        options = self.options.replace("%s", f"%s{self.turns}")  # so that each second has several
        self.configuration.write_text(f"{self.log} {{\n rotate 20\n {options}\n}}\n")
        self.configuration.chmod(0o644)
        state = self.configuration.with_name("state")
        subprocess.run([LOGROTATE, "-f", "-s", state, self.configuration], check=True)

    def lines(self) -> list[str]:
        return [f"line {number}" for number in range(self.written)]


@pytest.mark.parametrize("pattern", ["app.log", "app.log*"])
@pytest.mark.parametrize(
    "options",
    [
        "create",
        "copytruncate",
        "create\n compress",
        "create\n compress\n delaycompress",
        "copytruncate\n compress",
        "create\n dateext\n dateformat -%Y%m%d-%s",
        "create\n extension .log",
    ],
)
async def test_every_line_arrives_once(tmp_path: Path, pattern: str, options: str) -> None:
    rotated = Rotated(tmp_path, options)
    relay = Following(rotated.log.parent / pattern)
    await relay.look()
    for turn in range(6):
        rotated.write(50)
        if turn % 2:
            await relay.look()
        rotated.write(50)
        if turn == 2:
            await relay.stop()
        rotated.rotate()
        rotated.write(20)
        if turn in {1, 4}:
            relay.crash()
        await relay.look()
    await relay.later(10)
    close_all()
    assert sorted(relay.messages) == sorted(rotated.lines())
    assert relay.gaps == []
