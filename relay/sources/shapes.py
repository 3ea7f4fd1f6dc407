"""The headers that log libraries write before the message: one row a shape, an example in front of each.

A shape is tried on the first `HEAD` characters only and needs no nested repetition: reading a line takes
time linear in its length, whatever stands in it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice
from typing import Final

from relay.models import LEVEL_WORDS, Level
from relay.sources.fields import MAX_LABELS, Reading, as_labels
from relay.sources.times import TIME, parse_time

HEAD: Final = 512  # characters in which a header ends

_WORDS: Final = "|".join(sorted(LEVEL_WORDS, key=len, reverse=True))
# As they are really written: `ERROR`, `error`, `Error`. The scan asks for the same forms.
_FORMS: Final = "|".join(
    form(word) for form in (str.upper, str.lower, str.capitalize) for word in _WORDS.split("|")
)
_ANY: Final = rf"(?P<level>{_FORMS})(?!\w)"
_L: Final = rf"(?P<level>{_WORDS.upper()})(?!\w)"
_T: Final = rf"(?P<time>{TIME})"
_M: Final = r"(?P<module>[A-Za-z_][\w.$/-]*)"
LETTERS: Final = {  # by which klog, Tornado and others write a level
    "D": Level.DEBUG,
    "I": Level.INFO,
    "W": Level.WARNING,
    "E": Level.ERROR,
    "C": Level.CRITICAL,
    "F": Level.CRITICAL,
}


def _rows(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern) for pattern in patterns)


_PYTHON: Final = _rows(
    # 2026-03-01 10:00:00,123 - pay.refund - ERROR - timeout (the logging cookbook)
    rf"{_T} - {_M} - {_L} - ",
    # 2026-03-01 10:00:00.123 | ERROR    | pay.refund:charge:42 - timeout (loguru)
    rf"{_T} ?\| ?{_L} *\| ?{_M}\S* - ",
    # [2026-03-01 10:00:00,123: ERROR/ForkPoolWorker-1] Task failed (Celery)
    rf"\[{_T}: {_L}/[^\]]*\] ",
    # [2026-03-01, 10:00:00 UTC] {taskinstance.py:1935} ERROR - Task failed (Airflow)
    rf"\[{_T}\] \{{{_M}:\d+\}} {_L} - ",
    # [E 2026-03-01 10:00:00.123 web:123] timeout (Tornado, Jupyter)
    rf"\[(?P<level>[DIWECF]) {_T} {_M}(?::\d+)?\] ",
    # 2026-03-01 10:00:00,123 4567 ERROR shop odoo.http: timeout (Odoo)
    rf"{_T} \d+ {_L} \S+ {_M}: ",
    # 2026-03-01 10:00:00,123 [MainThread] ERROR pay.refund: timeout
    rf"\[?{_T}\]? \[[^\]]*\] {_L} +\[?{_M}\]?(?::\d+)?(?::| -) ",
    # [2026-03-01 10:00:00 +0000] [123] [ERROR] timeout (gunicorn)
    rf"\[{_T}\] \[\d+\] \[{_L}\] ",
    # 2026-03-01 10:00:00,123 ERROR pay.refund: timeout; ... [ERROR] pay: x; [...] ERROR in app: x (Flask)
    rf"\[?{_T}\]?:?(?: \d+)?(?: -)? ?\[?{_ANY}(?: *\])?(?::| -)?"
    rf"(?: +(?:in )?\[?{_M}\]?(?::\d+)?(?::| -| \|)(?= ))? *",
    # 2026-03-01 10:00:00,123 pay.refund ERROR timeout; ... [pay.refund] ERROR: timeout
    rf"\[?{_T}\]? \[?{_M}\]?:? \[?{_L} *\]?:?(?: -)? ?",
    # ERROR:pay.refund:timeout after 3000 ms (logging.basicConfig)
    rf"{_L}:{_M}:",
    # ERROR 2026-03-01 10:00:00,123 refund 123 456 timeout (Django's "verbose")
    rf"{_L} {_T} {_M} \d+ \d+ ",
    # ERROR 2026-03-01 10:00:00,123 pay.refund: timeout; ERROR [2026-03-01 10:00:00] timeout
    rf"{_L} \[?{_T}\]?(?: +\[?{_M}\]?(?::\d+)?(?::| -)(?= ))? ",
    # [ERROR] pay.refund: timeout
    rf"\[{_L}\] (?:{_M}: )?",
    # ERROR:    Exception in ASGI application (uvicorn); ERROR: timeout
    rf"{_L}: *",
    # [2026-03-01 10:00:00] timeout
    rf"\[?{_T}\]? (?:- )?",
)

_JAVA: Final = _rows(
    # 2026-03-01 10:00:00.123 ERROR 123 --- [shop] [    main] c.e.pay.Refund    : timeout (Spring Boot)
    rf"{_T} +{_L} \d+ --- (?:\[[^\]]*\] )*(?:{_M} +)?: ",
    # 2026-03-01 10:00:00,123 - ERROR [QuorumPeer[myid=1]/0.0.0.0:2181:Election@774] - x (ZooKeeper)
    rf"{_T} - {_L} +\[[^\n]*?(?P<module>[\w$]+)@\d+\] - ",
    # 2026-03-01 10:00:00,123 ERROR [org.jboss.as] (main) timeout (WildFly, Quarkus)
    rf"{_T} {_L} +\[{_M}\] \([^)]*\) ",
    # [2026-03-01T10:00:00,123][ERROR][o.e.x.Y          ] [node-1] timeout (Elasticsearch)
    rf"\[{_T}\]\[{_L} *\]\[{_M} *\] ?",
    # 10:00:00.123 [main] ERROR c.x.Pay - timeout; ... ERROR [main] c.x.Pay:42 - x; ... INFO c.x.Pay: x
    rf"\[?{_T}\]? (?:\[[^\]]*\] )*(?:\d+ )?{_L} +"
    rf"(?:\[[^\]]*\] )*{_M}(?: ?[\[(][^\])]*[\])])*(?::\d+)?(?: -|:) ",
    # ERROR [2026-03-01 10:00:00,123] com.x.Pay: timeout (Dropwizard)
    rf"{_L} +\[{_T}\] (?:\[[^\]]*\] )?(?:{_M}: )?",
    # 01-Mar-2026 10:00:00.123 SEVERE [main] org.apache.X.load timeout (Tomcat)
    rf"{_T} {_L} \[[^\]]*\] {_M} ",
    # Mar 01, 2026 10:00:00 AM com.x.Pay refund <newline> SEVERE: timeout (java.util.logging)
    rf"{_T} {_M} \S+\n{_L}: ",
    # [2026-03-01 10:00:00,123] ERROR timeout (kafka.server.X); 2026-03-01 10:00:00,123 [main] ERROR timeout
    rf"\[?{_T}\]? (?:\[[^\]]*\] )*(?:\d+ )?\[?{_L}\]?:?(?: -)? +(?:\[[^\]]*\] )*",
    # SEVERE: timeout; ERROR c.x.Pay - timeout
    rf"\[?{_L}\]?(?:: *| +(?:{_M} - )?)",
    # 10:00:00.123 timeout
    rf"\[?{_T}\]? (?:- )?",
)

_NGINX: Final = _rows(
    # 2026/03/01 10:00:00 [error] 123#45: *67 connect() failed, client: 10.0.0.1, server: x, request: "GET /"
    rf"{_T} \[{_ANY}\] \d+#\d+: (?:\*\d+ )?"
)
_NGINX_LABEL: Final = re.compile(
    r', (client|server|request|subrequest|upstream|host|referrer): (?:"([^"\n]*)"|([^,\n]*))(?=, |$)',
    re.MULTILINE,
)

# Tokens that stand between a time and a level and are no prose: [brackets], numbers and names with digits,
# separators, dotted names.
_STEP: Final = r"(?:(?:\[[^\]]*\]|(?=\S{0,80}\d)\S+|[-|:*]+|[\w$-]+(?:\.[\w$-]+)+:?) +)"
_LEADING_TIME: Final = re.compile(rf"[\[(<]?{_T}[\])>]?[ \t:,-]*")
_PLAIN_LEVEL: Final = _rows(
    # ERROR timeout; [error] timeout; <ERROR>; 12 [main] ERROR timeout; error: timeout
    rf"{_STEP}{{0,4}}(?:"
    rf"[\[(<|] ?(?:\w+:)?(?P<level>{_FORMS}) *[\])>|]"
    rf"|(?P<shout>{_WORDS.upper()})(?!\w)"
    rf"|(?P<said>{_FORMS}):(?!\S))",
)
# ... level=error ..., "severity":"ERROR"
_NAMED_LEVEL: Final = re.compile(rf"[^\n]*?\b(?:level|lvl|severity)\"?[=:] ?\"?{_ANY}")
_NAMES: Final = ("level", "lvl", "severity")
# After a time, one word (a host, a program) may come first.
_TIMED_LEVEL: Final = re.compile(rf"\S+ +\[?{_L}")
_KLOG: Final = re.compile(
    r"(?P<level>[IWEF])\d{4} (?P<time>\d\d:\d\d:\d\d\.\d+) +\d+ (?P<module>[\w.-]+):\d+\] "
)
_NEAR: Final = 160  # characters in which a plain line's level must stand


_START: Final = re.compile(rf"\[?(?:{TIME}|(?:{_WORDS.upper()})[\]: ]|[DIWECF] ?\d{{4}})")


def starts_event(head: str) -> bool:
    """Whether a line begins with a time or a level, as no continuation of another does."""
    return _START.match(head) is not None


def _first(rows: Sequence[re.Pattern[str]], head: str) -> re.Match[str] | None:
    for row in rows:
        if found := row.match(head):
            return found
    return None


def _level(word: str | None) -> Level | None:
    return None if word is None else LETTERS.get(word) or Level.of(word)


def _read(rows: Sequence[re.Pattern[str]], text: str, now: float) -> Reading | None:
    found = _first(rows, text[:HEAD])
    if not found:
        return None
    parts = found.groupdict()
    stamp = parts.get("time")
    return Reading(
        time=parse_time(stamp, now) if stamp else None,
        level=_level(parts.get("level")),
        module=parts.get("module") or "",
        message=text[found.end() :],
    )


def read_python(text: str, now: float) -> Reading | None:
    """What Python's logging libraries write; None without a header."""
    return _read(_PYTHON, text, now)


