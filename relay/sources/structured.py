"""Lines of named members: JSON objects and logfmt."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from relay.sources.fields import Reading, read_members
from relay.text import clean

_decode: Final = msgspec.json.Decoder().decode
_PAIR: Final = re.compile(r'(?:^|\s)([A-Za-z_@][\w.@/-]*)=(?:"((?:[^"\\]|\\.)*)"|([^\s"]*))')
_FIRST_PAIR: Final = re.compile(r"\s*[A-Za-z_@][\w.@/-]*=")
_ESCAPE: Final = re.compile(r"\\(.)")
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r"}


def read_json(text: str, now: float) -> Reading | None:
    """A JSON object on one line; None if the text is no such thing."""
    if not text.startswith("{"):
        return None
    try:
        members = _decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None
    return read_members(members, now, otherwise=clean(text))


def read_logfmt(text: str, now: float) -> Reading | None:
    """`key=value key="two words"`; None if it doesn't start with a pair or none of them is a message."""
    if not _FIRST_PAIR.match(text):
        return None
    pairs = {name: _unquoted(quoted) if quoted else bare for name, quoted, bare in _PAIR.findall(text)}
    return read_members(pairs, now)


def _unquoted(text: str) -> str:
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[1]), text)
