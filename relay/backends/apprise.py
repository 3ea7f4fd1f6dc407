"""Apprise: a bridge to its hundred services, each message in a process that can be ended."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import msgspec

from relay.backends import base
from relay.backends.answer import MOST_DETAIL
from relay.backends.base import Backend, Check, Door, Limits, Receipt
from relay.backends.compose import compose
from relay.backends.fit import fit, utf8_bytes
from relay.backends.mask import Mask
from relay.backends.push import titled
from relay.backends.rehearsal import Request
from relay.errors import BackendDownError, BackendError, RejectedError, TemporaryError
from relay.models import AlertState, Json, Level, Message
from relay.text import clean
from relay.values import Duration, Secret

PLACE: Final = "{to}"
MOST_BYTES: Final = 16 * 1024  # of the text; Apprise itself cuts or splits it for each service
MOST_ANSWER: Final = 64 * 1024
_CHILD: Final = Path(__file__).with_name("apprise_child.py")

Run = Callable[[bytes], Awaitable[bytes]]  # what the process is asked, and what it answers

_MEANINGS: Final[dict[str, tuple[type[BackendError], str]]] = {
    "library": (BackendDownError, "needs a library: pip install 'alert-relay[apprise]'"),
    "url": (BackendDownError, "Apprise knows no service for this URL"),
}


class Settings(base.Settings, frozen=True, kw_only=True, tag="apprise"):
    """Any service that Apprise knows (needs `pip install 'alert-relay[apprise]'`).

    https://github.com/caronc/apprise/wiki lists the URLs. `{to}` in the URL is replaced by the recipient's
    address; without it the address is free text. Apprise says of a refusal only that it was one, so relay
    tries again some times: where relay has a backend of its own for a service, take that.

    Minimal:

        type: apprise
        url: ${APPRISE_URL}

    Full:

        type: apprise
        url: "twilio://${TWILIO_SID}:${TWILIO_TOKEN}@15551234567/{to}"
        timeout: 45s
        concurrency: 2

    Each message is sent by a process of its own, which is ended when its time is over.
    """

    url: Secret
    timeout: Duration = 30.0  # a process takes up to a second to start
    attempts: int = 10

    def problems(self) -> list[tuple[str, str]]:
        """A URL that has no shape of one."""
        if "://" not in self.url.reveal() or not self.url.reveal().isprintable():
            return [("url", "must be one of Apprise's URLs: service://...")]
        return []

    def refuses(self, to: str) -> str:
        """Why that can't be put into the URL."""
        return "" if to.strip() and to.isprintable() else "an address must be of printable characters"


class Apprise(Backend):
    """Starts a process for each message; accepted means that Apprise's plug-in said so."""

    type = "apprise"
    settings: Settings
    limits = Limits(concurrency=4)

    def __init__(self, settings: Settings, door: Door, run: Run | None = None) -> None:
        super().__init__(settings, door)
        self._mask = Mask.of(settings)
        self._run = run or in_a_process

    async def send(self, message: Message, to: str) -> Receipt:
        """One message by one process."""
        if refused := self.settings.refuses(to):
            raise RejectedError(refused, code="address")
        told = fit(
            compose(message, self.door.clock.now()), titled, lambda form: utf8_bytes(form.text) <= MOST_BYTES
        )
        await self._ask({"title": told.title, "body": told.text, "type": _kind(message)}, to)
        return Receipt()

    async def check(self) -> list[Check]:
        """Whether Apprise is installed and knows the URL."""
        try:
            await self._ask({"title": "", "body": "", "type": "info"}, "relay")
        except BackendError as error:
            return [Check(ok=False, text=str(error), code=error.code)]
        return [Check(ok=True, text="Apprise knows a service for this URL")]

    async def _ask(self, asked: Json, to: str) -> None:
        url = self.settings.url.reveal().replace(PLACE, quote(to, safe=""))
        if self.door.rehearsal:
            self.door.rehearsal.take(Request(method="apprise", url=url, body=msgspec.json.encode(asked)))
        seconds = math.ceil(self.settings.timeout)
        try:
            async with asyncio.timeout(self.settings.timeout):
                said = await self._run(msgspec.json.encode({**asked, "url": url, "seconds": seconds}))
        except TimeoutError:
            failure: BackendError = TemporaryError(
                f"not done within {self.settings.timeout:g} s", code="TimeoutError", ambiguous=True
            )
        else:
            answer = _read(said)
            if answer.get("ok") is True:
                return
            failure = self._failure(answer)
        raise failure

    def _failure(self, answer: Json) -> BackendError:
        """What the process said; of a refusal Apprise tells neither whose fault it was nor for how long."""
        code = str(answer.get("error", "crash"))
        words = clean(self._mask(str(answer.get("said", "")))).strip()
        detail = words.encode()[:MOST_DETAIL].decode(errors="ignore")
        if code in _MEANINGS:
            kind, text = _MEANINGS[code]
            return kind(text, code=code, detail=detail)
        text = "the service refused it, or can't be reached" if code == "refused" else "the process failed"
        return TemporaryError(text, code=code, detail=detail, ambiguous=code != "refused", limit=3)


async def in_a_process(asked: bytes) -> bytes:
    """What the process answers. However this ends, it and all that it started are gone after it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # the folder of the script is no place to import from: it has an apprise.py
        str(_CHILD),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    try:
        said, _ = await process.communicate(asked)
        return said[:MOST_ANSWER]
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _read(said: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(said)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _kind(message: Message) -> str:
    """Apprise's word for how bad it is."""
    if message.state is AlertState.RESOLVED:
        return "success"
    if message.level >= Level.ERROR:
        return "failure"
    return "warning" if message.level >= Level.WARNING else "info"
