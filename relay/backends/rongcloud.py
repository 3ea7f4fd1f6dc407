"""RongCloud, a messaging service that apps build on, by its server API."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Annotated, Final, Literal

from msgspec import Meta, structs

from relay.backends.base import Check, Door, Receipt, shared
from relay.backends.compose import compose
from relay.backends.dialect import headline
from relay.backends.fit import fit, utf8_bytes
from relay.backends.http import JSON_TYPE, HttpBackend, HttpSettings, url_problem
from relay.backends.many import away, each
from relay.backends.rongcloud_answer import message_ids
from relay.backends.rongcloud_api import PRESENCE, Api, Credentials
from relay.backends.rongcloud_request import (
    BROADCASTS,
    BUILT_IN,
    FORM_TYPE,
    TEXT,
    WAYS,
    Mode,
    content,
    dedup_number,
    form,
    push_body,
    rings,
)
from relay.errors import BackendError, NeedsFallbackError, RejectedError, TemporaryError
from relay.models import Json, Message
from relay.values import Secret, Size

EVERYBODY: Final = "@all"
TAGGED: Final = "@tags"
MOST_BYTES: Final = 128 * 1024  # of a message's content

_ID: Final = re.compile(r"[^\s,@][^\s,]{0,63}")
_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")

TagNames = Annotated[tuple[str, ...], Meta(max_length=20)]


class Settings(HttpSettings, frozen=True, kw_only=True, tag="rongcloud"):
    """RongCloud (融云), by its server API.

    App key and secret stand in RongCloud's console under the app's credentials. An address is a user's id
    (`mode: group`: a group's); users must have got a token once. With `mode: push` an address may also be
    `@tags`: whoever `tags`, `tags_or` and `package_name` describe. `@all` is everybody, in the modes `push`
    and `broadcast` (see `allow_broadcast`). Accepted means that the service took the message; it doesn't say
    whether the receiver exists.

    * `app_key`, `app_secret`: the app's credentials
    * `from_user_id`: the user that messages come from
    * `hosts`: whole URLs in order of preference; the next one is used when one fails. Default: Beijing;
      others are `https://api.sg-light-api.com` (Singapore) and `https://api-cn.ronghub.com` (older apps)
    * `mode`: `system` (default), `private` or `group`: a message to each receiver. `push` and `broadcast`:
      2 an hour and 3 a day, together for all backends with this `app_key` (unless they set `rate`, which is
      one backend's own); who sends for the app without relay isn't counted
    * `object_name`: the type of message: `RC:TxtMsg`, `RC:InfoNtf` (a grey line, phones don't ring),
      `RC:CmdMsg` (not shown and not stored: the app's own code acts on it), or a type of one's own, for which
      the content is a JSON object with `title`, `text`, `severity`, `state`, `url`, `dedup_key`, `key`, `ts`
    * `command`: the `name` of an `RC:CmdMsg`
    * `push_content`: what phones show instead of the alert's first line
    * `platform`: of the phones that `push` reaches
    * `tags` (all of them), `tags_or` (any of them), `package_name`: whom `@tags` means
    * `presence_check`: ask first, and take the next address of those who are offline (people only)
    * `max_bytes`: of a message's content in UTF-8
    * `timestamp_unit`: of the signature's time stamp
    * `idempotency`: send `msgRandom`, so that a repeat within a minute is refused; RongCloud must have
      switched that on for the app. `duplicate_codes`: the codes it refuses a repeat with (ask
      RongCloud: they aren't published)
    * `allow_broadcast`: lets the address `@all` reach everybody

    Minimal:

        rongcloud:
          type: rongcloud
          app_key: uwd1c0sxdlx2
          app_secret: ${RONGCLOUD_SECRET}
          from_user_id: relay

    Full:

        rongcloud:
          type: rongcloud
          app_key: uwd1c0sxdlx2
          app_secret: ${RONGCLOUD_SECRET}
          from_user_id: relay
          hosts: [https://api.sg-light-api.com, https://api-b.sg-light-api.com]
          mode: private
          object_name: RC:TxtMsg
          push_content: An alert for you
          presence_check: true
          max_bytes: 16KiB
          timestamp_unit: s
          idempotency: true
          duplicate_codes: ["1099"]
          rate: 6000/1m
    """

    app_key: str
    app_secret: Secret
    from_user_id: str
    hosts: Annotated[tuple[str, ...], Meta(min_length=1)] = (
        "https://api.rong-api.com",
        "https://api-b.rong-api.com",
    )
    mode: Mode = "system"
    object_name: Annotated[str, Meta(min_length=1, max_length=32)] = TEXT
    command: Annotated[str, Meta(min_length=1)] = "relay.alert"
    push_content: str = ""
    platform: Annotated[tuple[Literal["ios", "android"], ...], Meta(min_length=1)] = ("ios", "android")
    tags: TagNames = ()
    tags_or: TagNames = ()
    package_name: str = ""
    presence_check: bool = False
    max_bytes: Annotated[Size, Meta(ge=1000, le=MOST_BYTES)] = MOST_BYTES
    timestamp_unit: Literal["ms", "s"] = "ms"
    idempotency: bool = False
    duplicate_codes: tuple[str, ...] = ()
    allow_broadcast: bool = False

    def problems(self) -> list[tuple[str, str]]:
        """Keys that can't be ones, types that relay doesn't write, filters that would do nothing."""
        found = [("hosts", wrong) for wrong in map(url_problem, self.hosts) if wrong]
        if not _KEY.fullmatch(self.app_key):
            found.append(("app_key", "is letters and digits"))
        if not _printable(self.app_secret.reveal()):
            found.append(("app_secret", "is letters and digits, without spaces"))
        if not is_id(self.from_user_id):
            found.append(("from_user_id", "is a user's id: 1 to 64 characters without spaces and commas"))
        if self.object_name.startswith("RC:") and self.object_name not in BUILT_IN:
            found.append(("object_name", f"of RongCloud's own types only {', '.join(BUILT_IN)} are written"))
        if not _printable(self.object_name):
            found.append(("object_name", "is letters, digits and colons, without spaces"))
        found += self._mode_problems()
        if self.duplicate_codes and not self.idempotency:
            found.append(("duplicate_codes", "needs `idempotency: true`"))
        if not all(code.isdecimal() for code in self.duplicate_codes):
            found.append(("duplicate_codes", "are numbers"))
        return found

    def _mode_problems(self) -> list[tuple[str, str]]:
        """What would do nothing in this mode, or what it needs."""
        found = []
        if self.mode != "push" and self._filtered:
            found.append(("mode", "`tags`, `tags_or` and `package_name` need `mode: push`"))
        if self.presence_check and self.mode not in {"system", "private"}:
            found.append(("presence_check", "needs `mode: system` or `mode: private`: others are no people"))
        if self.mode == "push" and self.idempotency:
            found.append(("idempotency", "`mode: push` can't: push.json takes no `msgRandom`"))
        if self.mode == "broadcast" and not self.allow_broadcast:
            found.append(("mode", "`broadcast` reaches everybody: it needs allow_broadcast: true"))
        if self.allow_broadcast and self.mode not in BROADCASTS:
            found.append(("allow_broadcast", "needs `mode: push` or `mode: broadcast`"))
        return found

    def refuses(self, to: str) -> str:
        """Why an address can't be one; chiefly, that everybody would be told."""
        if to.lower() == EVERYBODY:
            if self.mode not in BROADCASTS:
                return "`@all` needs `mode: push` or `mode: broadcast`"
            return "" if self.allow_broadcast else "`@all` is a broadcast: it needs allow_broadcast: true"
        if self.mode == "broadcast":
            return "`mode: broadcast` reaches everybody: its only address is `@all`"
        if to.lower() == TAGGED:
            return "" if self._filtered else "`@tags` needs `tags`, `tags_or` or `package_name`"
        return "" if is_id(to) else "an id is 1 to 64 characters without spaces and commas, and no @ first"

    @property
    def _filtered(self) -> bool:
        return bool(self.tags or self.tags_or or self.package_name)


class RongCloud(HttpBackend):
    """Publishes messages; accepted means that the service took them."""

    type = "rongcloud"
    settings: Settings

    def __init__(self, settings: Settings, door: Door) -> None:
        super().__init__(settings, door)
        self._way = WAYS[settings.mode]
        credentials = Credentials(settings.app_key, settings.app_secret, settings.timestamp_unit)
        roots = [host.rstrip("/") for host in settings.hosts]
        self._api = Api(self, credentials, roots, broadcast=settings.mode in BROADCASTS)
        account = "broadcasts" if settings.mode in BROADCASTS else settings.mode  # counted together
        share = shared(self.type, settings.app_key, account)
        self.limits = structs.replace(self._way.limits, share=share)
        self.idempotent = settings.idempotency

    async def send(self, message: Message, to: str) -> Receipt:
        """One message to one user or group, to those with certain tags, or to everybody."""
        if refused := self.settings.refuses(to):
            raise RejectedError(refused, code="address")
        if self.settings.presence_check:
            await self._require_online(to)
        return (await self._publish(message, [to]))[to]

    async def send_many(self, message: Message, tos: Sequence[str]) -> list[Receipt | BackendError]:
        """One call for all ids; `@all`, `@tags` and impossible addresses by themselves."""
        ids = [to for to in dict.fromkeys(tos) if is_id(to) and not self.settings.refuses(to)]
        absent = await away(self.presence, ids) if self.settings.presence_check else {}
        outcomes: dict[str, Receipt | BackendError] = {
            **absent,
            **await self._publish_many(message, [to for to in ids if to not in absent]),
            **await each(partial(self.send, message), [to for to in tos if to not in ids]),
        }
        return [outcomes[to] for to in tos]

    async def presence(self, to: str) -> bool | None:
        """Whether a user is online; None of groups."""
        if self.settings.mode not in {"system", "private"} or self.settings.refuses(to):
            return None
        answer = await self._api.call(PRESENCE, form([("userId", to)]), FORM_TYPE)
        return {"0": False, "1": True}.get(answer.code("status"))

    async def check(self) -> list[Check]:
        """Whether each host answers and takes the signature."""
        return [await self._look(root) for root in self._api.roots]

    async def _look(self, root: str) -> Check:
        try:
            await self._api.look(root, form([("userId", self.settings.from_user_id)]), FORM_TYPE)
        except BackendError as error:
            return Check(ok=False, text=f"{root}: {error}", code=error.code)
        return Check(ok=True, text=f"{root} takes app_key and app_secret", code="200")

    async def _require_online(self, to: str) -> None:
        """Where presence can't be known the message is sent: it is stored for those who are offline."""
        with suppress(TemporaryError):
            if await self.presence(to) is False:
                raise NeedsFallbackError("offline", code="0")

    async def _publish_many(self, message: Message, tos: list[str]) -> dict[str, Receipt | BackendError]:
        if not tos:
            return {}
        try:
            return {**await self._publish(message, tos)}
        except RejectedError as error:
            if len(tos) == 1 or error.code == "1005":  # too long for one is too long for all
                raise
        return await each(partial(self.send, message), tos)

    async def _publish(self, message: Message, tos: list[str]) -> dict[str, Receipt]:
        """One call; raises a `BackendError` that holds for all receivers."""
        body, content_type = self._body(message, tos)
        try:
            answer = await self._api.call(self._way.path, body, content_type)
        except BackendError as error:
            if self.settings.idempotency and error.code in self.settings.duplicate_codes:
                return dict.fromkeys(tos, Receipt(note="it had arrived before"))
            raise
        ids = message_ids(answer.json())
        whole = answer.code("messageUID") or answer.code("id")
        return {to: Receipt(id=ids.get(to, whole)) for to in tos}

    def _body(self, message: Message, tos: list[str]) -> tuple[bytes, str]:
        """The request's body, and its content type."""
        settings = self.settings
        composition = compose(message, self.door.clock.now())
        told = fit(
            composition,
            lambda told: content(settings.object_name, settings.command, message, told),
            lambda told: utf8_bytes(told) <= settings.max_bytes,
        )
        first_line = headline(composition)
        if settings.mode == "push":
            alert = settings.push_content or first_line
            audience = self._audience(tos)
            body = push_body(
                settings.from_user_id, settings.platform, audience, settings.object_name, told, alert
            )
            return body, JSON_TYPE
        shown = settings.push_content or (first_line if rings(settings.object_name) else "")
        fields = [
            ("fromUserId", settings.from_user_id),
            *((self._way.receiver, to) for to in tos if self._way.receiver),
            ("objectName", settings.object_name),
            ("content", told),
            ("pushContent", shown),
            ("msgRandom", dedup_number(message.key, tos) if settings.idempotency else ""),
        ]
        return form(fields), FORM_TYPE

    def _audience(self, tos: list[str]) -> Json:
        """`is_to_all` would override every filter, and users every tag: only one of the three is sent."""
        settings = self.settings
        if tos[0].lower() == EVERYBODY:
            return {"is_to_all": True}
        if tos[0].lower() != TAGGED:
            return {"userid": tos, "is_to_all": False}
        filters = {"tag": settings.tags, "tag_or": settings.tags_or, "packageName": settings.package_name}
        return {**{name: value for name, value in filters.items() if value}, "is_to_all": False}


def is_id(text: str) -> bool:
    """Whether it can be a user's or a group's id."""
    return text.isprintable() and _ID.fullmatch(text) is not None


def _printable(text: str) -> bool:
    return text.isascii() and text.isprintable() and bool(text) and " " not in text
