"""`command:` a command ends with the right status and prints the right thing."""

from __future__ import annotations

from relay.config.checks import CommandCheck
from relay.watchdog.command import run
from relay.watchdog.probes.base import holds, shown
from relay.watchdog.tools import Tools
from relay.watchdog.verdict import FailedError, UnknownError


class CommandProbe:
    """Runs it."""

    def __init__(self, check: CommandCheck, timeout: float) -> None:
        self._check = check
        self._timeout = timeout
        self.target = shown(" ".join(check.command), 80)

    async def look(self, tools: Tools) -> str:
        """As in `Probe`. A command that can't be run judges nothing."""
        del tools
        ran = await run(self._check.command, self._timeout)
        said = f": {shown(ran.output, 200)}" if ran.output else ""
        if ran.status is None and ran.why.startswith("could not be run"):
            raise UnknownError(ran.why)
        if ran.status not in self._check.status:
            wanted = " or ".join(map(str, self._check.status))
            words = f"ended with status 0, not {wanted}" if ran.status == 0 else ran.words
            raise FailedError(f"{words}{said}")
        if self._check.output and not holds(self._check.output, ran.output):
            raise FailedError(f"{ran.words}, but printed something else{said}")
        return ran.words
