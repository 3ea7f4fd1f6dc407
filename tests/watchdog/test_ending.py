"""What the journal's last lines of a unit say of its end; the lines are a real systemd's (tests/booted)."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from relay.watchdog.ending import Ending, ending_of

STARTED = '{"JOB_TYPE":"start","MESSAGE_ID":"39f53479d3a045ac8e11786248231fbf","_BOOT_ID":"80f3"}'
STOPPING = '{"MESSAGE_ID":"de5b426a63be47a7b6ac3eaac82e2f6f","JOB_TYPE":"stop"}'
STOPPED = '{"MESSAGE_ID":"9d1aaa27d60140bd96365438aad20286","JOB_TYPE":"stop"}'
REPLACED = '{"MESSAGE_ID":"9d1aaa27d60140bd96365438aad20286","JOB_TYPE":"restart"}'  # before a start
SUCCESS = '{"MESSAGE_ID":"7ad2d189f7e94e70a38c781354912448"}'
FAILURE = '{"MESSAGE_ID":"d9b373ed55a64feb8242e02dbe79a49c"}'


def journalctl(folder: Path, lines: list[str], status: int = 0) -> str:
    path = folder / "journalctl"
    shown = shlex.quote("\n".join(lines))
    path.write_text(f'#!/bin/sh\necho "$@" > {folder}/asked\necho {shown}\nexit {status}\n')
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("lines", "ending"),
    [
        ([SUCCESS, STOPPED], Ending.ASKED),
        ([FAILURE, STOPPED], Ending.ASKED),  # Java: a TERM is answered with 143
        ([STOPPING, SUCCESS], Ending.ASKED),  # the last line is not there yet
        ([STOPPING], Ending.ASKED),
        ([STARTED, SUCCESS], Ending.ITSELF),
        ([STARTED, FAILURE], Ending.ITSELF),
        ([REPLACED, FAILURE], Ending.ITSELF),  # a start after a restart that never came to be one
        ([FAILURE], Ending.ITSELF),
        ([SUCCESS, STARTED], Ending.UNKNOWN),  # the journal doesn't show the end yet
        ([STOPPED, STARTED], Ending.UNKNOWN),
        ([FAILURE, REPLACED], Ending.UNKNOWN),
        ([], Ending.UNKNOWN),
        (["{"], Ending.UNKNOWN),
        (['{"MESSAGE_ID":["a","b"]}'], Ending.UNKNOWN),
    ],
)
async def test_the_last_two_lines_tell(tmp_path: Path, lines: list[str], ending: Ending) -> None:
    assert await ending_of("web.service", journalctl(tmp_path, lines)) is ending


async def test_only_systemd_s_own_words_of_that_unit_count(tmp_path: Path) -> None:
    await ending_of("web.service", journalctl(tmp_path, []))
    asked = (tmp_path / "asked").read_text().split()
    assert {"_PID=1", "UNIT=web.service", "--boot"} <= set(asked)


async def test_a_journal_that_cannot_be_read_tells_nothing(tmp_path: Path) -> None:
    assert await ending_of("web.service", journalctl(tmp_path, [STARTED, SUCCESS], 1)) is Ending.UNKNOWN
    assert await ending_of("web.service", "/does/not/exist") is Ending.UNKNOWN
