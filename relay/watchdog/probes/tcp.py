"""`tcp://host:port`: something takes a connection."""

from __future__ import annotations

from relay.config.check_kinds import place_of
from relay.watchdog.probes.connect import connect
from relay.watchdog.tools import Tools


class TcpProbe:
    """Connects, and hangs up."""

    def __init__(self, url: str) -> None:
        self.target = url
        self._host, self._port = place_of(url)

    async def look(self, tools: Tools) -> str:
        """As in `Probe`."""
        (await connect(tools, self._host, self._port)).close()
        return "takes connections"
