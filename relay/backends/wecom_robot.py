"""WeCom's group robots (newly called message push), by their webhook.

https://developer.work.weixin.qq.com/document/path/99110
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Final, Literal

from relay.backends.base import Check, Door, Limits, Receipt
from relay.backends.chat import Target, address_problem, fenced, only_mentions, severity
from relay.backends.compose import Composition, compose
from relay.backends.dialect import text_of
from relay.backends.fit import fit, utf8_bytes
from relay.backends.http import HttpBackend, HttpSettings, operator_url, url_problem
from relay.backends.loose_markdown import bold_headline, disarmed
from relay.backends.meaning import PayloadError, examined, plainer
from relay.backends.robots import Robot, key_problems, robots
from relay.backends.wecom_codes import CODES
from relay.backends.wecom_text import COLOURS, coloured, lines, unmentioned
from relay.errors import RejectedError
from relay.models import Json, Message
from relay.values import Secret

Format = Literal["text", "markdown", "markdown_v2"]

EVERYBODY: Final = "all"
MOST_TEXT: Final = 2048  # bytes
MOST_MARKDOWN: Final = 4096  # bytes
MOST_PLAIN: Final = 1000  # bytes of the text that is sent when the usual form was refused

_BREAK: Final = "  \n"
_MENTION: Final = re.compile(r"all|mobile:\+?\d{5,20}|[A-Za-z0-9][\w.@-]{0,63}", re.ASCII)
_MENTIONS: Final = "write @all, @USERID or @mobile:NUMBER"


class Settings(HttpSettings, frozen=True, kw_only=True, tag="wecom_robot"):
    """A WeCom (企业微信) group robot.

    In the group's settings add a robot (消息推送, 群机器人) and copy its webhook: the `key` is what follows
    `key=`. Whoever knows it can write to the group. A robot takes 20 messages a minute; several robots of one
    group (a list of keys) share the load.

    An address is any name for the group, then who is to be mentioned: `ops`, `@all`, `ops @zhangsan`,
    `@mobile:13800001111`.

    * `key`: the robot's key, or a list of them
    * `url`: instead of the key: the whole webhook, for private deployments and proxies
    * `server`: where the webhook stands
    * `format`: `text`; `markdown`, which can mention user ids only; `markdown_v2`, which can't
      mention anybody, shows stack traces as code, and needs clients from 4.1.36

    Minimal:

        type: wecom_robot
        key: ${WECOM_ROBOT_KEY}

    Full:

        type: wecom_robot
        key: ["${WECOM_ROBOT_KEY}", "${WECOM_ROBOT_KEY_2}"]
        server: https://qyapi.weixin.qq.com
        format: markdown
        rate: 40/1m
    """

    key: tuple[Secret, ...] = ()
    url: tuple[Secret, ...] = ()
    server: str = "https://qyapi.weixin.qq.com"
    format: Format = "text"

    def problems(self) -> list[tuple[str, str]]:
        """Not exactly one of key and url, or one that can't be right."""
        found = [("server", text) for text in (url_problem(self.server),) if text]
        return [*key_problems("key", self.key, self.url), *found]

    def refuses(self, to: str) -> str:
        """Why an address can't be one, or this format can't mention those it names."""
        target = only_mentions(to)
        if wrong := address_problem(to, target, _MENTION, _MENTIONS):
            return wrong
        if target.mentions and self.format == "markdown_v2":
            return "markdown_v2 can't mention anybody: `format: text` can"
        if self.format == "markdown" and not all(_is_user(name) for name in target.mentions):
            return "markdown can mention user ids only: `format: text` can mention @all and numbers"
        return ""


class WecomRobot(HttpBackend):
    """Accepted means that WeCom will show it in the group; it gives no id, and takes nothing back."""

    type = "wecom_robot"
    settings: Settings

    def __init__(self, settings: Settings, door: Door) -> None:
        super().__init__(settings, door)
        prefix = f"{settings.server.rstrip('/')}/cgi-bin/webhook/send?key="
        self._robots = robots(prefix, settings.key, settings.url, ())
        self.limits = Limits(windows=((20 * len(settings.key or settings.url), 60.0),), concurrency=8)

    async def send(self, message: Message, to: str) -> Receipt:
        """One message to the group."""
        if refused := self.settings.refuses(to):
            raise RejectedError(refused, code="address")
        forms = _forms(self.settings.format, message, self.door.clock.now(), only_mentions(to))
        return await plainer(forms, partial(self._post, next(self._robots)))

    async def check(self) -> list[Check]:
        """Whether each key is known: WeCom refuses a message without content, and a wrong key as such."""
        count = len(self.settings.key or self.settings.url)
        return [found for _ in range(count) for found in await examined(self._look)]

    async def _post(self, robot: Robot, payload: Json) -> Receipt:
        answer = await self.post_json(operator_url(robot.url), payload)
        CODES.required(answer, self.door.clock.now())
        return Receipt()

    async def _look(self) -> str:
        try:
            await self._post(next(self._robots), {})
        except PayloadError:
            return "the robot's webhook answers; only a message can prove its key"
        return "the robot's webhook answers"


def _forms(form: Format, message: Message, now: float, target: Target) -> Iterator[Json]:
    """The message as it should be, then a short text."""
    told = compose(message, now)
    if form != "text":
        yield _markdown(form, told, COLOURS[severity(message)], target)
    else:
        yield _text(told, target, MOST_TEXT)
    yield _text(told, target, MOST_PLAIN)


def _text(told: Composition, target: Target, most: int) -> Json:
    content = fit(told, lambda part: text_of(part, unmentioned), lambda text: utf8_bytes(text) <= most)
    users = [f"@{name}" if name == EVERYBODY else name for name in target.mentions if ":" not in name]
    mobiles = [name.partition(":")[2] for name in target.mentions if ":" in name]
    mentioned = {"mentioned_list": users, "mentioned_mobile_list": mobiles}
    return {
        "msgtype": "text",
        "text": {"content": content, **{key: value for key, value in mentioned.items() if value}},
    }


def _markdown(form: Format, told: Composition, colour: str, target: Target) -> Json:
    mentions = " ".join(f"<@{name}>" for name in target.mentions)
    lay_out = _version_2 if form == "markdown_v2" else partial(coloured, colour, mentions)
    content = fit(told, lay_out, lambda text: utf8_bytes(text) <= MOST_MARKDOWN)
    return {"msgtype": form, form: {"content": content}}


def _version_2(told: Composition) -> str:
    """With code, and without colours; a line ends where two spaces stand before its end."""
    head, body = bold_headline(told), fenced(told.body) if told.body else ""
    rest = lines("", "", told, disarmed(told.footer)).replace("\n", _BREAK)
    return "\n".join(part for part in ((head if body else f"{head}  "), body, rest) if part)


def _is_user(name: str) -> bool:
    return name != EVERYBODY and ":" not in name
