"""What is posted to RongCloud's server API: what each mode may do, messages by their type, bodies.

Sources: RongCloud's server API documentation and its Python, Go and Java SDKs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final, Literal
from urllib.parse import urlencode

from msgspec import Struct

from relay.backends.appdata import app_data
from relay.backends.base import Limits
from relay.backends.compose import Composition
from relay.backends.dialect import text_of
from relay.backends.http import json_bytes
from relay.models import Json, Message

Mode = Literal["system", "private", "group", "push", "broadcast"]

FORM_TYPE: Final = "application/x-www-form-urlencoded"
TEXT, INFO, COMMAND = "RC:TxtMsg", "RC:InfoNtf", "RC:CmdMsg"
BUILT_IN: Final = (TEXT, INFO, COMMAND)  # the others of RongCloud's own types carry files
_SILENT: Final = (INFO, COMMAND)  # types that no phone rings for

BROADCASTS: Final = ("push", "broadcast")  # modes that may reach everybody, and do so seldom
_QUOTA: Final = ((2, 3600.0), (3, 86400.0))  # of push.json and broadcast.json together


class Way(Struct, frozen=True):
    """How messages of a mode travel."""

    path: str
    receiver: str  # the form's field for them; "": JSON, or everybody
    limits: Limits


def _to_each(number: int, seconds: float, at_once: int) -> Limits:
    """A call counts once for each of its receivers."""
    return Limits(windows=((number, seconds),), counts="receivers", receivers=at_once)


WAYS: Final[dict[Mode, Way]] = {
    "system": Way("/message/system/publish.json", "toUserId", _to_each(100, 1.0, 100)),
    "private": Way("/message/private/publish.json", "toUserId", _to_each(6000, 60.0, 1000)),
    "group": Way("/message/group/publish.json", "toGroupId", _to_each(20, 1.0, 3)),
    "push": Way("/push.json", "", Limits(windows=_QUOTA, concurrency=1, receivers=1000)),
    "broadcast": Way("/message/broadcast.json", "", Limits(windows=_QUOTA, concurrency=1)),
}


def form(fields: Iterable[tuple[str, str]]) -> bytes:
    """A form body; receivers are told by repeating their key, and empty fields are left out."""
    return urlencode([(name, value) for name, value in fields if value]).encode("ascii")


def content(object_name: str, command: str, message: Message, composition: Composition) -> str:
    """The JSON text that is a message of that type."""
    if object_name not in BUILT_IN:
        return app_data(message, composition)
    if object_name == COMMAND:
        return _json({"name": command, "data": app_data(message, composition)})
    key = "content" if object_name == TEXT else "message"
    return _json({key: text_of(composition), "extra": message.fingerprint})


def rings(object_name: str) -> bool:
    """Whether phones should ring for a message of that type."""
    return object_name not in _SILENT


def dedup_number(key: str, tos: Sequence[str]) -> str:
    """`msgRandom`: the same for each attempt of a message to the same receivers, a positive int64."""
    digest = hashlib.sha256("\0".join((key, *tos)).encode(errors="replace")).digest()
    return str(int.from_bytes(digest[:8]) >> 1)


def push_body(
    sender: str, platform: Sequence[str], audience: Json, object_name: str, told: str, alert: str
) -> bytes:
    """The body of push.json: the content is a string that holds JSON, and `fromuserid` has no capitals."""
    return json_bytes(
        {
            "platform": platform,
            "fromuserid": sender,
            "audience": audience,
            "message": {"content": told, "objectName": object_name},
            "notification": {"alert": alert},
        }
    )


def _json(value: Json) -> str:
    return json_bytes(value).decode()
