"""What the HTTP port reaches inside relay, and what it counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

from msgspec import Struct, field

from relay.backends.base import Backend, Feedback
from relay.clock import Clock
from relay.control import Verb
from relay.links import Links
from relay.metrics import Histogram
from relay.sources.intake import Intake


class Tallies(Struct, frozen=True, kw_only=True):
    """What pipeline and dispatcher count as they go."""

    events: Mapping[tuple[str, str, str], int]  # by (source, rule, reason)
    commit_seconds: Histogram
    attempts: Mapping[tuple[str, str], int]  # by (backend, outcome)
    attempt_seconds: Mapping[str, Histogram]  # by backend
    look_seconds: Histogram  # of the watchdog


class Inside(Struct, frozen=True, kw_only=True):
    """The port's way in: the control socket's verbs, the intake, and who is asked about what."""

    clock: Clock
    intake: Intake
    verbs: Mapping[str, Verb]
    tallies: Tallies
    backend: Callable[[str], Backend | None]  # by its name in rules.yaml
    heed: Callable[[str, Feedback], Awaitable[None]]  # (backend's name, what it told)
    links: Links
    unwell: Callable[[], str]  # why relay isn't healthy; "" if it is
    unready: Callable[[], str]  # why it can't take and deliver events now; "" if it can


class Counts(Struct, kw_only=True):
    """What came to the port, since the start."""

    requests: Counter[tuple[str, str, int]] = field(default_factory=Counter)  # by (method, route, status)
    refused: Counter[str] = field(default_factory=Counter)  # by why
    callbacks: Counter[tuple[str, str]] = field(default_factory=Counter)  # by (backend, what became of it)
    connections_refused: int = 0
