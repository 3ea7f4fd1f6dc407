"""Conditions on texts as people write them: `/…/i`, globs, plain words. And what RE2 says of a pattern."""

from __future__ import annotations

import functools
import re
from typing import Final

import re2

from relay.config.schema import Text

MAX_LENGTH: Final = 4096  # characters of a pattern: RE2 takes up to 50 ms to compile one that long
_MAX_MEMORY: Final = 1 << 19  # bytes of compiled program: above it a pattern counts dots by the thousand

_SLASHES: Final = re.compile(r"/(.*)/([A-Za-z]*)", re.DOTALL)
_INNER_SLASH: Final = re.compile(r"(?<!\\)/")
_FLAGS: Final = frozenset("ims")

_NO_LOOK_AROUND: Final = "RE2 has no look-around: match more, and use `except` for what must not be there"
_NO_BACK_REFERENCE: Final = "RE2 has no back-references: write the repeated part again"
# How RE2's refusals begin, and what to do instead.
_ADVICE: Final = {
    r"invalid perl operator: \(\?<?[=!]?$": _NO_LOOK_AROUND,
    r"invalid perl operator: \(\?P": _NO_BACK_REFERENCE,
    r"invalid escape sequence: \\\d": _NO_BACK_REFERENCE,
    r"invalid escape sequence: \\Z": r"RE2 writes the end of the text as \z",
    r"invalid perl operator: \(\?>": "RE2 never backtracks and has no atomic groups: write (?:...)",
    r"invalid perl operator: \(\?#": "RE2 has no comments in patterns: use a YAML comment",
    r"bad repetition operator": "RE2 has no possessive repeats and needs none: leave out the second sign",
    r"invalid repetition size": "RE2 repeats at most 1000 times, nested repeats multiplied",
    r"pattern too large": "it needs too much memory: shorten its repeats",
}


@functools.lru_cache(maxsize=1024)
def refusal(pattern: str) -> str:
    """Why RE2 refuses the pattern, with advice; empty if it doesn't."""
    if len(pattern) > MAX_LENGTH:
        return f"the regular expression is longer than {MAX_LENGTH} characters"
    options = re2.Options()
    options.log_errors = False  # RE2 would print to stderr
    options.max_mem = _MAX_MEMORY
    try:
        re2.compile(pattern, options)
    except re2.error as error:
        return _in_words(error)
    return ""


def message_text(text: str) -> Text:
    """A condition on a message: `/…/i`, or else the words themselves, anywhere. ValueError if refused."""
    return _regex(text) or Text("part", _not_empty(text))


def name_text(text: str) -> Text:
    """A condition on a name or label: `/…/i`, a glob, or the very text. ValueError if refused."""
    if "*" in text or "?" in text:
        return _regex(text) or Text("glob", text)
    return _regex(text) or Text("exact", _not_empty(text))


def doubt(text: str) -> str:
    """What looks like a regular expression that isn't one, in words; empty if it is clear."""
    if not text.startswith("/") or _regex_parts(text):
        return ""
    return "taken as plain text: a regular expression stands between slashes, /…/ or /…/i"


def _regex(text: str) -> Text | None:
    parts = _regex_parts(text)
    if parts is None:
        return None
    pattern, flags = parts
    if strange := set(flags) - _FLAGS:
        raise ValueError(f"unknown flag {min(strange)!r} after the regular expression (allowed: i, m, s)")
    if not pattern:
        raise ValueError("an empty regular expression matches everything: leave the key out")
    inline = "".join(sorted(set(flags) & {"m", "s"}))
    if inline:
        pattern = f"(?{inline}){pattern}"
    if refused := refusal(pattern):
        raise ValueError(refused)
    return Text("regex", pattern, ignore_case="i" in flags)


def _regex_parts(text: str) -> tuple[str, str] | None:
    """Pattern and flags; None for `/usr/local/bin`, whose last part is too long for flags after a path."""
    found = _SLASHES.fullmatch(text)
    if not found:
        return None
    pattern, flags = found.groups()
    is_path = not set(flags) <= _FLAGS and (len(flags) > 3 or _INNER_SLASH.search(pattern))
    return None if is_path else (pattern, flags)


def _not_empty(text: str) -> str:
    if not text:
        raise ValueError("an empty text matches everything: leave the key out")
    return text


def _in_words(error: re2.error) -> str:
    raw = error.args[0] if error.args else ""
    text = raw.decode(errors="replace") if isinstance(raw, bytes) else str(raw)
    advice = next((words for refused, words in _ADVICE.items() if re.match(refused, text)), "")
    return f"RE2 refuses the regular expression ({text[:80]})" + (f": {advice}" if advice else "")
