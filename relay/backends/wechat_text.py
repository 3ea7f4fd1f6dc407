"""Text as WeChat shows it: customer-service messages, and the short fields of template messages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from relay.backends.compose import Composition, Link, moment
from relay.backends.dialect import headline
from relay.backends.fit import clip
from relay.models import Message
from relay.text import one_line

# `<a href=...>` is the only markup there is, and it has no escape: a sign that looks the same stands for it.
_TAG: Final = re.compile(r"<(?=\s*/?\s*a(?![a-z0-9]))", re.IGNORECASE)
# The service refuses bodies with \uXXXX in them, and nothing says that it tells an escape from such a text.
_ESCAPE: Final = re.compile(r"\\(?=u[0-9a-f]{4})", re.IGNORECASE)
_IN_URL: Final = str.maketrans({'"': "%22", "<": "%3C", ">": "%3E", " ": "%20"})

# Characters that fields of a category's template hold; those of `keyword` and `thing` are a setting.
_KINDS: Final = {"character_string": 32, "number": 32, "letter": 32, "name": 10, "phrase": 5, "symbol": 5}
_UNCUT: Final = {"time", "date", "amount", "const", "enum"}
_KIND: Final = re.compile(r"([a-z_]+?)\d*")
_PLACE: Final = re.compile(r"\{([^{}]*)\}")
FIELD_NAME: Final = re.compile(r"[A-Za-z][A-Za-z_]*\d*")
GONE: Final = ("first", "remark")  # fields that WeChat drops without a word, since 2023

WORDS: Final = (
    "headline",
    "title",
    "text",
    "level",
    "module",
    "rule",
    "source",
    "host",
    "count",
    "first_seen",
    "last_seen",
)


def escaped(text: str) -> str:
    """Text in which nothing can become a link."""
    return _ESCAPE.sub("＼", _TAG.sub("＜", text))


def link(one: Link) -> str:
    """A link as WeChat shows it: its label, clickable."""
    return f'<a href="{one.url.translate(_IN_URL)}">{escaped(one.label)}</a>'


def unknown_words(pattern: str) -> list[str]:
    """What stands in braces and is none of `WORDS`."""
    return [name for name in _PLACE.findall(pattern) if name not in WORDS]


def fields(
    patterns: Mapping[str, str], message: Message, composition: Composition, limit: int
) -> dict[str, dict[str, str]]:
    """The `data` of a template message: each pattern filled in, and cut to what its field holds."""
    words = _words(message, composition)
    return {name: {"value": _value(name, pattern, words, limit)} for name, pattern in patterns.items()}


def _words(message: Message, composition: Composition) -> dict[str, str]:
    return {
        "headline": headline(composition),
        "title": composition.title,
        "text": composition.body or composition.title,
        "level": composition.tag,
        "module": composition.module,
        "rule": message.rule,
        "source": message.source,
        "host": ", ".join(message.hosts),
        "count": str(message.count),
        "first_seen": moment(message.first_seen, 0.0),  # with its day, as it is not today's
        "last_seen": moment(message.last_seen, 0.0),
    }


def _value(name: str, pattern: str, words: Mapping[str, str], limit: int) -> str:
    """One line, as what follows a line break may be lost; never empty, as that is refused."""
    filled = _PLACE.sub(lambda place: words.get(place[1], ""), pattern)
    value = _ESCAPE.sub("＼", one_line(filled, 1000)) or "-"
    found = _KIND.fullmatch(name)
    kind = found[1] if found else ""
    return value if kind in _UNCUT else clip(value, _KINDS.get(kind, limit))
