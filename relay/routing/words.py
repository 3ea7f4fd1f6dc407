"""One line of text to its constant words, which make the key, and to a masked line for people.

Variables are dropped from the key, not replaced: an empty field, one value and a list of values then give
the same key. A line is split at white space; each chunk is classified once and remembered (see `chunks`),
then its neighbours may overrule it: `30 seconds`, `user alice`, `errno 28`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from relay.routing.chunks import Chunk, Role, chunk_of, chunks_of
from relay.routing.codes import MOST_WORDS, code_of, kind_after, may_be
from relay.routing.lexicon import PASSWORDS, says_what_is_wrong
from relay.routing.quotes import without_quoted_data

_MOST_CHUNKS: Final = 400  # of one line; what follows tells no problems apart
_REMEMBERED: Final = 4096  # lines of up to:
_LONG: Final = 512  # characters; longer ones are seldom seen twice
_ALIKE: Final = bytes.maketrans(b"123456789", b"000000000")


class Masked(NamedTuple):
    """A text without its variables."""

    key: str  # the constant words, by spaces
    title: str  # the text with placeholders
    exact: bool = False  # whether the values of its digits matter: it holds a code, or could


class _Line(NamedTuple):
    """A line masked, and the places of chunks whose digits matter."""

    masked: Masked
    telling: list[int]  # by themselves
    codes: list[int]  # by what stands before them


def alike(text: str) -> str:
    """The text with all its ASCII digits made `0`; by way of bytes, which is ten times as fast."""
    return text.encode(errors="surrogatepass").translate(_ALIKE).decode(errors="surrogatepass")


def masked(line: str) -> Masked:
    """The line's constant words and its masked form.

    Lines that differ in digits are masked once: all digits are made alike first, and only where their values
    turn out to matter they are left as they are.
    """
    line = without_quoted_data(line)
    if len(line) > _LONG:
        return _masked(line).masked
    shape = alike(line)
    found = _known_line(shape)
    return _known_line(_with_digits(found, line, shape)).masked if found.masked.exact else found.masked


def _with_digits(found: _Line, line: str, shape: str) -> str:
    """The shape of a line with the line's own digits where they matter."""
    own, chunks = _split(line), _split(shape)
    for place in found.telling:
        if chunk_of(own[place]) != chunk_of(chunks[place]):  # a well-known port, not any other
            chunks[place] = own[place]
    for place in found.codes:
        chunks[place] = own[place]
    return " ".join(chunks)


def _split(line: str) -> list[str]:
    return line.split(None, _MOST_CHUNKS)[:_MOST_CHUNKS]


def _masked(line: str) -> _Line:
    shape = alike(line)
    shapes = _split(shape)
    raws = shapes if shape == line else _split(line)
    chunks = chunks_of(shapes)
    context = len(chunks)  # where the first chunk is that means something to its neighbours
    telling: list[int] = []
    codes: list[int] = []
    for place, chunk in enumerate(chunks):
        if chunk.exact:
            telling.append(place)
            chunks[place] = chunk_of(raws[place])
        if chunk.role > Role.NUMBER and place < context:
            context = place
    if context < len(chunks):
        chunks = _in_context(raws, chunks, context, codes)
    shown = " ".join([chunk.shown for chunk in chunks])
    if "<time> <" in shown:
        shown = _A_DATE.sub("<time>", shown)
    key = " ".join([chunk.words for chunk in chunks if chunk.words])
    return _Line(Masked(key or shown, shown, bool(telling or codes)), telling, codes)


_known_line = lru_cache(_REMEMBERED)(_masked)


# -- neighbours ---------------------------------------------------------------------------------------------


def _in_context(raws: list[str], chunks: list[Chunk], first: int, codes: list[int]) -> list[Chunk]:
    """Chunks whose neighbours make them variables, or codes; `first` may be the first such.

    Adds to `codes` the places of numbers that stand where a code would.
    """
    overruled = list(chunks)
    before = chunks[first - 1] if first else _NOTHING
    equals = False
    for place in range(first, len(chunks)):
        chunk = chunks[place]
        if chunk.role is Role.EQUALS:
            equals = True
            continue
        if equals or chunk.role > Role.NUMBER or before.role > Role.CALENDAR:
            code = _code(raws, chunks, place, codes) if before.role is Role.CODE else None
            overruled[place] = code or _overruled(raws, chunks, place, before, equals=equals) or chunk
        equals = False
        if not (before.role is Role.NAMER and chunk.words.lower() == "name"):  # account name: alice
            before = chunk
    return overruled


