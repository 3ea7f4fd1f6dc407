"""`relay run`."""

from __future__ import annotations

import asyncio
import faulthandler
import sys
from collections.abc import Sequence

from relay.cli.common import FINE, PROBLEM, add_rules, complain, parser, rules_path


def main(name: str, given: Sequence[str]) -> int:
    """Check the rules, then serve until told to stop."""
    arguments = parser(name, "Run the daemon in the foreground.", "relay run -c /etc/relay/rules.yaml")
    add_rules(arguments)
    arguments.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    options = arguments.parse_args(given)
    path = rules_path(options.config)

    from relay import app, log  # noqa: PLC0415 - heavy, and only for the daemon
    from relay.errors import RelayError  # noqa: PLC0415
    from relay.reload import prepare  # noqa: PLC0415

    log.configure(level=options.log_level)
    prepared = prepare(path, scan=True, keep=True)
    for problem in prepared.problems:
        print(problem, file=sys.stderr)
    if prepared.rules is None:
        complain(f"{path} has errors; nothing was started")
        return PROBLEM
    faulthandler.enable()  # systemd's watchdog ends by SIGABRT: where it hung is in the journal
    status = FINE
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(app.serve(path, prepared.rules))
    except* (RelayError, OSError) as group:
        for failure in _leaves(group):
            complain(failure)
        status = PROBLEM
    return status


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - not on every Python
    except ImportError:
        return None
    factory: type[asyncio.AbstractEventLoop] = uvloop.Loop
    return factory


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for each in error.exceptions for leaf in _leaves(each)]
    return [error]
