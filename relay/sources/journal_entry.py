"""Journal entries as events: whose they are, how bad, and what their text says beyond that."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from msgspec import Struct

from relay.config.schema import JournalSource, TailSource
from relay.models import Event, Level
from relay.sources.export import Fields
from relay.sources.fields import SEVERITIES, Reading, as_labels
from relay.sources.parse import Parser
from relay.sources.shapes import read_plain
from relay.sources.times import sane
from relay.text import clean, one_line

WANTED: Final = (
    *("MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER", "_SYSTEMD_UNIT", "_SYSTEMD_USER_UNIT", "UNIT"),
    *("_PID", "_UID", "_HOSTNAME", "_COMM", "_TRANSPORT", "_STREAM_ID", "COREDUMP_UNIT"),
    *("_SOURCE_REALTIME_TIMESTAMP", "_BOOT_ID", "_MACHINE_ID"),
)
_GLOB: Final = frozenset("*?[")


class Entry(Struct, frozen=True):
    """What relay wants to know of one entry."""

    cursor: str
    received: int  # microseconds since the epoch at which the journal took it
    time: float  # seconds since the epoch, of the sender where it is known
    message: bytes
    cut: int  # bytes of the message that were cut away
    priority: Level | None
    unit: str  # x.service; "" for what belongs to none
    identifier: str
    pid: str
    host: str
    printed: bool  # a line of a service's output: its priority is the unit's default, not the writer's word
    stream: str  # lines of one stream of output follow one another
    boot: str = ""
    machine: str = ""

    @classmethod
    def of(cls, fields: Fields) -> Entry:
        """From the journal's fields; what is missing or odd is left empty."""
        text = fields.text
        received = received_at(fields)
        sent = _number(text("_SOURCE_REALTIME_TIMESTAMP")) or received
        priority = text("PRIORITY")
        unit, pid = unit_of(fields), text("_PID")
        return cls(
            cursor=text("__CURSOR"),
            received=received,
            time=sent / 1e6,
            message=fields.values.get("MESSAGE", b""),
            cut=fields.cut,
            priority=SEVERITIES[int(priority)] if priority in {*"01234567"} else None,
            unit=unit,
            identifier=one_line(text("SYSLOG_IDENTIFIER") or text("_COMM")),
            pid=pid,
            host=one_line(text("_HOSTNAME")),
            printed=text("_TRANSPORT") == "stdout",
            stream=text("_STREAM_ID") or f"{unit} {pid}",
            boot=text("_BOOT_ID"),
            machine=text("_MACHINE_ID"),
        )


def unit_of(fields: Fields) -> str:
    """Whose entry it is; what systemd itself and its core dump collector say of a unit is that unit's."""
    text = fields.text
    if text("_PID") == "1" and (about := text("UNIT")):
        return one_line(about)
    if text("_UID") == "0" and (crashed := text("COREDUMP_UNIT")):
        return one_line(crashed)
    return one_line(text("_SYSTEMD_USER_UNIT") or text("_SYSTEMD_UNIT"))


class EntryReader:
    """Makes the events of one journal source."""

    def __init__(self, name: str, settings: JournalSource) -> None:
        self._source = name
        self._settings = settings
        self.lines = as_lines(settings)
        self._parser = Parser(name, self.lines)
        self._globs = [each for each in settings.journal.units if _GLOB & set(each)]

    def wants(self, entry: Entry) -> bool:
        """Whether a glob names its unit: journalctl knows only units that were there when it started."""
        if not self._globs:
            return True
        return any(fnmatchcase(entry.unit, pattern) for pattern in with_type(self._settings.journal.units))

    def event(self, entry: Entry, lines: list[bytes], cut: int, now: float) -> Event:
        """The event that these lines are, the first of them in `entry`."""
        text = b"\n".join(lines).decode("utf-8", "replace")
        reading = self._parser.read(text, now) or read_plain(clean(text), now)
        message = reading.message.rstrip()
        labels = as_labels({"unit": entry.unit, "pid": entry.pid, "host": entry.host} | reading.labels)
        return Event(
            time=self._time(entry, reading, now),
            source=self._source,
            module=reading.module or self._settings.module or self._module(entry),
            level=self._level(entry, reading),
            message=f"{message} … [{cut} bytes cut]" if cut else message,
            labels={name: value for name, value in labels.items() if value} | self._settings.labels,
            origin=f"journal {entry.unit or entry.identifier}",
        )

    def _module(self, entry: Entry) -> str:
        unit = entry.unit.removesuffix(".service")
        if unit == entry.unit:  # a session, or nothing: what runs there has a name of its own
            unit = ""
        if self._settings.journal.name == "identifier":
            return entry.identifier or unit
        return unit or entry.identifier or entry.unit

    def _level(self, entry: Entry, reading: Reading) -> Level:
        """A logger's word counts; of printed lines the text knows more than the unit's default priority."""
        said = (reading.level, entry.priority) if entry.printed else (entry.priority, reading.level)
        return next((level for level in said if level is not None), self._settings.level or Level.INFO)

    @staticmethod
    def _time(entry: Entry, reading: Reading, now: float) -> float:
        if entry.printed and reading.time is not None:
            return reading.time
        return entry.time if sane(entry.time, now) else now


def as_lines(settings: JournalSource) -> TailSource:
    """The settings by which the text of entries is read."""
    return TailSource(
        tail=("/journal",),
        format=settings.format,
        pattern=settings.pattern,
        multiline=settings.multiline,
        flush_after=settings.flush_after,
        max_event=settings.max_event,
    )


def with_type(units: tuple[str, ...]) -> list[str]:
    """Unit names, `.service` where they name no type, as systemctl takes them."""
    return [unit if "." in unit else f"{unit}.service" for unit in units]


def received_at(fields: Fields) -> int:
    """When the journal took that entry: microseconds since the epoch; 0 if it doesn't say."""
    return _number(fields.text("__REALTIME_TIMESTAMP"))


class Own(Struct, frozen=True):
    """This relay as the journal knows it: its own entries must not come back to it.

    A process's number alone says nothing: in an earlier boot, or on a host that sends its journal here,
    another one had it. Nor does a unit: such hosts have a relay, too.
    """

    unit: str = ""  # "": it is no service
    machine: str = ""
    pid: str = ""
    boot: str = ""

    @classmethod
    def now(cls) -> Own:
        """As it is."""
        boot = _content("/proc/sys/kernel/random/boot_id").replace("-", "")
        return cls(_own_unit(), _content("/etc/machine-id"), str(os.getpid()), boot)

    def wrote(self, entry: Entry) -> bool:
        """Whether that entry is by this relay, or by one that ran before it in this unit."""
        if self.unit and entry.unit == self.unit:
            return not entry.machine or entry.machine == self.machine
        return entry.pid == self.pid and (not entry.boot or entry.boot == self.boot)


def _own_unit() -> str:
    """The unit that this process runs in; "" if it is no service."""
    for line in _content("/proc/self/cgroup").splitlines():
        name = line.rpartition("/")[2]
        if name.endswith(".service") and line.split(":")[1] in {"", "name=systemd"}:
            return name
    return ""


def _content(path: str) -> str:
    try:
        return Path(path).read_text("utf-8").strip()
    except OSError:
        return ""


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0
