"""What one look at a check came to."""

from __future__ import annotations

import enum

from msgspec import Struct

from relay.errors import RelayError


class FailedError(RelayError):
    """The check doesn't hold. The text says what was found."""


class NoRemedyError(FailedError):
    """It doesn't hold, and a restart would not help: the wrong program holds the port ..."""


class UnknownError(RelayError):
    """It can't be judged now: the bus is away, a name doesn't resolve. Never a failure."""


class Kind(enum.StrEnum):
    """How a look ended."""

    HELD = "held"
    FAILED = "failed"
    UNKNOWN = "unknown"  # it can't be judged
    LATE = "late"  # relay itself was held up while it looked: look again


class Verdict(Struct, frozen=True):
    """One look's outcome."""

    kind: Kind
    text: str  # what was found, one line, for people
    remediable: bool = True  # a restart may help
