"""What a probe is."""

from __future__ import annotations

import errno
import os
from typing import Final, Protocol

import re2

from relay.config.patterns import message_text
from relay.text import one_line
from relay.watchdog.tools import Tools
from relay.watchdog.verdict import FailedError, UnknownError

# What relay itself lacks, or may not do: it says nothing of the target.
_RELAYS_OWN: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}
    | {errno.EACCES, errno.EPERM}
)


class Probe(Protocol):
    """Made from one check of rules.yaml."""

    target: str  # what is looked at, for people

    async def look(self, tools: Tools) -> str:
        """What was found, in words; `FailedError`, `NoRemedyError`, `UnknownError`.

        The caller sets a time limit and cancels.
        """
        ...


def holds(expected: str, text: str) -> bool:
    """Whether the text has what is expected in it: a part of a text, or /RE2/."""
    wanted = message_text(expected)
    if wanted.kind != "regex":
        return wanted.text in text
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not wanted.ignore_case
    return re2.compile(wanted.text, options).search(text) is not None


def shown(text: str | bytes, most: int = 100) -> str:
    """What a peer said, made safe to show in a line."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    return one_line(text.strip(), most)


def heard(said: bytes) -> str:
    """What a service said in its protocol, as far as that is text."""
    return shown("".join(chr(byte) if 32 <= byte < 127 else " " for byte in said[:200]))


def refused(error: OSError) -> FailedError | UnknownError:
    """The target's refusal; or, where the error is relay's own, that the target can't be judged."""
    if error.errno in _RELAYS_OWN:
        return UnknownError(f"relay can't look: {in_words(error)}")
    return FailedError(in_words(error))


def in_words(error: OSError) -> str:
    """`connection refused`, without numbers and addresses."""
    words = os.strerror(error.errno) if error.errno and error.errno > 0 else "no connection"
    return words[:1].lower() + words[1:]
