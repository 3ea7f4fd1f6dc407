"""anyRTC RTM: messages to one's own apps, through its REST interface."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from msgspec import structs

from relay.backends.answer import Answer, refusal, retry_after
from relay.backends.anyrtc_settings import Settings, place_of
from relay.backends.anyrtc_token import MOST_SALT, mint
from relay.backends.appdata import app_data
from relay.backends.base import Check, Door, Limits, Receipt
from relay.backends.compose import Composition, compose
from relay.backends.dialect import text_of
from relay.backends.fit import fit, utf8_bytes
from relay.backends.http import HttpBackend, operator_url
from relay.backends.mask import Mask, secrets_in
from relay.backends.tokens import TokenRefusedError, Tokens
from relay.errors import (
    BackendDownError,
    BackendError,
    NeedsFallbackError,
    RateLimitedError,
    RejectedError,
    TemporaryError,
)
from relay.models import Json, Message

__all__ = ["AnyRtc", "Settings"]

TRIES: Final = 3  # of a message that the service says has failed, or whose answer nobody knows
MOST_CODE: Final = 80  # characters
PAUSE: Final = 1.0  # seconds, where the service doesn't say for how long

_WORDS: Final = {
    400: "the message is not valid",
    401: "the credentials were refused",
    403: "access was refused",
    404: "no such project: `url` or `app_id` is wrong",
    408: "the receiver's app didn't answer in time",
    415: "the service doesn't take JSON here",
    429: "too many messages",
    435: "the payload is not allowed",
}
_FOR_AN_OPERATOR: Final = {401, 403, 404, 415}
_NOTES: Final = {"message_delivered": "delivered", "message_sent": "accepted"}


class AnyRtc(HttpBackend):
    """Sends to one user or channel; of a channel nobody knows who is in it."""

    type = "anyrtc"
    settings: Settings
    limits = Limits(windows=((500, 1.0),))

    def __init__(self, settings: Settings, door: Door) -> None:
        super().__init__(settings, door)
        sender = quote(settings.sender, safe="")
        self._root = f"{settings.url.rstrip('/')}/{settings.app_id}/rtm/users/{sender}"
        self._tokens = Tokens(door, self._mint)

    async def send(self, message: Message, to: str) -> Receipt:
        """One message to one user or channel."""
        if refused := self.settings.refuses(to):
            raise RejectedError(refused, code="address")
        place, name = place_of(to)
        body: Json = {
            "payload": self._payload(message),
            "enable_historical_messaging": self.settings.enable_history,
        }
        if place == "channel":
            return await self._post("channel_messages", body | {"channel_name": name})
        body |= {"destination": name, "enable_offline_messaging": self.settings.enable_offline}
        wait = "true" if self.settings.wait_for_ack else "false"
        return await self._post(f"peer_messages?wait_for_ack={wait}", body)

    async def check(self) -> list[Check]:
        """An empty message, which the service refuses once it has looked at the credentials."""
        try:
            await self._post("peer_messages", {"destination": self.settings.sender, "payload": ""})
        except (RejectedError, NeedsFallbackError) as error:
            text = "the credentials are good (an empty message was refused)"
            return [Check(ok=True, text=text, code=error.code)]
        except BackendError as error:
            return [Check(ok=False, text=str(error), code=error.code)]
        return [Check(ok=True, text="the credentials are good")]

    def _payload(self, message: Message) -> str:
        composition = compose(message, self.door.clock.now())

        def render(told: Composition) -> str:
            return text_of(told) if self.settings.payload_format == "text" else app_data(message, told)

        return fit(composition, render, lambda text: utf8_bytes(text) <= self.settings.max_bytes)

    async def _post(self, call: str, body: Json) -> Receipt:
        """With the credentials there are; only tokens that relay makes itself can be replaced."""
        settings = self.settings
        if settings.app_certificate:
            return await self._tokens.use(lambda token: self._ask(call, body, self._token_headers(token)))
        if settings.token:
            return await self._ask(call, body, self._token_headers(settings.token.reveal()))
        secret = settings.api_secret.reveal() if settings.api_secret else ""
        return await self._ask(call, body, {"Authorization": basic(settings.api_key, secret)})

    async def _mint(self) -> tuple[str, float]:
        settings, now = self.settings, int(self.door.clock.now())
        assert settings.app_certificate is not None
        certificate, expire = settings.app_certificate.reveal(), now + int(settings.token_ttl)
        salt = secrets.randbelow(MOST_SALT) + 1
        token = mint(settings.app_id, certificate, settings.uid, salt=salt, now=now, expire=expire)
        return token, settings.token_ttl

    def _token_headers(self, token: str) -> dict[str, str]:
        return {"x-ar-token": token, "x-ar-uid": self.settings.uid}

    async def _ask(self, call: str, body: Json, headers: Mapping[str, str]) -> Receipt:
        answer = await self.post_json(operator_url(f"{self._root}/{call}"), body, headers)
        used = (value.removeprefix("Basic ") for name, value in headers.items() if name != "x-ar-uid")
        answer = structs.replace(answer, mask=Mask((*secrets_in(self.settings), *used)))
        if not answer.accepted:
            raise self._refusal(answer)
        return self._receipt(answer)

    def _receipt(self, answer: Answer) -> Receipt:
        """By the result's code, which the documentation itself spells in several ways."""
        code = re.sub(r"[\s-]+", "_", answer.mask(answer.code("code")).strip().lower())[:MOST_CODE]
        id = answer.code("request_id")  # noqa: A001 - Receipt's own word
        if answer.code("result").strip().lower() == "failed":
            raise TemporaryError(
                "anyRTC says the message failed", code=code, detail=answer.detail, limit=TRIES
            )
        if code in _NOTES:
            return Receipt(id=id, note=_NOTES[code])
        if code != "message_offline":
            raise TemporaryError("an unknown answer", code=code, detail=answer.detail, limit=TRIES)
        match self.settings.when_offline:
            case "fallback":
                raise NeedsFallbackError("offline", code=code)
            case "recipient":
                raise RejectedError("offline, and nothing is stored", code=code)
            case _:
                return Receipt(id=id, note="offline, stored")

    def _refusal(self, answer: Answer) -> BackendError:
        """By the status; anyRTC documents 400, 401, 408 and 500, the others are those of Agora's RTM."""
        status, code, detail = answer.status, str(answer.status), answer.detail
        now = self.door.clock.now()
        text = f"HTTP {code}: {_WORDS.get(status, '')}"
        if status == 401 and self.settings.app_certificate:
            return TokenRefusedError(text, code=code, detail=detail)
        if status == 408:
            return TemporaryError(text, code=code, detail=detail, ambiguous=True)
        if status == 429:
            pause = retry_after(answer.headers.get("Retry-After", ""), now) or PAUSE
            return RateLimitedError(text, retry_after=pause, code=code, detail=detail)
        if status in _FOR_AN_OPERATOR:
            return BackendDownError(text, code=code, detail=detail)
        if status in _WORDS:
            return RejectedError(text, code=code, detail=detail)
        return refusal(answer, now) or TemporaryError(f"HTTP {code}", code=code, detail=detail)


def basic(key: str, secret: str) -> str:
    """The value of an Authorization header (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{key}:{secret}".encode()).decode()
