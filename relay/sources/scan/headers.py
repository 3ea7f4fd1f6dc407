"""Headers that make a line surely less than some level, per format.

Each pattern (RE2's syntax, from the beginning of a line) is narrower than what the format's reader accepts: a
line that begins so has that level, whatever follows. A line that begins otherwise may have any level.
"""

from __future__ import annotations

from typing import Final

from relay.models import LEVEL_WORDS, Level
from relay.sources.fields import SEVERITIES, level_of
from relay.sources.shapes import LETTERS

_CLOCK: Final = r"\d\d:\d\d:\d\d(?:[.,]\d+)?"
_TIME: Final = rf"(?:\d{{4}}[-/]\d\d[-/]\d\d[ T]|\d\d/\d\d/\d\d |\d\d-[A-Z][a-z][a-z]-\d{{4}} )?{_CLOCK}"
# The words that matter: others are rare, and cost states.
_COMMON: Final = ("TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "WARNING", "ERROR")
_FORMS: Final = (str.upper, str.lower, str.capitalize)  # as in `shapes`
_NUMBERS: Final = r"[0-9]+ (?:[0-9]+ (?:[0-9]+ )?)?"


def low_headers(format_: str, level: Level) -> str:
    """A pattern for lines whose level is surely below `level`; empty if the format has none."""
    words = [word for word in _COMMON if LEVEL_WORDS[word.lower()] < level]
    if not words:
        return ""
    upper = f"(?:{'|'.join(sorted(words))})"
    any_case = f"(?:{'|'.join(sorted({form(word) for form in _FORMS for word in words}))})"
    letters = "".join(sorted({word[0] for word in words if word in {"DEBUG", "INFO", "WARN"}}))
    shapes = {
        "python": [
            rf"{_TIME} {upper}[ :]",
            rf"\[{_TIME}\] {upper}[ :]",
            rf"{_TIME} - [A-Za-z_][0-9A-Za-z_.]* - {upper} - ",
            rf"\[{_TIME}: {upper}/",
            rf"{_TIME} \| {upper} *\|",
            rf"{upper}:(?: |[A-Za-z_][0-9A-Za-z_.]*:)",
            rf"\[{upper}\] ",
        ],
        "java": [
            rf"{_TIME} +{upper} ",
            rf"{_TIME} \[[^\]\n]*\] {upper} ",
            rf"\[{_TIME}\]\[{upper} *\]",
            rf"{upper} +\[{_TIME}\] ",
        ],
        "nginx": [rf"\d{{4}}/\d\d/\d\d \d\d:\d\d:\d\d \[{any_case}\] [0-9]+#[0-9]+: "],
        "plain": [
            rf"{_TIME} {upper}[ :]",
            rf"{_TIME} \[[^\]\n]*\] {upper} ",
            rf"{_NUMBERS}{upper} ",
            rf"{upper} ",
            rf"[{letters}]\d{{4}} \d\d:\d\d:\d\d\.[0-9]+ +[0-9]+ [0-9A-Za-z_.-]+:[0-9]+\] ",
        ],
        "syslog": [f"<(?:{'|'.join(_priorities(level))})>"],
        "json": [rf'\{{[^{{\n]*"level": ?(?:"{any_case}"|(?:{"|".join(_numbers(level))})[,}}])'],
        "logfmt": [rf'(?:[A-Za-z_@][\w.@/-]*=[^"\n]* )?level={any_case} [^\n]*msg='],
    }.get(format_, [])
    return "|".join(shapes)


def high_words(level: Level) -> str:
    """A pattern (RE2's syntax) for the words of levels from `level` on, in the forms that headers have."""
    words = [word for word, its in LEVEL_WORDS.items() if its >= level]
    return f"(?:{'|'.join(sorted(form(word) for form in _FORMS for word in words))})"


def high_letters(level: Level) -> str:
    """The letters by which some headers give a level from `level` on: `E0301 10:00:00`, `[E 2026-03-01`."""
    return "".join(letter for letter, its in LETTERS.items() if its >= level)


def high_priorities(level: Level) -> list[str]:
    """Syslog's priorities of that level or above."""
    return [str(number) for number in range(192) if SEVERITIES[number & 7] >= level]


def high_numbers(level: Level) -> list[str]:
    """The numbers that stand for that level or above in a member (syslog, pino, `levelno`), widely."""
    return [str(number) for number in range(100) if number < 8 or number >= min(level, 30)]


def _priorities(level: Level) -> list[str]:
    return [str(number) for number in range(192) if SEVERITIES[number & 7] < level]


def _numbers(level: Level) -> list[str]:
    found = ((number, level_of("level", number)) for number in range(61))
    return [str(number) for number, its in found if its is not None and its < level]


# How a line begins that may begin an event where stack traces are joined (see `shapes.starts_event` and
# `multiline.Joiner`), widely; lines with invisible characters are looked at anyway.
MAY_START: Final = (
    r"\[?(?:\d|[A-Z][a-z][a-z] (?:[ \d]|[A-Z][a-z][a-z] )|[DIWECF] ?\d"
    rf"|(?:{'|'.join(sorted(word.upper() for word in LEVEL_WORDS))})[\]: ])|Traceback "
)
