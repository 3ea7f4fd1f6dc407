"""What is worth knowing of a service at the moment it failed: gathered before anything is restarted."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Awaitable
from typing import Final

from relay.config.check_kinds import place_of
from relay.config.checks import SCHEMES
from relay.config.commands import full_unit, unit_of
from relay.config.files import read_regular
from relay.config.schema import Watch
from relay.errors import RelayError
from relay.text import clean
from relay.values import is_loopback
from relay.watchdog.command import run
from relay.watchdog.probes.base import in_words
from relay.watchdog.probes.host import memory
from relay.watchdog.probes.owner import owner_of
from relay.watchdog.tools import Tools
from relay.watchdog.units import Unit

WITHIN: Final = 4.0  # seconds for all of it: a remedy must not wait long
JOURNAL_LINES: Final = 50
LOG_LINES: Final = 15
_LOG_BYTES: Final = 16 * 1024
_GIB: Final = 1 << 30


def unit_behind(watch: Watch) -> str:
    """The unit that the entry is about; empty if none is known."""
    if watch.unit is not None:
        return full_unit(watch.unit)
    return full_unit(watch.restart) if isinstance(watch.restart, str) else unit_of(watch.restart)


async def gather(watch: Watch, unit: Unit | None, tools: Tools) -> str:
    """Sections of lines, the shortest first; what can't be had in time says so."""
    host = tools.threads.call(f"host#{id(watch)}", lambda: _host(watch, tools))
    parts: list[Awaitable[str]] = [host]
    if watch.log:
        parts.append(tools.threads.call(f"{watch.log}#{id(watch)}", lambda: _log(watch.log)))
    if name := unit_behind(watch):
        parts.append(_journal(name))
    found = await asyncio.gather(*(_in_time(part) for part in parts))
    status = [f"unit: {unit.words}"] if unit is not None else []
    return "\n".join([*status, *(text for text in found if text)])


async def _in_time(part: Awaitable[str]) -> str:
    try:
        async with asyncio.timeout(WITHIN):
            return await part
    except TimeoutError:
        return "(a part of the evidence could not be had in time)"
    except (RelayError, OSError) as error:
        return f"({error})" if isinstance(error, RelayError) else f"({in_words(error)})"
    except Exception as error:  # noqa: BLE001 - evidence is a courtesy: a mistake in it must not cost the alert
        return f"(a part of the evidence could not be had: {type(error).__name__})"


def _host(watch: Watch, tools: Tools) -> str:
    lines = [f"port {port}: {owner_of(tools.processes, port)}" for port in _ports(watch)]
    try:
        available, total = memory()
        lines.append(f"memory: {available / _GIB:.1f} of {total / _GIB:.1f} GiB available")
    except RelayError:
        pass
    disk = os.statvfs("/")
    free, whole = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    lines.append(f"disk /: {free / _GIB:.1f} of {whole / _GIB:.1f} GiB free; load {os.getloadavg()[0]:.1f}")
    return "\n".join(lines)


def _ports(watch: Watch) -> list[int]:
    """The ports of this host that are looked at."""
    urls = [check for check in watch.checks if isinstance(check, str)]
    places = [place_of(url) for url in urls if url.partition("://")[0] in SCHEMES]
    return list(dict.fromkeys(port for host, port in places if is_loopback(host)))


def _log(path: str) -> str:
    try:
        data, _ = read_regular(path, _LOG_BYTES, end=True)
    except OSError as error:
        return f"{path}: {'not a file with lines' if error.errno == errno.EINVAL else in_words(error)}"
    lines = clean(data.decode("utf-8", "replace")).rstrip().split("\n")[-LOG_LINES:]
    return "\n".join([f"last lines of {path}:", *lines])


async def _journal(unit: str) -> str:
    words = (
        "journalctl",
        "--no-pager",
        "--quiet",
        f"--lines={JOURNAL_LINES}",
        "--output=short-iso",
        f"--unit={unit}",
    )
    ran = await run(words, WITHIN)
    if not ran.output:
        return f"journal of {unit}: {ran.words if ran.status != 0 else 'no lines that relay may read'}"
    about = f" ({ran.words})" if ran.status != 0 else ""
    return f"journal of {unit}{about}:\n{ran.output}"
