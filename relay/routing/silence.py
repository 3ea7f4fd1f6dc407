"""Silences: what their matchers mean, which of them hold now, and when one is over. Pure.

A matcher is written `KEY=VALUE` as on a command line: `module=pay.*`, `level=error` (or above),
`rule=payments`, `message=/timeout/i`, `alert=17`, `fingerprint=...`, and any other key is a label:
`host=web1`, `host=/web[12]/`. `KEY!=VALUE` means not that. `=~` and `!~` take a regular expression for the
whole value, as Alertmanager does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from relay.config.patterns import message_text, name_text, refusal
from relay.config.schema import Config, Hours, Mute, Text
from relay.config.texts import any_of
from relay.errors import RelayError
from relay.models import Alert, Event, Level, Reason, Silence
from relay.routing.calendar import NEVER, Gate, gate_of, opens_at
from relay.routing.hush import Hush, named
from relay.routing.matcher import Matcher
from relay.routing.own import is_own, match_names_own, names_own
from relay.routing.rota import moment

MOST_MATCHERS: Final = 32
MOST_TEXT: Final = 1000  # characters of a matcher

_SHAPE: Final = re.compile(r"\s*([\w.:-]+)\s*(=~|!~|!=|=)(.*)", re.DOTALL)
_FIELDS: Final = ("source", "module", "message", "rule", "alert", "fingerprint")

_SINGLE: Final = ("alert", "fingerprint")  # each is one alert's alone

Test = Callable[[Alert, Event | None], bool]


class BadMatcherError(RelayError):
    """A matcher that can't be read."""


class Muffler(Struct, frozen=True):
    """A silence ready to be asked whether it applies."""

    hush: Hush
    tests: tuple[Test, ...]
    own: bool = False  # it names relay's own trouble, which nothing hushes by the way

    def applies(self, alert: Alert, event: Event | None) -> bool:
        """Whether messages about the alert are held back; `event`: one of its own, if any is stored."""
        return (self.own or not is_own(alert)) and all(test(alert, event) for test in self.tests)


def muffler(silence: Silence) -> Muffler:
    """The silence, compiled. BadMatcherError."""
    hush = Hush(
        key=key_of(silence),
        reason=Reason.SILENCED,
        words=words_of(silence),
        author=silence.author,
        why=silence.reason,
        ends_at=silence.ends_at,
    )
    return Muffler(hush, conditions_of(silence.matchers), any(map(_names_own, silence.matchers)))


def conditions_of(matchers: Sequence[str]) -> tuple[Test, ...]:
    """What the matchers ask, all of which must hold. BadMatcherError."""
    if not matchers:
        raise BadMatcherError("a silence needs a matcher, such as module=pay.* or host=web1")
    if len(matchers) > MOST_MATCHERS:
        raise BadMatcherError(f"more than {MOST_MATCHERS} matchers")
    return tuple(map(_test, matchers))


def key_of(silence: Silence) -> str:
    """Its key."""
    return f"silence {silence.id}"


def words_of(silence: Silence) -> str:
    """`silence 12 of wang (deploy)`."""
    by = f"of {silence.author}" if silence.author else ""
    return named((key_of(silence), by, f"({silence.reason})" if silence.reason else ""))


def over(silence: Silence, now: float) -> bool:
    """Whether its time is over; a clock set back makes no quiet time longer than configured."""
    if silence.ended_at or now >= silence.ends_at:
        return True
    return 0 < silence.until_quiet <= now - min(silence.quiet_since, now)


