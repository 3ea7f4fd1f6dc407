"""Sending without sending: `relay render` shows what a backend would hand to its service, byte for byte."""

from __future__ import annotations

from typing import Final, NoReturn

from msgspec import Struct, field

from relay.errors import TemporaryError

TOKEN: Final = "TOKEN"  # noqa: S105 - stands where a service's token would: nobody is asked for one


class Request(Struct, frozen=True, kw_only=True):
    """What would go out. It may hold secrets: who shows it, masks it."""

    method: str  # of HTTP; or "SMTP", "apprise", "console"
    url: str  # where to
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    charset: str = "utf-8"  # of the body, or of a form within the URL


class NotSentError(TemporaryError):
    """It was only shown. Temporary, so that nothing is concluded from it about message or receiver."""


class Rehearsal:
    """Takes down what backends would send, in order: the message itself comes last."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def take(self, request: Request) -> NoReturn:
        """Keep the request, and end the attempt."""
        self.requests.append(request)
        raise NotSentError("not sent, only shown")
