"""DingTalk's custom group robots, by their webhook.

https://open.dingtalk.com/document/orgapp/custom-robot-access
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, Final, Literal
from urllib.parse import quote

from msgspec import Meta, structs
from yarl import URL

from relay.backends.base import Check, Door, Limits, Receipt
from relay.backends.chat import Target, address_problem, only_mentions
from relay.backends.compose import Composition, compose
from relay.backends.dialect import plain, text_of
from relay.backends.dingtalk_codes import require_posted, stale
from relay.backends.dingtalk_markdown import laid_out, preview
from relay.backends.fit import fit, utf8_bytes
from relay.backends.http import HttpBackend, HttpSettings, operator_url, url_problem
from relay.backends.loose_markdown import disarmed
from relay.backends.meaning import PayloadError, examined, plainer
from relay.backends.robots import (
    Robot,
    key_problems,
    keyword_problems,
    robots,
    secret_problems,
    with_keyword,
)
from relay.backends.webhook_forms import idempotency_key
from relay.errors import RejectedError
from relay.models import Json, Message
from relay.values import Secret

Fits = Callable[[str], bool]
Format = Literal["text", "markdown", "card"]

EVERYBODY: Final = "all"
MOST_PLAIN: Final = 1000  # bytes of the text that is sent when the usual form was refused
MOST_MENTIONS: Final = 50
_MENTION: Final = re.compile(r"all|mobile:\+?[\d-]{5,20}|[\w.-]{1,64}", re.ASCII)
_MENTIONS: Final = "write @all, @USERID or @mobile:NUMBER"


class Settings(HttpSettings, frozen=True, kw_only=True, tag="dingtalk_robot"):
    """A DingTalk (钉钉) group robot.

    In the group's settings add a custom robot (自定义机器人). The `access_token` is what follows
    `access_token=` in its webhook; of its security settings `secret` (加签, SEC...) is the best, but a
    keyword or this host's address will do. A robot takes 20 messages a minute and is blocked for ten minutes
    above that; several robots of one group (lists of tokens and secrets) share the load.

    An address is any name for the group, then who is to be mentioned: `ops`, `@all`, `ops @manager4220`,
    `@mobile:13800001111`; at most 50.

    * `access_token`: the robot's token, or a list of them
    * `secret`: signs the messages: one, or one for each robot in order
    * `url`: instead of the token: the whole webhook, for proxies
    * `server`: where the webhook stands
    * `keyword`: a word that the robot wants in each message
    * `format`: `text`; `markdown`; `card`, with the message's links as buttons (a card mentions nobody, so an
      address with mentions gets Markdown)
    * `max_chars`, `max_bytes`: of a message's text; DingTalk names no limits

    Minimal:

        type: dingtalk_robot
        access_token: ${DINGTALK_TOKEN}

    Full:

        type: dingtalk_robot
        access_token: ["${DINGTALK_TOKEN}", "${DINGTALK_TOKEN_2}"]
        secret: ["${DINGTALK_SECRET}", "${DINGTALK_SECRET_2}"]
        server: https://oapi.dingtalk.com
        keyword: alert
        format: markdown
        max_chars: 5000
        max_bytes: 18000
        rate: 36/1m
    """

    access_token: tuple[Secret, ...] = ()
    secret: tuple[Secret, ...] = ()
    url: tuple[Secret, ...] = ()
    server: str = "https://oapi.dingtalk.com"
    keyword: str = ""
    format: Format = "text"
    max_chars: Annotated[int, Meta(ge=1000)] = 5000
    max_bytes: Annotated[int, Meta(ge=1000)] = 18_000

    def problems(self) -> list[tuple[str, str]]:
        """Not exactly one of token and url, or secrets that can't be right."""
        found = [("server", text) for text in (url_problem(self.server),) if text]
        found += key_problems("access_token", self.access_token, self.url)
        found += secret_problems(self.secret, len(self.access_token or self.url))
        found += keyword_problems(self.keyword, plain if self.format == "text" else disarmed)
        if not all(secret.reveal().startswith("SEC") for secret in self.secret):
            found.append(("secret", "begins with SEC"))
        return found

    def refuses(self, to: str) -> str:
        """Why an address can't be one."""
        target = only_mentions(to)
        if len(target.mentions) > MOST_MENTIONS:
            return f"at most {MOST_MENTIONS} can be mentioned"
        return address_problem(to, target, _MENTION, _MENTIONS)


