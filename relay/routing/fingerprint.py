"""Which problem is it? A key that stays the same while the variable parts of the text change.

The key is a pure function of rule, module and text: the same in every process, on every server, in any
order. A wrong merge loses an alert, a wrong split only repeats one, so doubt splits.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from msgspec import Struct

from relay.config.schema import Rule
from relay.models import Event
from relay.routing.headers import peel
from relay.routing.structured import fields_of
from relay.routing.traces import Trace, trace_of
from relay.routing.words import Masked, alike, masked

_LONGEST: Final = 16 * 1024  # characters looked at
_TITLE: Final = 200  # characters
_REMEMBERED: Final = 4096  # whole messages, and keys; messages of up to:
_SHORT: Final = 1024  # characters
_DEEPEST: Final = 3  # a trace in a JSON field in ...

# nginx ends its errors with the request's particulars, some of them optional.
_REQUEST: Final = ", client: "
_JSON_KEY: Final = '":'  # JSON has its own idea of digits: `00` is no number
# One id for all in hexadecimal: their letters would make each text that holds one a new text to the memory.
_HEX_ID: Final = re.compile(r"(?<![0-9A-Za-z])(?=[a-f]*[0-9])(?=[0-9]*[a-f])[0-9a-f]{7,}(?![0-9A-Za-z])")
_ANY_HEX_ID: Final = "0a0a0a0a"
_TELLING_LINE: Final = re.compile(
    r"""
    \s*(?:
        \*\*\ \((?!exit\))                                                         # Elixir
      | [A-Z][\w.:\\]{0,120}(?:Error|Exception)\b\s*[:(]
      | (?i:fatal|error|panic|caused\ by|exception|reason|cause)\b[^\n]{0,20}[:=]
      | [\u4e00-\u9fff]{0,8}(?:原因|错误|异常)[\u4e00-\u9fff]{0,4}\s*[:=]
    )
    """,
    re.VERBOSE,
)


class Fingerprint(Struct, frozen=True, gc=False):
    """The key of a problem and its name for people."""

    key: str  # 16 hex digits
    title: str


def fingerprint(event: Event, rule: Rule, serial: str = "") -> Fingerprint:
    """The problem that the event belongs to under the rule.

    With `fingerprint: event` each event is its own: the same for the same event read again. `serial`, a
    number never used before, sets events apart that have neither an id nor a place in a file.
    """
    kind = rule.fingerprint
    if kind == "message":
        return Fingerprint(_digest(rule.name, event.module, event.message), first_line(event.message))
    if kind == "event":
        return Fingerprint(_digest(rule.name, event.module, *_own(event, serial)), first_line(event.message))
    text = _text(event.message)
    if kind == "template":
        return _of_template(rule.name, event.module, text)
    fields = tuple(_field(event, name, text) for name in kind)
    return Fingerprint(_digest(rule.name, event.module, *fields), text.title)


def template(message: str) -> str:
    """The message as a name for the problem: its first line, without a header, with placeholders."""
    return _text(message).title


def of_parts(rule: str, title: str, *parts: str) -> Fingerprint:
    """A problem of the rule that is known by something else than an event's module and text."""
    return Fingerprint(_digest(rule, *parts), title)


def _own(event: Event, serial: str) -> tuple[str, ...]:
    """What tells the event from all others; an origin with a program is a writer, not a place in a file."""
    known = event.id or (event.origin and not event.program)
    return (
        event.origin,
        event.program,
        event.id,
        repr(event.time),
        event.message,
        "" if known else serial,
    )


def _field(event: Event, name: str, text: Masked) -> str:
    match name:
        case "template" | "{default}":
            return text.key
        case "message" | "module" | "source":
            return str(getattr(event, name))
        case "level":
            return event.level.word
        case _:
            return event.labels.get(name, "")


def _digest(*parts: str) -> str:
    data = "\0".join(parts).encode(errors="surrogatepass")
    return blake2b(data, digest_size=8).hexdigest()


@lru_cache(_REMEMBERED)
def _of_template(rule: str, module: str, text: Masked) -> Fingerprint:
    return Fingerprint(_digest(rule, module, text.key), text.title)


def _text(message: str) -> Masked:
    """The message masked; those that differ in digits alone are masked once (see `words.masked`)."""
    if len(message) > _SHORT or _JSON_KEY in message:
        return _mask(message)
    found = _known(alike(message))
    return _known(message) if found.exact else found


def _mask(message: str) -> Masked:
    text = message[:_LONGEST]
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    text = text.strip()
    if _JSON_KEY not in text:
        text = _HEX_ID.sub(_ANY_HEX_ID, text)
    found = _of_text(text, _DEEPEST) if len(text) > _SHORT else _known_text(text, _DEEPEST)
    return found._replace(title=_shortened(found.title))


_known = lru_cache(_REMEMBERED)(_mask)


def _of_text(text: str, depth: int) -> Masked:
    trace = trace_of(text)
    if trace is not None:
        return _of_trace(trace)
    first, _, others = text.partition("\n")
    first = peel(first)
    if others and first.endswith(":"):  # the next line says it
        second, _, others = others.partition("\n")
        first = f"{first} {second}"
    fields = fields_of(first) if depth else None
    if fields:
        return _joined([_of_text(field, depth - 1) for field in fields])._replace(exact=True)
    line = masked(first.partition(_REQUEST)[0])
    telling = _telling(others) if others else ""
    return _joined([line, masked(telling)]) if telling else line


_known_text = lru_cache(_REMEMBERED)(_of_text)


def _of_trace(trace: Trace) -> Masked:
    said = _joined([masked(peel(line)) for line in trace.thrown])
    return Masked(" ".join((said.key, *trace.frames)), said.title, said.exact)


def _telling(others: str) -> str:
    """The first further line that names an error; what else follows are particulars."""
    return next((line for line in others.split("\n") if _TELLING_LINE.match(line)), "")


def _joined(parts: list[Masked]) -> Masked:
    if len(parts) == 1:
        return parts[0]
    return Masked(
        " ".join([part.key for part in parts]),
        ": ".join([part.title for part in parts if part.title]),
        any(part.exact for part in parts),
    )


def first_line(message: str) -> str:
    """The message's first line as it stands: a problem's name where nothing of it need be masked."""
    return _shortened(message.strip().partition("\n")[0])


def _shortened(title: str) -> str:
    return title if len(title) <= _TITLE else title[: _TITLE - 3] + "..."
