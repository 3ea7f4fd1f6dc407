"""The store's file system is full, then it isn't: nothing lost, and the operators are told once."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.rig import Relay, Sink, running, until

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small file system"),
]

LINES = 500

RULES = """\
store: {small}/relay.db
operators: [ops]
budget: []
sources: {{file: {{tail: {folder}/app.log, format: plain, module: app}}}}
backends: {{hook: {{type: webhook, url: "{url}"}}}}
recipients: {{ops: {{hook: ops}}}}
rules: [{{name: single, match: {{message: number}}, to: ops, fingerprint: event, storm: false}}]
"""


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a tmpfs can't be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_full_disk(tmp_path: Path, small: Path) -> None:
    sink = Sink()
    sink.start()
    relay = Relay(tmp_path)
    relay.write_rules(RULES.format(small=small, folder=tmp_path, url=sink.url))
    log = tmp_path / "app.log"
    log.touch()
    with running(relay):
        filled = fill(small / "junk")
        with log.open("a") as out:
            out.writelines(f"ERROR number {number} {'x' * 60}\n" for number in range(LINES))
        assert until(lambda: told(sink) == 1, 10)
        assert "can't be written" in relay.command("status").stdout
        filled.unlink()
        assert until(lambda: len(numbers(sink)) == LINES, 10)
    assert told(sink) == 1
    assert len(numbers(sink)) == len(sink.received) - 1  # and nothing twice
    sink.stop()


def fill(path: Path) -> Path:
    with path.open("wb", buffering=0) as out:
        try:
            while True:
                out.write(b"x" * 4096)
        except OSError:
            return path


def told(sink: Sink) -> int:
    return sum(each["module"] == "relay.store" for each in sink.received)


def numbers(sink: Sink) -> set[str]:
    return {each["message"] for each in sink.received if each["module"] == "app"}
