"""How a unit came to its end, by what systemd wrote of it in the journal.

Its properties don't tell: they are the same after `systemctl stop`, an exit with status 0 and a TERM by hand,
and a program that answers the TERM of a stop with a status (Java: 143) has failed, by them. Only a stop that
somebody asked for is a job of systemd's, and the journal names it. Nothing is concluded from a journal that
doesn't show the end yet, lacks it, or can't be read.
"""

from __future__ import annotations

import enum
from typing import Final

import msgspec
from msgspec import Struct, field

from relay.watchdog.command import run

# `journalctl --catalog`: these ids are the same in every version and language.
_STARTED: Final = "39f53479d3a045ac8e11786248231fbf"
_STOPPING: Final = "de5b426a63be47a7b6ac3eaac82e2f6f"
_STOPPED: Final = "9d1aaa27d60140bd96365438aad20286"
_SUCCESS: Final = "7ad2d189f7e94e70a38c781354912448"  # it deactivated, and all was well
_FAILURE: Final = "d9b373ed55a64feb8242e02dbe79a49c"
_IDS: Final = (_STARTED, _STOPPING, _STOPPED, _SUCCESS, _FAILURE)
_WITHIN: Final = 2.0  # seconds


class Ending(enum.Enum):
    """Whose doing it was."""

    ASKED = "asked"  # somebody stopped it
    ITSELF = "itself"
    UNKNOWN = "unknown"


class _Line(Struct, frozen=True):
    id: str = field(name="MESSAGE_ID")
    job: str = field(name="JOB_TYPE", default="")


async def ending_of(unit: str, journalctl: str = "journalctl") -> Ending:
    """Of a unit that doesn't run, by its own name (no alias)."""
    # _PID=1: anybody may write UNIT= into the journal, and nobody else that.
    wanted = ("_PID=1", f"UNIT={unit}", *(f"MESSAGE_ID={each}" for each in _IDS))
    shown = ("--output=json", "--output-fields=MESSAGE_ID,JOB_TYPE", "--lines=2")
    ran = await run((journalctl, "--no-pager", "--quiet", "--boot", *shown, *wanted), _WITHIN)
    if ran.status != 0:
        return Ending.UNKNOWN
    try:
        lines = [msgspec.json.decode(line, type=_Line) for line in ran.output.splitlines()]
    except msgspec.DecodeError:
        return Ending.UNKNOWN
    return _read(lines)


def _read(lines: list[_Line]) -> Ending:
    """The last two tell: a stop says that it begins, how it went, and that it is done."""
    if not lines or lines[-1].id == _STARTED:
        return Ending.UNKNOWN
    stops = [line.job == "stop" for line in lines]
    if lines[-1].id in {_SUCCESS, _FAILURE}:
        return Ending.ASKED if stops[0] else Ending.ITSELF
    return Ending.ASKED if stops[-1] else Ending.UNKNOWN
