"""A composition as a Matrix event: text and HTML, mentions, and its relation to an earlier event.

https://spec.matrix.org, Client-Server API: "m.room.message", "Event replacements", "Threading", "User and
room mentions".
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from msgspec import Struct

from relay.backends.compose import Composition
from relay.backends.dialect import html, text_of
from relay.backends.fit import utf8_bytes
from relay.backends.markup import html_of
from relay.models import Json


class Place(Struct, frozen=True):
    """A room, and whom to mention in it."""

    room: str
    users: tuple[str, ...]
    everybody: bool

    @classmethod
    def of(cls, to: str) -> Place:
        """What an address means."""
        room, *mentions = to.split(" ")
        return cls(room, tuple(user for user in mentions if user != "@room"), "@room" in mentions)


def event(told: Composition, place: Place, msgtype: str, root: str, news: str, *, bare: bool = False) -> Json:
    """The event's content; a mention is only what `m.mentions` says, whatever stands in the text.

    `bare` is without HTML, for a server that refused it.
    """
    content: Json = {
        "msgtype": msgtype,
        "body": _called(place) + text_of(told),
        "m.mentions": _mentions(place),
    }
    if not bare:
        content |= {
            "format": "org.matrix.custom.html",
            "formatted_body": _pills(place) + html_of(told),
        }
    return _related(content, root, news) if root else content


def size(content: Json) -> int:
    """Bytes of text and HTML, in an edit both times that it holds them."""
    texts = [content, content.get("m.new_content", {})]
    return sum(utf8_bytes(one.get(part, "")) for one in texts for part in ("body", "formatted_body"))


def _related(content: Json, root: str, news: str) -> Json:
    """The content as news of an earlier event."""
    if news == "edit":
        return {
            **content,
            "body": f"* {content['body']}",
            "m.new_content": content,
            "m.relates_to": {"rel_type": "m.replace", "event_id": root},
        }
    thread = {"rel_type": "m.thread", "event_id": root, "is_falling_back": True}
    return {**content, "m.relates_to": {**thread, "m.in_reply_to": {"event_id": root}}}


def _mentions(place: Place) -> dict[str, Any]:
    users = {"user_ids": list(place.users)} if place.users else {}
    return {**users, "room": True} if place.everybody else users


def _called(place: Place) -> str:
    names = [*place.users, *(["@room"] if place.everybody else [])]
    return f"{' '.join(names)}\n" if names else ""


def _pills(place: Place) -> str:
    """Links that clients show as people."""
    users = (f'<a href="https://matrix.to/#/{html(quote(user))}">{html(user)}</a>' for user in place.users)
    names = " ".join([*users, *(["@room"] if place.everybody else [])])
    return f"<p>{names}</p>" if names else ""
