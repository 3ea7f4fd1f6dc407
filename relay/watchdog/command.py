"""Running a command: never a shell, never endless, never more output than is asked for.

It gets a session of its own. One that hangs or floods is ended with its whole process group and every
process that came from it; one that ends in time may leave a daemon behind (that is what a restart is for).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from relay.config.commands import PATH
from relay.text import clean
from relay.watchdog.leftovers import MARK, MARK_OF_RESTART, owner

MOST_OUTPUT: Final = 1024 * 1024  # bytes after which it floods
KEPT: Final = 16 * 1024  # bytes of output that are kept: its end
POLITE: Final = 2.0  # seconds between SIGTERM and SIGKILL
_PIPE: Final = 0.5  # seconds that output may still come once the command has ended
_HELD_OPEN: Final = (
    "(something that it left running still had its output, which is closed now: let the script redirect it)"
)
_ENVIRONMENT: Final = {"PATH": PATH, "LC_ALL": "C"}
_INHERITED: Final = ("DBUS_SYSTEM_BUS_ADDRESS", "HOME", "TZ", "XDG_RUNTIME_DIR")


class Ran(Struct, frozen=True):
    """How a command ended."""

    status: int | None  # None: it was ended (or never began)
    output: str  # the end of both streams, cleaned
    why: str = ""  # why it was ended, or could not begin

    @property
    def words(self) -> str:
        """In one line."""
        if self.why:
            return self.why
        return "ended well" if self.status == 0 else f"ended with status {self.status}"


async def run(argv: Sequence[str], within: float, *, leave: bool = False) -> Ran:
    """Run it for at most `within` seconds. `leave`: what it left running stays, but may print no more.

    Cancellation ends the command.
    """
    try:
        output = _Output()
    except OSError as error:  # relay's own limits are reached
        return Ran(None, "", f"could not be run: {error.strerror}")
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output.writing,
            stderr=output.writing,
            env={**_environment(), MARK_OF_RESTART if leave else MARK: owner()},
            cwd="/",
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        output.close()
        return Ran(None, "", f"could not be run: {why}")
    except BaseException:
        output.close()
        raise
    try:
        return await _watched(process, output, within, leave=leave)
    finally:
        try:
            if process.returncode is None:
                await _end(process)
            elif not leave:
                _signal(process.pid, set(), signal.SIGKILL)  # what it left behind in its group
        finally:
            output.close()


async def _watched(
    process: asyncio.subprocess.Process, output: _Output, within: float, *, leave: bool
) -> Ran:
    output.read()
    waiting = {asyncio.create_task(process.wait()), asyncio.create_task(output.ended.wait())}
    try:
        async with asyncio.timeout(within):
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if output.floods:
                return Ran(None, output.text, f"printed more than {MOST_OUTPUT // 1024} KiB and was ended")
            status = await process.wait()
        hint = "" if await _all_of(output) or not leave else f"\n{_HELD_OPEN}"
        return Ran(status, f"{output.text}{hint}".strip())
    except TimeoutError:
        return Ran(None, output.text, f"did not end within {within:g} s and was ended")
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def _all_of(output: _Output) -> bool:
    """Whether the output came to its end, now that the command has; what it left running may hold it open."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_PIPE):
            await output.ended.wait()
    return output.ended.is_set()


class _Output:
    """The end of what a command prints. `ended` is set at its end, and when it floods."""

    def __init__(self) -> None:
        self._reading, self.writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(self.writing, True)  # the command's own end
        self._data = bytearray()
        self._total = 0
        self.ended = asyncio.Event()

    @property
    def floods(self) -> bool:
        return self._total > MOST_OUTPUT

    @property
    def text(self) -> str:
        return clean(self._data[-KEPT:].decode(errors="replace")).strip()

    def read(self) -> None:
        """From now on; the command holds the other end."""
        os.close(self.writing)
        self.writing = -1
        asyncio.get_running_loop().add_reader(self._reading, self._take)

    def close(self) -> None:
        """Let go."""
        if self.writing >= 0:
            os.close(self.writing)
        asyncio.get_running_loop().remove_reader(self._reading)
        os.close(self._reading)

    def _take(self) -> None:
        try:
            data = os.read(self._reading, 65536)
        except BlockingIOError:
            return
        self._total += len(data)
        self._data += data
        del self._data[: -2 * KEPT]
        if not data or self.floods:
            asyncio.get_running_loop().remove_reader(self._reading)
            self.ended.set()


async def _end(process: asyncio.subprocess.Process) -> None:
    """The command, its group, and whatever came from it and still runs."""
    family = _family(process.pid)
    try:
        _signal(process.pid, family, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLITE):
                await process.wait()
    finally:  # relay may be stopping too: nothing is left behind
        _signal(process.pid, family | _family(process.pid), signal.SIGKILL)
    await process.wait()


def _signal(group: int, family: set[int], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
    for pid in family:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _family(root: int) -> set[int]:
    """Processes of that session, and what descends from them: read from /proc, so as it is just now."""
    parents: dict[int, int] = {}
    found: set[int] = set()
    try:
        folders = list(Path("/proc").iterdir())
    except OSError:  # no descriptor is left: its group is ended all the same
        return found
    for folder in folders:
        if not folder.name.isdigit():
            continue
        try:
            fields = (folder / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(folder.name)] = int(fields[1])
        if int(fields[3]) == root:
            found.add(int(folder.name))
    for pid in parents:
        line = pid
        while line in parents and line not in found and line > 1:
            line = parents[line]
            if line == root or line in found:
                found.add(pid)
                break
    return found - {os.getpid()}


def _environment() -> Mapping[str, str]:
    """Little: no secret of relay's own reaches a command."""
    return _ENVIRONMENT | {name: os.environ[name] for name in _INHERITED if name in os.environ}
