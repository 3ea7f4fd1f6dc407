"""The variables of a DingTalk card: the template, made in DingTalk's card builder, decides where they show.

https://open.dingtalk.com/document/development/create-and-deliver-cards
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import structs

from relay.backends.chat import safe_url, severity
from relay.backends.compose import Composition, Link
from relay.backends.dialect import headline
from relay.backends.fit import fit, utf8_bytes
from relay.backends.loose_markdown import disarmed
from relay.models import Message

MOST_VALUE: Final = 1000  # bytes of each variable; DingTalk takes 1 KB
MOST_LINKS: Final = 3

_NO_LINK: Final = Link("", "")


def variables(told: Composition, message: Message) -> dict[str, str]:
    """All of them each time, so that an update leaves nothing of the message before."""
    links = [*told.links[:MOST_LINKS], *[_NO_LINK] * MOST_LINKS]
    return {
        "state": "resolved" if severity(message) == "good" else message.level.word,
        "title": _cut(structs.replace(told, body="", facts=()), lambda part: headline(part, disarmed)),
        "text": _cut(structs.replace(told, facts=()), lambda part: _lines(part.body)),
        "facts": _cut(structs.replace(told, body=""), _facts),
        "footer": _lines(told.footer),
        **{f"label_{place + 1}": disarmed(links[place].label) for place in range(MOST_LINKS)},
        **{f"url_{place + 1}": safe_url(links[place].url) for place in range(MOST_LINKS)},
    }


def _cut(told: Composition, part_of: Callable[[Composition], str]) -> str:
    return fit(told, part_of, lambda text: utf8_bytes(text) <= MOST_VALUE)


def _facts(told: Composition) -> str:
    return _lines("\n".join(f"{name}: {value}" for name, value in told.facts))


def _lines(text: str) -> str:
    """Shown as they are, where the template has Markdown too."""
    return disarmed(text).replace("\n", "  \n")
