"""A pattern over characters as a wider pattern over the bytes of a line.

A scan over raw bytes must find every line whose text the exact pattern would match, so everything that could
make the two differ is widened: characters beyond ASCII become their bytes in the source's encoding, or any
such bytes; a newline may have a carriage return before it; long counts are relaxed; what only makes a match
longer is cut off at both ends. The result is understood alike by Hyperscan and by RE2 in Latin-1.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence as Many
from typing import Final

from msgspec import Struct

from relay.scan.byteset import BEYOND, byte_class, written
from relay.scan.syntax import EMPTY, NEWLINE, Chars, Choice, Node, Repeat, Sequence

# Of these every byte below 0x80 outside of a longer character is that ASCII character, and stays it when
# decoded.
_SINGLE: Final = ("ascii", "latin", "iso8859", "cp125", "cp437", "cp85", "cp86", "koi8", "mac", "utf-8")
_DOUBLE: Final = ("gb2312", "gbk", "gb18030", "big5", "cp936", "cp950", "euc_", "euc-", "johab")
_MOST_REPEATS: Final = 8  # counts above that are relaxed: an automaton grows with each
_FIXED: Final = 2  # characters that may stand at a place of a fixed text: the two cases of a letter
_MOST_LENGTH: Final = 8192  # characters of a finished pattern
_RETURN: Final = 1 << 13


class Alphabet(Struct, frozen=True):
    """How the characters of a text stand in the bytes of a line."""

    codec: str  # to write a character with
    double: bool = False  # a character's second byte may be an ASCII one
    escapes: bool = False  # of JSON and logfmt: characters may be written as \uXXXX, \n ...

    @classmethod
    def of(cls, encoding: str, *, escapes: bool = False) -> Alphabet | None:
        """The alphabet of an encoding; None where bytes say too little (UTF-16, ISO-2022 ...)."""
        name = codecs.lookup(encoding).name
        if name.startswith(_DOUBLE):
            return cls(name, double=True, escapes=escapes)
        if name.startswith(_SINGLE):
            return cls("utf-8" if name.startswith("utf-8") else name, escapes=escapes)
        return None

    def bytes_of(self, char: str) -> bytes:
        """A character's bytes; empty where it can't be told."""
        if self.double and not self.codec.startswith("gb"):
            return b""  # some of these have two forms of one character
        try:
            return b"" if char == "\ufffd" else char.encode(self.codec)
        except UnicodeEncodeError:
            return b""

    @property
    def any_beyond(self) -> str:
        """Any character beyond ASCII, or what is left of a broken one."""
        plain = r"(?:[\x80-\xff][\x30-\xff]?){1,2}" if self.double else r"[\x80-\xff]{1,4}"
        return rf"(?:{plain}|\\u[0-9a-fA-F]{{4}}|\\.)" if self.escapes else plain


class Wide(Struct, frozen=True):
    """A pattern over bytes."""

    text: str  # empty: it would match everywhere
    weight: int  # how many characters of a match are all but fixed: a measure of how seldom it hits


def widen(tree: Node, alphabet: Alphabet, *, broken: bool = False, coarse: int = 0) -> Wide:
    """The wider pattern.

    `coarse`: no more than the text that it can't do without, if that has so many characters. It hits more
    often, and compiles in a hundredth of the time: what thousands of patterns need.

    `broken`: a newline of the text isn't one in the bytes, and what stands on its two sides may be far apart;
    then only a part without newlines can be asked for.
    """
    if broken:
        pieces = [_trimmed(piece) for piece in _unbroken(tree)]
        tree = max(pieces, key=_weight, default=Sequence(()))
    tree = _trimmed(tree)
    if coarse and _weight(essence := _essence(tree)) >= coarse:
        tree = essence
    if _nullable(tree):
        return Wide("", 0)
    text = _text(tree, alphabet)
    if len(text) > _MOST_LENGTH:
        return Wide("", 0)
    return Wide(text, _weight(tree))


# --- what may be left out ---


def _trimmed(tree: Node) -> Node:
    """The least of it at both ends: a search finds it where it finds the whole."""
    match tree:
        case Sequence(parts):
            left = list(parts)
            while left and _nullable(left[0]):
                del left[0]
            while left and _nullable(left[-1]):
                del left[-1]
            if not left:
                return Sequence(())
            if len(left) == 1:
                return _trimmed(left[0])
            return Sequence((_least(left[0]), *left[1:-1], _least(left[-1])))
        case Choice(parts):
            return Choice(tuple(_trimmed(part) for part in parts))
        case Repeat(part, least, _):
            return _trimmed(part) if least == 1 else Repeat(part, least, least)
    return tree


def _least(tree: Node) -> Node:
    if isinstance(tree, Repeat):
        return tree.part if tree.least == 1 else Repeat(tree.part, tree.least, tree.least)
    return tree


def _nullable(tree: Node) -> bool:
    match tree:
        case Sequence(parts):
            return all(_nullable(part) for part in parts)
        case Choice(parts):
            return any(_nullable(part) for part in parts)
        case Repeat(part, least, _):
            return least == 0 or _nullable(part)
    return False


def _unbroken(tree: Node) -> list[Node]:
    """The longest parts of it in which no newline can be, and without which it can't match."""
    if not _has_newline(tree):
        return [tree]
    match tree:
        case Sequence(parts):
            pieces: list[Node] = []
            run: list[Node] = []
            for part in parts:
                if _has_newline(part):
                    pieces.append(Sequence(tuple(run)))
                    run = []
                    pieces += _unbroken(part)
                else:
                    run.append(part)
            return [*pieces, Sequence(tuple(run))]
        case Repeat(part, least, _):
            return _unbroken(part) if least else []
    return []


