r"""RE2's pattern syntax as a tree of character sets: what the prefilter needs to know of a pattern.

https://github.com/google/re2/wiki/Syntax. Patterns have been accepted by RE2 already, so this reader is
lenient; what it doesn't know for sure it takes as wider than it is, or refuses with `UnreadableError`.
Assertions (`^`, `\b`, ...) are empty here: without them a pattern matches more.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

ASCII: Final = (1 << 128) - 1  # all ASCII characters, as bits
NEWLINE: Final = 1 << 10


class Chars(Struct, frozen=True):
    """One character out of a set."""

    ascii: int  # the ASCII ones, as bits
    beyond: bool = False  # any other character may be meant
    only: str = ""  # ... or just this one

    @property
    def count(self) -> int:
        """How many there are, a big number for many."""
        return self.ascii.bit_count() + (1000 if self.beyond else len(self.only))


class Sequence(Struct, frozen=True):
    """All parts, one after the other."""

    parts: tuple[Node, ...]


class Choice(Struct, frozen=True):
    """One of the parts."""

    parts: tuple[Node, ...]


class Repeat(Struct, frozen=True):
    """The part, `least` to `most` times; `most` None: without end."""

    part: Node
    least: int
    most: int | None


Node = Chars | Sequence | Choice | Repeat
EMPTY: Final = Sequence(())
ANYTHING: Final = Chars(ASCII, beyond=True)


class UnreadableError(ValueError):
    """The pattern uses something that this reader doesn't know."""


