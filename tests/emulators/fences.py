"""Markdown as services read it, as far as it matters: code blocks, and what stands outside of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

_OPEN = re.compile(r"(`{3,}|~{3,})\s*[\w-]*\s*")


def outside(markdown: str) -> str:
    """The lines that are markup and not code."""
    return "\n".join(line for line, is_code in lines(markdown) if not is_code)


def shown(markdown: str) -> str:
    """The text without the fences."""
    return "\n".join(line for line, _ in lines(markdown))


def lines(markdown: str) -> Iterator[tuple[str, bool]]:
    """Each line that is shown, and whether it is code; a block left open goes on to the end."""
    fence = ""
    for line in markdown.split("\n"):
        found = _OPEN.fullmatch(line)
        if not fence and found:
            fence = found[1]
        elif fence and line.rstrip() == fence:
            fence = ""
        else:
            yield line, bool(fence)
