"""A Bark server, with Apple behind it: devices by key, some of which are gone."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from tests.emulators.faults import HttpEmulator

APPLE = 4096  # bytes of a whole payload


def as_go_writes(payload: Any) -> bytes:
    """JSON with what could end a script in HTML escaped."""
    text = json.dumps(payload, ensure_ascii=False)
    return "".join(f"\\u{ord(char):04x}" if char in "<>&" else char for char in text).encode()


class BarkServer(HttpEmulator):
    """Pushes to the known keys; `gone` ones were registered once and Apple knows them no more."""

    def __init__(self, *keys: str, gone: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.keys = set(keys)
        self.gone = set(gone)
        self.broken = False  # Apple can't be reached
        self.silent = False  # the batch's answer lacks its data
        self.pushes: list[tuple[str, dict[str, Any]]] = []  # key, what was shown

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/push", self._push), web.get("/ping", self._ping)]

    @property
    def shown(self) -> dict[tuple[str, str], dict[str, Any]]:
        """What phones list: the same id takes the other's place."""
        return {(key, push.get("id") or str(n)): push for n, (key, push) in enumerate(self.pushes)}

    async def _ping(self, request: web.Request) -> web.Response:
        return web.json_response({"code": 200, "message": "pong", "timestamp": 1})

    async def _push(self, request: web.Request) -> web.Response:
        posted = await request.json()
        keys = posted.pop("device_keys", None)
        if keys is None:
            result = self._one(posted.pop("device_key", ""), posted)
            return web.json_response({**result, "timestamp": 1}, status=result["code"])
        data = [{**self._one(key, posted), "device_key": key} for key in keys]
        whole = {"code": 200, "message": "success", "timestamp": 1}
        return web.json_response(whole if self.silent else {**whole, "data": data})

    def _one(self, key: str, push: dict[str, Any]) -> dict[str, Any]:
        if not key:
            return {"code": 400, "message": "device key is empty"}
        if key in self.gone:
            return {"code": 500, "message": "push failed: APNs push failed: BadDeviceToken"}
        if key not in self.keys:
            return {"code": 400, "message": f"failed to get device token: failed to get [{key}] device token"}
        if self.broken:
            return {"code": 500, "message": "push failed: connection reset"}
        if len(as_go_writes({"aps": {"alert": push}})) > APPLE:
            return {"code": 500, "message": "push failed: PayloadTooLarge"}
        if len(push.get("id", "").encode()) > 64:
            return {"code": 500, "message": "push failed: BadCollapseId"}
        if push.get("level") not in {"critical", "active", "timeSensitive", "passive"}:
            return {"code": 400, "message": "bad level"}
        self.pushes.append((key, push))
        return {"code": 200, "message": "success"}
