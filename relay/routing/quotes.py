"""Quoted text: in `user "alice"` it is data, in `constraint "orders_pkey"` a name in the code."""

from __future__ import annotations

import re
from functools import partial
from typing import Final

from relay.routing.lexicon import NAMERS_OF_CJK, QUOTES_CODE, QUOTES_DATA

HOLE: Final = "\ue000"  # stands where data was (a private-use character)

_QUOTED: Final = re.compile(r"""(?<!\w)(["'])((?:(?!\1)[^\n])*)\1(?!\w)""")
_SOMEBODY: Final = re.compile(f"((?:{'|'.join(NAMERS_OF_CJK)})[\\s:]*[「『“])([^」』”]{{1,64}})(?=[」』”])")
_WORD: Final = re.compile(r"(?<![^\W_])[^\W\d]+(?!\w)")
_SQL: Final = re.compile(r"\b(?:SELECT|INSERT|UPDATE|DELETE|VALUES|WHERE)\b")
_LOOK_BACK: Final = 96  # characters before a quote in which a telling word may stand
_MOST_QUOTES: Final = 400  # as many as words.py looks at chunks
_MOST_WORDS: Final = 6  # before a quote


def without_quoted_data(line: str) -> str:
    """The line with holes for its quoted data; other quoted text stays."""
    if not line.isascii():
        line = _SOMEBODY.sub(rf"\1{HOLE}", line)
    if "'" not in line and '"' not in line:
        return line
    sql = _SQL.search(line)
    return _QUOTED.sub(partial(_kept, sql_from=sql.start() if sql else len(line)), line, _MOST_QUOTES)


def _kept(found: re.Match[str], sql_from: int) -> str:
    """The quoted text if it is a name in the code, else a hole; in SQL, single quotes hold data."""
    start = found.start()
    before = found.string[max(0, start - _LOOK_BACK) : start]
    if found[1] == "'" and (before.endswith("@") or sql_from < start):
        return HOLE
    for word in _WORD.findall(before.lower())[: -_MOST_WORDS - 1 : -1]:
        if word in QUOTES_CODE:
            return found[0]
        if word in QUOTES_DATA:
            return HOLE
    return found[0] if found[2] else HOLE
