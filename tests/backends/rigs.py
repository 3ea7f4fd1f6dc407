"""What the contract suite must know of each backend: one `Rig` in `RIGS`, and all of the contract applies.

An emulator is an async context manager; one for HTTP has `fault` and `requests` (emulators/faults.py).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Self, cast

import aiohttp

from relay.backends import console, rtx, webhook
from relay.backends.base import Backend, Door, Settings
from relay.backends.fit import utf8_bytes
from relay.backends.registry import build
from relay.clock import FakeClock
from relay.values import Secret
from tests.emulators.faults import decoded
from tests.emulators.rtx import RtxServer
from tests.emulators.webhook import WebhookReceiver

CANARY = "c4n4ry"  # part of every secret in every rig's settings
SIGNING = "whsec_" + "YzRuNHJ5" * 4  # base64 of the canary, among others


def nothing(emulator: Any) -> list[str]:
    return []


@dataclass(frozen=True, kw_only=True)
class Rig:
    """One backend with its emulator."""

    emulator: Callable[[], AbstractAsyncContextManager[Any]]
    settings: Callable[[Any], Settings]  # that reach that emulator, secrets with CANARY in them
    to: str  # an address the emulator knows
    read: Callable[[Any], list[str]]  # the messages that arrived, as a person reads them
    markup: Callable[[Any], list[str]] = (
        nothing  # links, mentions and the like the service made of their text
    )
    unknown: str = ""  # an address the service refuses; "": it knows none
    refused: tuple[str, ...] = ()  # addresses refused without asking the service
    size: Callable[[str], int] = utf8_bytes  # how the service counts
    limit: int = 0  # of a message read, by `size`; 0: none
    http: bool = True
    build: Callable[[Settings, Door, Any], Backend] = field(
        default=lambda settings, door, _: build(settings, door)
    )

    def backend(self, session: aiohttp.ClientSession, emulator: Any, **changes: Any) -> Backend:
        door = Door(session=session, clock=FakeClock(), name="under-test")
        settings = self.settings(emulator)
        fields = {name: getattr(settings, name) for name in settings.__struct_fields__}
        return self.build(type(settings)(**{**fields, **changes}), door, emulator)


class Pipe:
    """A reader of standard output, with `full` one that reads nothing."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, 1024 * 1024)
        self.text = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        os.close(self.reader)
        os.close(self.writer)

    def read(self) -> str:
        with contextlib.suppress(BlockingIOError):
            while part := os.read(self.reader, 65536):
                self.text += part.decode()
        return self.text


@contextlib.contextmanager
def filled(pipe: Pipe) -> Iterator[None]:
    """The pipe's buffer is full, and nobody reads."""
    os.set_blocking(pipe.writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(pipe.writer, b"." * 65536)
    os.set_blocking(pipe.writer, True)
    yield


def on_a_pipe(settings: Settings, door: Door, pipe: Pipe) -> Backend:
    return console.Console(cast("console.Settings", settings), door, fd=pipe.writer)


def webhook_rig(form: Any) -> Rig:
    return Rig(
        emulator=lambda: WebhookReceiver(secrets=(SIGNING,)),
        settings=lambda receiver: webhook.Settings(
            url=Secret(f"{receiver.url}/hook/{CANARY}?token=x{CANARY}&sign=a%2Fb"),
            headers={"Authorization": Secret(f"Bearer {CANARY}-bearer")},
            secret=(Secret(SIGNING),),
            form=form,
        ),
        to="ops",
        read=lambda receiver: [decoded(post.data) for post in receiver.posts],
    )


RIGS = {
    "console": Rig(
        emulator=Pipe,
        settings=lambda _: console.Settings(),
        to="ops",
        read=lambda pipe: [part for part in pipe.read().split("\n\n") if part],
        markup=lambda pipe: re.findall(r"\x1b", pipe.read()),
        http=False,
        build=on_a_pipe,
    ),
    "rtx": Rig(
        emulator=RtxServer,
        settings=lambda server: rtx.Settings(url=server.url),
        to="zhangsan",
        read=lambda server: [popup.msg for popup in server.popups],
        markup=lambda server: [label for popup in server.popups for label, _ in popup.links],
        unknown="nobody",
        refused=(
            "",
            " ",
            "all",
            "ALL",
            " All ",
            "zhangsan,",
            ",",
            "zhangsan;all",
            "depart:",
            "group: ",
            "a\nb",
            "😀",
        ),
        size=lambda text: len(text.encode("gbk")),
        limit=2000,
    ),
    "webhook-plain": webhook_rig("plain"),
    "webhook-alertmanager": webhook_rig("alertmanager"),
    "webhook-standard": webhook_rig("standard"),
}
