"""Lines of the socket to events and answers: JSON, syslog or plain text, by the line's first character."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct, field

from relay.errors import RelayError
from relay.models import Event, Level
from relay.sources.fields import as_labels, flatten
from relay.sources.framing import TooLong
from relay.sources.peer import Peer
from relay.sources.syslog import read_syslog
from relay.sources.times import from_number, read_time, sane
from relay.text import clean, one_line
from relay.values import Size

_MAX_ID: Final = 256  # characters: ids are kept in memory for the dedup window
_SHOWN: Final = 60  # characters of a wrong value in an error answer
_LEVELS: Final = " ".join(level.word for level in Level)

_decode: Final = msgspec.json.Decoder().decode


class Answer(Struct, frozen=True, gc=False, omit_defaults=True):
    """One answer line."""

    ok: bool
    id: str | int | None
    error: str = ""
    retry: bool = False  # nothing is wrong with the line: send it again


class BadLineError(RelayError):
    """A line that makes no event; `kind` is what to count it as."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Taken(Struct, frozen=True, gc=False):
    """What a line came to. A blank one is nothing; one without an id is owed no answer unless it is bad."""

    event: Event | None = None
    answer: Answer | None = None  # owed once the event is durable; at once for a bad line
    fault: str = ""  # what a bad line is counted as


class Lines(Struct, frozen=True, kw_only=True):
    """Reads the lines of one source."""

    source: str
    max_line: Size
    labels: dict[str, str] = field(default_factory=dict)

    def take(self, line: bytes | TooLong, peer: Peer, now: float) -> Taken:
        """The event and the answer that a line makes."""
        if isinstance(line, TooLong):
            return _refused("too_long", f"the line is longer than {self.max_line} bytes")
        if line[:1] == b"{":
            return self._take_json(line, peer, now)
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            return _refused("not_utf8", _not_utf8(error))
        return Taken(self._of_text(text, peer, now))

    def _take_json(self, line: bytes, peer: Peer, now: float) -> Taken:
        given: str | int | None = None
        try:
            members = _members(line)
            given = _id(members)
            event = self._event(members, given, peer, now)
        except BadLineError as error:
            return _refused(error.kind, str(error), given)
        return Taken(event, None if given is None else Answer(True, given))

    def _event(self, members: dict[str, Any], given: str | int | None, peer: Peer, now: float) -> Event:
        message = clean(_text(members, "message")).rstrip()
        if not message:
            raise BadLineError("bad_value", 'message is missing or empty: write {"message":"..."}')
        module = one_line(_text(members, "module")) or peer.name or self.source
        level = _level(members)
        time = _time(members, now)
        labels = _labels(members)
        return Event(
            time=time,
            source=self.source,
            module=module,
            level=level,
            message=message,
            labels=labels | self.labels,
            origin=peer.origin,
            id="" if given is None else str(given),
            program=peer.program,
        )

    def _of_text(self, text: str, peer: Peer, now: float) -> Event | None:
        reading = read_syslog(text, now) if text.startswith("<") else None
        message = (clean(text) if reading is None else reading.message).rstrip()
        if not message:
            return None
        time = level = None
        if reading is not None:
            time, level = reading.time, reading.level
        return Event(
            time=now if time is None else time,
            source=self.source,
            module=(reading.module if reading else "") or peer.name or self.source,
            level=Level.ERROR if level is None else level,
            message=message,
            labels=(reading.labels if reading else {}) | self.labels,
            origin=peer.origin,
            program=peer.program,
        )


def _refused(fault: str, text: str, given: str | int | None = None) -> Taken:
    return Taken(None, Answer(False, given, text), fault)


def _members(line: bytes) -> dict[str, Any]:
    try:
        members = _decode(line)
    except UnicodeDecodeError as error:
        raise BadLineError("not_utf8", _not_utf8(error)) from None
    except RecursionError:
        raise BadLineError("bad_json", "the JSON is nested too deeply") from None
    except msgspec.DecodeError as error:
        raise BadLineError("bad_json", f"not a JSON object on one line: {error}") from None
    assert isinstance(members, dict)  # it begins with a brace
    return members


def _not_utf8(error: UnicodeDecodeError) -> str:
    return f"not UTF-8: byte 0x{error.object[error.start]:02x} at {error.start}"


def _wrong(key: str, value: object, allowed: str) -> BadLineError:
    shown = msgspec.json.encode(value).decode()
    shown = shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…"
    return BadLineError("bad_value", f"{key} is {shown}, but must be {allowed}")


def _id(members: dict[str, Any]) -> str | int | None:
    given = members.pop("id", None)
    if given is None or (isinstance(given, int) and not isinstance(given, bool)):
        return given
    if isinstance(given, str) and 0 < len(given) <= _MAX_ID:
        return given
    raise _wrong("id", given, f"a text of 1 to {_MAX_ID} characters, or a whole number")


def _text(members: dict[str, Any], key: str) -> str:
    value = members.pop(key, None)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _wrong(key, value, "a text")
    return value


def _labels(members: dict[str, Any]) -> dict[str, str]:
    """The labels given as such, then every key that relay has no other use for."""
    labels = members.pop("labels", None)
    if labels is not None and not isinstance(labels, dict):
        raise _wrong("labels", labels, 'an object: {"host":"web-1"}')
    flat = flatten(labels) if labels else {}
    if members:
        flat |= {name: value for name, value in flatten(members).items() if name not in flat}
    return as_labels(flat)


def _level(members: dict[str, Any]) -> Level:
    word = members.pop("level", None)
    if word is None:
        return Level.ERROR
    level = Level.of(word) if isinstance(word, str) else None
    if level is None:
        raise _wrong("level", word, f"one of: {_LEVELS}")
    return level


def _time(members: dict[str, Any], now: float) -> float:
    """The event's time; an absurd one is relay's instead."""
    value = members.pop("time", None)
    if value is None:
        return now
    if isinstance(value, str):
        at = read_time(value, now)
    else:
        at = from_number(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    if at is None:
        raise _wrong("time", value, "seconds since the epoch, or ISO 8601 as in 2026-03-01T10:00:00Z")
    return at if sane(at, now) else now
