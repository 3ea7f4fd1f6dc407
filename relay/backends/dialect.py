"""Untrusted text made harmless, and a composition laid out as text.

A log line may hold `@all`, `[x](http://e)` or terminal escapes. In a message it is text, whatever the
service would make of it: each service's backend lays its message out with one of these escapes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from html import escape
from typing import Any, Final

from relay.backends.compose import Composition, Link
from relay.text import clean

_MARKDOWN: Final = re.compile(r"([!-/:-@\[-`{-~])")  # CommonMark 2.4: any ASCII punctuation can be escaped
_MENTION: Final = re.compile(r"(?<![\w.])@(?=[\w*<])|<(?=[@!#]|/?at\b)|＠(?=\w)")
_BREAK: Final = "\u200b"  # zero-width space: parts a mention's sign from its name


def cleaned(value: Any) -> Any:
    """JSON-like data with every string in it cleaned."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {key if key.isprintable() else clean(key): cleaned(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [cleaned(part) for part in value]
    return value


def plain(text: str) -> str:
    """As it is: for services that show text as text."""
    return text


def unmentioned(text: str) -> str:
    """No `@name`, `<@id>`, `<!here>` or `<at ...>`: for services that look for mentions in plain text."""
    return _MENTION.sub(lambda found: found[0] + _BREAK, text)


def markdown(text: str) -> str:
    """Nothing of it becomes CommonMark: no link, heading, code or emphasis; and no mention."""
    return _MARKDOWN.sub(r"\\\1", text).replace("@", "@" + _BREAK)


def html(text: str) -> str:
    """Nothing of it becomes a tag or an entity."""
    return escape(text, quote=True)


def headline(composition: Composition, escaped: Callable[[str], str] = plain) -> str:
    """`[ERROR, still happening] pay.refund: timeout after <num> ms`."""
    told = composition
    tag = f"{told.tag}, {told.note}" if told.note else told.tag
    return escaped(f"[{tag}] {told.subject}")


def text_of(
    composition: Composition,
    escaped: Callable[[str], str] = plain,
    link: Callable[[Link], str] = lambda link: f"{link.label}: {link.url}",
) -> str:
    """The whole message as lines: headline, what happened, the facts, links, footer."""
    told = composition
    facts = [escaped(f"{name}: {value}") for name, value in told.facts]
    end = [*facts, *(link(one) for one in told.links), *_some(escaped(told.footer))]
    parts = [headline(told, escaped), *_some(escaped(told.body)), *(["", *end] if end else [])]
    return "\n".join(parts)


def _some(text: str) -> Iterable[str]:
    return (text,) if text else ()
