"""anyRTC RTM: messages to one's own apps, through its REST interface."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Mapping
from typing import Annotated, Final, Literal
from urllib.parse import quote, urlsplit

from msgspec import Meta, structs

from relay.backends.answer import Answer, refusal, retry_after
from relay.backends.anyrtc_token import MOST_SALT, mint
from relay.backends.appdata import app_data
from relay.backends.base import Check, Door, Limits, Receipt
from relay.backends.compose import Composition, compose
from relay.backends.dialect import text_of
from relay.backends.fit import fit, utf8_bytes
from relay.backends.http import HttpBackend, HttpSettings, operator_url, url_problem
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
from relay.values import Duration, Secret

TRIES: Final = 3  # of a message that the service says has failed, or whose answer nobody knows
PAUSE: Final = 1.0  # seconds, where the service doesn't say for how long

_ID: Final = re.compile(r"[a-zA-Z0-9 !#$%&()+\-:;<=.>?@\[\]^_{}|~,']{1,64}")
_APP_ID: Final = re.compile(r"[0-9A-Za-z]{32}")
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


class Settings(HttpSettings, frozen=True, kw_only=True, tag="anyrtc"):
    """anyRTC RTM, for apps of one's own that are built with it.

    An address is a user's id in the app (`wang`, or `user:wang`) or `channel:NAME`. Give either `api_key` and
    `api_secret`, or `uid` with `app_certificate` (relay makes the tokens) or with `token` (one made
    elsewhere). All of them come from the console of anyRTC, page of the project.

    * `app_id`: the project's id, 32 letters and digits
    * `api_key`, `api_secret`: of the project's RESTful interface
    * `uid`: the account that tokens are made for, and that messages come from
    * `app_certificate`: the project's certificate; `token_ttl`: how long each token is good for
    * `token`: a token for `uid`; somebody must replace it before it expires
    * `sender_id`: who the messages come from, with `api_key`; any id
    * `wait_for_ack`: the answer says whether the receiver's app has it; it takes longer
    * `enable_offline`: messages to those who are offline are stored (200 of them, 7 days)
    * `enable_history`: messages go into the history that apps may read
    * `offline_is`: what an offline receiver means: `stored` is a success (the default with `enable_offline`),
      `fallback` takes the next address (the default without), `recipient` gives this address up
    * `payload_format`: `text`, or `json`: an object with `title`, `text`, `severity`, `state`, `url`,
      `dedup_key` (one for each alert), `key` (one for each message) and `ts`
    * `max_bytes`: of a message in UTF-8
    * `url`: the service's address, without the project's id

    Minimal:

        anyrtc:
          type: anyrtc
          app_id: 970ca35de60c44645bbae8a215061b33
          api_key: ${ANYRTC_KEY}
          api_secret: ${ANYRTC_SECRET}

    Full:

        anyrtc:
          type: anyrtc
          url: https://api.agrtc.cn/dev/v2/project
          app_id: 970ca35de60c44645bbae8a215061b33
          uid: relay
          app_certificate: ${ANYRTC_CERTIFICATE}
          token_ttl: 12h
          wait_for_ack: true
          enable_offline: true
          enable_history: false
          offline_is: fallback
          payload_format: json
          max_bytes: 32000
          rate: 100/1s
    """

    app_id: str
    api_key: str = ""
    api_secret: Secret | None = None
    uid: str = ""
    app_certificate: Secret | None = None
    token_ttl: Annotated[Duration, Meta(ge=60)] = 86400.0
    token: Secret | None = None
    sender_id: str = "relay"
    wait_for_ack: bool = True
    enable_offline: bool = True
    enable_history: bool = False
    offline_is: Literal["", "stored", "recipient", "fallback"] = ""
    payload_format: Literal["text", "json"] = "text"
    max_bytes: Annotated[int, Meta(ge=1000)] = 32_768
    url: str = "https://api.agrtc.cn/dev/v2/project"

    def problems(self) -> list[tuple[str, str]]:
        """Credentials that are missing or too many, ids that can't be."""
        wrong = url_problem(self.url)
        found = [("url", wrong)] if wrong else []
        parts = urlsplit("" if wrong else self.url)
        if parts.query or parts.fragment:
            found.append(("url", "takes no query or fragment"))
        if not _APP_ID.fullmatch(self.app_id):
            found.append(("app_id", "must be 32 letters and digits"))
        if self.offline_is == "stored" and not self.enable_offline:
            found.append(("offline_is", "`stored` needs enable_offline: true"))
        sender = "uid" if self.uid else "sender_id"
        if not _is_id(self.sender) or self.sender != self.sender.strip():
            found.append((sender, "must be 1 to 64 characters that anyRTC knows, no space at either end"))
        return found + self._credential_problems()

    def _credential_problems(self) -> list[tuple[str, str]]:
        basic = bool(self.api_key), bool(self.api_secret)
        tokens = bool(self.app_certificate), bool(self.token)
        if any(basic) and (self.uid or any(tokens)):
            return [("api_key", "give either api_key and api_secret, or uid with app_certificate or token")]
        if any(basic):
            return [] if all(basic) else [("api_key", "api_key and api_secret go together")]
        if not self.uid or not any(tokens):
            return [("app_id", "needs api_key and api_secret, or uid with app_certificate or token")]
        if all(tokens):
            return [("token", "give either app_certificate or token")]
        return []

    def refuses(self, to: str) -> str:
        """Why an address can't be one."""
        _, name = _place(to)
        if not _is_id(name):
            return "an address must be 1 to 64 letters, digits or punctuation that anyRTC knows (no slash)"
        return ""

    @property
    def sender(self) -> str:
        """Who the messages come from: with a token, the account it is for."""
        return self.uid or self.sender_id

    @property
    def when_offline(self) -> Literal["", "stored", "recipient", "fallback"]:
        """What an offline receiver means."""
        return self.offline_is or ("stored" if self.enable_offline else "fallback")


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
        place, name = _place(to)
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
        except RejectedError as error:
            return [
                Check(
                    ok=True, text="the credentials are good (an empty message was refused)", code=error.code
                )
            ]
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
        code = re.sub(r"[\s-]+", "_", answer.code("code").strip().lower())
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


def _place(to: str) -> tuple[str, str]:
    """("user" or "channel", its id) of an address."""
    place, colon, name = to.partition(":")
    return (place, name) if colon and place in {"user", "channel"} else ("user", to)


def _is_id(name: str) -> bool:
    return _ID.fullmatch(name) is not None and bool(name.strip())
