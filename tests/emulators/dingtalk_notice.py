"""DingTalk's server API for work notifications: tokens, tasks, whom they didn't reach, status bars."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from aiohttp import web
from msgspec import Struct

from tests.emulators.faults import Handler, decoded, pause
from tests.emulators.loose_markdown import Mark, marks, shown
from tests.emulators.tokens import TokenEmulator
from tests.emulators.wecom_robot import has_escapes

MOST = 2048  # bytes of the message
MOST_AT_ONCE = {"userid_list": 100, "dept_id_list": 20}
TASKS = "/topapi/message/corpconversation"


class Post(Struct, frozen=True, kw_only=True):
    """One message that reached somebody."""

    kind: str
    content: str  # as sent; of a card its texts
    receivers: tuple[str, ...]
    marks: list[Mark]
    told: Any

    @property
    def text(self) -> str:
        return shown(self.content) if self.kind in {"markdown", "action_card"} else self.content


class DingtalkServer(TokenEmulator):
    """A company with one app."""

    TOKEN_PATHS = frozenset({"/gettoken"})

    def __init__(self, appkey: str, secret: str, agent_id: int) -> None:
        super().__init__()
        self.appkey, self.secret, self.agent_id = appkey, secret, agent_id
        self.users = {"manager4220", "0123"}
        self.depts = {"7"}
        self.posts: list[Post] = []
        self.tasks: dict[int, dict[str, list[str]]] = {}
        self.swallowed = 0  # identical ones
        self.updates: list[Any] = []
        self.calls: list[Any] = []
        self.answer: Any = None  # instead of its own, to what isn't about tokens
        self.result_code = 0
        self.slow_result = 0.0  # seconds
        self.once = True  # the same message to the same user is dropped
        self.stubborn = False  # refuses to update
        self.refusing: set[str] = set()  # kinds of message that are too long, it says

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/gettoken", self._gettoken),
            web.post(f"{TASKS}/asyncsend_v2", self._guarded(self._send)),
            web.post(f"{TASKS}/getsendresult", self._slow_result),
            web.post(f"{TASKS}/status_bar/update", self._guarded(self._update)),
        ]

    async def _gettoken(self, request: web.Request) -> web.Response:
        if (request.query.get("appkey"), request.query.get("appsecret")) != (self.appkey, self.secret):
            return answer(40089)
        return answer(0, access_token=self.issue(), expires_in=self.lifetime)

    def _guarded(self, call: Callable[[Any], web.Response]) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            body = await request.read()
            if self.answer is not None:
                return web.json_response(self.answer)
            if request.query.get("access_token") not in self.valid:
                told = "ding talk error[subcode=40014,submsg=bad access_token]"
                return answer(88, errmsg=told, sub_code="40014", sub_msg="bad access_token")
            if request.content_type != "application/json" or has_escapes(body):
                return answer(40033)
            told = json.loads(body.decode())
            self.calls.append(told)
            return answer(40056) if told.get("agent_id") != self.agent_id else call(told)

        return guarded

    def _send(self, told: Any) -> web.Response:
        content = told["msg"]
        size = len(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode())
        if content["msgtype"] in self.refusing or size > MOST or _too_long(content):
            return answer(34016)
        named = {kind: told[kind].split(",") for kind in MOST_AT_ONCE if told.get(kind)}
        if any(len(names) > MOST_AT_ONCE[kind] for kind, names in named.items()):
            return answer(40031)
        if told.get("to_all_user"):
            named = {"userid_list": sorted(self.users)}
        users, depts = named.get("userid_list", []), named.get("dept_id_list", [])
        reached = [name for name in users if name in self.users] + [
            name for name in depts if name in self.depts
        ]
        task = 256271667526 + len(self.tasks)
        self.tasks[task] = {
            "invalid_user_id_list": [name for name in users if name not in self.users],
            "invalid_dept_id_list": [name for name in depts if name not in self.depts],
            "forbidden_user_id_list": [name for name in reached if self._had(name, content)],
            "failed_user_id_list": [],
        }
        self._store(content, [name for name in reached if not self._had(name, content)])
        return answer(0, task_id=task, request_id="x")

    def _had(self, name: str, content: Any) -> bool:
        return self.once and any(name in post.receivers and post.told == content for post in self.posts)

    def _store(self, content: Any, receivers: list[str]) -> None:
        if not receivers:
            self.swallowed += 1
            return
        kind = content["msgtype"]
        part = content[kind]
        text = {"text": "content", "markdown": "text", "action_card": "markdown"}.get(kind)
        sent = part[text] if text else decoded(part)
        found = [] if kind in {"text", "oa"} else marks(sent)
        self.posts.append(
            Post(kind=kind, content=sent, receivers=tuple(receivers), marks=found, told=content)
        )

    async def _slow_result(self, request: web.Request) -> web.StreamResponse:
        await pause(self._end, self.slow_result)
        return await self._guarded(self._result)(request)

    def _result(self, told: Any) -> web.Response:
        if self.result_code:
            return answer(self.result_code)
        return answer(0, send_result=self.tasks[told["task_id"]])

    def _update(self, told: Any) -> web.Response:
        if self.stubborn or told["task_id"] not in self.tasks:
            return answer(40035)
        self.updates.append(told)
        return answer(0)


def answer(code: int, **more: Any) -> web.Response:
    """HTTP 200 whatever happens."""
    return web.json_response({"errcode": code, "errmsg": "ok" if code == 0 else "refused", **more})


def _too_long(content: Any) -> bool:
    """Caps of the parts of a message, in characters."""
    part = content[content["msgtype"]]
    buttons = part.get("btn_json_list", [])
    titles = [each["title"] for each in buttons]
    return (
        len(part.get("title", "")) > 64
        or any(len(title) > 20 for title in titles)
        or len(json.dumps(buttons, ensure_ascii=False)) > 1000
    )
