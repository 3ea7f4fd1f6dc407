"""ServerChan (Server酱), Turbo and v3: messages into WeChat and the services behind it."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Annotated, Final

from msgspec import Meta, structs

from relay.backends.answer import Answer, clamped, refusal
from relay.backends.base import Door, Limits, Receipt
from relay.backends.compose import Composition, compose
from relay.backends.dialect import headline
from relay.backends.fenced import fenced
from relay.backends.fit import clip, fit, utf8_bytes
from relay.backends.http import HttpBackend, HttpSettings, operator_url, url_problem
from relay.errors import BackendDownError, BackendError, RateLimitedError, TemporaryError
from relay.models import Message
from relay.values import Secret, Size

MOST_TITLE: Final = 32  # characters, in one line
MOST_SHORT: Final = 64
_V3: Final = re.compile(r"sctp(\d+)t[A-Za-z0-9]+")
_TURBO: Final = re.compile(r"SCT[A-Za-z0-9]+")
_BEIJING: Final = timezone(timedelta(hours=8))


class Settings(HttpSettings, frozen=True, kw_only=True, tag="serverchan"):
    """Messages by ServerChan (Server酱) Turbo or v3. An address is free text: the key says who is meant.

    The key stands on the web page after login: `SCT...` of sct.ftqq.com, `sctp...t...` of sc3.ft07.com.

    Minimal:

        type: serverchan
        sendkey: ${SERVERCHAN_KEY}

    Full:

        type: serverchan
        sendkey: ${SERVERCHAN_KEY}
        server: https://proxy.example.com
        channel: 9|66
        openid: abc,def
        tags: relay|production
        noip: true
        quota_markers: [次数限制]
        key_markers: [错误的Key]
        max_bytes: 16KiB

    `url` takes the whole address instead of `sendkey`. `channel` (Turbo) is up to two numbers of channels,
    `openid` who is told on a company's channel, `tags` those of v3, `noip` hides relay's address. The codes
    of refusals aren't documented: `quota_markers` and `key_markers` are words that tell the two that matter.
    """

    sendkey: Secret | None = None
    url: Secret | None = None
    server: str = ""  # default: https://sctapi.ftqq.com, for v3 https://<number>.push.ft07.com
    channel: str = ""
    openid: str = ""
    tags: str = ""
    noip: bool = False
    quota_markers: tuple[str, ...] = ("次数限制", "超过当天")
    key_markers: tuple[str, ...] = ("错误的Key", "Key不存在", "sendkey")
    max_bytes: Annotated[Size, Meta(ge=2000, le=32 * 1024)] = 32 * 1024

    def problems(self) -> list[tuple[str, str]]:
        """Key and URL together or neither, a key of another shape, a third channel."""
        if (self.sendkey is None) == (self.url is None):
            return [("sendkey", "needs either sendkey or url")]
        found = []
        if self.sendkey and not any(shape.fullmatch(self.sendkey.reveal()) for shape in (_V3, _TURBO)):
            found.append(("sendkey", "a key is SCT... or sctp<number>t..."))
        for key, text in (("url", self.url.reveal() if self.url else ""), ("server", self.server)):
            if text and (wrong := url_problem(text)):
                found.append((key, wrong))
        if self.channel and not re.fullmatch(r"\d+(\|\d+)?", self.channel):
            found.append(("channel", "one number or two: 9 or 9|66"))
        return found

    @property
    def address(self) -> str:
        """Where to post."""
        if self.url:
            return self.url.reveal()
        key = self.sendkey.reveal() if self.sendkey else ""
        if v3 := _V3.fullmatch(key):
            return f"{self.server.rstrip('/') or f'https://{v3[1]}.push.ft07.com'}/send/{key}.send"
        return f"{self.server.rstrip('/') or 'https://sctapi.ftqq.com'}/{key}.send"


class ServerChan(HttpBackend):
    """Posts to one key; accepted means that the service took charge of it."""

    type = "serverchan"
    settings: Settings
    limits = Limits(concurrency=4)

    def __init__(self, settings: Settings, door: Door) -> None:
        super().__init__(settings, door)
        self._url = operator_url(settings.address)

    async def send(self, message: Message, to: str) -> Receipt:
        """Post it; the service has no way to update or thread."""
        del to
        composition = compose(message, self.door.clock.now())
        payload = {
            "title": _title(composition),
            "desp": fit(composition, fenced, lambda text: utf8_bytes(text) <= self.settings.max_bytes),
            "short": clip(headline(composition), MOST_SHORT),
            **self._options(),
        }
        answer = await self.post_json(self._url, payload)
        if answer.code("code") != "0":
            raise self._failure(answer)
        return Receipt(id=answer.code("data", "pushid"))

    def _options(self) -> dict[str, str | int]:
        given = self.settings
        texts = {"channel": given.channel, "openid": given.openid, "tags": given.tags}
        options: dict[str, str | int] = {name: text for name, text in texts.items() if text}
        return {**options, "noip": 1} if given.noip else options

    def _failure(self, answer: Answer) -> BackendError:
        """What an answer without `code: 0` means; the words tell more than the code, which is often 40001."""
        code, detail = answer.code("code"), answer.detail
        words = answer.code("message") + answer.code("info")
        if any(marker in words for marker in self.settings.quota_markers):
            wait = clamped(_until_midnight(self.door.clock.now()))
            text = f"{code}: the day's messages are used up"
            return RateLimitedError(text, retry_after=wait, code=code, detail=detail)
        if any(marker in words for marker in self.settings.key_markers):
            return BackendDownError(f"{code}: the service doesn't know this key", code=code, detail=detail)
        if not code and (failure := refusal(answer, self.door.clock.now())):
            return failure
        return TemporaryError(f"{code or 'no code'}: not accepted", code=code, detail=detail, limit=3)


def _title(told: Composition) -> str:
    """What a locked phone shows: in so few characters, what happened says more than that it still does."""
    title = headline(told)
    return title if len(title) <= MOST_TITLE else clip(headline(structs.replace(told, note="")), MOST_TITLE)


def _until_midnight(now: float) -> float:
    """Seconds until the service's day ends, in Beijing."""
    moment = datetime.fromtimestamp(now, _BEIJING)
    return 86400.0 - (moment.hour * 3600 + moment.minute * 60 + moment.second)
