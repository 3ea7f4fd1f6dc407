"""DingTalk's work notifications: an app writes to people and departments.

https://open.dingtalk.com/document/orgapp/asynchronous-sending-of-enterprise-session-messages
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

from msgspec import Meta

from relay.backends.base import Check, Door, Limits, Pace, Receipt, shared
from relay.backends.batches import Batch, Receiver, batches
from relay.backends.dingtalk_codes import granted, required
from relay.backends.dingtalk_content import Format, forms, status_bar
from relay.backends.http import HttpBackend, HttpSettings, operator_url, url_problem
from relay.backends.meaning import examined, plainer
from relay.backends.numbered import refused
from relay.backends.tokens import Tokens
from relay.errors import BackendError, RejectedError
from relay.models import AlertState, Json, Message
from relay.values import Secret

EVERYBODY: Final = "@all"
ADDRESS: Final = re.compile(
    r"(?:user:)?(?P<userid_list>[A-Za-z0-9_][\w.@-]{0,63})|dept:(?P<dept_id_list>\d{1,12})|(?P<everybody>@all)",
    re.ASCII,
)
AT_ONCE: Final = {"userid_list": 100, "dept_id_list": 20}
PER_PERSON: Final = ((500, 86400.0),)  # messages of one app; DingTalk drops the others and says ok
BROADCASTS: Final = ((3, 86400.0),)
MOST_UPDATED: Final = 5  # people whose copy of a message can be updated

_TASK: Final = re.compile(r"\d{1,18}", re.ASCII)
# Lists in a task's result of those it didn't reach, and why.
_UNREACHED: Final = {
    "invalid_user_id_list": "no such user, or the app may not see them",
    "forbidden_user_id_list": "DingTalk dropped it: too many messages to this user, or the same one again",
    "failed_user_id_list": "DingTalk failed to deliver it",
    "invalid_dept_id_list": "no such department, or the app may not see it",
}


class Settings(HttpSettings, frozen=True, kw_only=True, tag="dingtalk_notice"):
    """DingTalk (钉钉) work notifications (工作通知), which an app writes to people.

    At open-dev.dingtalk.com create an app of your company: its pages show `appkey` (Client ID), `appsecret`
    (Client Secret) and `agent_id` (AgentId). Give it the permission for work notifications, and let everybody
    who is to be reached see it.

    An address is a user's id (`manager4220`, or `user:manager4220`), `dept:ID` (a department and those under
    it), or `@all` (see `allow_broadcast`).

    * `format`: `text`; `markdown`; `card`, with the message's links as buttons; `status`, with a bar that
      turns green when the alert ends. Without links the last two are Markdown
    * `confirm`: ask at once whom the message didn't reach, and take their next address
    * `allow_broadcast`: lets the address `@all` reach everybody who can see the app, three times a day
    * `server`: where DingTalk stands

    Minimal:

        type: dingtalk_notice
        appkey: dingabcdefghijklmnop
        appsecret: ${DINGTALK_APPSECRET}
        agent_id: 123456789

    Full:

        type: dingtalk_notice
        appkey: dingabcdefghijklmnop
        appsecret: ${DINGTALK_APPSECRET}
        agent_id: 123456789
        format: status
        confirm: true
        allow_broadcast: true
        server: https://oapi.dingtalk.com
        rate: 10/1s
    """

    appkey: str
    appsecret: Secret
    agent_id: Annotated[int, Meta(ge=1)]
    format: Format = "text"
    confirm: bool = True
    allow_broadcast: bool = False
    server: str = "https://oapi.dingtalk.com"

    def problems(self) -> list[tuple[str, str]]:
        """Credentials that can't be right."""
        found = [("server", text) for text in (url_problem(self.server),) if text]
        for name, value in (("appkey", self.appkey), ("appsecret", self.appsecret.reveal())):
            if not re.fullmatch(r"[A-Za-z0-9_-]+", value):
                found.append((name, "is of letters, digits, - and _ only"))
        return found

    def refuses(self, to: str) -> str:
        """Why an address can't be one; chiefly, that everybody would be told."""
        if not ADDRESS.fullmatch(to):
            return "an address is a user's id, dept:ID, or @all"
        if to == EVERYBODY and not self.allow_broadcast:
            return "`@all` is a broadcast to everybody: it needs allow_broadcast: true"
        return ""


