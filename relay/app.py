"""The daemon: builds everything, owns every task, and knows in which order things begin and end.

Three nested task groups: senders outside, pipeline inside, sources innermost; the indentation is the
order of shutdown. Sources end first, the queue drains into the store, then the dispatcher claims no more
and finishes what is on its way.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import os
import signal
import sys
import time
from collections.abc import Iterator
from functools import partial
from typing import Final

import aiohttp
import structlog

from relay import __version__, systemd
from relay import log as log_guard
from relay.absence import NOTED_EVERY, Absence, Life
from relay.backends.base import Backend, Door, Settings
from relay.backends.http import open_session
from relay.backends.mask import secrets_in
from relay.backends.registry import build
from relay.backlog import Backlog
from relay.book import RecentIds
from relay.clock import Clock, SystemClock
from relay.config.schema import Config
from relay.control import Control
from relay.crashes import Crashes
from relay.desk import Desk
from relay.directly import stuck, tell_directly
from relay.dispatcher import Dispatcher
from relay.drill import Drill
from relay.errors import RelayError, StoreError
from relay.feedback import heed
from relay.feeds import Feeds
from relay.heart import Heart, Part
from relay.models import Alert, Batch, Event, Json, Level
from relay.muting import Muting
from relay.outages import within_hours
from relay.outbox.sqlite import SqliteStore
from relay.outbox.store import Store
from relay.past_troubles import PastTroubles
from relay.ping import Pinger
from relay.pipeline import Pipeline
from relay.reload import Edits, Prepared, prepare
from relay.routing.recipients import told_now
from relay.rulebook import RELAY, Rules
from relay.scan import engine
from relay.scope import serving
from relay.sources.intake import Intake
from relay.sources.trouble import Trouble
from relay.vitals import Vitals
from relay.watchdog.desk import WatchdogDesk
from relay.watchdog.service import Watchdog
from relay.web.inside import Inside, Tallies
from relay.web.port import Port

log = structlog.get_logger()

DRAIN: Final = 10.0  # seconds that deliveries on their way get at a stop, before they are given back
DRAIN_PIPELINE: Final = 5.0  # seconds that the queue gets to drain into the store
EDITS_EVERY: Final = 1.0  # seconds between looks at rules.yaml
SWEEP_EVERY: Final = 60.0  # seconds between looks for what is over
IDS_WINDOW: Final = 600.0  # seconds back from which writers' ids are remembered after a restart
GC_THRESHOLDS: Final = (20_000, 20, 50)  # records form no cycles: look for some less often than by default
IDS_MOST: Final = 200_000


class App:
    """One running relay."""

    def __init__(
        self, path: str, rules: Rules, store: Store, session: aiohttp.ClientSession, clock: Clock
    ) -> None:
        self._path = path
        self._clock = clock
        self._store = store
        self._session = session
        self._rules = rules
        self._edits = Edits(path)
        self._edits.watch(rules.config.files)
        self._started_at = clock.now()
        self._stop = asyncio.Event()
        self._is_ready = False  # the sources have been opened
        self._reload_wanted = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._config_refused = ""  # the problems of the latest edit, while an older set goes on
        self._backends: dict[str, Backend] = {}
        log_guard.guard(_secrets(rules.config))
        self._intake = Intake()
        self._crashes = Crashes(store, clock, self.report)
        self._past_troubles = PastTroubles(store, clock, self._live, self.report)
        self._dispatcher = Dispatcher(store, clock, self.report)
        self._watchdog = Watchdog(
            self._intake.put_nowait,
            clock,
            rules.config,
            self.report,
            within_hours,
            is_deaf=lambda: self._intake.full or self._pipeline.is_held_up,
        )
        self._pipeline = Pipeline(
            self._intake,
            store,
            clock,
            rules,
            self._dispatcher,
            RecentIds(),
            stuck=self._tell_directly,
            watched=self._watchdog,
        )
        self._dispatcher.templates.apply(rules.config)
        self._heart = Heart(clock)
        self._heart.join(Part("the pipeline", lambda: self._pipeline.turned_at))
        self._heart.join(Part("the dispatcher", lambda: self._dispatcher.turned_at))
        self._heart.join(Part("the watchdog", lambda: self._watchdog.turned_at))
        self._vitals = Vitals(clock, self._intake, self._pipeline.commit_seconds, self.report)
        self._pinger = Pinger(session, clock, rules.config.ping, self._unfit, self.report)
        self._backlog = Backlog(clock, store.next_due, lambda: self._dispatcher.up, self.report)
        self._drill = Drill(store, clock, self._intake, lambda: self._rules.config, self.report)
        self._life = Life(
            store,
            clock,
            behind=self._behind,
            events=self._pipeline.tally.total,
            tell=self._tell_of_absence,
        )
        self._watchdog_desk = WatchdogDesk(self._watchdog, clock)
        self._verbs = {
            **self._desk().verbs(),
            **self._watchdog_desk.verbs(),
            **Muting(store, clock, self._intake, self._pipeline).verbs(),
        }
        self._port = Port(self._inside(), rules.config.http, self.report)
        self._feeds = Feeds(
            self._intake,
            store,
            clock,
            waiting=self._pipeline.waiting_positions,
            report=self._report_trouble,
            inherited=systemd.inherited_sockets(),
        )
        self._feeds.scan_for(rules.sieves)

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload_wanted.set)
        async with systemd.taking_long("reading what the store knows"):
            await self._remember()
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._close_backends)
            await self._swap_backends(await self._built(self._rules.config))
            async with asyncio.TaskGroup() as senders:
                senders.create_task(self._dispatcher.run())
                async with asyncio.TaskGroup() as middle:
                    draining = middle.create_task(self._pipeline.run())
                    async with serving(
                        self._control().run(),
                        self._port.run(),
                        self._heart.run(),
                        self._vitals.run(),
                        self._pinger.run(),
                        self._backlog.run(),
                        self._drill.run(),
                        self._life.run(),
                        self._crashes.run(),
                        self._past_troubles.run(),
                        self._follow_edits(),
                        self._sweep(),
                        self._watchdog.run(),
                    ):
                        await self._feeds.run(self._stop, self._rules.config.sources, self._ready)
                        await self._life.note()
                    systemd.notify(STOPPING=1, STATUS="draining")
                    self._intake.close()
                    await self._drain(draining)
                    await self._feeds.close()
                await self._dispatcher.stop(DRAIN)
        await self._crashes.end()
        log.info("stopped")

    def report(self, kind: str, subject: str, text: str, *, avoid: str = "", cleared: bool = False) -> None:
        """Tell the operators of relay's own trouble, or that it is over: an event like any other."""
        self._past_troubles.note(kind, subject)
        labels = {"subject": subject}
        if avoid:
            labels["avoid"] = avoid
        if cleared:
            labels["cleared"] = "yes"
        event = Event(
            time=self._clock.now(),
            source=RELAY,
            module=f"{RELAY}.{kind}",
            level=Level.NOTICE if cleared else Level.ERROR,
            message=text,
            labels=labels,
        )
        self._intake.put_nowait(Batch(events=[event], size=len(text)))

    def tell(self, kind: str, text: str) -> None:
        """Tell the operators something that is no trouble."""
        event = Event(
            time=self._clock.now(),
            source=RELAY,
            module=f"{RELAY}.{kind}",
            level=Level.NOTICE,
            message=text,
            labels={"note": "yes"},
        )
        self._intake.put_nowait(Batch(events=[event], size=len(text)))

    # --- start ---

    async def _remember(self) -> None:
        """What the store knows of the time before."""
        now = self._clock.now()
        log_guard.sign(self._store.id)
        await self._life.begin()
        await self._crashes.begin()
        recovered = await self._store.recover(now, all_leases=True)
        await self._pipeline.recall()
        for program, number in await self._store.recent_ids(now - IDS_WINDOW, IDS_MOST):
            self._pipeline.ids.add(program, number)
        self._watchdog.remember(await self._store.checks())
        await self._drill.recall()
        log.info("store_opened", live_alerts=len(self._pipeline.book), interrupted=recovered)

    def _ready(self) -> None:
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        with contextlib.suppress(
            OSError, AttributeError
        ):  # glibc's; other libraries give memory back by themselves
            ctypes.CDLL(None).malloc_trim(0)
        self._is_ready = True
        config = self._rules.config
        log.info(
            "started",
            version=__version__,
            rules=len(config.rules),
            sources=len(config.sources),
            scan=engine.name(),
        )
        systemd.notify(READY=1, STATUS=self._summary())

    def _summary(self) -> str:
        config = self._rules.config
        text = f"{len(config.rules)} rules, {len(config.sources)} sources, {len(config.backends)} backends"
        return f"{text}; an edit of the rules was refused" if self._config_refused else text

    # --- while running ---

    def _control(self) -> Control:
        return Control(self._rules.config.control, self._verbs)

    def _desk(self) -> Desk:
        return Desk(
            self._store,
            self._clock,
            status=self._status,
            known=self._pipeline.known,
            counted=self._pipeline.meters.state,
            notice=self._dispatcher.notice,
            reload=self.reload,
            holds=self._pipeline.holds.all,
        )

    def _inside(self) -> Inside:
        return Inside(
            clock=self._clock,
            intake=self._intake,
            verbs=self._verbs,
            tallies=Tallies(
                events=self._pipeline.tally,
                commit_seconds=self._pipeline.commit_seconds,
                attempts=self._dispatcher.tally,
                attempt_seconds=self._dispatcher.attempt_seconds,
                look_seconds=self._watchdog.look_seconds,
            ),
            backend=self._backend,
            heed=partial(heed, self._dispatcher),
            links=self._pipeline.links,
            unwell=self._unwell,
            unready=self._unready,
        )

    def _backend(self, name: str) -> Backend | None:
        return self._backends.get(name)

    def _live(self) -> list[Alert]:
        return self._pipeline.book.all()

    def _unwell(self) -> str:
        return self._heart.unwell()

    def _unready(self) -> str:
        if not self._is_ready or self._stop.is_set():
            return "relay is stopping" if self._stop.is_set() else "relay is starting"
        return f"the store takes nothing: {self._pipeline.stuck}" if self._pipeline.stuck else self._unwell()

    def _unfit(self) -> str:
        """Why relay couldn't tell of a trouble now; "" if it could."""
        if why := self._unready() or self._dispatcher.undelivered:
            return why
        if self._life.silent > 3 * NOTED_EVERY:
            return "the store has written nothing for a while"
        return "" if self._vitals.on_time else f"the event loop is {self._vitals.lag:.1f} s late"

    def _behind(self) -> bool:
        return bool(len(self._intake)) or any(each.get("behind") for each in self._feeds.status())

    def _tell_of_absence(self, missed: Absence) -> None:
        if missed.matters(self._rules.config.start_report):
            self.tell("start", f"relay is back: {missed.text}")

    async def _follow_edits(self) -> None:
        """Reload when rules.yaml was edited, or SIGHUP came."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EDITS_EVERY):
                    await self._reload_wanted.wait()
            if self._reload_wanted.is_set() or self._edits.changed():
                self._reload_wanted.clear()
                await self.reload()

    async def reload(self) -> Prepared:
        """Take an edit of the rules; with errors in it the old ones go on, and the operators are told."""
        async with self._reloading:
            systemd.notify(RELOADING=1, MONOTONIC_USEC=time.monotonic_ns() // 1000)
            self._edits.taken()
            prepared = await asyncio.to_thread(prepare, self._path, scan=True, keep=True)
            if prepared.rules is None:
                self._refuse(prepared)
            else:
                try:
                    await self._swap(prepared.rules)
                except (OSError, RelayError) as error:
                    log.error("reload_failed", error=str(error))
                    self.report("config", self._path, f"the edited rules could not be taken whole: {error}")
            systemd.notify(READY=1, STATUS=self._summary())
            return prepared

    def _refuse(self, prepared: Prepared) -> None:
        errors = [str(problem) for problem in prepared.problems if problem.severity == "error"]
        self._config_refused = "\n".join(errors[:10])
        log.warning("reload_refused", errors=len(errors), first=errors[0])
        text = f"the edited rules have {len(errors)} error(s), the old ones go on:\n{self._config_refused}"
        self.report("config", self._path, text)

    async def _swap(self, rules: Rules) -> None:
        """Nothing in flight is lost: what is decided stays decided, sources hand over before they change."""
        log_guard.guard(_secrets(rules.config))
        backends = await self._built(rules.config)
        await self._pipeline.adopt(rules)
        old, self._rules = self._rules, rules
        self._edits.watch(rules.config.files)
        self._feeds.scan_for(rules.sieves)
        self._dispatcher.templates.apply(rules.config)
        self._port.apply(rules.config.http)
        self._pinger.apply(rules.config.ping)
        self._watchdog.apply(rules.config)
        await self._swap_backends(backends)
        if old.config.sources != rules.config.sources:
            await self._feeds.apply(rules.config.sources)
        if self._config_refused:
            self._config_refused = ""
            self.report("config", self._path, "the edited rules were taken", cleared=True)
        log.info("config_reloaded", rules=len(rules.config.rules), sources=len(rules.config.sources))

    async def _built(self, config: Config) -> dict[str, Backend]:
        """The backends of `config`; those with equal settings as they are, with tokens and connections."""
        old, new = self._backends, {}
        for name, settings in config.backends.items():
            same = name in old and old[name].settings == settings
            new[name] = old[name] if same else await self._open(name, settings)
        return new

    async def _swap_backends(self, new: dict[str, Backend]) -> None:
        old, self._backends = self._backends, new
        await self._dispatcher.apply(new)
        for name, backend in old.items():
            if new.get(name) is not backend:
                await backend.close()

    async def _open(self, name: str, settings: Settings) -> Backend:
        return await build(settings, Door(session=self._session, clock=self._clock, name=name)).open()

    async def _sweep(self) -> None:
        """Forget what is over, a slice at a time."""
        while True:
            await self._clock.sleep(SWEEP_EVERY)
            keep, now = self._rules.config.retention, self._clock.now()
            with contextlib.suppress(StoreError):
                while await self._store.sweep(
                    now - keep.events, now - keep.alerts, now - keep.deliveries, keep.max_events
                ):
                    await self._clock.sleep(0.05)

    def _report_trouble(self, trouble: Trouble) -> None:
        is_gap = trouble.kind == "gap"  # lasting: a file that can be read again doesn't end it
        self._life.gaps += is_gap and not trouble.cleared
        self.report("gap" if is_gap else "source", trouble.path, trouble.text, cleared=trouble.cleared)

    async def _tell_directly(self, text: str) -> None:
        """The store takes nothing: tell each operator once, by a way that needs no disk."""
        now, config = self._clock.now(), self._rules.config
        note = stuck(text, rule=self._rules.own.name, store=self._store.id, now=now)
        order, backends = self._dispatcher.order, self._backends
        await tell_directly(note, told_now(config, config.operators, now), order, backends)

    async def _status(self) -> Json:
        return {
            "version": __version__,
            "pid": os.getpid(),
            "started_at": self._started_at,
            "rules": self._path,
            "config": self._summary(),
            "refused": self._config_refused,
            "pipeline": self._pipeline.status(),
            "sources": self._feeds.status(),
            "scan": engine.name(),
            "backends": self._dispatcher.status(),
            "http": self._port.status(),
            "vitals": self._vitals.status(),
            "overdue": self._backlog.overdue,
            "ping": self._pinger.status(),
            "drill": self._drill.status(),
            "watchdog": self._watchdog_desk.status(),
            "store": await self._store.counts(),
        }

    # --- end ---

    async def _drain(self, pipeline: asyncio.Task[None]) -> None:
        """Give the queue a while; what isn't in the store by then was neither answered nor passed over."""
        _, late = await asyncio.wait({pipeline}, timeout=DRAIN_PIPELINE)
        if late:
            log.warning("queue_not_drained", waiting=len(self._intake))
            pipeline.cancel()

    async def _close_backends(self) -> None:
        for backend in self._backends.values():
            await backend.close()


def _secrets(config: Config) -> Iterator[str]:
    """All that no log line may hold."""
    return secrets_in((*config.backends.values(), config.http, config.ping))


async def serve(path: str, rules: Rules) -> None:
    """Open the store and run until told to stop; raises a `StoreError` where it can't be opened."""
    sys.setswitchinterval(1e-4)  # the store's thread must not starve beside a busy loop
    clock = SystemClock()
    async with systemd.taking_long("opening the store"):
        store = await SqliteStore.open(rules.config.store, clock)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(store.close)
        session = await stack.enter_async_context(open_session())
        app = App(path, rules, store, session, clock)
        if store.damage:
            log.error("store_set_aside", what=store.damage)
            app.report("store", rules.config.store, store.damage)
        await app.run()
