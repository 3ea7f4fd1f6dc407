"""Kinds of values that settings are made of: secrets and durations, and how people write them."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Final

from msgspec import Meta

# Seconds as float; written `30s`, `10m`, `2h`, `1d`, `1w`, `250ms`, or a sum of them: `1h30m`.
Duration = Annotated[float, Meta(extra={"kind": "duration"})]
# Bytes as int; written `4096`, `64KiB`, `1MB`, `1GiB`.
Size = Annotated[int, Meta(extra={"kind": "size"})]
# A path; a relative one is relative to the file it stands in.
FilePath = Annotated[str, Meta(extra={"kind": "path"})]

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+")
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])")
_SIZES: Final = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
}
_COUNT: Final = re.compile(r"[1-9][0-9]{0,8}")
_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
_SIZE: Final = re.compile(r"(\d+)\s*([KMG]?I?B)?", re.IGNORECASE)


class Secret:
    """A text that must not be shown: `repr` and `str` hide it, `reveal()` gives it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the request that needs it and nothing else."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __bool__(self) -> bool:
        return bool(self._text)


def parse_duration(text: str) -> float:
    """Seconds of `1h30m` and the like; ValueError with what is allowed."""
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration: write 30s, 10m, 2h, 1d or 1w")
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))


def format_duration(seconds: float) -> str:
    """Seconds as people say them, at most two units: `3s`, `12 min`, `2 h 5 min`, `3 d`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, _ = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def parse_size(text: str) -> int:
    """Bytes of `64KiB` and the like; ValueError with what is allowed."""
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{text!r} is not a size: write 4096, 64KiB, 10MB or 1GiB")
    return int(found[1]) * _SIZES[(found[2] or "").upper()]


def parse_listen(text: str) -> tuple[str, int]:
    """Host (IPv6 without brackets) and port of `127.0.0.1:8787`; ValueError with what is allowed."""
    host, _, port = text.rpartition(":")
    bare = host[1:-1] if host[:1] == "[" and host[-1:] == "]" else host
    if not _HOST.fullmatch(host) or not _COUNT.fullmatch(port) or int(port) > 65535:
        raise ValueError(f"{text!r} is no place to listen: write 127.0.0.1:8787, [::1]:8787 or unix:/path")
    return bare, int(port)


def is_loopback(host: str) -> bool:
    """Whether only this host reaches it; a name other than `localhost` may mean any address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def parse_rate(text: str) -> tuple[int, float]:
    """Messages and seconds of `20/1m` (or `20/m`); ValueError with what is allowed."""
    count, _, span = text.partition("/")
    span = f"1{span}" if span in _UNITS else span
    if _COUNT.fullmatch(count) and _DURATION.fullmatch(span) and (seconds := parse_duration(span)):
        return int(count), seconds
    raise ValueError(f"{text!r} is not a rate: write 20/1m, 5/1s or 100/1h")
