"""One daemon for each store: a lock file beside it, held as long as the process lives."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from relay.errors import StoreFullError, StoreInUseError


class Lock:
    """The lock of a store; the kernel lets it go when the process ends, however it ends."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._descriptor = -1

    def take(self) -> None:
        """Take it, or say who has it.

        Raises:
            StoreInUseError: another process has it.
            StoreFullError: the lock file can't be made.

        """
        path = self._store.with_name(f"{self._store.name}.lock")
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreFullError(f"{path} can't be made: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise StoreInUseError(f"{self._store} is in use by process {holder}") from None
        self._descriptor = descriptor
        with contextlib.suppress(OSError):  # on a full disk the lock holds without the number in it
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let it go; the file stays, since another may be waiting to open it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
