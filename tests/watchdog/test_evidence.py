"""Evidence is a courtesy: whatever a log is, the alert is neither late nor lost for it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from relay.watchdog import evidence
from relay.watchdog.evidence import LOG_LINES, gather
from relay.watchdog.tools import Tools
from tests.watchdog.build import watch


async def of_log(path: Path) -> str:
    began = time.monotonic()
    found = await gather(watch(log=str(path)), None, Tools())
    assert time.monotonic() - began < 3
    return found


async def test_the_last_lines_of_a_log_and_how_the_host_is(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"line {number}\n" for number in range(100)))
    found = (await of_log(log)).split("\n")
    assert found[-LOG_LINES - 1 :] == [
        f"last lines of {log}:",
        *(f"line {number}" for number in range(100 - LOG_LINES, 100)),
    ]
    assert any(line.startswith("memory: ") for line in found)
    assert any(line.startswith("disk /: ") for line in found)


async def test_a_log_that_is_no_file_or_not_there_or_not_readable(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    assert f"{fifo}: not a file with lines" in await of_log(fifo)
    assert f"{tmp_path}: " in await of_log(tmp_path)
    assert "No such file" in await of_log(tmp_path / "none") or "no such file" in await of_log(
        tmp_path / "none"
    )
    assert "/proc/self/mem: " in await of_log(Path("/proc/self/mem"))


async def test_a_huge_log_a_binary_one_and_one_without_line_breaks(tmp_path: Path) -> None:
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(10 << 30)
        file.seek(10 << 30)
        file.write(b"\nthe end\n")
    assert (await of_log(huge)).endswith("the end")
    odd = tmp_path / "odd"
    odd.write_bytes(
        b"\xff\xfe\x00\x1b]0;title\x07\x1b[31mred\x1b[0m \xe2\x80\xae@all <!channel>\r\n" + b"x" * 100_000
    )
    found = await of_log(odd)
    assert len(found) < 20_000
    odd.write_bytes(odd.read_bytes()[:60])
    found = await of_log(odd)
    assert not [letter for letter in found if letter < " " and letter != "\n"]
    assert "\u202e" not in found


async def test_a_mistake_in_the_evidence_costs_only_its_part(monkeypatch: pytest.MonkeyPatch) -> None:
    def mistaken() -> tuple[int, int]:
        raise ZeroDivisionError

    monkeypatch.setattr(evidence, "memory", mistaken)
    found = await gather(watch(unit="web"), None, Tools())
    assert "(a part of the evidence could not be had: ZeroDivisionError)" in found
    assert "journal of web.service" in found


async def test_a_journal_that_hangs_holds_the_alert_up_for_seconds_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = tmp_path / "journalctl"
    hanging.write_text("#!/bin/sh\nexec sleep 60\n")
    hanging.chmod(0o755)
    monkeypatch.setattr("relay.watchdog.command._ENVIRONMENT", {"PATH": f"{tmp_path}:/usr/bin:/bin"})
    monkeypatch.setattr(evidence, "WITHIN", 0.3)
    began = time.monotonic()
    found = await gather(watch(unit="web"), None, Tools())
    assert time.monotonic() - began < 5
    assert "memory: " in found
    assert "did not end within 0.3 s" in found or "could not be had in time" in found
