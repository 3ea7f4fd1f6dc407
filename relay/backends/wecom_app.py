"""Messages of a WeCom (企业微信) app to people, departments, tags and the app's own group chats.

https://developer.work.weixin.qq.com/document/path/90236
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Final
from urllib.parse import quote, urlencode

from msgspec import Meta

from relay.backends.base import Check, Door, Limits, Pace, Receipt, shared
from relay.backends.batches import Batch, Receiver, batches
from relay.backends.http import HttpBackend, HttpSettings, operator_url, url_problem
from relay.backends.meaning import examined, plainer
from relay.backends.numbered import refused
from relay.backends.tokens import Tokens
from relay.backends.wecom_calls import ADDRESS, AT_ONCE, card_of, fields_of, outcomes_of, path_of
from relay.backends.wecom_codes import CODES
from relay.backends.wecom_content import Format, forms, replacement
from relay.errors import BackendError, RejectedError
from relay.models import AlertState, Json, Message
from relay.values import Duration, Secret

EVERYBODY: Final = "@all"
PER_PERSON: Final = ((30, 60.0), (1000, 3600.0))  # messages of one app; WeCom drops the others and says ok


class Settings(HttpSettings, frozen=True, kw_only=True, tag="wecom_app"):
    """A WeCom (企业微信) app, which writes to people.

    In the administration (work.weixin.qq.com, 应用管理) create an app: its page shows `agentid` (AgentId) and
    `corpsecret` (Secret); `corpid` stands under 我的企业. Add this host's address to the app's trusted IPs
    (企业可信IP), and let everybody who is to be reached see the app.

    An address is a user's id (`zhangsan`, or `user:zhangsan`), `party:ID` (a department), `tag:ID`, `chat:ID`
    (a group chat that this app made), or `@all` (see `allow_broadcast`).

    * `format`: `text`; `markdown`; `card`, with the message's links as buttons, which is rewritten
      for people when the alert ends (the app needs a callback URL for that); without links it is text
    * `duplicate_check_interval`: how long WeCom itself drops an identical message, at most 4 h; 0: never
    * `allow_broadcast`: lets the address `@all` reach everybody who can see the app
    * `server`: where WeCom stands

    Minimal:

        type: wecom_app
        corpid: ww1234567890abcdef
        corpsecret: ${WECOM_SECRET}
        agentid: 1000002

    Full:

        type: wecom_app
        corpid: ww1234567890abcdef
        corpsecret: ${WECOM_SECRET}
        agentid: 1000002
        format: card
        duplicate_check_interval: 1h
        allow_broadcast: true
        server: https://qyapi.weixin.qq.com
        rate: 50/1s
    """

    corpid: str
    corpsecret: Secret
    agentid: Annotated[int, Meta(ge=1)]
    format: Format = "text"
    duplicate_check_interval: Duration = 1800.0
    allow_broadcast: bool = False
    server: str = "https://qyapi.weixin.qq.com"

    def problems(self) -> list[tuple[str, str]]:
        """Ids that can't be right, and an interval that WeCom doesn't take."""
        found = [("server", text) for text in (url_problem(self.server),) if text]
        if not re.fullmatch(r"[A-Za-z0-9_-]+", self.corpid):
            found.append(("corpid", "is of letters and digits: ww1234567890abcdef"))
        if not re.fullmatch(r"[A-Za-z0-9_-]+", self.corpsecret.reveal()):
            found.append(("corpsecret", "is of letters, digits, - and _ only"))
        if self.duplicate_check_interval > 14400:
            found.append(("duplicate_check_interval", "is at most 4h"))
        return found

    def refuses(self, to: str) -> str:
        """Why an address can't be one; chiefly, that everybody would be told."""
        if not ADDRESS.fullmatch(to):
            return "an address is a user's id, party:ID, tag:ID, chat:ID, or @all"
        if to == EVERYBODY and not self.allow_broadcast:
            return "`@all` is a broadcast to everybody: it needs allow_broadcast: true"
        return ""


