"""What the contract suite must know of each backend: one `Rig` in `RIGS`, and all of the contract applies.

An emulator is an async context manager; one for HTTP has `fault` and `requests` (emulators/faults.py).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from typing import Any, Self, cast

from relay.backends import console, rtx, webhook
from relay.backends.base import Backend, Door, Settings
from relay.values import Secret
from tests.backends import rigs_chat, rigs_cn, rigs_mail, rigs_push, rigs_seeds
from tests.backends.rig import CANARY, Rig
from tests.emulators.faults import decoded
from tests.emulators.rtx import RtxServer
from tests.emulators.webhook import WebhookReceiver

SIGNING = "whsec_" + "YzRuNHJ5" * 4  # base64 of the canary, among others


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


RIGS: dict[str, Rig] = {
    **rigs_chat.RIGS,
    **rigs_cn.RIGS,
    **rigs_mail.RIGS,
    **rigs_push.RIGS,
    **rigs_seeds.RIGS,
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
