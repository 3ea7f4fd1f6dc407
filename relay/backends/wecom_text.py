"""Text and Markdown as WeCom's robots and apps show it.

https://developer.work.weixin.qq.com/document/path/99110
"""

from __future__ import annotations

from typing import Final

from relay.backends.compose import Composition
from relay.backends.dialect import headline
from relay.backends.loose_markdown import disarmed, link

# WeCom names its three colours (green, grey, orange) by what they are for.
COLOURS: Final = {"good": "info", "info": "comment", "warning": "warning", "bad": "warning"}


def coloured(colour: str, mentions: str, told: Composition) -> str:
    """The older Markdown: colours, and no code of several lines."""
    head = f'**<font color="{colour}">{headline(told, disarmed)}</font>**'
    first, *digest = disarmed(told.footer).split("\n")
    footer = "\n".join([f'<font color="comment">{first}</font>', *digest]) if told.footer else ""
    return lines(f"{mentions} {head}" if mentions else head, disarmed(told.body), told, footer)


def lines(first: str, body: str, told: Composition, footer: str) -> str:
    """The parts that are not empty, with the facts and links between body and footer."""
    facts = (disarmed(f"{name}: {value}") for name, value in told.facts)
    links = " · ".join(link(one) for one in told.links)
    return "\n".join(part for part in (first, body, *facts, links, footer) if part)


def unmentioned(text: str) -> str:
    """Text in which nobody is mentioned: `<@userid>` does so even where there is no markup."""
    return text.replace("<@", "<\u200b@")
