"""`relay doctor`: can everybody be reached, can everything be read? Nothing is sent unless asked."""

from __future__ import annotations

import asyncio
import glob
import json
import os
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from relay.cli.common import (
    FINE,
    PROBLEM,
    USAGE,
    add_json,
    add_rules,
    coloured,
    complain,
    parser,
    printable,
    rules_path,
)

if TYPE_CHECKING:
    from relay.backends.base import Backend
    from relay.config.schema import Config
    from relay.models import Message

PATIENCE: Final = 30.0  # seconds for one backend's checks

Finding = tuple[str, bool, str]  # what was looked at, whether it is fine, in words


def main(name: str, given: Sequence[str]) -> int:
    """Look at backends, recipients and sources; status 1 if something is wrong."""
    arguments = parser(
        name,
        "Check each backend's credentials and reach without sending (where the service allows that), each "
        "recipient's addresses and each source. With --send, one marked test message to a recipient.",
        "relay doctor --send wang",
    )
    arguments.add_argument(
        "--send", metavar="RECIPIENT", help="send a test message by each of their addresses"
    )
    add_rules(arguments)
    add_json(arguments)
    options = arguments.parse_args(given)
    path = rules_path(options.config)

    from relay.reload import prepare  # noqa: PLC0415 - heavy, and not for --help

    prepared = prepare(path)
    if prepared.rules is None:
        for problem in prepared.problems:
            print(problem)
        return PROBLEM
    config = prepared.rules.config
    if options.send and options.send not in config.recipients:
        complain(f"unknown recipient {options.send!r}; known: {', '.join(sorted(config.recipients))}")
        return USAGE
    findings = [*_sources(config), *_recipients(config), *asyncio.run(_backends(config, options.send))]
    if options.json:
        print(
            json.dumps(
                [{"what": what, "ok": ok, "text": text} for what, ok, text in findings], ensure_ascii=False
            )
        )
    else:
        for what, ok, text in findings:
            print(
                f"{coloured('fine ', 'up') if ok else coloured('WRONG', 'dead')}  {what}: {printable(text)}"
            )
    return FINE if all(ok for _, ok, _ in findings) else PROBLEM


def _sources(config: Config) -> Iterator[Finding]:
    from relay.config.schema import JournalSource, SocketSource  # noqa: PLC0415 - with the rest

    for name, source in config.sources.items():
        if isinstance(source, SocketSource):
            there = os.path.exists(source.socket)  # noqa: PTH110 - a text in the rules
            yield f"source {name}", True, f"{source.socket}{'' if there else ' (relay is not running)'}"
            continue
        if isinstance(source, JournalSource):
            from relay.sources.journalctl import problem  # noqa: PLC0415 - with the rest

            wrong = problem(source)
            yield f"source {name}", not wrong, wrong or "the journal can be read"
            continue
        files = [file for pattern in source.tail for file in glob.glob(pattern, recursive=True)]  # noqa: PTH207
        closed = [file for file in files if not os.access(file, os.R_OK)]
        text = f"{len(files)} files" if files else "no file yet: relay waits for one"
        yield f"source {name}", not closed, f"can't be read: {', '.join(closed)}" if closed else text


def _recipients(config: Config) -> Iterator[Finding]:
    from relay.routing.recipients import addresses  # noqa: PLC0415 - with the rest

    for name in config.recipients:
        reached = addresses(config, (name,), time.time())
        ways = [
            f"{each.recipient} by {' then '.join(way.backend for way in each.addresses)}" for each in reached
        ]
        yield f"recipient {name}", bool(ways), "; ".join(ways) or "nothing can reach them"


async def _backends(config: Config, send_to: str | None) -> list[Finding]:
    from relay.backends.base import Door  # noqa: PLC0415 - with the rest
    from relay.backends.http import open_session  # noqa: PLC0415
    from relay.backends.registry import build  # noqa: PLC0415
    from relay.clock import SystemClock  # noqa: PLC0415
    from relay.routing.recipients import addresses  # noqa: PLC0415

    findings: list[Finding] = []
    async with open_session() as session:
        backends = {}
        for name, settings in config.backends.items():
            backends[name] = build(settings, Door(session=session, clock=SystemClock(), name=name))
            await backends[name].open()
            findings += await _checked(name, backends[name])
        for reached in addresses(config, (send_to,), time.time()) if send_to else ():
            for way in reached.addresses:
                findings.append(await _sent(backends[way.backend], way.backend, reached.recipient, way.to))
        for backend in backends.values():
            await backend.close()
    return findings


async def _checked(name: str, backend: Backend) -> list[Finding]:
    from relay.errors import BackendError  # noqa: PLC0415 - with the rest

    what = f"backend {name}"
    try:
        async with asyncio.timeout(PATIENCE):
            checks = await backend.check()
    except BackendError as error:
        return [(what, False, f"{error.code} {error}".strip())]
    except TimeoutError:
        return [(what, False, f"no answer within {PATIENCE:.0f} s")]
    if not checks:
        return [(what, True, f"{backend.type} can't be checked without sending; --send RECIPIENT does")]
    return [(what, check.ok, f"{check.code} {check.text}".strip()) for check in checks]


async def _sent(backend: Backend, name: str, recipient: str, to: str) -> Finding:
    from relay.errors import BackendError  # noqa: PLC0415 - with the rest

    what = f"test message to {recipient} by {name} ({to})"
    try:
        async with asyncio.timeout(PATIENCE):
            receipt = await backend.send(_test_message(), to)
    except BackendError as error:
        return what, False, f"{error.outcome} {error.code} {error}"
    except TimeoutError:
        return what, False, f"no answer within {PATIENCE:.0f} s"
    return what, True, " ".join(part for part in ("accepted", receipt.id, receipt.note) if part)


def _test_message() -> Message:
    from relay.models import AlertState, Level, Message, Reason  # noqa: PLC0415 - with the rest

    now = time.time()
    return Message(
        reason=Reason.OPERATORS,
        title="TEST: relay can reach you here",
        level=Level.NOTICE,
        rule="relay doctor",
        module="relay.test",
        state=AlertState.FIRING,
        count=1,
        first_seen=now,
        last_seen=now,
        text="This is a test. Nothing is wrong, nothing is to be done.",
        key=f"doctor-{now:.3f}-{os.getpid()}",
    )
