"""One line of text to its constant words, which make the key, and to a masked line for people.

Variables are dropped from the key, not replaced: an empty field, one value and a list of values then give
the same key. A line is split at white space; each chunk is classified once and remembered (the classifier
is pure, so forgetting changes no result), then its neighbours may overrule it: `30 seconds`, `user alice`.

Every pattern here is linear in the text: no nested repeats, no ambiguous alternatives under one.
"""

from __future__ import annotations

import enum
import re
from functools import lru_cache
from typing import Final, NamedTuple

from relay.routing.codes import MOST_WORDS, announces_code, code_after
from relay.routing.lexicon import (
    BOOLEANS,
    CALENDAR,
    DATA_FILES,
    NAMERS,
    NOT_NAMES,
    PASSWORDS,
    TOP_LEVEL,
    UNITS,
    says_what_is_wrong,
)
from relay.routing.quotes import HOLE, without_quoted_data

_MOST_CHUNKS: Final = 400  # of one line; what follows tells no problems apart
_REMEMBERED: Final = 32_768  # chunks
_LONG: Final = 96  # characters; longer chunks are seldom seen twice, and would fill the memory


class Masked(NamedTuple):
    """A text without its variables."""

    key: str  # the constant words, by spaces
    title: str  # the text with placeholders


class _Role(enum.IntEnum):
    """What a chunk means to its neighbours."""

    PLAIN = 0  # constants, or a mixture
    VARIABLE = 1
    NUMBER = 2
    UNIT = 3
    CALENDAR = 4
    NAMER = 5
    FOR = 6
    CODE = 7  # `errno`: says what a number after it is
    EQUALS = 8  # `=` or `:` with spaces around it
    BOOLEAN = 9


class _Chunk(NamedTuple):
    words: str  # the constant ones, by spaces
    shown: str
    role: _Role
    may_be_name: bool


def masked(line: str) -> Masked:
    """The line's constant words and its masked form."""
    raws = without_quoted_data(line).split(None, _MOST_CHUNKS)[:_MOST_CHUNKS]
    chunks = [
        _A_NUMBER
        if raw.isdecimal() and raw.isascii()
        else _known(raw)
        if len(raw) <= _LONG
        else _classify(raw)
        for raw in raws
    ]
    for place, chunk in enumerate(chunks):
        if chunk.role > _Role.NUMBER:
            chunks = _in_context(raws, chunks, place)
            break
    shown = " ".join([chunk.shown for chunk in chunks])
    return Masked(" ".join([chunk.words for chunk in chunks if chunk.words]) or shown, shown)


# -- neighbours ---------------------------------------------------------------------------------------------


def _in_context(raws: list[str], chunks: list[_Chunk], first: int) -> list[_Chunk]:
    """Chunks whose neighbours make them variables, or codes; `first` may be the first such."""
    overruled = list(chunks)
    before = chunks[first - 1] if first else _NOTHING
    equals = False
    for place in range(first, len(chunks)):
        chunk = chunks[place]
        if chunk.role is _Role.EQUALS:
            equals = True
            continue
        if equals or chunk.role > _Role.NUMBER or before.role > _Role.CALENDAR:
            overruled[place] = _overruled(raws, chunks, place, before, equals=equals) or chunk
        before, equals = chunk, False
    return overruled


def _overruled(
    raws: list[str], chunks: list[_Chunk], place: int, before: _Chunk, *, equals: bool
) -> _Chunk | None:
    """What the chunk is because of those beside it; None if it is what it looks like."""
    chunk = chunks[place]
    after = chunks[place + 1] if place + 1 < len(chunks) else _NOTHING
    if before.role is _Role.CODE and (code := _code(chunks, place, raws[place])):
        return code
    if chunk.role is _Role.UNIT and before.role is _Role.NUMBER:
        return chunk._replace(words="")
    if chunk.role is _Role.CALENDAR and (before.role in _DATES or after.role in _DATES):
        return chunk._replace(words="", shown="<time>")
    if chunk.role is _Role.BOOLEAN and (equals or before.shown[-1:] in {"=", ":"}):
        return chunk._replace(words="", shown="<bool>")
    if equals and raws[place - 1] == "=":
        return _value(before, chunk, raws[place], after)
    named = before.role is _Role.NAMER or (before.role is _Role.FOR and _is_account(chunks, place, after))
    return _name(chunk, raws[place]) if named else None


