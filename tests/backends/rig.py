"""The form of what the contract suite must know of a backend; the rigs stand in rigs.py and its parts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from relay.backends.base import Backend, Door, Settings
from relay.backends.fit import utf8_bytes
from relay.backends.registry import build
from relay.clock import FakeClock

CANARY = "c4n4ry"  # part of every secret in every rig's settings


def nothing(emulator: Any) -> list[str]:
    return []


@dataclass(frozen=True, kw_only=True)
class Rig:
    """One backend with its emulator."""

    emulator: Callable[[], AbstractAsyncContextManager[Any]]
    settings: Callable[[Any], Settings]  # that reach that emulator, secrets with CANARY in them
    to: str  # an address the emulator knows
    read: Callable[[Any], list[str]]  # the messages that arrived, as a person reads them
    markup: Callable[[Any], list[str]] = (
        nothing  # links, mentions and the like the service made of their text
    )
    unknown: str = ""  # an address the service refuses; "": it knows none
    refused: tuple[str, ...] = ()  # addresses refused without asking the service
    size: Callable[[str], int] = utf8_bytes  # how the service counts
    limit: int = 0  # of a message read, by `size`; 0: none
    http: bool = True
    build: Callable[[Settings, Door, Any], Backend] = field(
        default=lambda settings, door, _: build(settings, door)
    )

    def backend(self, session: aiohttp.ClientSession, emulator: Any, **changes: Any) -> Backend:
        door = Door(session=session, clock=FakeClock(), name="under-test")
        settings = self.settings(emulator)
        fields = {name: getattr(settings, name) for name in settings.__struct_fields__}
        return self.build(type(settings)(**{**fields, **changes}), door, emulator)
