"""Discord's webhooks: a channel, its threads, a forum, and who was notified."""

from __future__ import annotations

import json
import re

from aiohttp import web
from msgspec import Struct

from relay.models import Json
from tests.emulators.chat import Dialect, Shown, is_json, read, shown
from tests.emulators.faults import HttpEmulator

HOOK = "223704706495545344"
KEY = f"{HOOK}/c4n4ry-token"
CHANNEL = "199737254929760256"
THREAD = "199737254929760257"
DIALECT = Dialect(
    escape=r"[^0-9A-Za-z\s\x80-\U0010ffff]", marks=(r"\[[^\]]*\]\([^)\s]+\)", r"<(?:@[!&]?\d+|\w+://[^>]+)>")
)
PING = re.compile(r"@everyone|@here|<@&?\d+>")
SHOWN_LINK = re.compile(r"\[([^\]\\]*)\]\(([^)\s]+)\)")


class Post(Struct, kw_only=True):
    """A message as it stands now."""

    id: str
    place: str  # the channel's or thread's id
    payload: Json

    @property
    def raw(self) -> str:
        return "\n".join(one["description"] for one in self.payload["embeds"]) or self.payload["content"]

    @property
    def shown(self) -> Shown:
        return shown(read(self.raw, DIALECT)[0], units(self.raw))

    @property
    def pings(self) -> list[str]:
        """Those whom Discord notified: mentioned in the content, and let through."""
        allowed = self.payload["allowed_mentions"]
        ids = [f"<@{one}>" for one in allowed.get("users", [])]
        ids += [f"<@&{one}>" for one in allowed.get("roles", [])]
        ids += ["@everyone", "@here"] if "everyone" in allowed["parse"] else []
        return [ping for ping in PING.findall(self.payload["content"]) if ping in ids]

    @property
    def marks(self) -> list[str]:
        return self.pings + read(self.raw, DIALECT)[1]


class Discord(HttpEmulator):
    """One webhook; `refusal` is (status, body) of the next answers."""

    def __init__(self) -> None:
        super().__init__()
        self.forum = False
        self.threads = {THREAD}
        self.posts: list[Post] = []
        self.queries: list[str] = []
        self.methods: list[str] = []
        self.refusal: tuple[int, bytes] | None = None
        self.refuses_once = False
        self.headers: dict[str, str] = {}

    def routes(self) -> list[web.RouteDef]:
        path = "/api/webhooks/{id}/{token}"
        return [
            web.get(path, self._get),
            web.post(path, self._post),
            web.patch(path + "/messages/{message}", self._patch),
        ]

    def _early(self, request: web.Request) -> web.Response | None:
        self.queries.append(request.raw_path.partition("?")[2])
        self.methods.append(request.method)
        if self.refusal is not None:
            status, body = self.refusal
            if self.refuses_once:
                self.refusal = None
            return web.Response(status=status, body=body, headers=self.headers)
        key = f"{request.match_info['id']}/{request.match_info['token']}"
        if request.match_info["id"] != HOOK:
            return refused(404, 10015, "Unknown Webhook")
        return None if key == KEY else refused(401, 50027, "Invalid Webhook Token")

    async def _get(self, request: web.Request) -> web.Response:
        told = {"id": HOOK, "name": "alerts", "channel_id": CHANNEL}
        return self._early(request) or web.json_response(told)

    async def _post(self, request: web.Request) -> web.Response:
        payload: Json = json.loads(await request.read()) if is_json(request) else {}
        thread = request.query.get("thread_id", "")
        failure = self._early(request) or _invalid(payload) or self._misplaced(thread, payload)
        if failure is not None:
            return failure
        place = thread or CHANNEL
        if self.forum and not thread:
            place = f"3000000000{len(self.threads)}"
            self.threads.add(place)
        self.posts.append(Post(id=f"9000{len(self.posts)}", place=place, payload=payload))
        if request.query.get("wait") != "true":
            return web.Response(status=204)
        return web.json_response({"id": self.posts[-1].id, "channel_id": place})

    def _misplaced(self, thread: str, payload: Json) -> web.Response | None:
        if thread and thread not in self.threads:
            return refused(404, 10003, "Unknown Channel")
        if self.forum and not thread and not payload.get("thread_name"):
            return refused(
                400, 220001, "Webhooks posted to forum channels must have a thread_name or thread_id"
            )
        if not self.forum and payload.get("thread_name"):
            return refused(400, 220003, "Webhooks can only create threads in forum channels")
        return None

    async def _patch(self, request: web.Request) -> web.Response:
        payload: Json = json.loads(await request.read())
        failure = self._early(request) or _invalid(payload)
        if failure is not None:
            return failure
        place = request.query.get("thread_id") or CHANNEL
        wanted = (request.match_info["message"], place)
        found = [post for post in self.posts if (post.id, post.place) == wanted]
        if not found:
            return refused(404, 10008, "Unknown Message")
        found[0].payload = payload
        return web.json_response({"id": found[0].id, "channel_id": place})


def _invalid(payload: Json) -> web.Response | None:
    embeds = payload.get("embeds", [])
    texts = [one.get("description", "") for one in embeds]
    if not payload.get("content") and not any(texts):
        return refused(400, 50006, "Cannot send an empty message")
    too_long = units(payload.get("content", "")) > 2000 or len(payload.get("thread_name", "")) > 100
    if (
        too_long
        or len(embeds) > 10
        or any(units(text) > 4096 for text in texts)
        or units("".join(texts)) > 6000
    ):
        return refused(400, 50035, "Invalid Form Body")
    if "parse" not in payload.get("allowed_mentions", {}):
        return refused(400, 50035, "the text alone would decide who is notified")
    return None


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def refused(status: int, code: int, text: str) -> web.Response:
    return web.json_response({"code": code, "message": text}, status=status)
