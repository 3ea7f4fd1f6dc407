"""`/callback/NAME`: what services report later. Anybody may ask; the backend knows the signature."""

from __future__ import annotations

import asyncio
import re
from typing import Final

import structlog
from aiohttp import web

from relay.backends.base import Backend, CallbackAnswer, CallbackRequest
from relay.backends.callbacks import CallbackRefusedError
from relay.web.answers import later, text
from relay.web.inside import Counts, Inside
from relay.web.middleware import CALLBACK
from relay.web.seldom import Seldom

log = structlog.get_logger()

PATIENCE: Final = 4.0  # seconds: services give up after five
BROKEN: Final = CallbackAnswer(status=500, body="failed\n")

_TYPE: Final = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)


class Callbacks:
    """Hands each request to its backend, and what it told to the dispatcher."""

    def __init__(self, inside: Inside, counts: Counts, seldom: Seldom) -> None:
        self._inside = inside
        self._counts = counts
        self._seldom = seldom

    def routes(self) -> list[web.RouteDef]:
        """For the application."""
        return [web.get(CALLBACK, self._take, allow_head=False), web.post(CALLBACK, self._take)]

    async def _take(self, request: web.Request) -> web.Response:
        name = request.match_info["backend"]
        backend = self._inside.backend(name)
        if backend is None:
            return text("there is no such backend", 404)
        asked = CallbackRequest(
            method=request.method,
            query=dict(request.query),
            headers={key.lower(): value for key, value in request.headers.items()},
            body=await request.read(),
            now=self._inside.clock.now(),
        )
        try:
            async with asyncio.timeout(PATIENCE):
                answer = await self._answer(name, backend, asked)
                for told in answer.feedback:
                    await self._inside.heed(name, told)
                    self._count(name, "delivered" if not isinstance(told.outcome, Exception) else "failed")
        except TimeoutError:
            self._count(name, "late")
            return later("not done in time")
        return web.Response(text=answer.body, status=answer.status, content_type=answer.content_type)

    async def _answer(self, name: str, backend: Backend, asked: CallbackRequest) -> CallbackAnswer:
        try:
            answer = await backend.callback(asked)
        except CallbackRefusedError as error:
            self._count(name, "refused")
            if self._seldom(f"callback {name}"):
                log.warning("callback_refused", backend=name, why=str(error))
            return CallbackAnswer(status=403, body="refused\n")
        except TimeoutError:
            raise
        except Exception as error:  # noqa: BLE001 - a fault in one backend's code must not stop the others
            self._count(name, "broken")
            log.error("callback_failed_unexpectedly", backend=name, error=type(error).__name__)
            return BROKEN
        if not 200 <= answer.status <= 599 or not _TYPE.fullmatch(answer.content_type):
            self._count(name, "broken")
            log.error("callback_answer_unusable", backend=name, status=answer.status)
            return BROKEN
        return answer

    def _count(self, name: str, result: str) -> None:
        self._counts.callbacks[name, result] += 1
