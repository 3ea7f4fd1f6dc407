"""The kinds of scalar that rules.yaml has beyond text, number and truth.

A kind is the word in a type's `Meta(extra={"kind": ...})`, and one line in `KINDS`; `parser_of` finds it.
A parser raises ValueError in words: what was given, what is allowed.
"""

from __future__ import annotations

import codecs
import enum
import os
import re
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, Final, Literal, get_args, get_origin
from zoneinfo import ZoneInfo

from relay.config import check_kinds, patterns, windows
from relay.config.files import beside
from relay.config.nodes import Scalar
from relay.config.problems import hint, quoted
from relay.config.scalars import digits, fraction, integer, line, surprise, text, truth
from relay.config.types import Bare
from relay.models import Level
from relay.values import Secret, parse_duration, parse_listen, parse_rate, parse_size

_LONGEST_TIME: Final = 3660 * 86400.0  # seconds; ten years
_LARGEST_SIZE: Final = 1 << 40  # bytes
_LARGEST_RATE: Final = 1000  # the times of so many messages are kept for each recipient
_SOCKET_PATH: Final = 105  # bytes; the kernel takes 107, and `.dgram` is longer than `.sock`
_NAME: Final = re.compile(r"\w[\w.@+-]{0,63}")


def duration(node: Scalar) -> float:
    """Seconds."""
    seconds = parse_duration(digits(node))
    if seconds > _LONGEST_TIME:
        raise ValueError(f"{node.given} is longer than ten years")
    return seconds


def size(node: Scalar) -> int:
    """Bytes."""
    number = parse_size(digits(node))
    if number > _LARGEST_SIZE:
        raise ValueError(f"{node.given} is more than 1 TiB")
    return number


def rate(node: Scalar) -> str:
    """Messages in a time."""
    most, _ = parse_rate(text(node))
    if most > _LARGEST_RATE:
        raise ValueError(f"{node.given} counts too many: at most {_LARGEST_RATE}")
    return node.text


def name(node: Scalar) -> str:
    """What sources, backends and recipients may be called."""
    word = text(node)
    if not _NAME.fullmatch(word):
        raise ValueError(f"{node.given} is no name: letters, digits and . _ - @ +, at most 64")
    return word


def title(node: Scalar) -> str:
    """What a rule may be called: it becomes part of messages."""
    return line(node, 200)


def field(node: Scalar) -> str:
    """A part of a fingerprint: the name of a label or field, or `{default}` for the masked message."""
    word = line(node)
    if word[:1] == "{" and word != "{default}":
        raise ValueError(f"unknown word {node.given} (allowed: {{default}}, and names without braces)")
    return word


def path(node: Scalar) -> str:
    """An absolute path; a relative one starts at the folder of the file it stands in."""
    return beside(node.place.file, line(node))


def excluded(node: Scalar) -> str:
    """A glob of files to leave alone: with a slash a path, else a name in any folder."""
    return path(node) if "/" in node.text else f"/**/{line(node)}"


def socket_path(node: Scalar) -> str:
    """A path that fits into a socket's address."""
    return _fitting(path(node))


def _fitting(absolute: str) -> str:
    if len(os.fsencode(absolute)) > _SOCKET_PATH:
        raise ValueError(f"{quoted(absolute)} is too long for a socket: at most {_SOCKET_PATH} bytes")
    return absolute


def store(node: Scalar) -> str:
    """Where the store is: a path."""
    scheme, colon, _ = node.text.partition("://")
    if colon and scheme in {"postgres", "postgresql"}:
        raise ValueError("a PostgreSQL store is not in this version yet: give a path")
    if colon:
        raise ValueError("a store is a path, such as /var/lib/relay/relay.db")
    return path(node)


def listen(node: Scalar) -> str:
    """Where to serve HTTP: an address and a port, or a Unix socket."""
    given = line(node)
    scheme, _, where = given.partition(":")
    if scheme != "unix":
        parse_listen(given)
        return given
    if not where.strip("/"):
        raise ValueError(f"{node.given} names no socket: write unix:/run/relay/http.sock")
    return f"unix:{_fitting(beside(node.place.file, where))}"


def host(node: Scalar) -> str:
    """A host's name, as a browser's address line has it, without a port."""
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})", node.text):
        raise ValueError(f"{node.given} is no host name: write relay.example.com")
    return node.text.lower()


def unit(node: Scalar) -> str:
    """A unit of systemd, or a glob of such."""
    if not re.fullmatch(r"(?!-)[\w:.\\@*?\[\]!-]{1,255}", node.text, re.ASCII):
        raise ValueError(f"{node.given} is no unit: write nginx.service, nginx or shop-*.service")
    return node.text


