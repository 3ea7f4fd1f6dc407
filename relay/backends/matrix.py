"""Matrix: messages to rooms, news of an alert in its thread, each attempt under the same transaction id."""

from __future__ import annotations

import hashlib
import re
from functools import partial
from typing import Annotated, Final, Literal
from urllib.parse import quote

from msgspec import Meta
from yarl import URL

from relay.backends.answer import Answer, clamped
from relay.backends.base import Check, Door, Limits, Receipt
from relay.backends.codes import Codes, coded
from relay.backends.compose import compose
from relay.backends.fit import fit
from relay.backends.http import JSON_TYPE, HttpBackend, HttpSettings, json_bytes, secret_problem, url_problem
from relay.backends.matrix_event import Place, event, size
from relay.backends.meaning import GoneError, PayloadError, otherwise, plainer
from relay.backends.tokens import TokenRefusedError, Tokens
from relay.backends.webhook_forms import idempotency_key
from relay.errors import BackendDownError, BackendError, RateLimitedError, RejectedError, TemporaryError
from relay.models import Json, Message
from relay.values import Secret, Size

API: Final = "/_matrix/client/v3"
ALIAS_GOOD: Final = 3600.0  # seconds until an alias is looked up again
TOKEN_GOOD: Final = 30 * 86400.0  # seconds until a new login, where the server says nothing

# A room version 12 id has no server name; an alias and a user have one.
_ROOM: Final = re.compile(r"![^\s/]{1,254}|#[^\s/:]+:[^\s/]+")
_USER: Final = re.compile(r"@[^\s/:]+:[^\s/]+")

# https://spec.matrix.org, Client-Server API, 2.1 "Standard error response".
_CODES: Final[Codes] = {
    "M_UNKNOWN_TOKEN": (BackendDownError, "the access token is not valid"),
    "M_MISSING_TOKEN": (BackendDownError, "the server wants an access token"),
    "M_USER_DEACTIVATED": (BackendDownError, "the account is deactivated"),
    "M_USER_LOCKED": (BackendDownError, "the account is locked"),
    "M_FORBIDDEN": (RejectedError, "not in this room, or there is no such room"),
    "M_NOT_FOUND": (RejectedError, "no such room"),
    "M_UNRECOGNIZED": (BackendDownError, "this server doesn't know the call: is it a homeserver?"),
    "M_NOT_JSON": (PayloadError, "the message is not JSON"),
    "M_BAD_JSON": (PayloadError, "the message is not as the server wants it"),
    "M_TOO_LARGE": (PayloadError, "the message is too large"),
    "M_UNKNOWN": (
        PayloadError,
        "the message is not as the server wants it",
    ),  # of a 400: Synapse's word for it
}


class Settings(HttpSettings, frozen=True, kw_only=True, tag="matrix"):
    """Messages to Matrix rooms (not encrypted ones). An address is a room: `!id:server` or `#alias:server`.

    Make an account for relay and invite it to the room. Its `access_token` is in Element under Settings,
    Help & About; or give `user` and `password`. `!room @ann:example.org` mentions Ann, several may follow,
    and `@room` everybody in it.

    Minimal:

        type: matrix
        homeserver: https://matrix.example.org
        access_token: ${MATRIX_TOKEN}

    Full:

        type: matrix
        homeserver: https://matrix.example.org
        user: relay
        password: ${MATRIX_PASSWORD}
        device_id: RELAY1
        msgtype: m.notice
        news: edit
        max_bytes: 32KB

    `news` of an alert goes into a `thread` under its first message, replaces it (`edit`: nobody is notified
    again), or is a message of its own (`new`). `m.notice` is for bots: some clients don't notify for it.
    """

    homeserver: str
    access_token: Secret | None = None
    user: str = ""
    password: Secret | None = None
    device_id: str = "RELAY"  # the same at each login: a transaction id is good for one device only
    msgtype: Literal["m.text", "m.notice"] = "m.text"
    news: Literal["thread", "edit", "new"] = "thread"
    max_bytes: Annotated[Size, Meta(ge=2000, le=40_000)] = 40_000  # of text and HTML; an event takes 65,536

    def problems(self) -> list[tuple[str, str]]:
        """A homeserver that is no URL, two ways to log in or none."""
        found = [("homeserver", text) for text in (url_problem(self.homeserver),) if text]
        found += [("access_token", text) for text in (secret_problem(self.access_token),) if text]
        if bool(self.access_token) == bool(self.user or self.password):
            found.append(("access_token", "needs either access_token, or user and password"))
        elif bool(self.user) != bool(self.password):
            found.append(("user" if self.user else "password", "user and password go together"))
        return found

    def refuses(self, to: str) -> str:
        """Why that is no room, or nobody to mention."""
        room, *mentions = to.split(" ") if to.isprintable() else [""]
        if not _ROOM.fullmatch(room):
            return "an address is a room, !id or #alias:server, and users to mention after it"
        for mention in mentions:
            if mention != "@room" and not _USER.fullmatch(mention):
                return "after a room stand users to mention: @name:server, or @room"
        return ""


