"""What a Feishu message may be: a card, rich text or plain text, with the log's text in it as plain text.

https://open.feishu.cn/document/server-docs/im-v1/message-content-description/create_json
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal

from msgspec import Struct

from relay.backends.chat import severity
from relay.backends.compose import Composition, Link
from relay.backends.dialect import headline, text_of
from relay.backends.fit import fit
from relay.models import Json, Message

Format = Literal["card", "post", "text"]

EVERYBODY: Final = "all"
MENTION: Final = re.compile(r"all|[A-Za-z0-9_-]{1,64}", re.ASCII)
MENTIONS: Final = "write @all, or @ and an open_id (ou_...)"
MOST_PLAIN: Final = 1500  # bytes of the text that is sent when the usual form was refused

_AT: Final = re.compile("<(?=/?at)", re.IGNORECASE)
_TEMPLATES: Final = {"good": "green", "info": "blue", "warning": "orange", "bad": "red"}


class Content(Struct, frozen=True):
    """A message's type and what belongs to it."""

    type: str  # interactive, post or text
    body: Json


def contents(
    form: Format,
    told: Composition,
    message: Message,
    mentions: Sequence[str],
    fits: Callable[[Content], bool],
    short: Callable[[Content], bool],
) -> Iterator[Content]:
    """The message as it should be, then a short text."""

    def text(part: Composition) -> Content:
        return Content("text", {"text": _text(part, mentions)})

    def post(part: Composition) -> Content:
        return Content("post", _post(part, mentions))

    def card(part: Composition) -> Content:
        return Content("interactive", _card(part, mentions, _TEMPLATES[severity(message)]))

    yield fit(told, {"text": text, "post": post, "card": card}[form], fits)
    yield fit(told, text, short)


def inert(text: str) -> str:
    """Nothing of it mentions anybody."""
    return _AT.sub("<\u200b", text)


def _text(told: Composition, mentions: Sequence[str]) -> str:
    pinged = "".join(f'<at user_id="{name}"></at> ' for name in mentions)
    return pinged + text_of(told, inert)


def _post(told: Composition, mentions: Sequence[str]) -> Json:
    """A paragraph for each line; what is in a `text` element is not looked at for markup."""
    pinged = [[{"tag": "at", "user_id": name} for name in mentions]] if mentions else []
    body = told.body.split("\n") if told.body else []
    links = [[{"tag": "a", "text": inert(link.label), "href": link.url}] for link in told.links]
    lines, footer = map(_line, [*body, *_facts(told)]), map(_line, told.footer.splitlines())
    return {"zh_cn": {"title": inert(headline(told)), "content": [*pinged, *lines, *links, *footer]}}


def _line(text: str) -> list[Json]:
    return [{"tag": "text", "text": inert(text)}]


def _card(told: Composition, mentions: Sequence[str], template: str) -> Json:
    """Version 1 of cards; `update_multi` lets it be edited for everybody later."""
    facts = "\n".join(_facts(told))
    pinged = " ".join(f"<at id={name}></at>" for name in mentions)
    footer, _, digest = told.footer.partition("\n")
    elements = [
        *([{"tag": "markdown", "content": pinged}] if pinged else []),
        *(_paragraph(text) for text in (told.body, facts) if text),
        *([{"tag": "action", "actions": [_button(link) for link in told.links]}] if told.links else []),
        *([{"tag": "note", "elements": [_plain(footer)]}] if footer else []),
        *([_paragraph(digest)] if digest else []),  # other alerts: not in the note's small grey letters
    ]
    return {
        "config": {"wide_screen_mode": True, "update_multi": True},
        "header": {"template": template, "title": _plain(headline(told))},
        "elements": elements,
    }


def _facts(told: Composition) -> list[str]:
    return [f"{name}: {value}" for name, value in told.facts]


def _paragraph(text: str) -> Json:
    return {"tag": "div", "text": _plain(text)}


def _plain(text: str) -> Json:
    return {"tag": "plain_text", "content": inert(text)}


def _button(link: Link) -> Json:
    return {"tag": "button", "text": _plain(link.label), "url": link.url}