def read_java(text: str, now: float) -> Reading | None:
    """What logback, log4j, java.util.logging and their servers write; None without a header."""
    return _read(_JAVA, text, now)


def read_nginx(text: str, now: float) -> Reading | None:
    """The error log of nginx; client, server, request, upstream and host become labels."""
    reading = _read(_NGINX, text, now)
    if reading is None:
        return None
    found = list(islice(_NGINX_LABEL.finditer(reading.message), MAX_LABELS))
    if found:
        reading.labels = as_labels({each[1]: each[2] or each[3] for each in found})
        reading.message = reading.message[: found[0].start()]
    return reading


def read_plain(text: str, now: float) -> Reading:
    """Any text: a leading time is peeled, a level word near the start is the level, the rest the message."""
    if text[1:5].isdigit() and (found := _KLOG.match(text[:HEAD])):
        message = text[found.end() :]
        return Reading(
            time=parse_time(found["time"], now),
            level=LETTERS[found["level"]],
            module=found["module"],
            message=message,
        )
    stamp = _LEADING_TIME.match(text[:HEAD])
    message = text[stamp.end() :] if stamp else text
    at = parse_time(stamp["time"], now) if stamp else None
    return Reading(time=at, level=_plain_level(message[:_NEAR], timed=stamp is not None), message=message)


def _plain_level(head: str, *, timed: bool) -> Level | None:
    found = _first(_PLAIN_LEVEL, head)
    if not found and any(name in head for name in _NAMES):
        found = _NAMED_LEVEL.match(head)
    if not found and timed:
        found = _TIMED_LEVEL.match(head)
    if not found:
        return None
    return _level(next(word for word in found.groups() if word))
