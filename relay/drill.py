"""The drill: a marked event goes the whole way, from a source through the rules to a backend's own answer.

What fails on the way is told through another backend. It goes out in working hours: nobody is woken.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Final

import msgspec
import structlog
from msgspec import Struct, to_builtins

from relay.clock import Clock
from relay.config.schema import Config, SocketSource
from relay.errors import StoreError
from relay.models import Acknowledge, Batch, Delivery, DeliveryState, Event, Json, Level
from relay.outbox.store import AlertRow, Store
from relay.report import Report
from relay.sources.intake import Intake

log = structlog.get_logger()

MODULE: Final = "relay.drill"
TEXT: Final = "DRILL {}: relay tests that it reaches you. Nothing is wrong, nothing is to be done."
LABEL: Final = "drill"  # of the event: which drill it is
HOUR: Final = 10  # of the day, in the host's zone
EVENING: Final = 18  # from which on none begins: one that was missed waits for the next morning
NOTE: Final = "drill"  # under which the store remembers when the last one was ...
RESULT: Final = "drill result"  # ... and how it ended
LOOK: Final = 60.0  # seconds between looks at the clock, which may be set
PATIENCE: Final = 300.0  # seconds until every message must have been accepted
ANSWER: Final = 30.0  # seconds until the socket must have answered
LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"  # digits would be masked: each drill is a problem of its own


def next_time(every: str, after: float, zone: tzinfo | None = None) -> float:
    """The first drill after that time, in the host's zone by default.

    Daily, on Mondays, or on the first Monday of a month.
    """
    day = datetime.fromtimestamp(after, zone).replace(hour=HOUR, minute=0, second=0, microsecond=0, fold=0)
    while day.timestamp() <= after or not _is_day(every, day):
        day += timedelta(days=1)  # of the calendar, whatever its hours
    return day.timestamp()


def in_hours(now: float, zone: tzinfo | None = None) -> bool:
    """Whether a drill that relay missed while it was away may be made up for now, and wakes nobody."""
    return HOUR <= datetime.fromtimestamp(now, zone).hour < EVENING


def _is_day(every: str, day: datetime) -> bool:
    monday = day.weekday() == 0
    return {"daily": True, "weekly": monday, "monthly": monday and day.day <= 7}[every]


def drill_event(source: str, mark: str, now: float) -> Event:
    """The marked event, as the rules see it."""
    text = TEXT.format(mark)
    return Event(
        time=now, source=source, module=MODULE, level=Level.ERROR, message=text, labels={LABEL: mark}
    )


def first_socket(config: Config) -> tuple[str, str]:
    """Name and path of the source that drills go through; ("", "") without one."""
    for name, source in config.sources.items():
        if isinstance(source, SocketSource):
            return name, source.socket
    return "", ""


class Result(Struct, frozen=True):
    """How a drill ended."""

    at: float  # when it began
    wrong: str = ""  # what went wrong; "": nothing did


class Drill:
    """Runs the drills that the rules ask for."""

    def __init__(
        self, store: Store, clock: Clock, intake: Intake, config: Callable[[], Config], report: Report
    ) -> None:
        """`config`: the rules of now."""
        self._store = store
        self._clock = clock
        self._intake = intake
        self._config = config
        self._report = report
        self.last: Result | None = None  # None: there was none, as far as is known

    def status(self) -> Json | None:
        """For `relay status`."""
        every = self._config().drill
        if every is None:
            return None
        last = to_builtins(self.last)
        return {"every": every, "last": last, "next_at": next_time(every, self._clock.now())}

    async def recall(self) -> None:
        """How the last one ended, also one of an earlier process. Raises a `StoreError`."""
        known = await self._store.noted(RESULT)
        self.last = msgspec.json.decode(known, type=Result) if known else None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                if await self._is_due():
                    await self.run_once()
            except StoreError as error:
                log.warning("drill_put_off", error=str(error))
            await self._clock.sleep(LOOK)

    async def _is_due(self) -> bool:
        """The first one comes at the next time there is: not as soon as relay is installed."""
        every, now = self._config().drill, self._clock.now()
        if every is None:
            return False
        last = await self._store.noted(NOTE)
        if not last or float(last) > now:  # never, or the clock was set back
            await self._store.note(NOTE, str(now))
            return False
        return next_time(every, float(last)) <= now and in_hours(now)

    async def run_once(self) -> bool:
        """One drill; whether all went well."""
        began = self._clock.now()
        await self._store.note(NOTE, str(began))
        mark = "".join(secrets.choice(LETTERS) for _ in range(8))
        log.info("drill_began", mark=mark)
        wrong, avoid = await self._send(mark), ""
        if not wrong:
            wrong, avoid = await self._outcome(mark)
        self.last = Result(began, wrong)
        self._tell(mark, wrong, avoid)
        await self._store.note(RESULT, msgspec.json.encode(self.last).decode())
        return not wrong

    def _tell(self, mark: str, wrong: str, avoid: str) -> None:
        if wrong:
            log.error("drill_failed", mark=mark, why=wrong)
            self._report("drill", "drill", f"the drill failed: {wrong}", avoid=avoid)
        else:
            log.info("drill_passed", mark=mark)
            self._report("drill", "drill", "the drill passed", cleared=True)

    async def _send(self, mark: str) -> str:
        """By the socket, as any program; what went wrong."""
        name, path = first_socket(self._config())
        event = drill_event(name or LABEL, mark, self._clock.now())
        if not path:
            self._intake.put_nowait(Batch(events=[event], size=len(event.message)))
            return ""
        line = {"module": MODULE, "level": "error", "message": event.message, "id": mark, LABEL: mark}
        try:
            async with asyncio.timeout(ANSWER):
                reader, writer = await asyncio.open_unix_connection(path)
                try:
                    writer.write(json.dumps(line).encode() + b"\n")
                    answer = json.loads(await reader.readline() or b"{}")
                finally:
                    writer.close()
        except (OSError, ValueError) as error:
            return f"source {name} takes nothing: {type(error).__name__}"
        return "" if answer.get("ok") else f"source {name} refuses: {answer.get('error', 'no answer')}"

    async def _outcome(self, mark: str) -> tuple[str, str]:
        """What became of it: (what went wrong, which backend was at fault); both "" if nothing was."""
        until = self._clock.monotonic() + PATIENCE
        while True:
            row = await self._find(mark)
            deliveries = await self._store.deliveries(alert=row.alert.id) if row else []
            settled = all(each.state not in _OPEN for each in deliveries)
            over = self._clock.monotonic() >= until
            if over or (deliveries and settled):
                self._put_to_rest(row)
                return _judged(row, deliveries)
            await self._clock.sleep(1.0)

    def _put_to_rest(self, row: AlertRow | None) -> None:
        """No reminders of a drill, and no escalation."""
        if row is not None:
            self._intake.put_nowait(Batch(events=[], orders=[Acknowledge(row.alert.id, "the drill itself")]))

    async def _find(self, mark: str) -> AlertRow | None:
        for row in await self._store.alerts(most=200):
            if row.sample is not None and row.sample.labels.get(LABEL) == mark:
                return row
        return None


_OPEN: Final = (DeliveryState.PENDING, DeliveryState.SENDING)


def _judged(row: AlertRow | None, deliveries: Sequence[Delivery]) -> tuple[str, str]:
    if row is None:
        return f"no rule took its event: add one with `match: {{module: {MODULE}}}`", ""
    if not deliveries:
        return f"rule {row.alert.rule!r} told nobody: {row.trace.get('why', 'see relay alerts')}", ""
    for each in deliveries:
        backend = each.tried[0].backend if each.tried else each.address.backend
        if each.state is not DeliveryState.DELIVERED:
            why = each.error or "no service has accepted it yet"
            return f"the message to {each.recipient} is {each.state.value}: {why}", backend
        if each.tried:
            return f"backend {backend} failed for {each.recipient}; {each.address.backend} took it", backend
    return "", ""