def _name(chunk: _Chunk, raw: str) -> _Chunk | None:
    """Somebody's name; in `alice(uid=7)` it ends at the bracket."""
    if chunk.may_be_name:
        return _A_NAME
    name, bracket, rest = raw.partition("(")
    if not (bracket and name and _known(name).may_be_name):
        return None
    others = _known(rest)
    return _Chunk(others.words, f"<name>({others.shown}", _Role.PLAIN, may_be_name=False)


def _code(chunks: list[_Chunk], place: int, raw: str) -> _Chunk | None:
    """`errno 28`: the number stays, whatever follows it in its chunk."""
    number = _AFTER_CODE_WORD.match(raw)
    if number is None:
        return None
    words: list[str] = []
    for chunk in reversed(chunks[max(0, place - MOST_WORDS - 1) : place]):
        if "<" in chunk.shown:  # a variable
            break
        words[:0] = chunk.words.split()
    code = code_after(words[-MOST_WORDS:], number[2])
    if not code:
        return None
    rest = _known(raw[number.end() :])
    return _Chunk(f"{code} {rest.words}".strip(), number[1] + code + rest.shown, _Role.PLAIN, may_be_name=False)


def _is_account(chunks: list[_Chunk], place: int, after: _Chunk) -> bool:
    """`Failed password for root from`, `too many authentication failures for root`."""
    return after.words == "from" or any(
        word in PASSWORDS
        for chunk in chunks[max(0, place - 4) : place - 1]
        for word in chunk.words.lower().split()
    )


def _value(before: _Chunk, chunk: _Chunk, raw: str, after: _Chunk) -> _Chunk | None:
    """`key = word`: as `key=word`, if the word is all of the value."""
    alone = after is _NOTHING or raw[-1:] in ",;)]}" or "=" in after.shown
    if not chunk.words or " " in chunk.words or not alone:
        return None
    key = before.words.rpartition(" ")[2].lower()
    return None if not key or says_what_is_wrong(key) else chunk._replace(words="", shown="<str>")


_A_NUMBER: Final = _Chunk("", "<num>", _Role.NUMBER, may_be_name=False)
_A_NAME: Final = _Chunk("", "<name>", _Role.VARIABLE, may_be_name=False)
_NOTHING: Final = _Chunk("", "", _Role.PLAIN, may_be_name=False)
_DATES: Final = (_Role.NUMBER, _Role.CALENDAR)
_AFTER_CODE_WORD: Final = re.compile(r"""([:=("'\[#]*)([\w-]+)(?![\w.-]*\w)""", re.ASCII)


# -- one chunk ----------------------------------------------------------------------------------------------

