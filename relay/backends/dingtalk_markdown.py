"""Markdown as DingTalk shows it: a line ends where two spaces stand before its end."""

from __future__ import annotations

from typing import Final

from relay.backends.compose import Composition
from relay.backends.dialect import headline
from relay.backends.fit import clip
from relay.backends.loose_markdown import disarmed, link

MOST_TITLE: Final = 64  # characters


def preview(told: Composition) -> str:
    """What the list of chats shows, as plain text."""
    return clip(headline(told), MOST_TITLE)


def laid_out(told: Composition, mentions: str = "") -> str:
    """The whole message; those in `mentions` are only pinged if their names stand in the text."""
    parts = (
        f"#### {headline(told, disarmed)}",
        mentions,
        disarmed(told.body),
        *(disarmed(f"{name}: {value}") for name, value in told.facts),
        " · ".join(link(one) for one in told.links),
        disarmed(told.footer),
    )
    return "\n".join(part for part in parts if part).replace("\n", "  \n")
