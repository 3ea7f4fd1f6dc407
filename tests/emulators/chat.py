"""What the emulators of chat services share: messages as a person sees them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from aiohttp import web
from msgspec import Struct

FENCE = re.compile(r"^```\n(.*?)\n```$", re.DOTALL | re.MULTILINE)
ZERO_WIDTH = "\u200b"


class Shown(str):
    """Text as a person reads it, with the length by which the service counted it."""

    __slots__ = ("counted",)
    counted: int


def shown(text: str, counted: int) -> Shown:
    seen = Shown(text.replace(ZERO_WIDTH, ""))
    seen.counted = counted
    return seen


def counted(text: str) -> int:
    assert isinstance(text, Shown)
    return text.counted


class Dialect(Struct, frozen=True):
    """A service's Markdown, as far as it matters here."""

    escape: str  # characters that a backslash takes the meaning from, as a class in a regular expression
    marks: tuple[str, ...]  # that make links and mentions, in regular expressions
    everywhere: tuple[str, ...] = ()  # those that are looked for in code too
    strong: str = r"\*\*"


def read(text: str, dialect: Dialect) -> tuple[str, list[str]]:
    """The text as shown, and every link and mention that the service made of it."""
    found = [hit for mark in dialect.everywhere for hit in re.findall(mark, text)]
    lines = []
    for part, code in _parts(text):
        if code:
            lines.append(part)
            continue
        kept = re.sub(rf"\\({dialect.escape})", lambda hit: chr(0xE000 + ord(hit[1])), part)
        found += [hit for mark in dialect.marks for hit in re.findall(mark, kept)]
        kept = re.sub(dialect.strong, "", kept)
        lines.append(re.sub("[\ue021-\ue07e]", lambda hit: chr(ord(hit[0]) - 0xE000), kept))
    return "".join(lines), found


def _parts(text: str) -> Iterator[tuple[str, bool]]:
    """The parts outside and inside of fences: (text, whether it is code)."""
    at = 0
    for fence in FENCE.finditer(text):
        yield text[at : fence.start()], False
        yield fence[1], True
        at = fence.end()
    yield text[at:], False


def is_json(request: web.Request) -> bool:
    return request.headers.get("Content-Type", "").startswith("application/json")
