"""A `logging.Handler` that reports to relay and never makes the program wait for it."""

from __future__ import annotations

import logging
import os
from typing import Final

from relay.client.courier import Courier
from relay.client.spool import Spool, default_path
from relay.client.wire import encode_line, socket_of

_LEVELS: Final = ((50, "critical"), (40, "error"), (30, "warning"), (25, "notice"), (20, "info"))
_FORMATTER: Final = logging.Formatter()


class RelayHandler(logging.Handler):
    """Sends log records to relay from a thread of its own.

    What relay has not acknowledged is kept and sent again. While relay can't be reached, records go to the
    file `spool` (default: under $XDG_STATE_HOME, else in /var/tmp), shared by all processes of the user, and
    are sent later, in order. Once it holds `spool_bytes`, newer records are lost, and their number reported.
    Exceptions follow the message; `extra={"labels": {...}}` gives labels. `timeout` (seconds) is how long
    relay may take to answer, and how long `flush()` and `close()` take at most.
    """

    def __init__(
        self,
        level: int | str = logging.NOTSET,
        *,
        socket_path: str | None = None,
        spool: str | None = None,
        spool_bytes: int = 16 * 1024 * 1024,
        queue: int = 10_000,
        timeout: float = 5.0,
    ) -> None:
        super().__init__(level)
        self._timeout = timeout
        kept = Spool(spool or default_path(), spool_bytes)
        self._courier = Courier(socket_of(socket_path), kept, most=queue, timeout=timeout)

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a record; an error in it is printed as `logging` does, never raised."""
        try:
            self._courier.put(self._line(record))
        except Exception:  # noqa: BLE001 - logging's own rule: a handler doesn't raise into the program
            self.handleError(record)

    def flush(self) -> None:
        """Wait until relay, or the spool, has everything; at most `timeout`."""
        self._courier.flush(self._timeout)

    def close(self) -> None:
        """Send what can be sent within `timeout`, spool the rest."""
        self._courier.close(self._timeout)
        super().close()

    def _line(self, record: logging.LogRecord) -> bytes:
        labels = getattr(record, "labels", None)
        return encode_line(
            self._text(record),
            module=record.name,
            level=next((word for number, word in _LEVELS if record.levelno >= number), "debug"),
            labels=labels if isinstance(labels, dict) else None,
            time=record.created,
            id=os.urandom(12).hex(),
        )

    def _text(self, record: logging.LogRecord) -> str:
        if self.formatter is not None:
            return self.format(record)
        parts = [record.getMessage()]
        if record.exc_info and record.exc_info[0] is not None:
            parts.append(_FORMATTER.formatException(record.exc_info))
        elif record.exc_text:
            parts.append(record.exc_text)
        if record.stack_info:
            parts.append(record.stack_info)
        return "\n".join(parts) or record.name
