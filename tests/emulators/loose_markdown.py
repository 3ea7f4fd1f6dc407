"""Markdown as a chat client would show it, and every mark that took effect in it.

Generous on purpose: what any of these clients might take for markup counts, in a code block or not where the
client knows no code blocks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

_FENCE = re.compile(r"^```[^\n`]*\n(.*?)\n```$", re.DOTALL | re.MULTILINE)
_MARKS = {
    "mention": re.compile(r"<@([^<>\s]+)>"),
    "font": re.compile(r'<font color="\w+">(.*?)</font>', re.DOTALL),
    "tag": re.compile(r"</?(?!font)[A-Za-z!][^>\n]*>"),
    "image": re.compile(r"!\[[^\]\n]*\]\([^)\n]*\)"),
    "link": re.compile(r"(?<!!)\[([^\]\n]*)\]\([^)\n]*\)|\[[^\]\n]*\]\[|^\s*\[[^\]\n]*\]:", re.MULTILINE),
    "bold": re.compile(r"\*\*(?=\S)(.+?)\*\*|__(?=\S)(.+?)__"),
    "italic": re.compile(
        r"(?<![*\w])\*(?=[^*\s])([^*\n]+?)\*(?!\*)|(?<![\w_])_(?=[^_\s])([^_\n]+?)_(?![\w_])"
    ),
    "code": re.compile(r"`+[^`\n]+`+"),
    "heading": re.compile(r"^\s{0,3}#{1,6}\s*(.*)$", re.MULTILINE),
    "quote": re.compile(r"^\s{0,3}>.*$", re.MULTILINE),
    "list": re.compile(r"^\s*(?:[-+*]|\d+[.)])\s.*$", re.MULTILINE),
    "rule": re.compile(r"^\s{0,3}(?:-{2,}|={2,}|(?:\*\s?){3,})\s*$", re.MULTILINE),
    "entity": re.compile(r"&#?\w+;"),
}
_OWN = re.compile(r"</?font[^>]*>|\*\*|^#{1,6} |^```$|  $", re.MULTILINE)


class Mark(Struct, frozen=True):
    """One piece of text that became markup."""

    kind: str
    text: str


def marks(text: str, *, fences: bool = False) -> list[Mark]:
    """All markup in it; with `fences` a code block's content is none."""
    return list(_marks(_FENCE.sub("", text) if fences else text))


def _marks(text: str) -> Iterator[Mark]:
    for kind, pattern in _MARKS.items():
        for found in pattern.finditer(text):
            yield Mark(kind, next((group for group in found.groups() if group), found[0]))


def shown(text: str) -> str:
    """What a person reads: without the marks of relay's own layout, and what has no width."""
    return _OWN.sub("", text).replace("\u200b", "")
