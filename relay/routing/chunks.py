"""One chunk of a line, without white space in it: its constant words, its masked form, its role.

The classifier is pure and remembered, so forgetting changes no result. Every pattern is linear in the text:
no nested repeats, no ambiguous alternatives under one.
"""

from __future__ import annotations

import enum
import re
from functools import lru_cache
from typing import Final, NamedTuple

from relay.routing.codes import MOST_WORDS, announces_code, code_of, kind_after, may_be
from relay.routing.lexicon import (
    BOOLEANS,
    CALENDAR,
    DATA_FILES,
    NAMERS,
    NAMERS_OF_CJK,
    NOT_NAMES,
    TOP_LEVEL,
    UNITS,
    says_what_is_wrong,
)
from relay.routing.quotes import HOLE

_REMEMBERED: Final = 32_768  # chunks
_LONGEST: Final = 4096  # characters looked at; Chinese has no spaces
_LONG: Final = 96  # characters; longer chunks are seldom seen twice, and would fill the memory


class Role(enum.IntEnum):
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


class Chunk(NamedTuple):
    """What is known of a chunk by itself."""

    words: str  # the constant ones, by spaces
    shown: str
    role: Role
    may_be_name: bool
    exact: bool = False  # as in Masked


def chunk_of(raw: str) -> Chunk:
    """The chunk, classified."""
    return _known(raw) if len(raw) <= _LONG else _classify(raw[:_LONGEST])


def chunks_of(raws: list[str]) -> list[Chunk]:
    """The chunks, classified: `chunk_of` each, in less time."""
    known = _known
    return [known(raw) if len(raw) <= _LONG else _classify(raw[:_LONGEST]) for raw in raws]


_STRONG: Final = re.compile("([\ue000\\s()\\[\\]{}<>,;|\"'`«»“”‘’、。【】「」《》…]+)")
_WEAK: Final = re.compile(r"((?<![:/@\\&+=*#%~^$-])[:/@\\&+=*#%~^$-]*[:/@\\&+=]+[:/@\\&+=*#%~^$-]*)")
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
    | (?P<hex>\dx[0-9a-f]+)
    | (?P<mac>[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5})
    | (?P<ip6>[0-9a-f]{0,4}:[0-9a-f]{0,4}:[0-9a-f:.]*(?:%\w+)?(?:/\d+)?)
    | (?P<host>(?![\w.-]+\.(?:c|cc|cpp|cs|cxx|ex|exs|erl|go|h|hpp|java|js|jsx|kt|lua|m|php|pl|py|rb|rs|scala
        |sh|sql|swift|ts|tsx|vue):)[a-z][a-z0-9-]*(?:\.[a-z0-9-]+)*
        :(?:22|25|53|80|443|3306|5432|5672|6379|80[08]0|8443|9092|9200|27017))
    | (?P<mail>[\w.+*-]+@[\w.-]+)
    | (?P<path>(?:~|\.{1,2}|[a-z]:)?[/\\].*|\w[\w.-]*[/\\][^/\\]+[/\\].*|\w[\w-]*\.[\w.-]*[/\\][\w-]*\..*)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_ALL_BUT_UNIT: Final = re.compile(r"[\d.,_+-]+")
_HOST_AND_PORT: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9.-]*:\d{2,5}")
_OBJECT: Final = re.compile(r"([A-Z][\w.$]*)@[0-9a-f]{4,}")
_OPENERS: Final = frozenset("<[({\"'")
_EQUALS: Final = frozenset(("=", ":", "==", ":="))
_MAY_BE_CODES: Final = frozenset(("num", "hex"))
_SMALL: Final = re.compile(r"-?\d{1,6}")
_CODE: Final = re.compile(r"(?:ORA|TNS|PLS|RMAN|SQLSTATE)-?\w{3,5}")


class _Builder:
    """Collects the words and the masked form of one chunk."""

    __slots__ = ("apart", "exact", "open", "shown", "variable", "words")

    def __init__(self) -> None:
        self.words: list[str] = []
        self.shown: list[str] = []
        self.variable = ""  # the kind of the last variable
        self.apart = 0  # words that stand before it
        self.exact = False  # the values of the digits matter
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
        kind = kind_after(self.words[self.apart :][-MOST_WORDS:])
        self.exact = self.exact or (kind is not None and may_be(kind, number))
        code = code_of(kind, number) if kind else ""
        if code:
            self.constant(code)
        return bool(code)


def _classify(raw: str) -> Chunk:
    built = _Builder()
    for place, part in enumerate(_STRONG.split(raw)):
        if place % 2 or not part:
            built.shown.append(part)
            built.open = built.open and part[:1] in _OPENERS
        elif built.open:
            built.open = False
            built.mask("str")
        elif place and part.lower() in BOOLEANS:  # setLight(true)
            built.mask("bool")
        else:
            _part(part, built)
    words = " ".join(built.words)
    shown = "".join(built.shown).replace(HOLE, "<str>")
    return Chunk(words, shown, _role(raw, built), _may_be_name(raw, built), built.exact)


_known = lru_cache(_REMEMBERED)(_classify)


def _role(raw: str, built: _Builder) -> Role:
    """What the chunk means to its neighbours."""
    if raw in _EQUALS:
        return Role.EQUALS
    if not built.words:
        return Role.NUMBER if built.variable in {"num", "time"} else Role.VARIABLE
    word = built.words[-1].lower()
    if raw.rstrip(":=([\"'").endswith(built.words[-1]):
        if word in NAMERS or (word == "host" and raw[-1:] == ":"):
            return Role.NAMER
        if announces_code(word):
            return Role.CODE
    if len(built.words) > 1 or built.variable:
        return Role.PLAIN
    if word in UNITS:
        return Role.UNIT
    if word in CALENDAR:
        return Role.CALENDAR
    if word in BOOLEANS:
        return Role.BOOLEAN
    return Role.FOR if raw == "for" else Role.PLAIN


def _may_be_name(raw: str, built: _Builder) -> bool:
    """Whether the chunk could be what a namer names: one word, not one of the language's own."""
    if len(built.words) != 1 or raw.endswith("()"):
        return False
    word = built.words[0].lower()
    return word not in NOT_NAMES and word not in NAMERS and not word.endswith(("ed", "ing"))


def _part(part: str, built: _Builder) -> None:
    """One piece between brackets, commas and quotes."""
    if ":" in part and _HOST_AND_PORT.fullmatch(part):
        name = part.partition(":")[0]
        if _dotted(name) == "host" or ("." not in name and _DIGIT.search(name)):
            built.mask("host")
            return
        built.exact = True  # some ports are well known
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
    head, slash, _ = part.partition("/")
    if slash and "." in head and _dotted(head) == "host":  # registry.example.com/team/api:v1
        built.mask("path")
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
        built.shown.append(_ALL_BUT_UNIT.sub("", found[0]))


def _pair(key: str, value: str, built: _Builder) -> None:
    """`key=value`: the key is constant; a value of letters only where the key says what is wrong."""
    _pieces(key, built)
    built.shown.append("=")
    if key.lower() == "code" and _SMALL.fullmatch(value):
        built.constant(value)
        built.exact = True
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
            if place and runs[place - 1].endswith(NAMERS_OF_CJK) and run.lower() not in NOT_NAMES:
                built.mask("name")  # 用户alice登录失败
            else:
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
            built.exact = True
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
