"""`dns://name`: the name resolves here."""

from __future__ import annotations

import socket

from relay.watchdog.tools import Tools
from relay.watchdog.verdict import FailedError


class DnsProbe:
    """Asks the host's resolver, as programs do."""

    def __init__(self, url: str) -> None:
        self.target = url
        self._name = url.removeprefix("dns://").rstrip("/")

    async def look(self, tools: Tools) -> str:
        """As in `Probe`. That it doesn't resolve is what this check is about: a failure."""
        try:
            found = await tools.names.lookup(self._name)
        except socket.gaierror as error:
            raise FailedError(f"doesn't resolve: {error.strerror}") from None
        except UnicodeError:
            raise FailedError("doesn't resolve: not a name") from None
        except TimeoutError:
            raise FailedError("doesn't resolve: the resolver is silent") from None
        addresses = dict.fromkeys(str(where[0]) for _, where in found)
        return f"is {', '.join(list(addresses)[:4])}"
