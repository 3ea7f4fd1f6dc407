"""The times that logs write, as seconds since the epoch. A time without a zone is in the host's."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final

_DAY: Final = 86400.0
_EARLIEST: Final = 946684800.0  # the year 2000: older times are clocks that were never set
_MONTHS: Final = {
    name: number
    for number, name in enumerate("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)  # noqa: SIM905 - as a calendar reads
}

_CLOCK: Final = r"\d\d:\d\d:\d\d(?:[.,:]\d{1,9})?"
_ZONE: Final = r"(?:Z\b| ?(?:UTC|GMT)\b| ?[+-]\d\d:?\d\d\b|[+-]\d\d\b)?"
_MONTH: Final = r"[A-Z][a-z]{2}"
_ISO: Final = rf"\d{{4}}[-/]\d\d[-/]\d\d(?:T|,? ){_CLOCK}{_ZONE}"  # 2026-03-01 10:00:00,123+08:00
_SHORT: Final = (
    rf"\d\d(?:/\d\d/\d\d|\d{{4}}) {_CLOCK}"  # 26/03/01 10:00:00 (Spark), 260301 10:00:00 (Tornado)
)
_SYSLOG: Final = rf"{_MONTH} [ \d]\d {_CLOCK}"  # Mar  1 10:00:00
_CTIME: Final = rf"{_MONTH} {_MONTH} [ \d]\d {_CLOCK} \d{{4}}"  # Sun Mar 01 10:00:00.123456 2026 (Apache)
_CLF: Final = (
    rf"\d\d[-/]{_MONTH}[-/]\d{{4}}[: ]{_CLOCK}(?: [+-]\d{{4}})?"  # 01/Mar/2026:10:00:00 +0800, Tomcat
)
_JUL: Final = (
    rf"{_MONTH} \d\d?, \d{{4}} \d\d?:\d\d:\d\d [AP]M"  # Mar 01, 2026 10:00:00 AM (java.util.logging)
)

TIME: Final = (
    f"(?:{_ISO}|{_CLOCK}|{_SYSLOG}|{_CLF}|{_SHORT}|{_CTIME}|{_JUL})"  # a regular expression, no groups
)


def parse_time(text: str, now: float) -> float | None:
    """Seconds since the epoch of a time as logs write it; None if it is none, or absurd."""
    at = read_time(text, now)
    return at if at is not None and sane(at, now) else None


def read_time(text: str, now: float) -> float | None:
    """As `parse_time`, and absurd times too."""
    at = _iso(text)
    if at is not None:
        return at
    if "." in text or "," in text:
        return _other(text, now)
    return _whole(text, now // 60)


def sane(at: float, now: float) -> bool:
    """Whether a time can be an event's: not before 2000, not over a day ahead of relay's clock."""
    return _EARLIEST <= at <= now + _DAY


def from_number(value: float) -> float:
    """Seconds of a number that counts s, ms, us or ns since the epoch: its size tells which."""
    size = abs(value)
    if size < 1e11:
        return value
    if size < 1e14:
        return value / 1e3
    return value / 1e6 if size < 1e17 else value / 1e9


_ISO_PARTS: Final = re.compile(
    r"(\d{4}[-/]\d\d[-/]\d\d)(?:T|,? )(\d\d:\d\d:\d\d)(?:[.,:](\d{1,9}))?"
    r"(?: ?(Z|UTC|GMT|[+-]\d\d:?\d\d|[+-]\d\d))?"
)


def _iso(text: str) -> float | None:
    found = _ISO_PARTS.fullmatch(text)
    if not found:
        return None
    date, clock, fraction, zone = found.groups()
    whole = _second(date, clock, zone)
    return whole if whole is None or not fraction else whole + _parts(fraction)


@lru_cache(maxsize=1024)  # most lines are of the same few seconds: 0.1 us instead of 2
def _second(date: str, clock: str, zone: str | None) -> float | None:
    year, month, day = int(date[:4]), int(date[5:7]), int(date[8:10])
    return _instant(year, month, day, clock, zone)


def _instant(year: int, month: int, day: int, clock: str, zone: str | None = None) -> float | None:
    """The second `clock` (HH:MM:SS) of that day; None if the calendar has no such day or time."""
    second = min(int(clock[6:8]), 59)  # a leap second is the one before it
    try:
        at = datetime(year, month, day, int(clock[:2]), int(clock[3:5]), second, tzinfo=_zone(zone))
        return at.timestamp()
    except (ValueError, OverflowError):
        return None


def _zone(text: str | None) -> timezone | None:
    """A zone as logs write it; None: the host's."""
    if not text:
        return None
    if text[0] not in "+-":
        return UTC
    digits = text[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
    return timezone(-offset if text[0] == "-" else offset)


def _parts(digits: str) -> float:
    """The digits after a decimal point."""
    return float("0." + digits)


def _nearest(candidates: list[float | None], now: float) -> float | None:
    return min((at for at in candidates if at is not None), key=lambda at: abs(at - now), default=None)


def _clock(found: re.Match[str], now: float) -> float | None:
    """A time of day: the one nearest to now."""
    days = [datetime.fromtimestamp(now + shift, tz=None) for shift in (-_DAY, 0.0, _DAY)]  # noqa: DTZ006 - the host's day
    return _nearest([_instant(day.year, day.month, day.day, found["clock"]) for day in days], now)


def _yearless(found: re.Match[str], now: float) -> float | None:
    """A syslog time has no year: the nearest one."""
    month = _MONTHS.get(found["month"], 0)
    this = datetime.fromtimestamp(now, tz=UTC).year
    years = (this - 1, this, this + 1)
    return _nearest([_instant(year, month, int(found["day"]), found["clock"]) for year in years], now)


def _named_month(found: re.Match[str], now: float) -> float | None:
    del now
    month = _MONTHS.get(found["month"], 0)
    return _instant(
        int(found["year"]), month, int(found["day"]), found["clock"], found.groupdict().get("zone")
    )


def _two_digit_year(found: re.Match[str], now: float) -> float | None:
    del now
    return _instant(2000 + int(found["year"]), int(found["month"]), int(found["day"]), found["clock"])


def _half_day(found: re.Match[str], now: float) -> float | None:
    del now
    hour = int(found["hour"]) % 12 + (12 if found["half"] == "P" else 0)
    month = _MONTHS.get(found["month"], 0)
    return _instant(int(found["year"]), month, int(found["day"]), f"{hour:02}:{found['rest']}")


_C: Final = rf"(?P<clock>{_CLOCK})"
_D: Final = r"(?P<day>[ \d]\d)"
_M: Final = rf"(?P<month>{_MONTH})"
_Y: Final = r"(?P<year>\d{4})"
_SHAPES: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str], float], float | None]], ...]] = (
    (re.compile(_C), _clock),
    (re.compile(rf"{_M} {_D} {_C}"), _yearless),
    (re.compile(rf"{_MONTH} {_M} {_D} {_C} {_Y}"), _named_month),
    (re.compile(rf"{_D}[-/]{_M}[-/]{_Y}[: ]{_C}(?: (?P<zone>[+-]\d{{4}}))?"), _named_month),
    (re.compile(rf"(?P<year>\d\d)/?(?P<month>\d\d)/?(?P<day>\d\d) {_C}"), _two_digit_year),
    (
        re.compile(rf"{_M} (?P<day>\d\d?), {_Y} (?P<hour>\d\d?):(?P<rest>\d\d:\d\d) (?P<half>[AP])M"),
        _half_day,
    ),
)


@lru_cache(maxsize=1024)  # as `_second`
def _whole(text: str, minute: float) -> float | None:
    """A time without a fraction, as of that minute: the nearest one is the same all the while."""
    return _other(text, minute * 60)


def _other(text: str, now: float) -> float | None:
    for shape, read in _SHAPES:
        if found := shape.fullmatch(text):
            whole = read(found, now)
            return None if whole is None else whole + _parts((found.groupdict().get("clock") or "")[9:])
    try:
        return from_number(float(text))
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None