_POSIX: Final = {
    "alnum": "A-Za-z0-9",
    "alpha": "A-Za-z",
    "ascii": "\x00-\x7f",
    "blank": "\t ",
    "cntrl": "\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@[-`{-~",
    "space": "\t-\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_COUNT: Final = re.compile(r"\{(\d+)(?:(,)(\d*))?\}")
_GROUP: Final = re.compile(r"\(\?(?:P?<\w+>|([a-zA-Z]*)(?:-([a-zA-Z]*))?([:)]))")
_CONTROLS: Final = {"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11}
_MOST_DEPTH: Final = 200


def _bits(ranges: str) -> int:
    found, at = 0, 0
    while at < len(ranges):
        low = high = ord(ranges[at])
        if ranges[at + 1 : at + 2] == "-" and at + 2 < len(ranges):
            high = ord(ranges[at + 2])
            at += 2
        found |= sum(1 << code for code in range(low, high + 1))
        at += 1
    return found


_CLASSES: Final = {"d": _bits("0-9"), "s": _bits("\t\n\f\r "), "w": _bits("0-9A-Za-z_")}
_NAMED: Final = {name: _bits(ranges) for name, ranges in _POSIX.items()}


def read(pattern: str, *, ignore_case: bool = False) -> Node:
    """The tree of a pattern; `UnreadableError`."""
    return _Reader(pattern, "i" if ignore_case else "").whole()


def literal(text: str, *, ignore_case: bool = False) -> Node:
    """The tree of a text that stands for itself."""
    return Sequence(tuple(one(char, ignore_case=ignore_case) for char in text))


def one(char: str, *, ignore_case: bool = False) -> Chars:
    """The set of one character; with `ignore_case` of all that RE2 takes for it."""
    code = ord(char)
    if not ignore_case:
        return Chars(1 << code) if code < 128 else Chars(0, only=char)
    if code < 128:
        # RE2 also folds K to the Kelvin sign and S to the long s: lines with those are looked at anyway.
        return Chars(_folded(1 << code))
    others = [each for each in (char.lower(), char.upper(), char.casefold()) if each]
    near = sum({1 << ord(each[0]) for each in others if ord(each[0]) < 128})
    return Chars(_folded(near), beyond=True)


def _folded(bits: int) -> int:
    upper = bits & _NAMED["upper"]
    lower = bits & _NAMED["lower"]
    return bits | upper << 32 | lower >> 32


class _Reader:
    """Recursive descent over one pattern."""

    def __init__(self, pattern: str, flags: str) -> None:
        self._text = pattern
        self._at = 0
        self._flags = flags
        self._depth = 0

    def whole(self) -> Node:
        tree = self._choice()
        if self._at < len(self._text):
            raise UnreadableError(f"unmatched ) at {self._at}")
        return tree

    def _choice(self) -> Node:
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise UnreadableError("nested too deeply")
        flags = self._flags
        parts = [self._sequence()]
        while self._take("|"):
            parts.append(self._sequence())
        self._flags = flags
        self._depth -= 1
        return parts[0] if len(parts) == 1 else Choice(tuple(parts))

    def _sequence(self) -> Node:
        parts: list[Node] = []
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            parts.append(self._repeated(self._atom()))
        return Sequence(tuple(parts))

    def _repeated(self, atom: Node) -> Node:
        while self._at < len(self._text):
            sign = self._text[self._at]
            if sign in "*+?":
                self._at += 1
                least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
            elif sign == "{" and (found := _COUNT.match(self._text, self._at)):
                self._at = found.end()
                least = int(found[1])
                most = (int(found[3]) if found[3] else None) if found[2] else least
            else:
                break
            self._take("?")
            atom = Repeat(atom, least, most)
        return atom

    def _atom(self) -> Node:
        char = self._text[self._at]
        if char == "(":
            return self._group()
        if char == "[":
            return self._set()
        self._at += 1
        if char == ".":
            return Chars(ASCII if "s" in self._flags else ASCII & ~NEWLINE, beyond=True)
        if char in "^$":
            return EMPTY
        if char == "\\":
            return self._escape()
        return self._one(char)

    def _group(self) -> Node:
        if self._text.startswith("(?", self._at):
            found = _GROUP.match(self._text, self._at)
            if not found:
                raise UnreadableError(f"unknown group at {self._at}")
            self._at = found.end()
            if found[3]:
                before = self._flags
                self._flags = "".join((set(before) | set(found[1])) - set(found[2] or ""))
                if found[3] == ")":
                    return EMPTY
                inner = self._choice()
                self._flags = before
                return self._closed(inner)
        else:
            self._at += 1
        return self._closed(self._choice())

    def _closed(self, inner: Node) -> Node:
        if not self._take(")"):
            raise UnreadableError("missing )")
        return inner

    def _escape(self) -> Node:
        if self._at >= len(self._text):
            raise UnreadableError("ends in a backslash")
        char = self._text[self._at]
        if char in "AzbB":
            self._at += 1
            return EMPTY
        if char == "Q":
            end = self._text.find("\\E", self._at)
            quoted = self._text[self._at + 1 : end if end >= 0 else None]
            self._at = len(self._text) if end < 0 else end + 2
            return Sequence(tuple(self._one(each) for each in quoted))
        if char == "C":
            self._at += 1
            return ANYTHING
        return self._escaped_set()

    def _escaped_set(self) -> Chars:
        """What stands behind a backslash, inside a class or outside, as a set."""
        char = self._text[self._at]
        self._at += 1
        if char in "dsw":
            return Chars(_CLASSES[char])
        if char in "DSW":
            return Chars(ASCII & ~_CLASSES[char.lower()], beyond=True)
        if char in "pP":
            if self._take("{"):
                self._at = self._text.index("}", self._at) + 1
            else:
                self._at += 1
            return ANYTHING
        if char in _CONTROLS:
            return Chars(1 << _CONTROLS[char])
        if char == "x":
            return self._one(chr(self._hex()))
        if char in "01234567":
            found = re.compile(r"[0-7]{1,3}").match(self._text, self._at - 1)
            assert found is not None
            self._at = found.end()
            return self._one(chr(int(found[0], 8)))
        if char.isalnum():
            raise UnreadableError(f"unknown escape \\{char}")
        return self._one(char)

    def _hex(self) -> int:
        found = re.compile(r"\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{2})").match(self._text, self._at)
        if not found:
            raise UnreadableError("\\x without digits")
        self._at = found.end()
        return int(found[1] or found[2], 16)

    def _one(self, char: str) -> Chars:
        return one(char, ignore_case="i" in self._flags)

    def _set(self) -> Chars:
        self._at += 1
        negated = self._take("^")
        bits, beyond, only = 0, False, ""
        first = True
        while first or not self._take("]"):
            first = False
            if found := re.compile(r"\[:(\^?)(\w+):\]").match(self._text, self._at):
                self._at = found.end()
                named = _NAMED[found[2]]
                bits |= ASCII & ~named if found[1] else named
                beyond |= bool(found[1])
                continue
            low = self._member()
            is_range = self._text[self._at : self._at + 1] == "-" and self._text[
                self._at + 1 : self._at + 2
            ] not in ("]", "")
            if is_range and low.count == 1:
                self._at += 1
                low = _range(low, self._member())
            bits |= low.ascii
            if low.only and not only and not beyond:
                only = low.only
            elif low.only and low.only != only:
                beyond = True
            beyond |= low.beyond
        if "i" in self._flags:
            bits = _folded(bits)
            beyond |= bool(only)
        if negated:
            return Chars(ASCII & ~bits, beyond=True)
        return Chars(bits, beyond=beyond, only="" if beyond else only)

    def _member(self) -> Chars:
        if self._take("\\"):
            return self._escaped_set()
        char = self._text[self._at]
        self._at += 1
        return Chars(1 << ord(char)) if ord(char) < 128 else Chars(0, only=char)

    def _take(self, text: str) -> bool:
        if self._text.startswith(text, self._at):
            self._at += len(text)
            return True
        return False


def _range(low: Chars, high: Chars) -> Chars:
    """The range between two single characters."""
    first = ord(low.only) if low.only else low.ascii.bit_length() - 1
    last = ord(high.only) if high.only else high.ascii.bit_length() - 1
    bits = sum(1 << code for code in range(first, min(last, 127) + 1))
    return Chars(bits, beyond=last > 127)
