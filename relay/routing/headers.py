"""What stands before the message in a raw line: time, level, process, thread, logger. It is peeled off.

A header begins with a time or a level; what else may belong to it is only taken after one of these.
"""

from __future__ import annotations

import re
from typing import Final

_MOST_PARTS: Final = 10
_MONTH: Final = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_CLOCK: Final = r"\d{1,2}:\d{2}:\d{2}(?:[.,]\d{1,9})?"
_ZONE: Final = r"(?:[ ]?(?:Z|UTC|GMT|CST|[+-]\d{2}:?\d{2})\b)?"
_TIME: Final = rf"""
    (?:(?:time|ts|timestamp|at)=)?["\[(]?
    (?:
        \d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}[T\ _]+{_CLOCK}{_ZONE}
      | \d{{1,2}}[-/.]\d{{1,2}}(?:[-/.]\d{{2,4}})?\ +{_CLOCK}{_ZONE}
      | \d{{1,2}}/{_MONTH}/\d{{4}}:{_CLOCK}{_ZONE}
      | \d{{6}}\ \d{{6}}\ \d+
      | \d{{8}}-\d{{1,2}}:\d{{1,2}}:\d{{1,2}}:\d{{1,3}}(?=\|)
      | (?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),?\ +)?
        (?:{_MONTH}\ +\d{{1,2}}|\d{{1,2}}[-/ ]{_MONTH}[-/ ]\d{{4}})(?:\ +\d{{4}})?
        [ T]{_CLOCK}(?:\ \d{{4}}\b)?{_ZONE}
      | \d{{10}}(?:\d{{3}}|\.\d+)?(?=[\s\])"])
      | \d{{1,7}}\.\d{{6}}(?=\])
    )
    ["\])]?(?=[\s:,\[|]|$)
"""
_LEVEL: Final = r"""
    (?P<level>
        \[\s*(?i:trace|debug|info|notice|warn|warning|err|error|crit|critical|alert|emerg|fatal|severe)\s*\]
      | (?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRIT|CRITICAL|ALERT|EMERG|FATAL|SEVERE|LOG)
        (?=[\s:|\]/-]|$)
    )
"""
_KLOG: Final = r"[IWEF]\d{4}\ \d\d:\d\d:\d\d\.\d+\s+\d+\ [\w.-]{1,64}:\d+\](?=\s)"  # Go's glog and klog
_START: Final = re.compile(
    rf"\s*(?:<\d{{1,3}}>\d?\s*|-\s+(?=\d)|\S{{1,64}}\.log\S{{0,64}}\s+(?=\d))?(?:{_TIME}|{_LEVEL}|{_KLOG})",
    re.VERBOSE,
)
_SYSLOG: Final = re.compile(
    r"""
    \s+[\w.:/@\#-]{1,255}\s+                           # host
    (?:
        (?:--\s+)?[\w./@-]{1,64}(?:\([\w-]{1,64}\))?(?:\ [\d.]+)?(?:\[\d+\])?  # sshd(pam_unix)[1]:
      | [\w.-]{1,64}(?:\ [\w.-]{1,64}){0,3}\[\d+\]\ ?(?:\([^()\s]{1,200}\))?  # macOS: Some App[7] (label):
    ):
    (?:\ +\[\ *\d+\.\d{6}\])?                         # the kernel's seconds since it started
    (?=\s|$)
    """,
    re.VERBOSE,
)
_IS_SYSLOG: Final = re.compile(rf"\s*(?:<\d{{1,3}}>)?(?:{_MONTH}\s|\d{{4}}-\d\d-\d\dT)")
# A collector may put its own time and host before a syslog line.
_COLLECTED: Final = re.compile(rf"(?:\s+[\w.:/@#-]{{1,64}}){{0,3}}\s+{_MONTH}\ +\d{{1,2}}\ +{_CLOCK}")
_MORE: Final = re.compile(
    rf"""
    [\s:|,/#-]{{0,32}}
    (?:
        {_TIME}
      | {_LEVEL}
      | \[[^\[\]\s]{{0,80}}\[[^\[\]\s]{{0,80}}\][^\[\]\s]{{0,80}}\](?=\s)  # [QuorumPeer[myid=1]/0.0]
      | \[(?!\w+:\s)(?=[^\[\]]{{0,120}}[\d.])[^\[\]]{{0,120}}\](?=\s|\[)     # [pid], [thread-7], [a.b.C]
      | \[[^\[\]]{{0,200}}\](?=\s+[\w$]+\.[\w$.]+:\s)                        # [any thread] a.b.C:
      | \[[\s-]*\]
      | \[\s*(?:main|Thread|worker)\s*\]
      | [\w-]{{1,64}}\](?=\s)                                                # Celery: [time: LEVEL/Worker-7]
      | (?:Info|Warning|Error)\s{{2,}}[A-Z]{{2,8}}(?=\s{{2,}})              # in columns
      | (?<=\d\s)[VDIWEF]\s+[\w.$/-]{{1,64}}\s*(?=:)                        # Android: D Tag:
      | (?<=\|)[\w.$-]{{1,64}}(?=\|)                                       # between pipes
      | \d+(?:\#\d+)?:?(?=\s|$) | \*\d+(?=\s)
      | (?:UTC|GMT|CST)(?=\s)
      | [\w-]{{1,64}}@[\w-]{{1,64}}(?=\s+[A-Z]{{3,8}}:)                      # PostgreSQL's user@database
      | [\w$-]{{1,64}}(?:\.[\w$<>-]{{1,64}}){{1,12}}(?:@\d+)?(?:\[\d+\])?(?=:\s|\s+-\s|\s+\[)
      | [\w.$-]{{1,64}}(?:\ \*\d+)?(?=\s-\s)
    )
    """,
    re.VERBOSE,
)
_SEPARATORS: Final = re.compile(r"[\s:|,\]-]*")


def peel(line: str) -> str:
    """The line without its header; the line itself if it has none, or nothing else."""
    found = _START.match(line)
    if found is None:
        return line
    end = found.end()
    if _IS_SYSLOG.match(line) and (program := _SYSLOG.match(line, end)):
        return line[_end_of_separators(line, program.end()) :] or line
    if (second := _COLLECTED.match(line, end)) and (program := _SYSLOG.match(line, second.end())):
        return line[_end_of_separators(line, program.end()) :] or line
    for _ in range(_MOST_PARTS):
        more = _MORE.match(line, end)
        if more is None or more.end() == end:
            break
        end = more.end()
    rest = line[_end_of_separators(line, end) :]
    return rest or line


def _end_of_separators(line: str, start: int) -> int:
    found = _SEPARATORS.match(line, start)
    return found.end() if found else start
