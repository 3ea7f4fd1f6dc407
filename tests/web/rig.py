"""The port as a process would serve it, with an inside that only records."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from relay.backends.base import Backend, Feedback
from relay.clock import FakeClock
from relay.config.schema import Http
from relay.errors import RelayError, StoreFullError
from relay.links import Links
from relay.metrics import Histogram
from relay.models import Event, Json
from relay.sources.intake import Intake
from relay.web.inside import Inside, Tallies
from relay.web.port import Port
from tests.fakes import Reports

STATUS: Json = {
    "version": "1.0",
    "pid": 1,
    "started_at": 1.5,
    "refused": "",
    "pipeline": {"events": {"repeated_ids": 2}, "live_alerts": 1, "waiting": 3, "full": False, "store": "ok"},
    "vitals": {"lag": 0.25, "commit_seconds": 0.001},
    "ping": {"answered_at": 1.5, "failures": 0, "withheld": ""},
    "drill": {"every": "weekly", "last": {"at": 2.5, "wrong": "told nobody"}, "next_at": 9.0},
    "overdue": {"a": 7.5},
    "sources": [
        {"source": "apps", "connections": 1, "refused": 0, "bad": {"bad_json": 2}},
        {"source": "shop", "files": 2, "behind": 10},
    ],
    "backends": [{"backend": "a", "type": "fake", "state": "down", "in_flight": 1}],
    "store": {
        "deliveries": {"a": {"dead": 1}},
        "alerts": {"firing": 1, "resolved": 0},
        "events": 4,
        "bytes": 4096,
    },
}


class House:
    """Everything behind the port. `asked` are the verbs' requests; `failing` is raised by every verb."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.intake = Intake()
        self.asked: list[tuple[str, Json]] = []
        self.answers: dict[str, Any] = {
            "status": STATUS,
            "reload": {"taken": True, "problems": []},
            "watchdog": [],
        }
        self.failing: BaseException | None = None
        self.backends: dict[str, Backend] = {}
        self.heard: list[tuple[str, Feedback]] = []
        self.full = False
        self.unwell = self.unready = ""
        self.reports = Reports()
        self.events: list[Event] = []
        self.store_error: Exception | None = None
        self.links = Links(None)
        self.looks = Histogram()

    def inside(self) -> Inside:
        verbs: tuple[str, ...] = (
            "status",
            "reload",
            "alerts",
            "alert",
            "outbox",
            "delivery",
            "retry",
            "drop",
            "watchdog",
        )
        verbs += ("ack", "silence", "silences", "end_silence", "preview")
        return Inside(
            clock=self.clock,
            intake=self.intake,
            verbs={name: self._verb(name) for name in verbs},
            tallies=Tallies(
                events=Counter({("apps", 'r"1', "first"): 5}),
                commit_seconds=Histogram(),
                attempts=Counter({("a", "delivered"): 6}),
                attempt_seconds={"a": Histogram()},
                look_seconds=self.looks,
            ),
            backend=self.backends.get,
            heed=self._heed,
            links=self.links,
            unwell=lambda: self.unwell,
            unready=lambda: self.unready,
        )

    def _verb(self, name: str) -> Any:
        async def verb(request: Json) -> Any:
            self.asked.append((name, request))
            if self.failing is not None:
                raise self.failing
            return self.answers.get(name)

        return verb

    async def _heed(self, backend: str, told: Feedback) -> None:
        if self.full:
            raise StoreFullError("disk full")
        self.heard.append((backend, told))

    async def take(self) -> None:
        """The pipeline: commit what comes."""
        while True:
            await self.take_once()

    async def take_once(self) -> None:
        for batch in await self.intake.get(1000):
            self.events += batch.events if self.store_error is None else []
            if batch.done is not None:
                batch.done(self.store_error)


class RefusedError(RelayError):
    pass


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@asynccontextmanager
async def served(house: House, **settings: Any) -> AsyncIterator[Client]:
    """The port, open, and a client of it."""
    http = Http(**{"listen": f"127.0.0.1:{free_port()}"} | settings)
    port = Port(house.inside(), http, house.reports)
    task = asyncio.create_task(port.run())
    try:
        async with asyncio.timeout(5):
            await port.opened()
        unix = http.listen.startswith("unix:")
        connector = aiohttp.UnixConnector(http.listen[5:]) if unix else None
        async with aiohttp.ClientSession(connector=connector) as session:
            yield Client(port, http, session)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Client:
    def __init__(self, port: Port, http: Http, session: aiohttp.ClientSession) -> None:
        self.port, self.http, self.session = port, http, session
        self.url = "http://localhost" if http.listen.startswith("unix:") else f"http://{http.listen}"

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        kind: str = "application/json",
        **headers: str,
    ) -> tuple[int, Any]:
        """Status, and the body: decoded if it is JSON."""
        sent = {"Content-Type": kind, **headers} if body is not None and kind else headers
        async with self.session.request(method, self.url + path, data=body, headers=sent) as answer:
            self.headers = answer.headers
            is_json = answer.content_type == "application/json"
            return answer.status, await (answer.json() if is_json else answer.text())

    async def raw(self, request: bytes) -> bytes:
        """Whatever is answered to bytes of our own until the connection ends."""
        reader, writer = await asyncio.open_connection("127.0.0.1", int(self.http.listen.rpartition(":")[2]))
        writer.write(request)
        async with asyncio.timeout(5):
            answer = await reader.read()
        writer.close()
        return answer