def _has_newline(tree: Node) -> bool:
    match tree:
        case Sequence(parts) | Choice(parts):
            return any(_has_newline(part) for part in parts)
        case Repeat(part, _, most):
            return most != 0 and _has_newline(part)
    return bool(tree.ascii & NEWLINE)


def _weight(tree: Node) -> int:
    """Characters of its shortest match that are one of few."""
    match tree:
        case Sequence(parts):
            return sum(_weight(part) for part in parts)
        case Choice(parts):
            return min((_weight(part) for part in parts), default=0)
        case Repeat(part, least, _):
            return least * _weight(part)
    return 2 if tree.only and not tree.ascii else int(tree.count <= 4)


def _essence(tree: Node) -> Node:
    """Its longest text of fixed characters, or one of its choices' each."""
    match tree:
        case Sequence(()):
            return tree
        case Sequence(parts):
            best: Node = EMPTY
            run: list[Node] = []
            for part in (*parts, EMPTY):
                if isinstance(part, Chars) and part.count <= _FIXED:
                    run.append(part)
                    continue
                best = max(best, Sequence(tuple(run)), _essence(part), key=_weight)
                run = []
            return best
        case Choice(parts):
            return Choice(tuple(_essence(part) for part in parts))
        case Repeat(part, least, _):
            return _essence(part) if least else EMPTY
    return tree


# --- how it is written ---


def _text(tree: Node, alphabet: Alphabet) -> str:
    match tree:
        case Sequence(parts):
            return _sequence(parts, alphabet)
        case Choice(parts):
            return f"(?:{'|'.join(_text(part, alphabet) for part in parts)})"
        case Repeat(part, least, most):
            return _repeat(part, least, most, alphabet)
    return _chars(tree, alphabet)


def _sequence(parts: Many[Node], alphabet: Alphabet) -> str:
    """Runs of letters in either case are written as such: engines know them as literals."""
    written, letters = [], ""
    for part in parts:
        letter = _either_case(part)
        if letter:
            letters += letter
            continue
        if letters:
            written.append(f"(?i:{letters})")
            letters = ""
        written.append(_text(part, alphabet))
    if letters:
        written.append(f"(?i:{letters})")
    return "".join(written)


def _either_case(part: Node) -> str:
    """The letter that stands there in either case; empty if it is anything else."""
    if not isinstance(part, Chars) or part.beyond or part.only or part.ascii.bit_count() != 2:
        return ""
    upper = part.ascii & -part.ascii
    letter = chr(upper.bit_length() - 1)
    return letter.lower() if letter.isalpha() and part.ascii == upper | upper << 32 else ""


def _repeat(part: Node, least: int, most: int | None, alphabet: Alphabet) -> str:
    if isinstance(part, Chars) and least <= 1 and most is None and not alphabet.escapes:
        return _run(part, alphabet) + ("+" if least else "*")
    inner = f"(?:{_text(part, alphabet)})"
    least = min(least, _MOST_REPEATS)
    if most is None or most > _MOST_REPEATS:
        return inner + {0: "*", 1: "+"}.get(least, f"{{{least},}}")
    return f"{inner}{{{least},{most}}}"


def _run(part: Chars, alphabet: Alphabet) -> str:
    """One byte or so of a run of such characters."""
    ascii_ = part.ascii | (_RETURN if part.ascii & NEWLINE else 0)
    if not part.beyond and not part.only:
        return byte_class(ascii_)
    if alphabet.double:
        beyond = r"[\x80-\xff][\x30-\xff]?"
        return f"(?:{byte_class(ascii_)}|{beyond})" if ascii_ else f"(?:{beyond})"
    return byte_class(ascii_ | BEYOND)


def _chars(part: Chars, alphabet: Alphabet) -> str:
    forms = []
    if part.ascii:
        forms.append(byte_class(part.ascii))
    if part.ascii & NEWLINE:
        forms.append(r"\r\n")
    if part.beyond:
        forms.append(alphabet.any_beyond)
    elif part.only:
        raw = alphabet.bytes_of(part.only)
        if not raw:
            forms.append(alphabet.any_beyond)
        else:
            forms.append(_escaped(raw))
            if alphabet.escapes:
                forms.append(r"\\u[0-9a-fA-F]{4}")
    if alphabet.escapes and part.ascii & _ESCAPED:
        forms.append(r"\\.")
    return forms[0] if len(forms) == 1 else f"(?:{'|'.join(forms)})"


_ESCAPED: Final = ((1 << 32) - 1) | 1 << ord('"') | 1 << ord("\\") | 1 << ord("/") | 1 << 127


def _escaped(raw: bytes) -> str:
    return "".join(map(written, raw))
