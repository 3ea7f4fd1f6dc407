"""What holds a message back, as a decision sees it; and what it held back, for the line that closes it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from msgspec import Struct
from msgspec.structs import replace

from relay.models import Address, Alert, AlertState, Json, Level, Message, Reason, Withheld
from relay.text import one_line

MOST_HOSTS: Final = 64  # told apart in one account
MOST_LINES: Final = 15  # alerts named in one closing message
MOST_LINE: Final = 100  # characters of one of them


class Hush(Struct, frozen=True):
    """A silence or inhibition that applies to an alert now."""

    key: str  # the same while it lasts, over restarts; another for the next window of a recurring one
    reason: Reason  # SILENCED or INHIBITED
    words: str  # "silence 12 of wang (deploy)"
    author: str = ""
    why: str = ""
    ends_at: float = 0.0  # at the latest; 0.0: not known

    @classmethod
    def of(cls, json: Json) -> Hush:
        """What `json` gave."""
        return cls(
            key=json["key"],
            reason=Reason(json["kind"]),
            words=json["words"],
            author=json["author"],
            why=json["reason"],
            ends_at=json["ends_at"],
        )

    def json(self) -> Json:
        """For the trace."""
        return {
            "key": self.key,
            "kind": self.reason.value,
            "words": self.words,
            "author": self.author,
            "reason": self.why,
            "ends_at": self.ends_at,
        }


class Person(Protocol):
    """Whom a message would have reached."""

    @property
    def recipient(self) -> str:
        """Their name in rules.yaml."""
        ...

    @property
    def addresses(self) -> tuple[Address, ...]:
        """How to reach them, in order."""
        ...


def booked(
    account: Withheld | None, hush: str, person: Person, alert: Alert, events: int, first: float
) -> Withheld:
    """The account with that alert's events, which began at `first`, added."""
    before = account or Withheld(
        hush=hush, recipient=person.recipient, events=0, alerts=0, hosts=(), first=first, last=alert.last_seen
    )
    return replace(
        before,
        events=before.events + events,
        alerts=before.alerts + 1,
        hosts=tuple(dict.fromkeys((*before.hosts, *alert.hosts)))[:MOST_HOSTS],
        first=min(before.first, first),
        last=max(before.last, alert.last_seen),
        lines=(*before.lines, entry(alert))[:MOST_LINES],
        addresses=person.addresses,
    )


def entry(alert: Alert) -> str:
    """An alert in a line."""
    tag = "RESOLVED" if alert.state is AlertState.RESOLVED else alert.level.name
    return f"{one_line(f'[{tag}] {alert.module}: {alert.title}', MOST_LINE)} (x{alert.count}) #{alert.id}"


def sum_of(account: Withheld) -> str:
    """`held back 312 events of 4 alerts, 3 hosts, first 02:51, last 03:01`."""
    parts = [
        f"held back {_many(account.events, 'event')} of {_many(account.alerts, 'alert')}",
        f"{len(account.hosts)} hosts" if len(account.hosts) > 1 else "".join(account.hosts),
        f"first {clock(account.first)}, last {clock(account.last)}",
    ]
    return ", ".join(filter(None, parts))


def closing(account: Withheld, words: str, going_on: int, now: float, key: str) -> Message:
    """The line that closes a silence or inhibition for one recipient, with the alerts it is about."""
    more = account.alerts - len(account.lines)
    lines = [*account.lines, f"and {more} more" if more > 0 else ""]
    if going_on:
        still = "1 alert goes on: its own message follows"
        lines.append(still if going_on == 1 else f"{going_on} alerts go on: their own messages follow")
    return note(
        Reason.SUMMARY, f"{words} is over: it {sum_of(account)}", "\n".join(filter(None, lines)), now, key
    )


def ending(words: str, ends_at: float, alerts: Sequence[Alert], now: float, key: str) -> Message:
    """That a silence ends soon, and what of it still fires."""
    lines = [entry(alert) for alert in alerts[:MOST_LINES]]
    if len(alerts) > MOST_LINES:
        lines.append(f"and {len(alerts) - MOST_LINES} more")
    held = sum(alert.count - alert.notified_count for alert in alerts)
    title = (
        f"{words} ends at {clock(ends_at)}: "
        f"{_many(held, 'event')} of {_many(len(alerts), 'alert')} held back so far"
    )
    return note(Reason.ENDING, title, "\n".join(lines), now, key)


def note(reason: Reason, title: str, text: str, now: float, key: str) -> Message:
    """A message about what relay does, not about one alert. Nothing is open: services close nothing on it."""
    return Message(
        reason=reason,
        title=title,
        level=Level.NOTICE,
        rule="",
        module="relay.silence",
        state=AlertState.RESOLVED,
        count=0,
        first_seen=now,
        last_seen=now,
        text=text,
        key=key,
    )


def clock(at: float) -> str:
    """The time of day, in the host's zone."""
    return time.strftime("%H:%M", time.localtime(at))


def named(words: Iterable[str]) -> str:
    """The parts that aren't empty, in one line."""
    return " ".join(one_line(word) for word in words if word)


def _many(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"