class DingtalkNotice(HttpBackend):
    """Accepted means that DingTalk has queued the message, and named nobody yet whom it didn't reach."""

    type = "dingtalk_notice"
    settings: Settings

    def __init__(self, settings: Settings, door: Door) -> None:
        super().__init__(settings, door)
        self._root = settings.server.rstrip("/")
        self._tokens = Tokens(door, self._fetch_token)
        self.limits = Limits(
            windows=((10, 1.0),),  # 20 calls a second, of which a message may need two
            per_receiver=PER_PERSON,
            concurrency=16,
            receivers=AT_ONCE["userid_list"],
            share=shared(self.type, settings.appkey, str(settings.agent_id)),
        )

    async def send(self, message: Message, to: str) -> Receipt:
        """One message to one address."""
        (outcome,) = await self.send_many(message, [to])
        if isinstance(outcome, BackendError):
            raise outcome
        return outcome

    async def send_many(self, message: Message, tos: Sequence[str]) -> list[Receipt | BackendError]:
        """One call for up to 100 people, one for up to 20 departments."""
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
        """People and everybody have limits; departments have none that DingTalk tells."""
        if to == EVERYBODY:
            return Pace(to, BROADCASTS)
        found = ADDRESS.fullmatch(to)
        name = found["userid_list"] if found else None
        return Pace(name, PER_PERSON) if name else Pace(to, ())

    async def check(self) -> list[Check]:
        """Whether the app's credentials get a token."""
        return await examined(self._look)

    async def _outcomes(self, message: Message, batch: Batch) -> dict[str, Receipt | BackendError]:
        try:
            return await self._deliver(message, batch)
        except BackendError as error:
            return dict.fromkeys((each.to for each in batch.receivers), error)

    async def _deliver(self, message: Message, batch: Batch) -> dict[str, Receipt | BackendError]:
        task = _task_of(message.handle, batch)
        if task and message.state is AlertState.RESOLVED and await self._updated(message, task):
            return dict.fromkeys((each.to for each in batch.receivers), Receipt(id=task, note="updated"))
        began = self.door.clock.monotonic()
        parts = forms(self.settings.format, message, self.door.clock.now())
        task = await plainer(parts, partial(self._start, batch))
        left = began + self.settings.timeout - self.door.clock.monotonic()
        unreached = await self._unreached(task, left) if self.settings.confirm else {}
        handle = f"{task}/{batch.digest}" if self.settings.format == "status" else ""
        receipt = Receipt(id=task, note="queued", handle=handle)
        return {each.to: unreached.get(each.name, receipt) for each in batch.receivers}

    async def _start(self, batch: Batch, content: Json) -> str:
        """A task that DingTalk works off by itself."""
        to = {"to_all_user": True} if batch.kind == "everybody" else {batch.kind: ",".join(batch.names)}
        told = await self._call("asyncsend_v2", {**to, "msg": content})
        return str(told.get("task_id") or "")

    async def _updated(self, message: Message, task: str) -> bool:
        """Whether the earlier message's bar could be changed: it may be too old for that."""
        try:
            await self._call("status_bar/update", {"task_id": int(task), **status_bar(message)})
        except BackendError as error:
            if not refused(error):
                raise
            return False
        return True

    async def _unreached(self, task: str, seconds: float) -> dict[str, RejectedError]:
        """Whom the task's result names already; nobody, where it can't be had within these seconds."""
        with suppress(BackendError, TimeoutError, ValueError):  # the last of a task without a number
            async with asyncio.timeout(seconds):
                told = await self._call("getsendresult", {"task_id": int(task)})
                return dict(_refused(told.get("send_result")))
        return {}

    async def _call(self, name: str, payload: Json) -> Json:
        return await self._tokens.use(
            partial(self._post, name, {"agent_id": self.settings.agent_id, **payload})
        )

    async def _post(self, name: str, payload: Json, token: str) -> Json:
        url = f"{self._root}/topapi/message/corpconversation/{name}?access_token={quote(token, safe='')}"
        return required(await self.post_json(operator_url(url), payload), self.door.clock.now())

    async def _fetch_token(self) -> tuple[str, float]:
        who = urlencode({"appkey": self.settings.appkey, "appsecret": self.settings.appsecret.reveal()})
        answer = await self.ask("GET", operator_url(f"{self._root}/gettoken?{who}"))
        return granted(answer, self.door.clock.now())

    async def _look(self) -> str:
        await self._tokens.get()
        return f"a token for {self.settings.appkey} was given"


def _task_of(handle: str, batch: Batch) -> str:
    """The earlier message's task, if it went to the same few people; "" if it didn't."""
    task, _, digest = handle.partition("/")
    few = batch.kind == "userid_list" and len(batch.names) <= MOST_UPDATED
    return task if few and digest == batch.digest and _TASK.fullmatch(task) else ""


def _refused(result: Any) -> Iterator[tuple[str, RejectedError]]:
    if not isinstance(result, dict):
        return
    for field, words in _UNREACHED.items():
        for name in result.get(field) or ():
            yield str(name), RejectedError(words, code=field.removesuffix("_list"))
