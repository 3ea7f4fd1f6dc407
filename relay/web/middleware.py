"""What holds for every request: who may ask, how long it may take, and that no failure gets any further."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from relay.config.schema import Http
from relay.errors import RelayError, StoreError
from relay.web import guard
from relay.web.answers import later, refusal
from relay.web.connections import Connections
from relay.web.inside import Counts
from relay.web.seldom import Seldom

log = structlog.get_logger()

DEADLINE: Final = 30.0  # seconds from a request's headers to its answer
PROBES: Final = frozenset({"/-/healthy", "/-/ready"})
CALLBACK: Final = "/callback/{backend}"  # signed by the service itself
ACTION: Final = r"/a/{action:ack|silence}/{alert:[0-9]{1,18}}"  # signed by relay itself
_ACTION_ROUTE: Final = "/a/{action}/{alert}"
READING: Final = frozenset({"GET", "HEAD"})
METHODS: Final = frozenset({*READING, "POST", "DELETE"})
NO_BODY: Final = frozenset({"/-/reload"})

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HEADERS: Final = {
    "Server": "relay",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; form-action 'none'",
}


class Gate:
    """The middleware of one set of settings."""

    def __init__(self, settings: Http, counts: Counts, connections: Connections, seldom: Seldom) -> None:
        self._settings = settings
        self._names = guard.names_of(settings)
        self._counts = counts
        self._connections = connections
        self._seldom = seldom

    def middleware(self) -> Middleware:
        """For the application."""

        @web.middleware
        async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
            self._connections.spoke(request.protocol)
            route = _route(request)
            answer = self._refused(request, route) or await _answered(request, handler)
            self._connections.spoke(request.protocol)
            for name, value in HEADERS.items():
                answer.headers.setdefault(name, value)
            method = request.method if request.method in METHODS else "other"  # anybody can make up more
            self._counts.requests[method, route or "none", answer.status] += 1
            return answer

        return around

    def _refused(self, request: web.Request, route: str) -> web.Response | None:
        """The answer to a request that may not be made."""
        headers = request.headers
        hosts = headers.getall("Host", [])
        if why := guard.misdirected(hosts, self._names):
            return self._refuse(403, "host", why)
        if route == _ACTION_ROUTE:
            return None
        if why := guard.foreign(headers.getall("Origin", []), hosts[0], self._settings):
            return self._refuse(403, "origin", why)
        if route == CALLBACK or route in PROBES:
            return None
        if why := guard.unauthorized(headers.getall("Authorization", []), self._settings):
            answer = self._refuse(401, "token", why)
            answer.headers["WWW-Authenticate"] = 'Bearer realm="relay"'
            return answer
        bare = (route in NO_BODY or request.method == "DELETE") and not request.body_exists
        if request.method not in READING and not bare and request.content_type not in guard.JSON_TYPES:
            return self._refuse(403, "type", "send JSON, with the header Content-Type: application/json")
        return None

    def _refuse(self, status: int, kind: str, why: str) -> web.Response:
        self._counts.refused[kind] += 1
        if self._seldom(kind):
            log.warning("http_request_refused", why=why)
        return refusal(status, why)


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        async with asyncio.timeout(DEADLINE):
            return await handler(request)
    except web.HTTPException as error:
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return refusal(error.status, error.reason, allow)
    except TimeoutError:
        if request.content.is_eof():
            return later(f"not done within {DEADLINE:.0f} s")
        return refusal(408, f"the request did not arrive within {DEADLINE:.0f} s", {"Connection": "close"})
    except StoreError as error:
        return later(str(error))
    except RelayError as error:
        return refusal(400, str(error))
    except ConnectionError:
        raise
    except Exception as error:  # noqa: BLE001 - one request's failure is nobody else's
        log.error("http_request_failed", route=_route(request), error=type(error).__name__)
        return refusal(500, f"unexpected {type(error).__name__}: relay's log has more")


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else ""
