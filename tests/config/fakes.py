"""Backend types for the checker's tests, and how they look at what it found."""

from __future__ import annotations

import enum
from typing import Annotated, Final, Literal

from msgspec import Meta, field

from relay.backends.base import Backend, Receipt, Registered, Settings
from relay.config.load import Loaded
from relay.models import Message
from relay.values import Duration, Secret, Size

ENVIRON: Final = {"TOKEN": "sesame-open-99", "HOST": "im.example.com"}

# Enough for a rules file that has nothing to complain about.
BASE: Final = """\
sources: {apps: {socket: /run/relay/relay.sock}}
backends: {im: {type: fake, url: http://im}}
recipients: {ops: {im: room}}
rules: [{name: all, to: ops}]
"""


class Shape(enum.StrEnum):
    ROUND = "round"
    SQUARE = "square"


class FakeSettings(Settings, frozen=True, kw_only=True, tag="fake"):
    url: str
    key: Secret = Secret("")
    keys: tuple[Secret, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    form: Literal["plain", "rich"] = "plain"
    shape: Shape | None = None
    loud: bool = False
    factor: Annotated[float, Meta(ge=0)] = 1.0
    wait: Duration = 1.0
    most: Size = 4096
    from_: str = field(name="from", default="")

    def problems(self) -> list[tuple[str, str]]:
        if not self.url.startswith("http"):
            return [("url", f"{self.url} with {self.key.reveal()} is no URL")]
        return [("from_", "`from` needs loud")] if self.from_ and not self.loud else []

    def refuses(self, to: str) -> str:
        return "nobody by that name" if to == "all" else ""


class FakeBackend(Backend):
    async def send(self, message: Message, to: str) -> Receipt:
        raise NotImplementedError


TYPES: Final = {"fake": Registered(FakeSettings, FakeBackend)}


def lines(loaded: Loaded) -> list[str]:
    """The problems without the folder."""
    return [str(problem).partition("rules.yaml:")[2] for problem in loaded.problems]


def errors(loaded: Loaded) -> list[str]:
    """The errors without the folder."""
    return [line for line in lines(loaded) if ": warning: " not in line]