class WecomApp(HttpBackend):
    """Accepted means that WeCom has the message and knows the receiver."""

    type = "wecom_app"
    settings: Settings

    def __init__(self, settings: Settings, door: Door) -> None:
        super().__init__(settings, door)
        self._root = settings.server.rstrip("/")
        self._tokens = Tokens(door, self._fetch_token)
        self.limits = Limits(
            per_receiver=PER_PERSON,
            concurrency=16,
            receivers=AT_ONCE["touser"],
            share=shared(self.type, settings.corpid, str(settings.agentid)),
        )

    async def send(self, message: Message, to: str) -> Receipt:
        """One message to one address."""
        (outcome,) = await self.send_many(message, [to])
        if isinstance(outcome, BackendError):
            raise outcome
        return outcome

    async def send_many(self, message: Message, tos: Sequence[str]) -> list[Receipt | BackendError]:
        """One call for up to 1000 people, one for up to 100 departments or tags, one for each group chat."""
        outcomes: dict[str, Receipt | BackendError] = {
            to: RejectedError(wrong, code="address")
            for to in dict.fromkeys(tos)
            if (wrong := self.settings.refuses(to))
        }
        going = batches((Receiver.of(to, ADDRESS) for to in tos if to not in outcomes), AT_ONCE)
        for found in await asyncio.gather(*(self._outcomes(message, batch) for batch in going)):
            outcomes |= found
        return [outcomes[to] for to in tos]

    def pace(self, to: str) -> Pace:
        """People have limits; departments, tags and group chats have none that WeCom tells."""
        found = ADDRESS.fullmatch(to)
        name = found["touser"] if found else None
        return Pace(name.lower(), PER_PERSON) if name else Pace(to, ())

    async def check(self) -> list[Check]:
        """Whether the secret gets a token."""
        return await examined(self._look)

    async def _outcomes(self, message: Message, batch: Batch) -> dict[str, Receipt | BackendError]:
        try:
            return outcomes_of(batch, await self._deliver(message, batch))
        except BackendError as error:
            return dict.fromkeys((each.to for each in batch.receivers), error)

    async def _deliver(self, message: Message, batch: Batch) -> Json:
        """The last card is rewritten by the alert's end; anything else is a message of its own."""
        card = card_of(message.handle, batch)
        if card and message.state is AlertState.RESOLVED:
            try:
                return await self._update(message, batch, card)
            except BackendError as error:
                if not refused(error):
                    raise  # else its code is used up or too old: a new one
        parts = forms(self.settings.format, message, self.door.clock.now(), cards=batch.kind != "chatid")
        return await plainer(parts, lambda content: self._call(path_of(batch), self._request(batch, content)))

    async def _update(self, message: Message, batch: Batch, card: str) -> Json:
        told = {"userids": batch.names, "agentid": self.settings.agentid, "response_code": card}
        other = replacement(message, self.door.clock.now())
        return await self._call("/cgi-bin/message/update_template_card", {**told, **other})

    def _request(self, batch: Batch, content: Json) -> Json:
        if batch.kind == "chatid":
            return {**fields_of(batch), **content, "safe": 0}
        seconds = int(self.settings.duplicate_check_interval)
        again = {"enable_duplicate_check": 1, "duplicate_check_interval": seconds} if seconds else {}
        return {**fields_of(batch), "agentid": self.settings.agentid, **content, "safe": 0, **again}

    async def _call(self, path: str, payload: Json) -> Json:
        return await self._tokens.use(partial(self._post, path, payload))

    async def _post(self, path: str, payload: Json, token: str) -> Json:
        url = operator_url(f"{self._root}{path}?access_token={quote(token, safe='')}")
        return CODES.required(await self.post_json(url, payload), self.door.clock.now())

    async def _fetch_token(self) -> tuple[str, float]:
        who = urlencode({"corpid": self.settings.corpid, "corpsecret": self.settings.corpsecret.reveal()})
        answer = await self.ask("GET", operator_url(f"{self._root}/cgi-bin/gettoken?{who}"))
        return CODES.granted(answer, self.door.clock.now(), "access_token", "expires_in")

    async def _look(self) -> str:
        await self._tokens.get()
        return f"a token for {self.settings.corpid} was given"