def _overruled(
    raws: list[str], chunks: list[Chunk], place: int, before: Chunk, *, equals: bool
) -> Chunk | None:
    """What the chunk is because of those beside it; None if it is what it looks like."""
    chunk = chunks[place]
    after = chunks[place + 1] if place + 1 < len(chunks) else _NOTHING
    if chunk.role is Role.UNIT and before.role is Role.NUMBER:
        return chunk._replace(words="")
    if chunk.role is Role.CALENDAR and (before.role in _DATES or after.role in _DATES):
        return _hidden(chunk, "time")
    if chunk.role is Role.BOOLEAN and (equals or before.shown[-1:] in {"=", ":"}):
        return _hidden(chunk, "bool")
    if equals and raws[place - 1] == "=":
        return _value(before, chunk, raws[place], chunks[place + 1 : place + 3])
    named = before.role is Role.NAMER or (before.role is Role.FOR and _is_account(chunks, place, after))
    return _name(chunk, raws[place]) if named else None


def _name(chunk: Chunk, raw: str) -> Chunk | None:
    """Somebody's name; in `alice(uid=7)` it ends at the bracket."""
    if chunk.may_be_name:
        return _hidden(chunk, "name")
    name, bracket, rest = raw.partition("(")
    if not (bracket and name and chunk_of(name).may_be_name):
        return None
    others = chunk_of(rest)
    return Chunk(others.words, f"<name>({others.shown}", Role.PLAIN, may_be_name=False)


def _words_before(chunks: list[Chunk], place: int) -> list[str]:
    """The words just before that place, as far as no variable stands between."""
    words: list[str] = []
    for chunk in reversed(chunks[max(0, place - MOST_WORDS - 1) : place]):
        if "<" in chunk.shown:  # a variable
            break
        words[:0] = chunk.words.split()
    return words[-MOST_WORDS:]


def _code(raws: list[str], chunks: list[Chunk], place: int, codes: list[int]) -> Chunk | None:
    """`errno 28`: the number stays, whatever follows it in its chunk.

    The place of a number that could be a code is added to `codes`.
    """
    raw = raws[place]
    number = _AFTER_CODE_WORD.match(raw)
    kind = kind_after(_words_before(chunks, place)) if number and _HAS_DIGIT.search(number[2]) else None
    if number is None or kind is None or not may_be(kind, number[2]):
        return None
    codes.append(place)
    code = code_of(kind, number[2])
    if not code:
        return None
    rest = chunk_of(raw[number.end() :])
    words = [code, rest.words] if rest.words else [code]
    return Chunk(" ".join(words), number[1] + code + rest.shown, Role.PLAIN, may_be_name=False)


def _is_account(chunks: list[Chunk], place: int, after: Chunk) -> bool:
    """`Failed password for root from`, `too many authentication failures for root`."""
    return after.words == "from" or any(
        word in PASSWORDS
        for chunk in chunks[max(0, place - 4) : place - 1]
        for word in chunk.words.lower().split()
    )


def _value(before: Chunk, chunk: Chunk, raw: str, after: list[Chunk]) -> Chunk | None:
    """`key = word`: as `key=word`, if the word is all of the value."""
    alone = not after or raw[-1:] in ",;)]}" or any("=" in chunk.shown for chunk in after)
    if not chunk.words or " " in chunk.words or not alone:
        return None
    key = before.words.rpartition(" ")[2].lower()
    return None if not key or says_what_is_wrong(key) else _hidden(chunk, "str")


def _hidden(chunk: Chunk, kind: str) -> Chunk:
    """The chunk of one word with that word masked; what stands around it stays in view."""
    shown = chunk.shown.replace(chunk.words, f"<{kind}>", 1)
    return Chunk("", shown, Role.VARIABLE, may_be_name=False)


_NOTHING: Final = Chunk("", "", Role.PLAIN, may_be_name=False)
_DATES: Final = (Role.NUMBER, Role.CALENDAR)
_A_DATE: Final = re.compile(r"<time>(?: <num>)? <time>(?: <(?:time|num)>)*")  # Fri Jun 17 07:07:00 2005
_HAS_DIGIT: Final = re.compile(r"\d")
_AFTER_CODE_WORD: Final = re.compile(r"""([:=("'\[#]*)([\w-]+)(?![\w.-]*\w)""", re.ASCII)