class Planned(Struct, frozen=True):
    """A silence of rules.yaml, compiled."""

    name: str
    mute: Mute
    test: Test
    outside: Gate | None  # closed while it holds; None: it holds until a time
    until: float

    def at(self, now: float) -> Muffler | None:
        """What it holds back now."""
        if self.outside is None:
            return self._muffler(f"silence {self.name}", self.until) if now < self.until else None
        end = opens_at((self.outside,), now)
        if not end:
            return None
        # The end tells this window from the next, and is the same whenever it is asked for.
        return self._muffler(f"silence {self.name}@{end:.0f}", end if end < NEVER else 0.0)

    @property
    def words(self) -> str:
        """`silence backup of wang (weekly dump)`."""
        return named(("silence", self.name, f"of {self.mute.author}", f"({self.mute.reason})"))

    def _muffler(self, key: str, ends_at: float) -> Muffler:
        hush = Hush(
            key=key,
            reason=Reason.SILENCED,
            words=self.words,
            author=self.mute.author,
            why=self.mute.reason,
            ends_at=ends_at,
        )
        return Muffler(hush, (self.test,), match_names_own(self.mute.match))


def planned(name: str, mute: Mute, config: Config) -> Planned:
    """A silence of rules.yaml; the checker has made sure that its times can be read."""
    outside = gate_of(config, Hours(mute=mute.every, zone=mute.zone, calendar=mute.calendar))
    until = moment(mute.until, mute.zone).timestamp() if mute.until else 0.0
    matcher = Matcher(mute.match)

    def test(alert: Alert, event: Event | None) -> bool:
        return (not mute.rules or alert.rule in mute.rules) and matcher.holds(event or stand_in(alert))

    return Planned(name, mute, test, outside, until)


def stand_in(alert: Alert) -> Event:
    """What is known of an alert's events where none is stored."""
    host = {"host": alert.hosts[0]} if alert.hosts else {}
    return Event(
        time=alert.first_seen,
        source="",
        module=alert.module,
        level=alert.level,
        message=alert.title,
        labels=host,
    )


def _names_own(matcher: str) -> bool:
    """Whether the matcher is meant for relay's own trouble, or names that very alert."""
    found = _SHAPE.fullmatch(matcher)
    if found is None or found[2].startswith("!"):
        return False
    return found[1] in _SINGLE or (found[1] == "module" and names_own(found[3].strip()))


def _test(matcher: str) -> Test:
    found = _SHAPE.fullmatch(matcher) if len(matcher) <= MOST_TEXT else None
    if found is None:
        raise BadMatcherError(f"{matcher[:80]!r} is no matcher: write KEY=VALUE, such as module=pay.*")
    key, sign, value = found.groups()
    holds = _holds(key, value.strip(), as_regex=sign.endswith("~"))
    if sign.startswith("!"):
        return lambda alert, event: not holds(alert, event)
    return holds


def _holds(key: str, value: str, *, as_regex: bool) -> Test:
    try:
        if key == "level" and not as_regex:
            return _level(value)
        condition = _whole(value) if as_regex else _condition(key, value)
    except ValueError as error:
        raise BadMatcherError(f"{key}: {error}") from None
    label = key.removeprefix("label.")
    if key not in _FIELDS:
        return lambda alert, event: condition(_label(label, alert, event))
    return lambda alert, event: condition(_field(key, alert, event))


def _level(value: str) -> Test:
    least = Level.of(value)
    if least is None:
        raise ValueError(f"unknown level {value!r}: one of {', '.join(level.word for level in Level)}")
    return lambda alert, event: max(alert.level, event.level if event else alert.level) >= least


def _condition(key: str, value: str) -> Callable[[str], bool]:
    text = message_text(value) if key == "message" else name_text(value)
    return any_of((text,), dotted=key == "module")


def _whole(value: str) -> Callable[[str], bool]:
    if refused := refusal(value):
        raise ValueError(refused)
    return any_of((Text("regex", rf"\A(?:{value})\z"),))


def _label(name: str, alert: Alert, event: Event | None) -> str:
    if event is not None:
        return event.labels.get(name, "")
    return alert.hosts[0] if name == "host" and alert.hosts else ""


def _field(key: str, alert: Alert, event: Event | None) -> str:
    match key:
        case "rule":
            return alert.rule
        case "alert":
            return str(alert.id)
        case "fingerprint":
            return alert.fingerprint
    known = event or stand_in(alert)
    return str(getattr(known, key))
