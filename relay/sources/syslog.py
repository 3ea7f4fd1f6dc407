"""Syslog as files, programs and logger(1) write it: RFC 5424, and RFC 3164 with its usual liberties."""

from __future__ import annotations

import re
from typing import Final

from relay.models import Level
from relay.sources.fields import SEVERITIES, Reading, as_labels
from relay.sources.times import TIME, parse_time
from relay.text import clean, one_line

_PRIORITY: Final = re.compile(r"<(\d{1,3})>")
_HIGHEST: Final = 191  # facility 23, severity 7

# RFC 5424 section 6: 1 TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA [MSG].
_MODERN: Final = re.compile(r"1 (\S+) (\S+) (\S+) (\S+) (\S+) (?=[-\[])")
_ELEMENT: Final = re.compile(r'\[([^\s=\]"]+)((?: [^\s=\]"]+="(?:[^"\\\]]|\\.)*")*)\]', re.DOTALL)
_PARAMETER: Final = re.compile(r' ([^\s=\]"]+)="((?:[^"\\\]]|\\.)*)"', re.DOTALL)
_ESCAPED: Final = re.compile(r'\\(["\\\]])')
_ABOUT_THE_CLOCK: Final = "timeQuality"  # logger(1) adds it to every message

# RFC 3164 section 4.1, with what is met in practice: no host (local sockets), ISO times (rsyslog, systemd).
_OLD: Final = re.compile(
    rf"(?P<time>{TIME}) (?:(?P<host>[^\s:\[]+) )?"
    r"(?P<tag>[^\s:\[\]]{1,64})(?:\[(?P<pid>[^\]\s]*)\])?:(?: |$)"
)
_TIMED: Final = re.compile(rf"(?P<time>{TIME}) ")
_TAGGED: Final = re.compile(r"(?P<tag>[^\s:\[\]]{1,64})\[(?P<pid>[^\]\s]*)\]: ?")
_HEAD: Final = 512  # characters in which a header ends


def read_syslog(text: str, now: float) -> Reading | None:
    """A syslog line, with or without its priority; None if it is none."""
    level, rest = _priority(text)
    if level is not None and (modern := _read_modern(rest, now)):
        modern.level = level
        return modern
    found = _OLD.match(rest[:_HEAD])
    if found:
        labels = as_labels({"host": found["host"], "pid": found["pid"]})
        return Reading(
            time=parse_time(found["time"], now),
            level=level,
            module=one_line(found["tag"]),
            message=clean(rest[found.end() :]),
            labels=labels,
        )
    return None if level is None else _read_bare(level, rest, now)


def _priority(text: str) -> tuple[Level | None, str]:
    """The level that `<PRI>` says, and what follows; (None, text) without a valid one."""
    found = _PRIORITY.match(text)
    if not found or int(found[1]) > _HIGHEST:
        return None, text
    return SEVERITIES[int(found[1]) & 7], text[found.end() :]


def _read_bare(level: Level, rest: str, now: float) -> Reading:
    """A priority and little more: perhaps a time, perhaps a tag with its process id."""
    at = None
    if found := _TIMED.match(rest[:_HEAD]):
        at, rest = parse_time(found["time"], now), rest[found.end() :]
    reading = Reading(time=at, level=level, message=clean(rest))
    if found := _TAGGED.match(rest[:_HEAD]):
        reading.module = one_line(found["tag"])
        reading.labels = as_labels({"pid": found["pid"]})
        reading.message = clean(rest[found.end() :])
    return reading


def _read_modern(rest: str, now: float) -> Reading | None:
    found = _MODERN.match(rest)
    if not found:
        return None
    stamp, host, app, pid, kind = ("" if part == "-" else part for part in found.groups())
    labels = {"host": host, "pid": pid, "msgid": kind}
    at = found.end()
    if rest[at] == "-":
        at += 1
    while element := _ELEMENT.match(rest, at):
        at = element.end()
        if element[1] != _ABOUT_THE_CLOCK:
            for name, value in _PARAMETER.findall(element[2]):
                labels[f"{element[1]}.{name}"] = _ESCAPED.sub(r"\1", value)
    return Reading(
        time=parse_time(stamp, now) if stamp else None,
        module=one_line(app),
        message=clean(rest[at:].removeprefix(" ").removeprefix("\ufeff")),
        labels=as_labels({name: value for name, value in labels.items() if value}),
    )
