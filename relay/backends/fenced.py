"""A composition as Markdown with its text in one code block: for services whose escapes aren't known."""

from __future__ import annotations

import re
from typing import Final

from msgspec import structs

from relay.backends.compose import Composition, Link
from relay.backends.dialect import markdown, text_of

_TICKS: Final = re.compile("`+")


def fenced(told: Composition) -> str:
    """Text within a fence longer than any it holds; then the links, and the footer's first line.

    That line is relay's own. The others name the alerts of a digest, in words from logs: they are fenced too.
    """
    footer, _, others = told.footer.partition("\n")
    text = text_of(structs.replace(told, links=(), footer=others))
    fence = "`" * max(3, 1 + max(map(len, _TICKS.findall(text)), default=0))
    links = " · ".join(link(one) for one in told.links)
    return "\n\n".join(part for part in (f"{fence}text\n{text}\n{fence}", links, footer) if part)


def link(one: Link) -> str:
    """A link in Markdown, whatever its URL holds."""
    url = one.url.replace("(", "%28").replace(")", "%29").replace(" ", "%20")
    return f"[{markdown(one.label)}]({url})"
