"""`port_owner:` the right program holds a port; another one there is no reason to restart."""

from __future__ import annotations

from relay.config.checks import Owner
from relay.config.commands import full_unit
from relay.watchdog.processes import Listening, Processes, user_of
from relay.watchdog.tools import Tools
from relay.watchdog.verdict import FailedError, NoRemedyError, UnknownError


class OwnerProbe:
    """Looks up the listening socket, and who has it open."""

    def __init__(self, wanted: Owner) -> None:
        self._wanted = wanted
        self.target = f"owner of port {wanted.port}"

    async def look(self, tools: Tools) -> str:
        """As in `Probe`."""
        return await tools.of_processes(f"{self.target}#{id(self)}", self._find)

    def _find(self, processes: Processes) -> str:
        listening = processes.listening(self._wanted.port)
        if not listening:
            raise FailedError("nobody listens there")
        found = [self._judge(processes, each) for each in listening]
        return found[0]

    def _judge(self, processes: Processes, listening: Listening) -> str:
        wanted, user = self._wanted, user_of(listening.uid)
        if wanted.user and user != wanted.user:
            raise NoRemedyError(f"the wrong owner: user {user}")
        if not wanted.name and not wanted.unit:
            return f"user {user} listens there"
        pids, hidden = processes.holders(listening.inode)
        holders = [running for pid in pids if (running := processes.one(pid))]
        if not holders:
            why = "relay may not look into all processes" if hidden else "its holder is gone"
            raise UnknownError(f"who holds the port can't be seen: {why}")
        for each in holders:
            unit = processes.unit(each.pid)
            if (not wanted.name or each.is_called(wanted.name)) and (
                not wanted.unit or unit == full_unit(wanted.unit)
            ):
                return f"{each.name} (pid {each.pid}) listens there"
        first = holders[0]
        raise NoRemedyError(f"the wrong owner: {first.name} (pid {first.pid}, user {user})")


def owner_of(processes: Processes, port: int) -> str:
    """Who holds the port, as far as it can be seen; for evidence."""
    listening = processes.listening(port)
    if not listening:
        return "nobody listens"
    found = []
    for each in listening:
        pids, _ = processes.holders(each.inode)
        names = [f"{running.name} (pid {pid})" for pid in pids if (running := processes.one(pid))]
        found.append(f"{', '.join(names) or 'a process that relay may not see'}, user {user_of(each.uid)}")
    return "; ".join(dict.fromkeys(found))
