"""The outside dead-man switch: relay calls a URL as long as it works, and somebody there misses the call.

It is called only while relay could tell of a trouble: the store writes, messages are accepted, the loop is
on time. A missing call is the alarm; so a reason to stay silent is logged, and nothing more is needed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import aiohttp
import structlog

from relay.clock import Clock
from relay.config.schema import Ping
from relay.models import Json
from relay.report import Report

log = structlog.get_logger()

PATIENCE: Final = 10.0  # seconds for one call
LOOK: Final = 5.0  # seconds between looks whether it is time
AGAIN: Final = 60.0  # seconds after which a call that failed is repeated, and the first one is made, at most
FAILURES: Final = 3  # calls in a row that fail until the operators hear of it


class Pinger:
    """Calls `wanted` while `unfit` says nothing; None: nobody is called."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        clock: Clock,
        wanted: Ping | None,
        unfit: Callable[[], str],
        report: Report,
    ) -> None:
        """`unfit`: why relay couldn't do its work now; "" if it could."""
        self.wanted = wanted
        self.answered_at = 0.0  # wall time of the last call that was answered well
        self._session = session
        self._clock = clock
        self._unfit = unfit
        self._report = report
        self._failures = 0  # in a row
        self._due_at = clock.monotonic() + _soon(wanted)  # not at once: a relay that dies at once isn't well
        self._silent = ""  # why nobody is called now

    def status(self) -> Json | None:
        """For `relay status`."""
        if self.wanted is None:
            return None
        return {"answered_at": self.answered_at, "failures": self._failures, "withheld": self._silent}

    def apply(self, wanted: Ping | None) -> None:
        """The rules were edited."""
        if wanted == self.wanted:
            return
        if self._failures >= FAILURES:
            self._report(
                "ping", "ping", "the ping URL that couldn't be called is no longer used", cleared=True
            )
        self.wanted, self._failures, self._silent = wanted, 0, ""
        self._due_at = self._clock.monotonic()  # now: whoever edits it wants to see it

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(LOOK)
            if self._clock.monotonic() >= self._due_at:
                await self.run_once()

    async def run_once(self) -> None:
        """One call, if relay is fit for it; else it is made as soon as relay is."""
        if self.wanted is None:
            return
        why = self._unfit()
        if why != self._silent:
            self._silent = why
            (log.warning if why else log.info)("ping_withheld" if why else "ping_resumed", why=why)
        if why:
            return
        wanted, began = self.wanted, self._clock.monotonic()
        wrong = await self._call(wanted.url.reveal())
        if wanted is self.wanted:  # not of a URL that an edit has replaced meanwhile
            self._due_at = began + (_soon(wanted) if wrong else wanted.every)
            self._count(wrong)

    async def _call(self, url: str) -> str:
        """What went wrong; "" if nothing did. The URL is a secret, and errors' texts may hold it."""
        try:
            async with (
                asyncio.timeout(PATIENCE),
                self._session.get(url, allow_redirects=False) as answer,
            ):
                return "" if 200 <= answer.status < 300 else f"it answers {answer.status}"
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            return type(error).__name__

    def _count(self, wrong: str) -> None:
        if not wrong:
            self.answered_at = self._clock.now()
            if self._failures >= FAILURES:
                self._report("ping", "ping", "the ping URL answers again", cleared=True)
            self._failures = 0
            return
        self._failures += 1
        log.warning("ping_failed", error=wrong, failures=self._failures)
        if self._failures == FAILURES:
            text = f"the ping URL can't be called ({wrong}): who watches relay there will think it dead"
            self._report("ping", "ping", text)


def _soon(wanted: Ping | None) -> float:
    """Seconds until a call that can't wait for its regular time."""
    return min(AGAIN, wanted.every) if wanted else 0.0
