"""The watchdog against a scripted target, with a real store and pipeline behind it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from relay.book import RecentIds
from relay.clock import FakeClock
from relay.config.schema import Config, Match, Remedies, Rule, Text, Watch
from relay.models import Address, Batch, Delivery, Event
from relay.outages import within_hours
from relay.outbox.sqlite import SqliteStore
from relay.pipeline import Pipeline
from relay.routing.ruleset import Ruleset
from relay.rulebook import Rules
from relay.sources.intake import Intake
from relay.watchdog.service import Watchdog
from relay.watchdog.tools import Tools
from relay.watchdog.units import Unit
from relay.watchdog.verdict import FailedError, UnknownError
from tests.fakes import FakeSettings, Reports


class Script:
    """A probe whose outcome the test sets."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.error: Exception | None = None
        self.looks = 0

    async def look(self, tools: Tools) -> str:
        self.looks += 1
        if self.error is not None:
            raise self.error
        return "fine"


class Outlets:
    """Takes deliveries and never has a seat."""

    def order(self, addresses: Any, avoid: str = "") -> tuple[Address, ...]:
        return tuple(addresses)

    def seat(self, address: Address, delivery: int) -> bool:
        return False

    def give_back(self, delivery: int) -> None: ...

    def hand_over(self, deliveries: Any) -> None: ...

    def notice(self, backend: str, at: float) -> None: ...


class FakeUnits:
    def __init__(self) -> None:
        self.unit: Unit | None = None

    async def state(self, name: str) -> Unit:
        if self.unit is None:
            raise UnknownError("systemd can't be asked")
        return self.unit


class Stage:
    """Everything between a probe and what is owed to whom."""

    def __init__(self, store: SqliteStore, clock: FakeClock, folder: Path) -> None:
        self.store, self.clock, self.folder = store, clock, folder
        self.reports = Reports()
        self.units = FakeUnits()
        self.scripts: dict[str, Script] = {}
        self.is_deaf = False  # relay takes nothing in
        self.clock.advance(60)

    def config(
        self, rules: tuple[Rule, ...] = (), remedies: Remedies | None = None, **entries: Watch
    ) -> Config:
        return Config(
            operators=("ops",),
            backends={"a": FakeSettings()},
            recipients={"ops": {"a": "ops"}, "owner": {"a": "owner"}},
            rules=rules,
            watchdog=entries,
            remedies=remedies or Remedies(),
        )

    async def open(self, config: Config) -> None:
        self.intake = Intake()
        tools = Tools()
        tools.units = self.units  # type: ignore[assignment]
        self.watchdog = Watchdog(
            self.intake.put_nowait,
            self.clock,
            config,
            self.reports,
            within_hours,
            tools,
            is_deaf=lambda: self.is_deaf,
        )
        self.pipeline = Pipeline(
            self.intake,
            self.store,
            self.clock,
            Rules.of(config, Ruleset(config)),
            Outlets(),
            RecentIds(),
            stuck=self._stuck,
            watched=self.watchdog,
        )
        for alert in await self.store.live_alerts():
            self.pipeline.book.put(alert)
        self.watchdog.remember(await self.store.checks())
        self._script()
        self.running = asyncio.create_task(self.pipeline.run())

    def reload(self, config: Config) -> None:
        self.pipeline.rules = Rules.of(config, Ruleset(config))
        self.watchdog.apply(config)
        self._script()

    async def close(self) -> None:
        self.intake.close()
        await self.running

    async def again(self, config: Config) -> None:
        """As after kill -9 and a start."""
        await self.close()
        await self.open(config)

    def _script(self) -> None:
        for name, entry in self.watchdog.entries.items():
            script = self.scripts.setdefault(name, Script(f"tcp://{name}:1"))
            if entry.watch.heartbeat is None:
                entry.probes = [script]

    async def _stuck(self, text: str) -> None:
        raise AssertionError(text)

    def break_(self, name: str, error: Exception | None = None) -> None:
        self.scripts[name].error = error or FailedError("connection refused")

    def mend(self, name: str) -> None:
        self.scripts[name].error = None

    async def run(self, seconds: float, step: float = 1.0) -> None:
        """Let time pass."""
        passed = 0.0
        while passed < seconds:
            self.clock.advance(step)
            passed += step
            await self.watchdog.run_once()

    async def send(self, *events: Event) -> None:
        done = asyncio.Event()
        self.intake.put_nowait(Batch(events=list(events), done=lambda _: done.set()))
        await done.wait()

    async def told(self) -> list[tuple[str, str, str]]:
        """(recipient, reason, the message's first line), oldest first."""
        found: list[Delivery] = list(reversed(await self.store.deliveries(most=1000)))
        return [(each.recipient, each.reason.value, each.message.text.partition("\n")[0]) for each in found]

    async def texts(self) -> list[str]:
        return [each.message.text for each in reversed(await self.store.deliveries(most=1000))]


@contextlib.asynccontextmanager
async def staged(folder: Path) -> AsyncIterator[Stage]:
    clock = FakeClock()
    store = await SqliteStore.open(str(folder / "relay.db"), clock)
    stage = Stage(store, clock, folder)
    yield stage
    await stage.close()
    await stage.watchdog._tools.close()
    await store.close()


def rule(name: str, **fields: Any) -> Rule:
    return Rule(name=name, **{"match": Match(module=(Text("glob", "*"),)), "to": ("ops",), **fields})
