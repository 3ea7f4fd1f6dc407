"""Calls that may block: each in a thread of its own, so that a dead file server holds up one check only."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from relay.watchdog.verdict import FailedError, UnknownError

T = TypeVar("T")


class HangsError(FailedError):
    """An earlier call of the same kind has not come back."""


class Threads:
    """At most one call at a time for each key; a daemon thread that never returns ends with relay."""

    def __init__(self) -> None:
        self._busy: set[str] = set()

    async def call(self, key: str, function: Callable[[], T]) -> T:
        """What the function returns or raises; `HangsError` while an earlier call of that key hangs."""
        if key in self._busy:
            raise HangsError("an earlier look still hangs")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def settle(result: Any, error: BaseException | None) -> None:
            self._busy.discard(key)
            if done.done():
                return
            if error is not None:
                done.set_exception(error)
            else:
                done.set_result(result)

        def work() -> None:
            result: Any = None
            error: BaseException | None = None
            try:
                result = function()
            except Exception as raised:  # noqa: BLE001 - it is raised again where it was called
                error = raised
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, result, error)

        try:
            threading.Thread(target=work, name=f"relay-look-{key[:40]}", daemon=True).start()
        except RuntimeError:  # a limit of processes or memory
            raise UnknownError("relay can't start a thread") from None
        self._busy.add(key)
        return await done
