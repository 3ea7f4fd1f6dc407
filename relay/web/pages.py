"""What operators and their tools expect of any daemon: probes, metrics, reload, in Prometheus' manner."""

from __future__ import annotations

from aiohttp import web

from relay.metrics import CONTENT_TYPE, exposition
from relay.web.answers import text
from relay.web.inside import Counts, Inside
from relay.web.measures import families


class Pages:
    """`/-/healthy`, `/-/ready`, `/-/reload` and `/metrics`."""

    def __init__(self, inside: Inside, counts: Counts) -> None:
        self._inside = inside
        self._counts = counts

    def routes(self) -> list[web.RouteDef]:
        """For the application."""
        return [
            web.get("/-/healthy", self._healthy),
            web.get("/-/ready", self._ready),
            web.post("/-/reload", self._reload),
            web.get("/metrics", self._metrics),
        ]

    async def _healthy(self, _: web.Request) -> web.Response:
        why = self._inside.unwell()
        return text(why, 503) if why else text("relay is healthy")

    async def _ready(self, _: web.Request) -> web.Response:
        why = self._inside.unready()
        return text(why, 503) if why else text("relay is ready")

    async def _reload(self, _: web.Request) -> web.Response:
        """The problems, one a line; 400 if the rules were refused."""
        done = await self._inside.verbs["reload"]({})
        taken = "the rules were taken" if done["taken"] else "the rules were refused; the old ones go on"
        return text("\n".join([*done["problems"], taken]), 200 if done["taken"] else 400)

    async def _metrics(self, _: web.Request) -> web.Response:
        status = await self._inside.verbs["status"]({})
        checks = await self._inside.verbs["watchdog"]({})
        shown = exposition(families(status, checks, self._inside.tallies, self._counts))
        return web.Response(body=shown.encode(errors="replace"), headers={"Content-Type": CONTENT_TYPE})
