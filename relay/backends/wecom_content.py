"""What a WeCom app's message may be: text, Markdown, or a card with buttons.

https://developer.work.weixin.qq.com/document/path/90236
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from typing import Final, Literal

from msgspec import structs

from relay.backends.chat import severity
from relay.backends.compose import Composition, compose
from relay.backends.dialect import headline, text_of
from relay.backends.fit import clip, fit, utf8_bytes
from relay.backends.receivers import marked
from relay.backends.wecom_text import COLOURS, coloured, unmentioned
from relay.models import Json, Message

Format = Literal["text", "markdown", "card"]

MOST_TEXT: Final = 2048  # bytes of text or Markdown; the server would cut the rest off
MOST_PLAIN: Final = 1000  # bytes of the text that is sent when the usual form was refused
_MOST_TITLE, _MOST_TEXT, _MOST_NAME, _MOST_VALUE = 36, 160, 10, 30  # characters of a card's parts
_MOST_FACTS, _MOST_BUTTONS = 6, 6


def forms(form: Format, message: Message, now: float, *, cards: bool) -> Iterator[Json]:
    """The message as it should be, then a short text."""
    told = marked(compose(message, now), message)
    if form == "card" and cards and told.links and not message.digest:  # a card has room for one alert
        yield {"msgtype": "template_card", "template_card": _card(told, message)}
    elif form == "markdown":
        lay_out = partial(coloured, COLOURS[severity(message)], "")
        yield {"msgtype": "markdown", "markdown": {"content": fit(told, lay_out, partial(_fits, MOST_TEXT))}}
    else:
        yield _text(told, MOST_TEXT)
    yield _text(told, MOST_PLAIN)


def replacement(message: Message, now: float) -> Json:
    """What takes an earlier card's place: one without buttons, or without a link just other words on them."""
    told = compose(message, now)
    if not told.links:
        return {"button": {"replace_name": told.tag}}
    action = {"type": 1, "url": told.links[0].url}
    return {"template_card": {"card_type": "text_notice", **_parts(told), "card_action": action}}


def _text(told: Composition, most: int) -> Json:
    content = fit(told, lambda part: text_of(part, unmentioned), partial(_fits, most))
    return {"msgtype": "text", "text": {"content": content}}


def _fits(most: int, text: str) -> bool:
    return utf8_bytes(text) <= most


def _card(told: Composition, message: Message) -> Json:
    """The `task_id` must be new each time, and of a few characters only."""
    task = hashlib.sha256(f"{message.fingerprint} {message.key}".encode(errors="replace")).hexdigest()[:32]
    buttons = [
        {"text": clip(link.label, 10), "type": 1, "url": link.url} for link in told.links[:_MOST_BUTTONS]
    ]
    return {
        "card_type": "button_interaction",
        **_parts(told),
        "task_id": f"relay-{task}",
        "button_list": buttons,
    }


def _parts(told: Composition) -> Json:
    """A card's texts are shown as they are; only the quote has room for the footer."""
    facts = [
        {"keyname": clip(name, _MOST_NAME), "value": clip(value, _MOST_VALUE)} for name, value in told.facts
    ]
    return {
        "main_title": {
            "title": clip(headline(structs.replace(told, title="", module="")) + told.module, _MOST_TITLE),
        },
        **({"quote_area": {"type": 0, "quote_text": told.footer}} if told.footer else {}),
        "sub_title_text": clip(unmentioned(f"{told.title}\n{told.body}".rstrip()), _MOST_TEXT),
        "horizontal_content_list": facts[:_MOST_FACTS],
    }
