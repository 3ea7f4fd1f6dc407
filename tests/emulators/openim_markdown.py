"""Markdown as an app shows it: what is markup in it, and what is left for people to read."""

from __future__ import annotations

import re

_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_CONSTRUCTS = re.compile(
    r"\[[^\]]*\]\([^)]*\)"  # a link
    r"|!\[|<[a-zA-Z/!@#]|[`*_~]{1,3}\S"  # pictures, tags, code, emphasis
    r"|^ {0,3}(?:#{1,6} |>|[-+*] |\d+[.)] |-{3,}|={3,})"  # blocks
    r"|^(?: {4}|\t)"  # a code block
    r"|(?<!\w)@\w|https?://|&\w+;",  # mentions, bare links, entities
    re.MULTILINE,
)


def constructs(text: str) -> list[str]:
    """What a parser makes of it beyond text: everything that no backslash disarms."""
    return [found[0] for found in _CONSTRUCTS.finditer(_ESCAPED.sub("\N{REPLACEMENT CHARACTER}", text))]


def readable(text: str) -> str:
    """The text without its escapes, breaks and invisible characters."""
    plain = _ESCAPED.sub(r"\1", text).replace("\u200b", "").replace("\u00a0", " ")
    return re.sub(r" {2}$", "", plain, flags=re.MULTILINE)