class DingtalkRobot(HttpBackend):
    """Accepted means that DingTalk will show it in the group; it gives no id, and takes nothing back."""

    type = "dingtalk_robot"
    settings: Settings

    def __init__(self, settings: Settings, door: Door) -> None:
        super().__init__(settings, door)
        prefix = f"{settings.server.rstrip('/')}/robot/send?access_token="
        self._robots = robots(prefix, settings.access_token, settings.url, settings.secret)
        count = len(settings.access_token or settings.url)
        # Not the 20 that are allowed: one too many costs ten minutes.
        self.limits = Limits(windows=((18 * count, 60.0),), concurrency=8)

    async def send(self, message: Message, to: str) -> Receipt:
        """One message to the group."""
        if refused := self.settings.refuses(to):
            raise RejectedError(refused, code="address")
        composition = with_keyword(compose(message, self.door.clock.now()), self.settings.keyword)
        target = only_mentions(to)
        parts = ({**form, "msgUuid": idempotency_key(message)} for form in self._forms(composition, target))
        await plainer(parts, partial(self._post, next(self._robots)))
        return Receipt()

    async def check(self) -> list[Check]:
        """Whether each robot is known, and lets this host in: an empty message is refused as such."""
        count = len(self.settings.access_token or self.settings.url)
        return [found for _ in range(count) for found in await examined(self._look)]

    def _forms(self, told: Composition, target: Target) -> Iterator[Json]:
        """The message as it should be, then a short text."""
        if self.settings.format == "card" and told.links and not target.mentions:
            yield {"msgtype": "actionCard", "actionCard": _card(told, self._fits)}
        elif self.settings.format != "text":
            yield {"msgtype": "markdown", "markdown": _markdown(told, target, self._fits), "at": _at(target)}
        else:
            yield {"msgtype": "text", "text": _text(told, target, self._fits), "at": _at(target)}
        yield {"msgtype": "text", "text": _text(told, target, _is_short), "at": _at(target)}

    def _fits(self, text: str) -> bool:
        return len(text) <= self.settings.max_chars and utf8_bytes(text) <= self.settings.max_bytes

    async def _post(self, robot: Robot, payload: Json) -> None:
        """Signed afresh for each attempt, and once more where its time was refused."""
        answer = await self.post_json(self._signed(robot), payload)
        if robot.secret and stale(answer):
            answer = await self.post_json(self._signed(robot), payload)
        require_posted(answer, self.door.clock.now())

    def _signed(self, robot: Robot) -> URL:
        if not robot.secret:
            return operator_url(robot.url)
        now = int(self.door.clock.now() * 1000)
        sign = quote(signature(now, robot.secret), safe="")
        return operator_url(f"{robot.url}{'&' if '?' in robot.url else '?'}timestamp={now}&sign={sign}")

    async def _look(self) -> str:
        try:
            await self._post(next(self._robots), {})
        except PayloadError:
            return "the robot's webhook answers; only a message can prove its token"
        return "the robot's webhook answers"


def signature(now: int, secret: str) -> str:
    """Of a message sent at `now` (milliseconds since the epoch), before it is quoted for a URL."""
    told = f"{now}\n{secret}".encode()
    return base64.b64encode(hmac.new(secret.encode(), told, hashlib.sha256).digest()).decode()


def _is_short(text: str) -> bool:
    return utf8_bytes(text) <= MOST_PLAIN


def _text(told: Composition, target: Target, fits: Fits) -> Json:
    mentions = _mentions(target)
    return {"content": fit(told, lambda part: f"{mentions} {text_of(part)}".lstrip(), fits)}


def _markdown(told: Composition, target: Target, fits: Fits) -> Json:
    text = fit(told, lambda part: laid_out(part, _mentions(target)), fits)
    return {"title": preview(told), "text": text}


def _card(told: Composition, fits: Fits) -> Json:
    """The links become buttons."""
    text = fit(structs.replace(told, links=()), laid_out, fits)
    buttons = [{"title": link.label, "actionURL": link.url} for link in told.links]
    return {"title": preview(told), "text": text, "btnOrientation": "1", "btns": buttons}


def _at(target: Target) -> Json:
    users = [name for name in target.mentions if name != EVERYBODY and ":" not in name]
    mobiles = [name.partition(":")[2] for name in target.mentions if ":" in name]
    return {"atUserIds": users, "atMobiles": mobiles, "isAtAll": EVERYBODY in target.mentions}


def _mentions(target: Target) -> str:
    """Whoever is to be pinged must stand in the text too."""
    at = _at(target)
    return " ".join(f"@{name}" for name in (*at["atUserIds"], *at["atMobiles"]))