class Matrix(HttpBackend):
    """Sends events to rooms; accepted means that the server gave the event an id."""

    type = "matrix"
    idempotent = True  # a transaction's id is taken once
    settings: Settings
    limits = Limits(concurrency=16)  # a homeserver's limits are its own; it says how long to wait

    def __init__(self, settings: Settings, door: Door) -> None:
        super().__init__(settings, door)
        self._base = settings.homeserver.rstrip("/") + API
        self._tokens = Tokens(door, self._log_in)
        self._aliases: dict[str, Tokens] = {}  # each of them what a room's alias stands for, for a while

    async def send(self, message: Message, to: str) -> Receipt:
        """Send one event, into the alert's thread or in place of its first message."""
        if refused := self.settings.refuses(to):
            raise RejectedError(refused, code="address")
        place = Place.of(to)
        root = message.handle if self.settings.news != "new" else ""
        if root:
            try:
                return Receipt(id=await self._send(message, place, root), handle=root)
            except GoneError:
                pass  # its first message: this becomes the first
        ident = await self._send(message, place, "")
        return Receipt(id=ident, handle=ident)

    async def check(self) -> list[Check]:
        """Whether the homeserver answers, and takes the token or the login."""
        try:
            answer = await self._call("GET", "/account/whoami")
        except BackendError as error:
            return [Check(ok=False, text=str(error), code=error.code)]
        return [Check(ok=True, text=f"logged in as {answer.code('user_id')}")]

    async def _send(self, message: Message, place: Place, root: str) -> str:
        """The event's id; of one with less in it where the whole one was refused."""
        room = await self._room(place.room)
        if root and self.settings.news == "edit":
            await self._require_shown(room, root)
        return await plainer((False, True), partial(self._put, message, place, root, room))

    async def _put(self, message: Message, place: Place, root: str, room: str, bare: bool) -> str:  # noqa: FBT001 - a form
        """One event. A room we are invited to is joined first, once."""
        content = self._content(message, place, root, bare=bare)
        path = f"/rooms/{_part(room)}/send/m.room.message/{_transaction(message, root, bare=bare)}"
        try:
            answer = await self._call("PUT", path, content)
        except RejectedError as error:
            if root and error.code == "M_UNKNOWN":  # so Synapse answers to relations with what isn't there
                raise GoneError(str(error), code=error.code, detail=error.detail) from None
            if error.code != "M_FORBIDDEN":
                raise
            await self._join(room, error)
            answer = await self._call("PUT", path, content)
        ident = answer.code("event_id")
        if not ident:
            raise TemporaryError("an answer without an event id", detail=answer.detail, limit=3)
        return ident

    async def _join(self, room: str, forbidden: RejectedError) -> None:
        """Take an invitation; without one, what was forbidden stays so, whatever this refusal says."""
        try:
            await self._call("POST", f"/join/{_part(room)}", {})
        except RejectedError:
            raise forbidden from None

    async def _require_shown(self, room: str, ident: str) -> None:
        """Raise `GoneError` for a message that was removed: servers take its edits, but nobody sees them."""
        try:
            answer = await self._call("GET", f"/rooms/{_part(room)}/event/{_part(ident)}")
        except RejectedError as error:
            raise GoneError(str(error), code=error.code, detail=error.detail) from None
        if not answer.code("content", "body"):
            raise GoneError("the earlier message was removed", code="redacted")

    async def _room(self, room: str) -> str:
        """The id of a room that may be given by its alias."""
        if not room.startswith("#"):
            return room
        known = self._aliases.setdefault(room, Tokens(self.door, partial(self._resolve, room), margin=0.0))
        return await known.get()

    async def _resolve(self, alias: str) -> tuple[str, float]:
        answer = await self._call("GET", f"/directory/room/{_part(alias)}")
        room = answer.code("room_id")
        if not room:
            raise TemporaryError("an alias without a room", detail=answer.detail, limit=3)
        return room, ALIAS_GOOD

    async def _call(self, method: str, path: str, payload: Json | None = None) -> Answer:
        """One call with a token; a password gets a new one where the old is refused."""
        if self.settings.access_token:
            return await self._ask(method, path, payload, self.settings.access_token.reveal())
        return await self._tokens.use(lambda token: self._ask(method, path, payload, token))

    async def _ask(self, method: str, path: str, payload: Json | None, token: str = "") -> Answer:
        url = URL(self._base + path, encoded=True)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        body = None if payload is None else json_bytes(payload)
        answer = await self.ask(method, url, body=body, headers={**headers, "Content-Type": JSON_TYPE})
        if failure := self._failure(answer):
            raise failure
        return answer

    def _failure(self, answer: Answer) -> BackendError | None:
        """What a refusal means: by its own code first, then by its status."""
        code = answer.code("errcode")
        if answer.accepted:
            return None
        if code == "M_UNKNOWN_TOKEN" and self.settings.password:
            return TokenRefusedError(
                "the access token is not valid (any more)", code=code, detail=answer.detail
            )
        if answer.status < 500 and (failure := coded(code, _CODES, answer)):
            return failure
        failure = otherwise("", answer, self.door.clock.now())
        if isinstance(failure, RateLimitedError) and "Retry-After" not in answer.headers:
            wait = answer.code("retry_after_ms")
            failure.retry_after = clamped(float(wait) / 1000) if wait.isdigit() else failure.retry_after
        if answer.status == 500 and isinstance(failure, TemporaryError):
            failure.limit = 3  # Synapse answers so to what it will never take
        return failure

    def _content(self, message: Message, place: Place, root: str, *, bare: bool) -> Json:
        composition = compose(message, self.door.clock.now())
        given = self.settings
        content = partial(event, place=place, msgtype=given.msgtype, root=root, news=given.news, bare=bare)
        most = given.max_bytes // 4 if bare else given.max_bytes
        return fit(composition, content, lambda one: size(one) <= most)

    async def _log_in(self) -> tuple[str, float]:
        """A token by password; the same device each time, so that transaction ids stay good."""
        given = self.settings
        payload = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": given.user},
            "password": given.password.reveal() if given.password else "",
            "device_id": given.device_id,
        }
        try:
            answer = await self._ask("POST", "/login", payload)
        except RejectedError as error:
            raise BackendDownError(
                "the homeserver refused user and password", code=error.code, detail=error.detail
            ) from None
        return answer.code("access_token"), TOKEN_GOOD


def _transaction(message: Message, root: str, *, bare: bool) -> str:
    """The same for every attempt, another for another form: a used one discards what comes under it."""
    told = f"{idempotency_key(message)} {root}{' bare' if bare else ''}"
    return "relay-" + hashlib.sha256(told.encode()).hexdigest()[:32]


def _part(text: str) -> str:
    """A text as one part of a path."""
    return quote(text, safe="")
