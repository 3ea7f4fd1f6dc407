"""What a backend is: settings, limits, and one message to one address, once.

The base owns what no backend should repeat: the HTTP session and its total deadline, network exceptions
to `TemporaryError` by class name only (the URL in their text holds the token), bodies read up to a cap
and parsed whatever the content type, redirects refused. A backend adds: build a payload, post it, read
*that service's* answer.
"""

from __future__ import annotations

import abc
from typing import ClassVar, Self

import aiohttp
from msgspec import Struct, field

from relay.clock import Clock
from relay.models import Message
from relay.values import Duration


class Limits(Struct, frozen=True, kw_only=True):
    """What a service takes: `windows` are (messages, seconds) pairs, each of them sliding."""

    windows: tuple[tuple[int, float], ...] = ()
    concurrency: int = 64  # messages in flight at most
    receivers: int = 1  # per call, for `send_many`


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """Settings every backend has, in rules.yaml under `backends: NAME:`."""

    timeout: Duration = 10.0  # total deadline of one attempt
    attempts: int = 100  # temporary failures of one delivery before it is dead
    expire: Duration = 86400.0  # a delivery older than this is dead
    rate: tuple[str, ...] = ()  # "20/1m": replaces the service's published limit; each window slides
    concurrency: int = 0  # messages in flight; 0: the service's default


class Receipt(Struct, frozen=True, kw_only=True):
    """The service's own word that it accepted a message."""

    id: str = ""  # its message id, where it gives one
    note: str = ""  # anything worth recording: "queued", "offline, stored"


class Check(Struct, frozen=True, kw_only=True):
    """One finding of `relay doctor`."""

    ok: bool
    text: str
    code: str = ""


class Door(Struct, frozen=True, kw_only=True):
    """What the world gives a backend."""

    session: aiohttp.ClientSession
    clock: Clock
    name: str  # the backend's name in rules.yaml


class Backend(abc.ABC):
    """One configured connection to a service. Nothing is written to `self` after `__init__`."""

    type: ClassVar[str]
    settings: Settings
    limits: ClassVar[Limits] = Limits()

    def __init__(self, settings: Settings, door: Door) -> None:
        self.settings = settings
        self.door = door

    @abc.abstractmethod
    async def send(self, message: Message, to: str) -> Receipt:
        """Hand one message to one address, once; raises a `BackendError`."""

    async def check(self) -> list[Check]:
        """Credentials and reachability without sending, as far as the service allows."""
        return []

    async def presence(self, to: str) -> bool | None:
        """Whether that account is online; None where it can't be known."""
        del to
        return None

    async def open(self) -> Self:
        """Get ready; may do nothing."""
        return self

    async def close(self) -> None:
        """Let go of what `open` took."""


class Registered(Struct, frozen=True):
    """A backend type as rules.yaml may name it."""

    settings: type[Settings]
    backend: type[Backend]
    aliases: tuple[str, ...] = field(default_factory=tuple)