_STRONG: Final = re.compile("([\ue000\\s()\\[\\]{}<>,;|\"'`«»“”‘’、。【】「」《》…]+)")
_WEAK: Final = re.compile(r"([:/@\\&+=*#%~^$-]*[:/@\\&+=]+[:/@\\&+=*#%~^$-]*)")
_EDGE: Final = ".:-*#%&+~^$=_/!?"
_CJK_RUN: Final = re.compile("([\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]+)")
_DIGIT: Final = re.compile(r"\d")
_LOWER_RUN: Final = re.compile(r"[a-z]+")
_VOWEL: Final = re.compile(r"[aeiouAEIOU]")
_VARIABLE: Final = re.compile(
    r"""
      (?P<url>[a-z][a-z0-9+.-]{1,15}://.*)
    | (?P<ip>(?:[\w.-]*/)?\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?:[:/]\d+)?)
    | (?P<uuid>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})
    | (?P<time>\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[T_:][\d:.,+Z-]*)?|\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?Z?)
    | (?P<num>[-+]?[\d][\d.,_]*(?:%|[a-zµμ]{1,3})?)
    | (?P<hex>0x[0-9a-f]+)
    | (?P<mac>[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5})
    | (?P<ip6>[0-9a-f]{0,4}:[0-9a-f]{0,4}:[0-9a-f:.]*(?:%\w+)?(?:/\d+)?)
    | (?P<host>[a-z][a-z0-9-]*(?:\.[a-z0-9-]+)*
        :(?:22|25|53|80|443|3306|5432|5672|6379|80[08]0|8443|9092|9200|27017))
    | (?P<mail>[\w.+*-]+@[\w.-]+)
    | (?P<path>(?:~|\.{1,2}|[a-z]:)?[/\\].*|\w[\w.-]*[/\\][^/\\]+[/\\].*|\w[\w-]*\.[\w.-]*[/\\].+)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_OBJECT: Final = re.compile(r"([A-Z][\w.$]*)@[0-9a-f]{4,}")
_OPENERS: Final = frozenset("<[({\"'")
_EQUALS: Final = frozenset(("=", ":", "==", ":="))
_MAY_BE_CODES: Final = frozenset(("num", "hex"))
_SMALL: Final = re.compile(r"-?\d{1,6}")
_CODE: Final = re.compile(r"(?:ORA|TNS|PLS|RMAN|SQLSTATE)-?\w{3,5}")


class _Builder:
    """Collects the words and the masked form of one chunk."""

    __slots__ = ("apart", "open", "shown", "variable", "words")

    def __init__(self) -> None:
        self.words: list[str] = []
        self.shown: list[str] = []
        self.variable = ""  # the kind of the last variable
        self.apart = 0  # words that stand before it
        self.open = False  # a key came whose value is data: `user=<alice>`

    def constant(self, word: str) -> None:
        self.words.append(word)
        self.shown.append(word)

    def mask(self, kind: str) -> None:
        self.variable = kind
        self.apart = len(self.words)
        self.shown.append(f"<{kind}>")

    def code(self, number: str) -> bool:
        """Take the number as a constant if the words just before it make it a code."""
        code = code_after(self.words[self.apart :][-MOST_WORDS:], number)
        if code:
            self.constant(code)
        return bool(code)


def _classify(raw: str) -> _Chunk:
    built = _Builder()
    for place, part in enumerate(_STRONG.split(raw)):
        if place % 2 or not part:
            built.shown.append(part)
            built.open = built.open and part[:1] in _OPENERS
        elif built.open:
            built.open = False
            built.mask("str")
        else:
            _part(part, built)
    words = " ".join(built.words)
    shown = "".join(built.shown).replace(HOLE, "<str>")
    return _Chunk(words, shown, _role(raw, built), _may_be_name(raw, built))


_known = lru_cache(_REMEMBERED)(_classify)


def _role(raw: str, built: _Builder) -> _Role:
    """What the chunk means to its neighbours."""
    if raw in _EQUALS:
        return _Role.EQUALS
    if not built.words:
        return _Role.NUMBER if built.variable in {"num", "time"} else _Role.VARIABLE
    word = built.words[-1].lower()
    if raw.rstrip(":=([\"'").endswith(built.words[-1]):
        if word in NAMERS:
            return _Role.NAMER
        if announces_code(word):
            return _Role.CODE
    if len(built.words) > 1 or built.variable:
        return _Role.PLAIN
    if word in UNITS:
        return _Role.UNIT
    if word in CALENDAR:
        return _Role.CALENDAR
    if word in BOOLEANS:
        return _Role.BOOLEAN
    return _Role.FOR if raw == "for" else _Role.PLAIN


def _may_be_name(raw: str, built: _Builder) -> bool:
    """Whether the chunk could be what a namer names: one word, not one of the language's own."""
    if len(built.words) != 1 or raw.endswith("()"):
        return False
    word = built.words[0].lower()
    return word not in NOT_NAMES and word not in NAMERS and not word.endswith(("ed", "ing"))


def _part(part: str, built: _Builder) -> None:
    """One piece between brackets, commas and quotes."""
    if found := _VARIABLE.fullmatch(part):
        _variable(found, built)
        return
    core = part.strip(_EDGE)
    if len(core) < len(part):
        start = part.index(core) if core else len(part)
        built.shown.append(part[:start])
        if core:
            _part(core, built)
            tail = part[start + len(core) :]
            built.shown.append(tail)
            built.open = tail == "=" and not says_what_is_wrong(core)
        return
    key, equals, value = part.partition("=")
    if equals:
        _pair(key, value, built)
        return
    _pieces(part, built)


def _variable(found: re.Match[str], built: _Builder) -> None:
    """A placeholder of its kind; a unit stays in view, and `Class@1f3a` keeps the class."""
    kind = str(found.lastgroup)
    thing = _OBJECT.fullmatch(found[0]) if kind == "mail" else None
    if thing is not None:
        built.constant(thing[1])
        built.shown.append("@<hex>")
        return
    if kind in _MAY_BE_CODES and built.words and built.code(found[0]):
        return
    built.mask(kind)
    if kind == "num":
        built.shown.append(found[0].lstrip("+-0123456789.,_"))


def _pair(key: str, value: str, built: _Builder) -> None:
    """`key=value`: the key is constant; a value of letters only where the key says what is wrong."""
    _pieces(key, built)
    built.shown.append("=")
    if key.lower() == "code" and _SMALL.fullmatch(value):
        built.constant(value)
    elif found := _VARIABLE.fullmatch(value):
        _variable(found, built)
    elif value and says_what_is_wrong(key):
        _pieces(value, built)
    elif value:
        built.mask("str")


def _pieces(part: str, built: _Builder) -> None:
    """The words of a part, split at colons, slashes and the like, and where the script changes."""
    for place, piece in enumerate(_WEAK.split(part)):
        if place % 2 or not piece:
            built.shown.append(piece)
        elif piece.isascii():
            _piece(piece, built)
        else:
            _scripts(piece, built)


def _scripts(piece: str, built: _Builder) -> None:
    """Chinese and the like has no spaces: 已处理63792条. A unit after a number goes with it."""
    runs = _CJK_RUN.split(piece)
    for place, run in enumerate(runs):
        if not run:
            continue
        if place % 2 == 0:
            _piece(run, built)
        elif run in UNITS and runs[place - 1][-1:].isdigit():
            built.shown.append(run)
        else:
            built.constant(run)


def _piece(piece: str, built: _Builder) -> None:
    """A word, a name in the code, or a variable."""
    if _DIGIT.search(piece):
        if _CODE.fullmatch(piece):
            built.constant(piece)
        elif found := _VARIABLE.fullmatch(piece):
            _variable(found, built)
        elif not (built.words and built.code(piece)):
            built.mask("id")
    elif len(piece) == 1 and piece.isascii():
        built.shown.append(piece)
    elif "." in piece and (kind := _dotted(piece)):
        built.mask(kind)
    elif len(piece) > 15 and _is_random(piece):
        built.mask("id")
    else:
        built.constant(piece)


def _is_random(piece: str) -> bool:
    """Letters drawn by lot change case all the time, with few vowels; CamelCase words mostly don't."""
    runs = _LOWER_RUN.findall(piece)
    if len(runs) < 4:
        return False
    return sum(len(run) > 2 for run in runs) * 3 < len(runs) or len(_VOWEL.findall(piece)) * 6 < len(piece)


def _dotted(name: str) -> str:
    """The kind of variable a dotted name is; empty for a name in the code."""
    end = name.rpartition(".")[2].lower()
    if end in DATA_FILES:
        return "file"
    if end in TOP_LEVEL and name == name.lower():
        return "host"
    return ""
