"""A Matrix homeserver: devices, rooms, aliases, transaction ids, relations; answers as Synapse gives them."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from tests.emulators.faults import HttpEmulator

API = "/_matrix/client/v3"
MOST_BYTES = 65_536


class MatrixServer(HttpEmulator):
    """One account, its devices' tokens, and the rooms it is in or invited to."""

    def __init__(self, *tokens: str, password: str = "") -> None:
        super().__init__()
        self.devices = {token: f"D{n}" for n, token in enumerate(tokens)}
        self.password = password
        self.logins = 0
        self.joined = {"!ops:example.org", "!v12-without-server"}
        self.invited = {"!invited:example.org"}
        self.aliases = {"#ops:example.org": "!ops:example.org"}
        self.lookups = 0
        self.limit: dict[str, Any] | None = None  # body of a 429
        self.limit_headers: dict[str, str] = {}
        self.without_id = False
        self.no_html = False
        self.events: dict[str, dict[str, Any]] = {}  # by id, in order, with `room`
        self._transactions: dict[tuple[str, str], str] = {}  # (device, path) -> event id

    def routes(self) -> list[web.RouteDef]:
        return [web.route("*", "/{path:.*}", self._any)]

    def contents(self) -> list[dict[str, Any]]:
        return [event["content"] for event in self.events.values()]

    def shown(self) -> list[str]:
        """The timeline as clients show it, edits in place of what they replace."""
        texts: dict[str, str] = {}
        for ident, event in self.events.items():
            content = event["content"]
            if not content:
                continue
            related = content.get("m.relates_to", {})
            if related.get("rel_type") == "m.replace":
                if related["event_id"] in texts:
                    texts[related["event_id"]] = content["m.new_content"]["body"]  # else nobody sees it
            else:
                texts[ident] = content["body"]
        return list(texts.values())

    def redact(self, ident: str) -> None:
        """Somebody removes a message; what it was stays unknown to whoever asks."""
        self.events[ident]["content"] = {}

    async def _any(self, request: web.Request) -> web.Response:
        parts = [unquote(part) for part in request.raw_path.removeprefix(API + "/").split("/")]
        if not request.raw_path.startswith(API):
            return _error(404, "M_UNRECOGNIZED")
        if parts == ["login"]:
            return self._login(await request.json())
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not token:
            return _error(401, "M_MISSING_TOKEN")
        if token not in self.devices:
            return _error(401, "M_UNKNOWN_TOKEN", soft_logout=False)
        match request.method, parts:
            case "GET", ["account", "whoami"]:
                return web.json_response({"user_id": "@relay:example.org"})
            case "GET", ["directory", "room", alias]:
                return self._look_up(alias)
            case "POST", ["join", room]:
                return self._join(room)
            case "GET", ["rooms", room, "event", ident]:
                event = self.events.get(ident, {})
                known = event.get("room") == room
                return web.json_response(event) if known else _error(404, "M_NOT_FOUND")
            case "PUT", ["rooms", room, "send", "m.room.message", _]:
                return self._send(self.devices[token], request.raw_path, room, await request.read())
        return _error(404, "M_UNRECOGNIZED")

    def _login(self, asked: dict[str, Any]) -> web.Response:
        self.logins += 1
        if (
            asked["identifier"] != {"type": "m.id.user", "user": "relay"}
            or asked["password"] != self.password
        ):
            return _error(403, "M_FORBIDDEN")
        token = f"c4n4ry-login-{self.logins}"
        self.devices = {old: device for old, device in self.devices.items() if device != asked["device_id"]}
        self.devices[token] = asked["device_id"]
        return web.json_response({"access_token": token, "device_id": asked["device_id"]})

    def _look_up(self, alias: str) -> web.Response:
        self.lookups += 1
        if alias not in self.aliases:
            return _error(404, "M_NOT_FOUND")
        return web.json_response({"room_id": self.aliases[alias], "servers": ["example.org"]})

    def _join(self, room: str) -> web.Response:
        if room not in self.invited:  # Synapse looks for a server that could help
            return _error(400, "M_UNKNOWN", error="Can't join remote room because no servers ...")
        self.joined.add(room)
        return web.json_response({"room_id": room})

    def _send(self, device: str, path: str, room: str, body: bytes) -> web.Response:
        if self.limit is not None:
            return web.json_response(self.limit, status=429, headers=self.limit_headers)
        if room not in self.joined:
            return _error(403, "M_FORBIDDEN")
        if (device, path) in self._transactions:
            return web.json_response({"event_id": self._transactions[device, path]})
        if len(body) > MOST_BYTES:
            return _error(413, "M_TOO_LARGE")
        try:
            content = json.loads(body, parse_float=_no_float)
            json.dumps(content, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return _error(500, "M_UNKNOWN")  # a lone surrogate
        except ValueError:
            return _error(400, "M_BAD_JSON")
        if not content.get("msgtype"):
            return _error(400, "M_UNKNOWN")
        related = content.get("m.relates_to", {}).get("event_id")
        if related and self.events.get(related, {}).get("room") != room:
            return _error(400, "M_UNKNOWN", error="Can't send relation to unknown event")
        if self.no_html and "formatted_body" in content:
            return _error(400, "M_BAD_JSON")
        ident = f"$event{len(self.events)}"
        self.events[ident] = {"room": room, "content": content}
        self._transactions[device, path] = ident
        return web.json_response({} if self.without_id else {"event_id": ident})


def _no_float(text: str) -> None:
    raise ValueError(text)


def _error(status: int, code: str, **more: Any) -> web.Response:
    return web.json_response({"errcode": code, "error": "no", **more}, status=status)
