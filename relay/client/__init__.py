"""For programs that report to relay: `send()` for one event, `RelayHandler` for `logging`.

Standard library only, and cheap to import.

    import logging
    from relay.client import RelayHandler, send

    logging.getLogger().addHandler(RelayHandler(level=logging.ERROR))
    send("disk almost full", module="backup", labels={"host": "db-1"})

The socket is `socket_path`, else `$RELAY_SOCKET`, else `/run/relay/relay.sock`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from relay.client.wire import (
    Link,
    RelayRefused,
    RelayUnavailable,
    encode_line,
    socket_of,
)

if TYPE_CHECKING:
    from relay.client.handler import RelayHandler

__all__ = ["RelayHandler", "RelayRefused", "RelayUnavailable", "send"]


def send(  # noqa: PLR0913 - an event has that many parts
    message: str,
    *,
    module: str = "",
    level: str = "error",
    labels: Mapping[str, object] | None = None,
    time: float | None = None,
    id: str | None = None,  # noqa: A002 - the name on the wire
    socket_path: str | None = None,
    timeout: float = 5.0,
    wait: bool = True,
) -> str:
    """Send one event and wait until relay has it in its store; the event's id.

    Without `wait` nothing is awaited, and the result is "" unless you gave an id. The same `id` is stored
    once: after an error you may send again with it. `time` is in seconds since the epoch; `timeout` in
    seconds, for all of it. Raises RelayUnavailable (send again later) or RelayRefused (the event is wrong).
    """
    if wait and id is None:
        id = os.urandom(12).hex()  # noqa: A001 - as the argument
    line = encode_line(message, module=module, level=level, labels=labels, time=time, id=id)
    with Link(socket_of(socket_path), timeout) as link:
        link.write(line)
        if wait:
            answer = link.answer()
            if not answer.ok:
                error = RelayUnavailable if answer.retry else RelayRefused
                raise error(answer.error)
    return id or ""


def __getattr__(name: str) -> Any:
    """`RelayHandler`, imported when it is asked for: `logging` costs more than all of `send()`."""
    if name == "RelayHandler":
        from relay.client.handler import RelayHandler  # noqa: PLC0415 - the point of this function

        return RelayHandler
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
