"""Messages of a Feishu (飞书, Lark) app's robot to people and groups, with replies and edits.

https://open.feishu.cn/document/server-docs/im-v1/message/create
"""

from __future__ import annotations

import hashlib
import re
from functools import partial
from typing import Annotated, Final, Literal

from msgspec import Meta, structs

from relay.backends.base import Check, Door, Limits, Pace, Receipt, shared
from relay.backends.chat import Target, address_problem, room_and_mentions
from relay.backends.compose import compose
from relay.backends.feishu_codes import granted, required
from relay.backends.feishu_content import MENTION, MENTIONS, MOST_PLAIN, Content, Format, contents
from relay.backends.http import JSON_TYPE, HttpBackend, HttpSettings, json_bytes, operator_url, url_problem
from relay.backends.meaning import GoneError, examined, plainer
from relay.backends.tokens import Tokens
from relay.backends.webhook_forms import idempotency_key
from relay.errors import RejectedError
from relay.models import Json, Message
from relay.values import Secret, Size

MARGIN: Final = 600.0  # seconds before its end in which Feishu hands out a new token

_SAFE: Final = re.compile(r"[A-Za-z0-9_-]+")
_ROOMS: Final = {  # the type of an id by its form; the first that fits
    "chat_id": re.compile(r"oc_[A-Za-z0-9_-]+"),
    "open_id": re.compile(r"ou_[A-Za-z0-9_-]+"),
    "union_id": re.compile(r"on_[A-Za-z0-9_-]+"),
    "email": re.compile(r"[^@\s]+@[^@\s]+"),
    "user_id": re.compile(r"(?:user:)?[A-Za-z0-9_-]+"),
}


class Settings(HttpSettings, frozen=True, kw_only=True, tag="feishu_app"):
    """A Feishu (飞书) or Lark app's robot, which writes to people and groups.

    At open.feishu.cn (Lark: open.larksuite.com) create an app of your company: `app_id` and `app_secret`
    stand under Credentials. Add the feature Bot and the permission `im:message:send_as_bot`, publish a
    version that is available to whoever is to be reached, and add the robot to its groups.

    An address is a group (`oc_...`), a person's open_id (`ou_...`), union_id (`on_...`), mail address or user
    id (`4d7a3c6g`), then who is to be mentioned in a group: `oc_84983ff6 @all`, `oc_84983ff6 @ou_8a7b6c`.

    * `format`: `card`, with the message's links as buttons; `post` (rich text); `text`
    * `follow_up`: what becomes of later messages about an alert: `reply` to the first one, `thread` (replies
      in a thread of their own), `edit` (of cards: rewrites the first one, which notifies nobody), or `new`
    * `server`: for Lark https://open.larksuite.com
    * `max_bytes`: of a message's content; Feishu takes 30 KB of cards and posts, 150 KB of text

    Minimal:

        type: feishu_app
        app_id: cli_a1b2c3d4e5f6
        app_secret: ${FEISHU_APP_SECRET}

    Full:

        type: feishu_app
        app_id: cli_a1b2c3d4e5f6
        app_secret: ${FEISHU_APP_SECRET}
        format: card
        follow_up: edit
        server: https://open.larksuite.com
        max_bytes: 28KB
        rate: [1000/1m, 50/1s]
    """

    app_id: str
    app_secret: Secret
    format: Format = "card"
    follow_up: Literal["reply", "thread", "edit", "new"] = "reply"
    server: str = "https://open.feishu.cn"
    max_bytes: Annotated[Size, Meta(ge=2000, le=150_000)] = 28_000

    def problems(self) -> list[tuple[str, str]]:
        """Credentials that can't be right, and edits of what can't be edited."""
        found = [("server", text) for text in (url_problem(self.server),) if text]
        for name, value in (("app_id", self.app_id), ("app_secret", self.app_secret.reveal())):
            if not _SAFE.fullmatch(value):
                found.append((name, "is of letters, digits, - and _ only"))
        if self.follow_up == "edit" and self.format != "card":
            found.append(("follow_up", "edit needs `format: card`"))
        if self.format != "text" and self.max_bytes > 30_000:
            found.append(("max_bytes", "cards and posts are at most 30KB"))
        return found

    def refuses(self, to: str) -> str:
        """Why an address can't be one."""
        target = room_and_mentions(to)
        if wrong := address_problem(to, target, MENTION, MENTIONS):
            return wrong
        if not any(pattern.fullmatch(target.room) for pattern in _ROOMS.values()):
            return "write a group (oc_...), or a person's id (ou_..., on_..., a user id) or mail address"
        if target.mentions and not target.room.startswith("oc_"):
            return "only in a group (oc_...) can somebody be mentioned"
        return ""


