"""A message as OpenIM's types of content: text, Markdown, custom data, a notification.

Numbers and fields: docs.openim.io (message content types), open-im-server `apistruct`.
"""

from __future__ import annotations

import re
from typing import Final

from relay.backends.appdata import app_data
from relay.backends.compose import Composition, Link
from relay.backends.dialect import headline, markdown, text_of
from relay.backends.fit import clip, fit, utf8_bytes
from relay.backends.openim_settings import Mode, Settings
from relay.models import Json, Message

CONTENT_TYPES: Final[dict[Mode, int]] = {"text": 101, "custom": 110, "markdown": 118, "notification": 1400}
MOST_PUSH: Final = 120  # characters of what a locked phone shows
_LEVELS: Final = {"online": 1, "guaranteed": 2}  # of a business notification's reliability

_INDENT: Final = re.compile(r"^[ \t]+", re.MULTILINE)
_IN_URL: Final = str.maketrans({"(": "%28", ")": "%29", "<": "%3C", ">": "%3E", "\\": "%5C", " ": "%20"})


def chat_body(settings: Settings, sender: str, message: Message, composition: Composition) -> Json:
    """A message of any mode but business, all of it but the receiver."""
    body = {
        "sendID": sender,
        "senderNickname": settings.sender_nickname,
        "senderFaceURL": settings.sender_face_url,
        "senderPlatformID": settings.platform_id or settings.api.platform_id,
        "contentType": CONTENT_TYPES[settings.mode],
        "content": _content(settings, message, composition),
        "isOnlineOnly": settings.online_only,
        "notOfflinePush": not settings.push,
        "offlinePushInfo": _push(settings, composition),
    }
    return body if settings.api.old else {**body, "ex": message.key}


def business_body(settings: Settings, sender: str, message: Message, composition: Composition) -> Json:
    """A business notification, all of it but the receiver."""
    return {
        "sendUserID": sender,
        "key": settings.business_key,
        "data": _words(settings, message, composition),
        "sendMsg": settings.business_message,
        "reliabilityLevel": _LEVELS[settings.reliability],
    }


def markdown_of(composition: Composition) -> str:
    """The message as Markdown whose lines stay lines and whose indents are no code blocks."""
    text = _INDENT.sub(_unbreakable, text_of(composition, markdown, _markdown_link))
    return re.sub(r"(?<=[^\n])\n(?=[^\n])", "  \n", text)  # CommonMark 6.7: two spaces are a line break


def _content(settings: Settings, message: Message, composition: Composition) -> Json:
    words = _words(settings, message, composition)
    match settings.mode:
        case "notification":
            return _notification(settings, words, message, composition)
        case "custom":  # lists of conversations show the description
            return {"data": words, "description": headline(composition), "extension": ""}
        case "markdown":
            return {"content": words}
        case _:
            return {settings.api.text: words}


def _words(settings: Settings, message: Message, composition: Composition) -> str:
    """The one string that carries the message, within the limit."""

    def render(told: Composition) -> str:
        match settings.mode:
            case "markdown":
                return markdown_of(told)
            case "custom" | "business":
                return app_data(message, told)
            case _:
                return text_of(told)

    return fit(composition, render, lambda text: utf8_bytes(text) <= settings.max_bytes)


def _notification(settings: Settings, text: str, message: Message, composition: Composition) -> Json:
    """Type 1400, without media: v3 checks the fields of even an empty media object.

    The link is `url` in the server's source and `externalUrl` in its documentation: apps may look at either.
    """
    url = composition.links[0].url if composition.links else ""
    return {
        "notificationName": _name(composition),
        "notificationFaceURL": settings.sender_face_url,
        "notificationType": settings.notification_type,
        "text": text,
        "url": url,
        "externalUrl": url,
        "mixType": 0,
        "ex": message.key,
    }


def _push(settings: Settings, composition: Composition) -> Json:
    push = settings.offline_push
    return {
        "title": push.title or _name(composition),
        "desc": push.desc or clip(composition.title, MOST_PUSH),
        "ex": push.ex,
        "iOSPushSound": push.ios_sound,
        "iOSBadgeCount": push.ios_badge_count,
    }


def _name(composition: Composition) -> str:
    """`ERROR pay.refund`."""
    return f"{composition.tag} {composition.module}".strip()


def _unbreakable(indent: re.Match[str]) -> str:
    return "\u00a0" * len(indent[0].expandtabs())


def _markdown_link(one: Link) -> str:
    return f"[{markdown(one.label)}]({one.url.translate(_IN_URL)})"
