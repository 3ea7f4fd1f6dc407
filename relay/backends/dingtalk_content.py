"""What a DingTalk work notification may be: text, Markdown, a card with buttons, or one with a status bar.

https://open.dingtalk.com/document/orgapp/message-types-and-data-format
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Literal

from msgspec import structs

from relay.backends.chat import severity
from relay.backends.compose import Composition, compose
from relay.backends.dialect import headline, text_of
from relay.backends.dingtalk_markdown import laid_out, preview
from relay.backends.fit import clip, fit
from relay.backends.http import json_bytes
from relay.backends.receivers import marked
from relay.models import Json, Message

Format = Literal["text", "markdown", "card", "status"]

MOST: Final = 2048  # bytes of a whole message as JSON
MOST_PLAIN: Final = 1000  # bytes of the text that is sent when the usual form was refused

_MOST_FACT: Final = 100  # characters
_MOST_LABEL: Final = 20  # characters of a button
_COLOURS: Final = {"good": "0xFF52C41A", "info": "0xFF1890FF", "warning": "0xFFFAAD14", "bad": "0xFFF5222D"}


def forms(form: Format, message: Message, now: float) -> Iterator[Json]:
    """The message as it should be, then a short text."""
    told = _briefer(marked(compose(message, now), message))
    if form == "text":
        yield _fitted(told, _text, MOST)
    elif form == "markdown" or not told.links:
        yield _fitted(told, _markdown, MOST)
    elif form == "card":
        yield _fitted(told, _card, MOST)
    else:
        yield _fitted(told, lambda part: _with_status(part, message), MOST)
    yield _fitted(told, _text, MOST_PLAIN)


def status_bar(message: Message) -> Json:
    """What the bar of an earlier message says from now on."""
    word = "resolved" if severity(message) == "good" else message.level.word
    return {"status_value": word, "status_bg": _COLOURS[severity(message)]}


def _briefer(told: Composition) -> Composition:
    """So that no fact takes the room that the text needs."""
    return structs.replace(told, facts=tuple((name, clip(value, _MOST_FACT)) for name, value in told.facts))


def _fitted(told: Composition, form: Callable[[Composition], Json], most: int) -> Json:
    return fit(told, form, lambda content: len(json_bytes(content)) <= most)


def _text(told: Composition) -> Json:
    return {"msgtype": "text", "text": {"content": text_of(told)}}


def _markdown(told: Composition) -> Json:
    return {"msgtype": "markdown", "markdown": {"title": preview(told), "text": laid_out(told)}}


def _card(told: Composition) -> Json:
    """Unlike a robot's cards, these have names with underscores."""
    buttons = [{"title": clip(link.label, _MOST_LABEL), "action_url": link.url} for link in told.links]
    text = laid_out(structs.replace(told, links=()))
    card = {"title": preview(told), "markdown": text, "btn_orientation": "1", "btn_json_list": buttons}
    return {"msgtype": "action_card", "action_card": card}


def _with_status(told: Composition, message: Message) -> Json:
    """A tap leads to the first link; all texts are shown as they are."""
    facts = [{"key": f"{name}: ", "value": value} for name, value in told.facts]
    body = {"title": headline(told), "form": facts, "content": f"{told.body}\n{told.footer}".strip()}
    status = status_bar(message)
    head = {"text": told.tag, "bgcolor": status["status_bg"].replace("0x", "")}
    shown = {"message_url": told.links[0].url, "head": head, "status_bar": status, "body": body}
    return {"msgtype": "oa", "oa": shown}
