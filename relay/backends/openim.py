"""OpenIM, the messenger server that companies run themselves, by its server API (v2.0 to v3.8)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from msgspec import structs

from relay.backends.base import Check, Door, Limits, Receipt
from relay.backends.compose import compose
from relay.backends.http import MOST_BODY, HttpBackend, operator_url
from relay.backends.many import each
from relay.backends.mask import Mask, secrets_in
from relay.backends.meaning import examined
from relay.backends.openim_answer import Purpose, verdict
from relay.backends.openim_api import token_lifetime
from relay.backends.openim_content import business_body, chat_body
from relay.backends.openim_settings import EVERYBODY, Settings, place_of
from relay.backends.tokens import Tokens
from relay.backends.webhook_forms import idempotency_key
from relay.errors import BackendError, NeedsFallbackError, RejectedError, TemporaryError
from relay.models import Json, Message

__all__ = ["OpenIm", "Settings"]

SINGLE, NOTIFICATION = 1, 4  # types of session; those of groups differ between versions
MOST_ASKED: Final = 40  # users in one question for who is online: each answer holds all of a user's tokens
RESULT: Final = 400  # bytes at most of one receiver's part in a batch's answer
TRIES: Final = 3  # for a receiver that a batch left out without a reason

Outcomes = dict[str, Receipt | BackendError]


class OpenIm(HttpBackend):
    """Sends as an administrator; accepted means that the server queued the message."""

    type = "openim"
    settings: Settings
    limits = Limits(windows=((50, 1.0),), concurrency=16)

    def __init__(self, settings: Settings, door: Door) -> None:
        super().__init__(settings, door)
        self._api = settings.api
        self._admin = settings.admin_user_id or self._api.admin
        self._sender = settings.send_id or self._admin
        self._tokens = Tokens(door, self._fetch_token, settings.token_refresh_margin)
        batches = bool(self._api.batch) and settings.mode != "business"
        self.limits = structs.replace(self.limits, receivers=settings.batch_size if batches else 1)

    async def send(self, message: Message, to: str) -> Receipt:
        """One message to one user, group, or everybody."""
        if refused := self.settings.refuses(to):
            raise RejectedError(refused, code="address")
        place, name = place_of(to)
        if self.settings.presence_check and self._is_user(to) and await self._absent([name]):
            raise _offline()
        if self.settings.mode == "business":
            answer = await self._call(self._api.business, self._business(message, place, name), message)
        elif to == EVERYBODY:
            everybody = {self._api.receivers: [], "isSendAll": True}
            answer = await self._call(self._api.batch, self._chat(message, place) | everybody, message)
        else:
            receiver = {"groupID" if place == "group" else "recvID": name}
            answer = await self._call(self._api.send, self._chat(message, place) | receiver, message)
        return _receipt(answer.get("data"))

    async def send_many(self, message: Message, tos: Sequence[str]) -> list[Receipt | BackendError]:
        """One call for all users among the addresses; groups and impossible addresses by themselves."""
        users = {to: place_of(to)[1] for to in tos if self._is_user(to)}
        told, others = await asyncio.gather(
            self._tell(message, list(dict.fromkeys(users.values()))),
            each(lambda to: self.send(message, to), (to for to in tos if to not in users)),
        )
        outcomes = others | {to: told[name] for to, name in users.items()}
        return [outcomes[to] for to in tos]

    async def presence(self, to: str) -> bool | None:
        """Whether a user is online; None where that has no meaning."""
        if not self._is_user(to):
            return None
        name = place_of(to)[1]
        return (await self._online([name])).get(name)

    async def check(self) -> list[Check]:
        """Whether the administrator gets a token, and from v3 on whether the server takes it."""
        return await examined(self._credentials)

    async def _credentials(self) -> str:
        await self._tokens.get()
        if not self._api.auth_check:
            return f"{self._admin} was given a token"
        await self._tokens.use(lambda token: self._ask(self._api.auth_check, {"token": token}, token))
        return f"{self._admin} was given a token, and the server takes it"

    def _is_user(self, to: str) -> bool:
        return not self.settings.refuses(to) and to != EVERYBODY and place_of(to)[0] == "user"

    def _chat(self, message: Message, place: str) -> Json:
        composition = compose(message, self.door.clock.now())
        body = chat_body(self.settings, self._sender, message, composition)
        return body | {"sessionType": self._session(place)}

    def _session(self, place: str) -> int:
        if place != "group":
            return NOTIFICATION if self.settings.mode == "notification" else SINGLE
        large = self.settings.large_groups
        return self._api.group_session if large is None else (3 if large else 2)

    def _business(self, message: Message, place: str, name: str) -> Json:
        composition = compose(message, self.door.clock.now())
        body = business_body(self.settings, self._sender, message, composition)
        return body | {"recvGroupID" if place == "group" else "recvUserID": name}

    async def _tell(self, message: Message, names: list[str]) -> Outcomes:
        """Users in one call, but those who are offline where that matters."""
        try:
            absent = await self._absent(names) if self.settings.presence_check else set()
            present = [name for name in names if name not in absent]
            told = await self._batch(message, present) if present else {}
        except BackendError as error:
            return dict.fromkeys(names, error)
        return {name: told.get(name) or _offline() for name in names}

    async def _batch(self, message: Message, names: list[str]) -> Outcomes:
        """One call; its answer says who was left out, and not why."""
        body = self._chat(message, "user") | {self._api.receivers: names}
        if not self._api.old:
            body["isSendAll"] = False
        data = (await self._call(self._api.batch, body, message)).get("data")
        results = (data.get(self._api.results) if isinstance(data, dict) else None) or []
        sent = {one.get("recvID"): one for one in results if isinstance(one, dict)}
        left_out = TemporaryError("left out of the batch, without a reason", code="batch", limit=TRIES)
        return {name: _receipt(sent[name]) if name in sent else left_out for name in names}

    async def _absent(self, names: list[str]) -> set[str]:
        """Who is known to be offline; those of whom half the time there is didn't tell are not."""
        absent: set[str] = set()
        with suppress(TemporaryError, TimeoutError):
            async with asyncio.timeout(self.settings.timeout / 2):
                for at in range(0, len(names), MOST_ASKED):
                    online = await self._online(names[at : at + MOST_ASKED])
                    absent |= {name for name, here in online.items() if not here}
        return absent

    async def _online(self, names: list[str]) -> dict[str, bool]:
        try:
            answer = await self._call(self._api.online, {self._api.users: names})
        except BackendError as error:
            error.detail = ""  # this answer holds the users' own tokens
            raise
        states = answer.get("data")
        known = [one for one in states if isinstance(one, dict)] if isinstance(states, list) else []
        return {str(one.get("userID")): str(one.get("status")) in {"1", "online"} for one in known}

    async def _call(self, path: str, body: Json, message: Message | None = None) -> Json:
        """Ask with a token; a refused one is replaced once."""
        purpose: Purpose = "notification" if body.get("sessionType") == NOTIFICATION else "message"
        stem = idempotency_key(message) if message else "relay"
        return await self._tokens.use(lambda token: self._ask(path, body, token, purpose=purpose, stem=stem))

    async def _fetch_token(self) -> tuple[str, float]:
        body: Json = {"secret": self.settings.secret.reveal(), "userID": self._admin}
        if self._api.platform:
            body[self._api.platform] = self.settings.platform_id or self._api.platform_id
        try:
            data = (await self._ask(self._api.auth, body, purpose="token")).get("data")
        except TemporaryError as error:
            error.ambiguous = False  # no message was on its way yet
            raise
        if not isinstance(data, dict) or not isinstance(token := data.get("token"), str) or not token:
            raise TemporaryError("an answer without a token", code="malformed")
        return token, token_lifetime(data, self.door.clock.now())

    async def _ask(
        self, path: str, body: Json, token: str = "", *, purpose: Purpose = "message", stem: str = "relay"
    ) -> Json:
        """One request; the answer's JSON if the server did as asked."""
        operation = {"operationID": f"{stem}-{secrets.token_hex(4)}"}
        headers = ({} if self._api.old else operation) | ({"token": token} if token else {})
        url = operator_url(self.settings.url.rstrip("/") + path)
        most = MOST_BODY + RESULT * len(body.get(self._api.receivers, ()))
        answer = await self.post_json(url, body | operation if self._api.old else body, headers, most=most)
        answer = structs.replace(answer, mask=Mask((*secrets_in(self.settings), token)))
        old, sites = self._api.old, self.settings.site_codes
        failure = verdict(answer, old=old, purpose=purpose, sites=sites, now=self.door.clock.now())
        if failure:
            raise failure
        return answer.json() or {}


def _receipt(data: Any) -> Receipt:
    """The server's id of the message: it is in the queue, and nothing is known of the receiver."""
    id = data.get("serverMsgID") if isinstance(data, dict) else None  # noqa: A001 - Receipt's own word
    return Receipt(id=str(id or ""), note="queued")


def _offline() -> NeedsFallbackError:
    return NeedsFallbackError("offline", code="0")
