"""A message in plain words, before any service's markup: what a person woken at 3 a.m. reads.

[ERROR, still happening] pay.refund: timeout after <num> ms
timeout after 3000 ms

seen: 313 times, first 02:51:07, last 03:01:12
host: web1, web2, web3
from: shop, /srv/shop/logs/pay.log:81233
rule: payments
alert 17 · +312 more in 10 min, 3 hosts, first 02:51, last 03:01
"""

from __future__ import annotations

import time
from typing import Final

from msgspec import Struct

from relay.models import AlertState, Message, Reason, Wording
from relay.text import clean, one_line
from relay.values import format_duration

# Upper bounds in characters for what must not be cut later, so that it always fits.
MOST_MODULE: Final = 80
MOST_TITLE: Final = 300
MOST_FACT: Final = 300
MOST_HOSTS: Final = 5

_BUILT_IN: Final = Wording()
_NOTES: Final = {
    Reason.REMINDER: "still happening",
    Reason.CLOSED: "quiet now",
    Reason.FLAPPING: "flapping",
    Reason.SETTLED: "settled",
    Reason.STORM: "storm",
    Reason.ESCALATED: "escalated",
}
# Messages about what relay does: their tags. Nothing fires, and nothing was resolved.
_TAGS: Final = {Reason.SUMMARY: "OVER", Reason.ENDING: "NOTE"}


class Link(Struct, frozen=True):
    """A link that relay itself made: the only kind that a message may hold."""

    label: str
    url: str


class Composition(Struct, frozen=True, kw_only=True):
    """A message in parts, all of it clean text and none of it escaped yet.

    `tag`, `note`, `module` and `footer` are short and never cut; `title`, `facts` and `body` may be.
    """

    tag: str  # "ERROR", "RESOLVED"
    note: str = ""  # "still happening"
    module: str = ""
    title: str
    body: str = ""
    facts: tuple[tuple[str, str], ...] = ()  # (name, value), the most telling first
    links: tuple[Link, ...] = ()
    footer: str = ""
    worded: bool = False  # the title is a template's, with the module in it if that is wanted

    @property
    def subject(self) -> str:
        """What it is about: `pay.refund: timeout after <num> ms`."""
        return f"{self.module}: {self.title}" if self.module and not self.worded else self.title


def compose(message: Message, now: float) -> Composition:
    """The parts of a message; `now` decides which times need their day.

    A template's wording stands for module and title, and for text and facts. Tag, links and footer stay:
    no template can show what is over as going on, or hide that others are folded into the message.
    """
    resolved = message.state is AlertState.RESOLVED and message.reason not in _TAGS
    wording = message.wording or _BUILT_IN
    own_title = one_line(wording.title, MOST_TITLE)
    title = own_title or one_line(message.title, MOST_TITLE)
    body = clean(message.text if wording.body is None else wording.body).strip("\n")
    facts = _facts(message, now) if wording.body is None else ()
    return Composition(
        tag=_TAGS.get(message.reason) or ("RESOLVED" if resolved else message.level.name),
        note="" if resolved else _NOTES.get(message.reason, ""),
        module=one_line(message.module, MOST_MODULE),
        title=title,
        body="" if body == title or not body.strip() else body,
        facts=tuple((name, one_line(value, MOST_FACT)) for name, value in facts if value),
        links=tuple(Link(one_line(label), url) for label, url in message.links),
        footer="\n".join(
            part
            for part in (
                " · ".join(part for part in _footer(message, now, resolved=resolved) if part),
                f"and {len(message.digest)} more:" if message.digest else "",
                *map(one_line, message.digest),
            )
            if part
        ),
        worded=bool(own_title),
    )


def _facts(message: Message, now: float) -> tuple[tuple[str, str], ...]:
    labels = (f"{name}={value}" for name, value in message.labels.items() if name != "host")
    return (
        ("counted", _counted(message.counted)),
        ("note", "; ".join(message.notes)),
        ("seen", _seen(message, now)),
        ("host", _hosts(message.hosts)),
        ("from", ", ".join(part for part in (message.source, message.origin) if part)),
        ("rule", message.rule),
        ("labels", " ".join(labels)),
    )


def _counted(counted: tuple[str, ...]) -> str:
    first, *others = counted or ("",)
    return f"{first}: {'; '.join(others)}" if others else first


def _seen(message: Message, now: float) -> str:
    if message.count < 1:
        return ""
    if message.count == 1:
        return f"once, {moment(message.first_seen, now)}"
    return f"{message.count:,} times, {_span(message, now, seconds=True)}"


def _hosts(hosts: tuple[str, ...]) -> str:
    shown = ", ".join(hosts[:MOST_HOSTS])
    return f"{shown} and {len(hosts) - MOST_HOSTS} more" if len(hosts) > MOST_HOSTS else shown


def _footer(message: Message, now: float, *, resolved: bool) -> tuple[str, ...]:
    events = "1 event" if message.count == 1 else f"{message.count:,} events"
    lasted = format_duration(message.last_seen - message.first_seen)
    return (
        f"alert {message.alert}" if message.alert else "",
        f"resolved after {lasted}, {events}" if resolved else "",
        _more(message, now) if message.more > 0 else "",
        f"{format_duration(message.late)} late" if message.late > 0 else "",
    )


def _more(message: Message, now: float) -> str:
    since = message.last_seen - message.since if message.since else 0.0
    parts = (
        f"+{message.more:,} more" + (f" in {format_duration(since)}" if since >= 1 else ""),
        f"{len(message.hosts)} hosts" if len(message.hosts) > 1 else "",
        _span(message, now, seconds=False),
        f"{message.variants:,} new variant{'' if message.variants == 1 else 's'}" if message.variants else "",
    )
    return ", ".join(part for part in parts if part)


def _span(message: Message, now: float, *, seconds: bool) -> str:
    first, last = (moment(at, now, seconds=seconds) for at in (message.first_seen, message.last_seen))
    return f"first {first}, last {last}"


def moment(at: float, now: float, *, seconds: bool = True) -> str:
    """A time of day in the host's zone, with its date unless that is today."""
    try:
        when, today = time.localtime(at), time.localtime(now)
    except (OverflowError, ValueError, OSError):
        return f"at {at:g} s"  # an event may claim any time
    clock = "%H:%M:%S" if seconds else "%H:%M"
    return time.strftime(clock if when[:3] == today[:3] else f"%Y-%m-%d {clock}", when)