class FeishuApp(HttpBackend):
    """Accepted means that Feishu gave the message an id."""

    type = "feishu_app"
    idempotent = True  # `uuid`: shown once in an hour
    settings: Settings

    def __init__(self, settings: Settings, door: Door) -> None:
        super().__init__(settings, door)
        self.limits = Limits(
            windows=((1000, 60.0), (50, 1.0)),
            per_receiver=((5, 1.0),),  # a group's is shared by all its robots
            concurrency=16,
            share=shared(self.type, settings.app_id),
        )
        self._root = f"{settings.server.rstrip('/')}/open-apis"
        self._tokens = Tokens(door, self._fetch_token, MARGIN)

    async def send(self, message: Message, to: str) -> Receipt:
        """One message, a reply to the first about its alert, or that one edited."""
        if refused := self.settings.refuses(to):
            raise RejectedError(refused, code="address")
        target = room_and_mentions(to)
        told = compose(message, self.door.clock.now())
        parts = contents(self.settings.format, told, message, target.mentions, self._fits, _is_short)
        return await plainer(parts, partial(self._deliver, message, target))

    def pace(self, to: str) -> Pace:
        """Whoever is mentioned, the group counts."""
        return Pace(room_and_mentions(to).room, self.limits.per_receiver)

    async def check(self) -> list[Check]:
        """Whether the app's credentials get a token."""
        return await examined(self._look)

    def _fits(self, content: Content) -> bool:
        return len(json_bytes(content.body)) <= self.settings.max_bytes

    async def _deliver(self, message: Message, target: Target, content: Content) -> Receipt:
        if message.handle and _SAFE.fullmatch(message.handle) and self.settings.follow_up != "new":
            try:
                return await self._follow(message, content)
            except GoneError:
                pass
        kind, ident = _receiver(target.room)
        once = _once(message, target.room, content)
        told = await self._call(
            "POST",
            f"messages?receive_id_type={kind}",
            {"receive_id": ident, **_payload(content), "uuid": once},
        )
        return _receipt(told)

    async def _follow(self, message: Message, content: Content) -> Receipt:
        """The first message stays the one that everything later refers to."""
        path = f"messages/{message.handle}"
        if self.settings.follow_up == "edit" and content.type == "interactive":
            await self._call("PATCH", path, {"content": _payload(content)["content"]})
            return Receipt(id=message.handle, handle=message.handle, note="edited")
        more = {"reply_in_thread": self.settings.follow_up == "thread"}
        payload = {**_payload(content), **more, "uuid": _once(message, message.handle, content)}
        reply = _receipt(await self._call("POST", f"{path}/reply", payload))
        return structs.replace(reply, handle=message.handle, note="reply")

    async def _call(self, method: str, path: str, payload: Json) -> Json:
        return await self._tokens.use(partial(self._request, method, path, payload))

    async def _request(self, method: str, path: str, payload: Json, token: str) -> Json:
        url = operator_url(f"{self._root}/im/v1/{path}")
        headers = {"Authorization": f"Bearer {token}", "Content-Type": JSON_TYPE}
        answer = await self.ask(method, url, body=json_bytes(payload), headers=headers)
        return required(answer, self.door.clock.now())

    async def _fetch_token(self) -> tuple[str, float]:
        who = {"app_id": self.settings.app_id, "app_secret": self.settings.app_secret.reveal()}
        url = operator_url(f"{self._root}/auth/v3/tenant_access_token/internal")
        return granted(await self.post_json(url, who), self.door.clock.now())

    async def _look(self) -> str:
        await self._tokens.get()
        return f"a token for {self.settings.app_id} was given"


def _receiver(room: str) -> tuple[str, str]:
    """The type of a room's id, and the id."""
    kind = next(kind for kind, pattern in _ROOMS.items() if pattern.fullmatch(room))
    return kind, room.removeprefix("user:") if kind == "user_id" else room


def _payload(content: Content) -> Json:
    """The content is JSON as text within the JSON."""
    return {"msg_type": content.type, "content": json_bytes(content.body).decode()}


def _once(message: Message, room: str, content: Content) -> str:
    """Feishu shows what has the same one a single time in an hour."""
    told = f"{idempotency_key(message)}\0{room}\0{content.type}"
    return hashlib.sha256(told.encode(errors="replace")).hexdigest()[:32]


def _receipt(told: Json) -> Receipt:
    data = told.get("data")
    ident = str(data.get("message_id") or "") if isinstance(data, dict) else ""
    return Receipt(id=ident, handle=ident)


def _is_short(content: Content) -> bool:
    return len(json_bytes(content.body)) <= MOST_PLAIN