def mode(node: Scalar) -> str:
    """Permissions of a socket, in octal as chmod has them."""
    if not re.fullmatch(r"0?[0-7]{3}", node.text):
        raise ValueError(f"{node.given} is no mode: write 0660")
    return node.text


def encoding(node: Scalar) -> str:
    """A text encoding that Python knows."""
    try:
        codecs.lookup(node.text)
        known = "a\n".encode(node.text).decode(node.text) == "a\n"
    except (LookupError, ValueError):
        known = False
    if not known:
        raise ValueError(f"{node.given} is no known encoding: write utf-8, gbk, big5, shift_jis, latin-1 ...")
    return node.text


def start(node: Scalar) -> str:
    """When a rota's first turn begins: date and time, with an offset or (after a space) a zone's name."""
    moment, _, zone = node.text.partition(" ")
    named = bool(zone) and not zone[0].isdigit()
    try:
        datetime.fromisoformat(moment if named else node.text)
    except ValueError:
        raise ValueError(f"{node.given} is no date and time: write 2026-01-05T09:00") from None
    if named:
        _known_zone(zone)
    return node.text


def zone(node: Scalar) -> str:
    """The name of a time zone."""
    _known_zone(text(node))
    return node.text


def _known_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"{quoted(name)} is no time zone: write Europe/Berlin, Asia/Shanghai, UTC ..."
        ) from None


def url(node: Scalar) -> str:
    """A link that people may follow."""
    from relay.backends.http import url_problem  # noqa: PLC0415 - aiohttp, only where there is a URL

    if wrong := url_problem(line(node)):
        raise ValueError(f"{node.given} {wrong}")
    return node.text


def pattern(node: Scalar) -> str:
    """A regular expression, without slashes."""
    if refused := patterns.refusal(node.text):
        raise ValueError(refused)
    return node.text


def template(node: Scalar) -> str:
    """A template of messages, proven on two of them."""
    from relay.backends import sandbox  # noqa: PLC0415 - 60 ms that only templates cost

    if wrong := sandbox.problem(text(node)):
        raise ValueError(wrong)
    return node.text


KINDS: Final[dict[str, Callable[[Scalar], Any]]] = {
    "duration": duration,
    "size": size,
    "rate": rate,
    "name": name,
    "recipient": name,  # the name of one: the checker looks whether it is there
    "backend": name,  # as `recipient`
    "title": title,
    "field": field,
    "address": line,
    "path": path,
    "excluded": excluded,
    "socket": socket_path,
    "store": store,
    "listen": listen,
    "host": host,
    "unit pattern": unit,
    "mode": mode,
    "encoding": encoding,
    "start": start,
    "zone": zone,
    "window": lambda node: windows.window(text(node)),
    "dates": lambda node: windows.dates(text(node)),
    "calendar": name,  # as `recipient`
    "pattern": pattern,
    "url": url,
    "rule": title,  # the name of one: the checker looks whether it is there
    "template": template,
    "check url": check_kinds.check_url,
    "expected": check_kinds.expected,
    "unit": check_kinds.unit,
    "restarted unit": check_kinds.restarted,
    "argument": lambda node: line(node, 4000),
    "share": check_kinds.share,
    "file mode": check_kinds.file_mode,
    "misses": check_kinds.misses,
    "cron": check_kinds.cron,
    "message text": lambda node: patterns.message_text(text(node)),
    "name text": lambda node: patterns.name_text(text(node)),
    "source text": lambda node: patterns.name_text(text(node)),
}


def parser_of(wanted: Bare) -> Callable[[Scalar], Any]:
    """What reads a scalar of that type."""
    if wanted.kind:
        return KINDS[wanted.kind]
    if get_origin(wanted.type) is Literal:
        return partial(_word, words={word: word for word in get_args(wanted.type)})
    if wanted.type not in _TYPES and issubclass(wanted.type, enum.Enum):
        return partial(_word, words={str(member.value): member for member in wanted.type})
    return _TYPES[wanted.type]


def _word(node: Scalar, words: dict[str, Any]) -> Any:
    if node.text not in words:
        raise ValueError(f"unknown word {node.given}{hint(node.text, words)}")
    return words[node.text]


def _level(node: Scalar) -> Level:
    level = Level.of(node.text)
    if level is None:
        raise ValueError(f"unknown level {node.given}{hint(node.text, [each.word for each in Level])}")
    return level


def _secret(node: Scalar) -> Secret:
    if surprise(node):
        raise ValueError("this secret means something else in YAML 1.1: write it in quotes")
    if not node.text.strip():
        raise ValueError("an empty secret")
    return Secret(node.text)


_TYPES: Final[dict[Any, Callable[[Scalar], Any]]] = {
    str: text,
    int: integer,
    float: fraction,
    bool: truth,
    Level: _level,
    Secret: _secret,
}
