"""A script: sends one message by Apprise, in a process of its own.

Apprise's plug-ins block threads that can't be stopped; a process can. It reads one JSON object from standard
input (`url`, `title`, `body`, `type`, `seconds` to live) and writes one to standard output: `ok`, `error` and
what the plug-ins said. It imports nothing of relay's, to start quickly.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any


def main() -> None:
    """Do what standard input asks; whatever plug-ins print goes to standard error."""
    asked = json.load(sys.stdin)
    signal.alarm(
        asked["seconds"] + 1
    )  # should relay itself be killed, nobody else would end a hanging plug-in
    with os.fdopen(os.dup(1), "w") as answer:
        os.dup2(2, 1)
        json.dump(outcome(asked), answer)


def outcome(asked: dict[str, Any]) -> dict[str, Any]:
    """Import Apprise, send, and say how it went."""
    try:
        import apprise  # noqa: PLC0415 - its absence is one of the outcomes
    except ModuleNotFoundError:
        return {"ok": False, "error": "library"}
    said = io.StringIO()
    with listening(said):
        service = apprise.Apprise()
        if not service.add(asked["url"]):
            error = "url"
        elif not asked["body"]:  # only to be looked at
            error = ""
        else:
            result = service.notify(
                body=asked["body"], title=asked["title"], notify_type=asked["type"], body_format="text"
            )
            error = "" if result else "refused"  # an AppriseResult since 2.0: only its truth can be asked
    return {"ok": not error, "error": error, "said": said.getvalue()}


@contextlib.contextmanager
def listening(said: io.StringIO) -> Iterator[None]:
    """What plug-ins log, as they tell the reason of a refusal nowhere else."""
    listener = logging.StreamHandler(said)
    log = logging.getLogger("apprise")
    log.addHandler(listener)
    try:
        yield
    finally:
        log.removeHandler(listener)


if __name__ == "__main__":
    main()
