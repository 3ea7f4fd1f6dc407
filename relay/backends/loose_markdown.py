"""Markdown as WeCom and DingTalk read it: a few marks, and no escapes that could be relied on.

So a mark in untrusted text gives way to its likeness, or is parted from what follows by a space of no width.
"""

from __future__ import annotations

import re
from typing import Final

from relay.backends.chat import safe_url
from relay.backends.compose import Composition, Link
from relay.backends.dialect import headline

_BREAK: Final = "\u200b"
_LIKENESS: Final = {"*": "∗", "_": "＿", "~": "∼", "`": "ˋ"}
_BRACKETS: Final = str.maketrans("[]", "［］")
_STYLE: Final = re.compile(r"[*`]|(?<![^\W_])[_~]|[_~](?![^\W_])")
_JOINT: Final = re.compile(r"<|&(?=#?\w+;)|\](?=[(\[:])")
_START: Final = re.compile(r"^(?=[ \t]*(?:[#>+=|-]|\d+[.)])|[ \t]{2})", re.MULTILINE)


def disarmed(text: str) -> str:
    """Nothing of it is a heading, list, quote, link, image, tag, entity, mention or style."""
    text = _STYLE.sub(lambda found: _LIKENESS[found[0]], text)
    text = _JOINT.sub(lambda found: found[0] + _BREAK, text)
    return _START.sub(_BREAK, text)


def link(one: Link) -> str:
    """`[label](url)`."""
    return f"[{disarmed(one.label.translate(_BRACKETS))}]({safe_url(one.url)})"


def bold_headline(told: Composition) -> str:
    """The first line, by itself."""
    return f"**{headline(told, disarmed)}**"
