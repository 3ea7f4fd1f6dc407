"""Room kept for a full disk: a file that is deleted so that what is under way can still be written."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import Final

import structlog

from relay.clock import Clock
from relay.errors import StoreFullError

MOST: Final = 4 * 1024 * 1024  # bytes; of a small file system no more than an eighth is kept
LOOK_EVERY: Final = 1.0  # seconds between looks for room

log = structlog.get_logger()


class Reserve:
    """The reserve of a store, and with it the answer to whether there is room for more.

    While it is held, there is. It is let go when a write fails; from then on commits are refused, and the
    deliveries under way live on the room that it made. As soon as there is room for the reserve and as much
    again, the reserve is taken first, and then commits.
    """

    def __init__(self, store: Path, clock: Clock) -> None:
        self._path = store.with_name(f"{store.name}.reserve")
        self._clock = clock
        self._looked_at = float("-inf")  # monotonic time of the latest look for room
        self._why = "no room for the reserve"  # what failed when it was let go
        self.held = False

    def hold(self) -> bool:
        """Take the reserve if there is room for it; whether it is held."""
        self._looked_at = self._clock.monotonic()
        try:
            self._make()
        except OSError:
            self.held = False
        else:
            self.held = True
        return self.held

    @property
    def size(self) -> int:
        """Bytes it takes."""
        disk = os.statvfs(self._path.parent)
        return min(MOST, disk.f_blocks * disk.f_frsize // 8)

    def let_go(self, why: str) -> None:
        """Make room: something could not be written."""
        if self.held:
            log.error("store_full", reason=why)
        self._why = why
        self.held = False
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def require(self) -> None:
        """Go on only if there is room, looking for it once a second.

        Raises:
            StoreFullError: there is none.

        """
        if self.held:
            return
        due = self._clock.monotonic() - self._looked_at >= LOOK_EVERY
        if not (due and self.hold()):
            raise StoreFullError(f"no room for more in the store: {self._why}")
        log.info("store_has_room")

    def _make(self) -> None:
        """OSError if there is no room, or nothing can be written here."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = self.size
            if os.fstat(descriptor).st_size >= size:
                return
            disk = os.fstatvfs(descriptor)
            if disk.f_bavail * disk.f_frsize < 2 * size:
                raise OSError(errno.ENOSPC, "no room for the reserve")
            os.posix_fallocate(descriptor, 0, size)
        finally:
            os.close(descriptor)
