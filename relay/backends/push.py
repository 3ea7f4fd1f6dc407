"""What push services have in common: a title apart from the text, and a number or word for each level."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeVar

from msgspec import Struct

from relay.backends.compose import Composition, Link
from relay.backends.dialect import plain, text_of
from relay.models import AlertState, Level, Message
from relay.values import Secret

T = TypeVar("T")

LEVELS: Final = tuple(level.word for level in Level)


class Titled(Struct, frozen=True):
    """A message as two texts: one line, and the rest."""

    title: str
    text: str


def titled(
    composition: Composition,
    escaped: Callable[[str], str] = plain,
    link: Callable[[Link], str] = lambda link: f"{link.label}: {link.url}",
) -> Titled:
    """The layout of `text_of`, its headline apart; services refuse an empty text, so then it stands twice."""
    headline, _, rest = text_of(composition, escaped, link).partition("\n")
    return Titled(headline, rest.removeprefix("\n") or headline)


def urgency(message: Message, defaults: Mapping[Level, T], given: Mapping[str, T]) -> T:
    """What the service calls this message's level; `given` (by the level's word) replaces defaults."""
    level = Level.INFO if message.state is AlertState.RESOLVED else message.level
    return given.get(level.word, defaults[level])


def urgency_problems(key: str, given: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Names in a mapping by level that are no levels."""
    for word in given:
        if word not in LEVELS:
            yield key, f"{word!r} is no level: {', '.join(LEVELS)}"


def basic(user: str, password: Secret) -> str:
    """The Authorization header of HTTP Basic (RFC 7617) in UTF-8."""
    return "Basic " + base64.b64encode(f"{user}:{password.reveal()}".encode()).decode()
