"""Feishu's (飞书, Lark) custom group robots, by their webhook.

https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from functools import partial
from typing import Annotated, Final

from msgspec import Meta

from relay.backends.base import Check, Door, Limits, Receipt
from relay.backends.chat import address_problem, only_mentions
from relay.backends.compose import compose
from relay.backends.feishu_codes import required
from relay.backends.feishu_content import MENTION, MENTIONS, MOST_PLAIN, Content, Format, contents, inert
from relay.backends.http import HttpBackend, HttpSettings, json_bytes, operator_url, url_problem
from relay.backends.meaning import PayloadError, examined, plainer
from relay.backends.robots import (
    Robot,
    key_problems,
    keyword_problems,
    robots,
    secret_problems,
    with_keyword,
)
from relay.errors import RejectedError
from relay.models import Json, Message
from relay.values import Secret, Size

SIGNED: Final = 100  # bytes that timestamp and signature add to a request


class Settings(HttpSettings, frozen=True, kw_only=True, tag="feishu_robot"):
    """A Feishu (飞书) or Lark group robot.

    In the group's settings add a custom bot (自定义机器人): its `token` is the last part of its webhook. Of
    its security settings `secret` (签名校验) is the best, but a keyword or this host's address will do. A
    robot takes 100 messages a minute and 5 a second; several robots of one group (lists of tokens and
    secrets) share the load.

    An address is any name for the group, then who is to be mentioned: `ops`, `@all`, `ops @ou_8a7b6c`.

    * `token`: the robot's token, or a list of them
    * `secret`: signs the messages: one, or one for each robot in order
    * `url`: instead of the token: the whole webhook, for proxies
    * `server`: where the webhook stands; for Lark https://open.larksuite.com
    * `keyword`: a word that the robot wants in each message
    * `format`: `card`, with the message's links as buttons; `post` (rich text); `text`
    * `max_bytes`: of a request, at most 20 KiB

    Minimal:

        type: feishu_robot
        token: ${FEISHU_TOKEN}

    Full:

        type: feishu_robot
        token: ["${FEISHU_TOKEN}", "${FEISHU_TOKEN_2}"]
        secret: ["${FEISHU_SECRET}", "${FEISHU_SECRET_2}"]
        server: https://open.larksuite.com
        keyword: alert
        format: post
        max_bytes: 20KB
        rate: [200/1m, 10/1s]
    """

    token: tuple[Secret, ...] = ()
    secret: tuple[Secret, ...] = ()
    url: tuple[Secret, ...] = ()
    server: str = "https://open.feishu.cn"
    keyword: str = ""
    format: Format = "card"
    max_bytes: Annotated[Size, Meta(ge=2000, le=20_480)] = 20_000

    def problems(self) -> list[tuple[str, str]]:
        """Not exactly one of token and url, or secrets that can't be right."""
        found = [("server", text) for text in (url_problem(self.server),) if text]
        found += key_problems("token", self.token, self.url)
        found += secret_problems(self.secret, len(self.token or self.url))
        return [*found, *keyword_problems(self.keyword, inert)]

    def refuses(self, to: str) -> str:
        """Why an address can't be one."""
        return address_problem(to, only_mentions(to), MENTION, MENTIONS)


class FeishuRobot(HttpBackend):
    """Accepted means that Feishu will show it in the group; it gives no id, and takes nothing back."""

    type = "feishu_robot"
    settings: Settings

    def __init__(self, settings: Settings, door: Door) -> None:
        super().__init__(settings, door)
        prefix = f"{settings.server.rstrip('/')}/open-apis/bot/v2/hook/"
        self._robots = robots(prefix, settings.token, settings.url, settings.secret)
        count = len(settings.token or settings.url)
        self.limits = Limits(windows=((100 * count, 60.0), (5, 1.0)), concurrency=8)

    async def send(self, message: Message, to: str) -> Receipt:
        """One message to the group."""
        if refused := self.settings.refuses(to):
            raise RejectedError(refused, code="address")
        told = with_keyword(compose(message, self.door.clock.now()), self.settings.keyword)
        mentions = only_mentions(to).mentions
        parts = contents(self.settings.format, told, message, mentions, self._fits, _is_short)
        await plainer(map(_payload, parts), partial(self._post, next(self._robots)))
        return Receipt()

    async def check(self) -> list[Check]:
        """Whether each robot is known, and lets this host in: an empty message is refused as such."""
        count = len(self.settings.token or self.settings.url)
        return [found for _ in range(count) for found in await examined(self._look)]

    def _fits(self, content: Content) -> bool:
        return len(json_bytes(_payload(content))) <= self.settings.max_bytes - SIGNED

    async def _post(self, robot: Robot, payload: Json) -> None:
        """Signed afresh for each attempt: a signature is good for an hour."""
        now = self.door.clock.now()
        signed = (
            {"timestamp": str(int(now)), "sign": signature(int(now), robot.secret)} if robot.secret else {}
        )
        required(await self.post_json(operator_url(robot.url), {**signed, **payload}), now)

    async def _look(self) -> str:
        try:
            await self._post(next(self._robots), {})
        except PayloadError:
            return "the robot's webhook answers; only a message can prove its token"
        return "the robot's webhook answers"


def signature(now: int, secret: str) -> str:
    """Of a message sent at `now` (seconds since the epoch): the text is the key, and signs nothing."""
    key = f"{now}\n{secret}".encode()
    return base64.b64encode(hmac.new(key, b"", hashlib.sha256).digest()).decode()


def _payload(content: Content) -> Json:
    """A robot's request names cards and posts otherwise than an app's."""
    match content.type:
        case "interactive":
            return {"msg_type": content.type, "card": content.body}
        case "post":
            return {"msg_type": content.type, "content": {"post": content.body}}
        case _:
            return {"msg_type": content.type, "content": content.body}


def _is_short(content: Content) -> bool:
    return len(json_bytes(_payload(content))) <= MOST_PLAIN
