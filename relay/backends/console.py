"""Messages on standard output, for trying things out and for services whose journal people read."""

from __future__ import annotations

import asyncio
import os
import select
import sys
from textwrap import indent
from typing import Final

from relay.backends.base import Backend, Door, Limits, Receipt
from relay.backends.base import Settings as Base
from relay.backends.compose import compose
from relay.backends.dialect import headline, text_of
from relay.backends.rehearsal import Request
from relay.errors import BackendDownError, TemporaryError
from relay.models import AlertState, Level, Message
from relay.text import one_line

_RESET: Final = "\x1b[0m"
_GREEN: Final = "\x1b[32;1m"
_COLOURS: Final = {Level.CRITICAL: "\x1b[41;97;1m", Level.ERROR: "\x1b[31;1m", Level.WARNING: "\x1b[33;1m"}


class Settings(Base, frozen=True, kw_only=True, tag="console"):
    """Standard output: each message as readable text with an empty line after it.

    Coloured on a terminal only, and not where NO_COLOR is set. The address of a recipient is free text,
    shown as the message's last line.

    Minimal:

        type: console

    Full:

        type: console
        rate: [600/1m]
    """


class Console(Backend):
    """Writes messages to standard output, whole and one after the other."""

    type = "console"
    settings: Settings
    limits = Limits(concurrency=16)

    def __init__(self, settings: Settings, door: Door, fd: int | None = None) -> None:
        super().__init__(settings, door)
        self._fd = _standard_output() if fd is None else fd
        self._turn = asyncio.Lock()  # held while a message is written: two never mix

    async def send(self, message: Message, to: str) -> Receipt:
        """Write it; raises `TemporaryError` if nobody reads, or not within the deadline."""
        if self.door.rehearsal:
            self.door.rehearsal.take(
                Request(method="console", url="standard output", body=self._shown(message, to).encode())
            )
        if self._fd < 0:
            raise BackendDownError("relay was started without a standard output", code="EBADF")
        data = self._shown(message, to).encode(_encoding(), "backslashreplace")
        written = 0
        try:
            async with asyncio.timeout(self.settings.timeout), self._turn:
                while written < len(data):
                    written += await _write_some(self._fd, data[written : written + select.PIPE_BUF])
        except TimeoutError:
            timeout = self.settings.timeout
            text = f"standard output took no more within {timeout:g} s"
            raise TemporaryError(text, code="blocked", ambiguous=written > 0) from None
        except OSError as error:
            text = f"standard output can't be written: {os.strerror(error.errno or 0)}"
            raise TemporaryError(text, code=type(error).__name__) from None
        return Receipt()

    def _shown(self, message: Message, to: str) -> str:
        composition = compose(message, self.door.clock.now())
        first = headline(composition)
        rest = f"{text_of(composition)[len(first) :].strip()}\nto: {one_line(to)}"
        colour = _GREEN if message.state is AlertState.RESOLVED else _COLOURS.get(message.level, "")
        if colour and not self.door.rehearsal and _coloured(self._fd):
            first = f"{colour}{first}{_RESET}"
        return f"{first}\n{indent(rest, '  ', _any_line)}\n\n"


async def _write_some(fd: int, data: bytes) -> int:
    """Write at most PIPE_BUF bytes once the descriptor takes them: that much never blocks a ready pipe.

    The descriptor is neither made non-blocking (the terminal's other programs share that) nor given to a
    thread (one stuck in a dead pipe would keep relay from ending).
    """
    own = os.dup(fd)  # the event loop allows one writer per descriptor
    try:
        await _ready(own)
        return os.write(own, data)
    except BlockingIOError:
        return 0
    finally:
        os.close(own)


async def _ready(fd: int) -> None:
    """Wait until `fd` can be written; files and /dev/null always can."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_writer(fd, ready.set)
    except PermissionError:
        return  # epoll's word for a regular file
    try:
        await ready.wait()
    finally:
        loop.remove_writer(fd)


def _any_line(line: str) -> bool:
    """Empty lines are indented too: a really empty one stands only between messages."""
    del line
    return True


def _standard_output() -> int:
    """Its descriptor, -1 if relay was started without one: 1 may be any other file then."""
    return -1 if sys.__stdout__ is None else 1


def _encoding() -> str:
    return (sys.__stdout__ and sys.__stdout__.encoding) or "utf-8"


def _coloured(fd: int) -> bool:
    return os.isatty(fd) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
