"""journalctl as a child: what it is asked, and what its complaints mean.

A child rather than a library: nothing to build against the host's systemd, and nothing of the journal's
files in relay's memory. https://www.freedesktop.org/software/systemd/man/latest/journalctl.html
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import AsyncIterator
from typing import Final

from relay.config.schema import JournalSource
from relay.models import Level
from relay.sources.export import Export, Fields
from relay.sources.journal_entry import WANTED, with_type

PROGRAM: Final = "journalctl"
PATIENCE: Final = 20.0  # seconds that a question about the journal may take
SLICE: Final = 64 * 1024

_PRIORITIES: Final = {
    Level.CRITICAL: "2",
    Level.ERROR: "3",
    Level.WARNING: "4",
    Level.NOTICE: "5",
    Level.INFO: "6",
    Level.DEBUG: "7",
}
# What it prints where some of the journal is another user's, or all of it.
_PARTLY: Final = "not seeing messages from other users"
_NOTHING: Final = "insufficient permissions"
CURSOR_REFUSED: Final = "seek to cursor"


def _base(settings: JournalSource) -> list[str]:
    command = [PROGRAM, "--no-pager", "--output=export", "--all"]
    if settings.journal.directory:
        command.append(f"--directory={settings.journal.directory}")
    return command


def following(settings: JournalSource, cursor: str, since: int) -> list[str]:
    """What follows the journal from `cursor`; without one, from `since` (microseconds; 0: all of it).

    The entry of the cursor itself comes first, if it is still there. (Told `--after-cursor=`, journalctl 252
    skips one entry too many where it isn't.)
    """
    command = [*_base(settings), "--follow", "--no-tail", f"--output-fields={','.join(WANTED)}"]
    if cursor:
        command.append(f"--cursor={cursor}")
    elif since:
        command.append(f"--since=@{since / 1e6:.6f}")
    return [*command, *_choice(settings)]


def _choice(settings: JournalSource) -> list[str]:
    """Options for the entries that the source wants; journalctl can't do all that rules.yaml can."""
    chosen = settings.journal
    options = [] if chosen.level is None else [f"--priority={_PRIORITIES[chosen.level]}"]
    if not any(set("*?[") & set(unit) for unit in chosen.units):
        options += [f"--unit={unit}" for unit in with_type(chosen.units)]
    return [*options, *(f"--identifier={name}" for name in chosen.identifiers)]


@contextlib.asynccontextmanager
async def child(command: list[str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """That command, ended with the block. OSError if it can't be started."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def first_entry(settings: JournalSource, *options: str) -> Fields | None:
    """The first entry that journalctl prints with these options; None if there is none."""
    entries = Export(SLICE)
    command = [*_base(settings), "--quiet", "--output-fields=_PID", *options]
    async with asyncio.timeout(PATIENCE), child(command) as process:
        assert process.stdout is not None
        while data := await process.stdout.read(SLICE):
            if found := entries.feed(data):
                return found[0]
    return None


async def eldest(settings: JournalSource) -> Fields | None:
    """The eldest entry that is still there."""
    return await first_entry(settings)


async def latest(settings: JournalSource) -> Fields | None:
    """The newest entry."""
    return await first_entry(settings, "--lines=1")


async def latest_chosen(settings: JournalSource) -> Fields | None:
    """The newest entry of those that `following` prints."""
    return await first_entry(settings, "--lines=1", *_choice(settings))


def meaning(complaint: str) -> str:
    """What to tell people about a line on journalctl's standard error; "" for what is no matter."""
    if _PARTLY in complaint or _NOTHING in complaint:
        extent = "only a part" if _PARTLY in complaint else "nothing"
        return f"relay may read {extent} of the journal: its user must be in the group systemd-journal"
    return ""


def problem(settings: JournalSource) -> str:
    """Why the journal can't be read by this process now; "" if it can."""
    if shutil.which(PROGRAM) is None:
        return f"there is no {PROGRAM} here"
    command = [*_base(settings), "--lines=1", "--output-fields=_PID"]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)  # noqa: S603 - our own words
    said = done.stderr.decode("utf-8", "replace").splitlines()
    known = [text for line in said if (text := meaning(line))]
    return known[0] if known else " ".join(said) if done.returncode else ""
