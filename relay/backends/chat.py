"""What chat services share: who an address mentions, and a message laid out in a service's markup."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct

from relay.backends.compose import Composition, Link
from relay.backends.dialect import headline, plain
from relay.backends.fit import fit
from relay.models import AlertState, Level, Message

_BREAK: Final = "\u200b"  # zero-width space: parts what would be read together
_TICKS: Final = re.compile("`(?=`)")
# `<!channel>`, `<@user>` and `<http://e|text>` are Slack's, and others understand them too.
_SIGNS: Final = re.compile(r"@|#(?=\w)|<(?=[@!#]|[A-Za-z][A-Za-z0-9+.-]*:)")
_IN_URL: Final = str.maketrans({char: f"%{ord(char):02X}" for char in " ()<>[]|\\`*\"'"})


class Target(Struct, frozen=True):
    """An address in its parts."""

    room: str
    mentions: tuple[str, ...] = ()  # without their @
    stray: str = ""  # a word that is neither


def room_and_mentions(to: str) -> Target:
    """`ROOM @one @two`: the first word is the room, whatever it begins with."""
    room, *others = to.split() or [""]
    stray = [word for word in others if not word.startswith("@")]
    return Target(room, tuple(word[1:] for word in others if word.startswith("@")), "".join(stray[:1]))


def only_mentions(to: str) -> Target:
    """`any name @one @two`: for webhooks, whose room is known to the service alone."""
    words = to.split()
    names = " ".join(word for word in words if not word.startswith("@"))
    return Target(names, tuple(word[1:] for word in words if word.startswith("@")))


def address_problem(to: str, target: Target, mention: re.Pattern[str], known: str) -> str:
    """Why an address can't be one; "" if it can. `known` says which mentions there are."""
    if not to.strip():
        return "an address must not be empty"
    if not to.isprintable():
        return "an address must be of printable characters"
    if target.stray:
        return f"{target.stray!r} is no mention: after the room come words that begin with @"
    for name in target.mentions:
        if not mention.fullmatch(name):
            return f"'@{name}' is no mention: {known}"
    return ""


class Markup(Struct, frozen=True, kw_only=True):
    """How a service writes the parts of a message."""

    escaped: Callable[[str], str]
    strong: Callable[[str], str]  # of escaped text
    code: Callable[[str], str]  # of untrusted text, several lines
    link: Callable[[Link], str]


def laid_out(told: Composition, markup: Markup, mentions: str = "") -> str:
    """The whole message as lines: who is meant, headline, what happened, the facts, links, footer."""
    head = markup.strong(headline(told, markup.escaped))
    parts = (
        f"{mentions} {head}" if mentions else head,
        markup.code(told.body) if told.body else "",
        *(markup.escaped(f"{name}: {value}") for name, value in told.facts),
        " · ".join(markup.link(one) for one in told.links),
        markup.escaped(told.footer),
    )
    return "\n".join(part for part in parts if part)


def text_forms(
    told: Composition, markup: Markup, mentions: str, size: Callable[[str], int], most: int
) -> Iterator[str]:
    """The text as it should be; then, made where that was refused, a quarter of it without markup."""
    yield fit(told, lambda part: laid_out(part, markup, mentions), lambda text: size(text) <= most)
    bare = without_markup(markup.escaped)
    yield fit(told, lambda part: laid_out(part, bare, mentions), lambda text: size(text) <= most // 4)


def without_markup(escaped: Callable[[str], str]) -> Markup:
    """The plainest form, for a service that refused the usual one."""
    return Markup(
        escaped=escaped,
        strong=plain,
        code=escaped,
        link=lambda link: f"{escaped(link.label)}: {link.url}",
    )


def fenced(text: str) -> str:
    """Text between lines of three backticks, which nothing in it can end."""
    return f"```\n{_TICKS.sub(f'`{_BREAK}', text)}\n```"


def inert(text: str) -> str:
    """Nothing of it mentions anybody, names a channel, or is a link in angle brackets."""
    return _SIGNS.sub(lambda found: found[0] + _BREAK, text)


def safe_url(url: str) -> str:
    """A URL that can't end the markup it stands in."""
    return url.translate(_IN_URL)


def markdown_link(escaped: Callable[[str], str]) -> Callable[[Link], str]:
    """`[label](url)`, with the label escaped."""
    return lambda link: f"[{escaped(link.label)}]({safe_url(link.url)})"


def severity(message: Message) -> str:
    """`good`, `info`, `warning` or `bad`: what a service may show as a colour."""
    if message.state is AlertState.RESOLVED:
        return "good"
    if message.level >= Level.ERROR:
        return "bad"
    return "warning" if message.level >= Level.WARNING else "info"
