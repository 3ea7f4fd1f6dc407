"""The lines that do *not* begin with any of some headers, as one pattern without negation.

Engines that scan for many patterns know no "not". But where a line's header is read from left to right, the
first byte that fits none of the headers tells: the pattern is the tree of all such bytes. It is made from the
headers' deterministic automaton, which may have no loops but those of a state to itself.
"""

from __future__ import annotations

from typing import Final

from relay.scan.byteset import BEYOND, byte_class
from relay.scan.syntax import NEWLINE, Chars, Choice, Node, Repeat, Sequence, read

_MOST_LENGTH: Final = 15_000  # characters of one pattern: Hyperscan takes 16,000
_MOST_IN_ALL: Final = 100_000  # beyond, engines compile it slowly
_DEAD: Final[frozenset[int]] = frozenset()
_State = tuple[
    frozenset[int], frozenset[int] | None
]  # of the headers; of the beginning, None once it was seen


class TooComplexError(ValueError):
    """The headers' automaton has loops, or the pattern would be too long."""


class Prefixes:
    """Recognises lines that begin with a pattern: a nondeterministic automaton of character positions."""

    def __init__(self, pattern: str) -> None:
        self._sets: list[int] = []  # of each position, the bytes that may stand there
        self._follow: list[set[int]] = []
        nullable, first, last = self._build(read(pattern))
        self.start = frozenset({-1})
        self._first = first
        self._last = last
        self._nullable = nullable

    def accepts(self, state: frozenset[int]) -> bool:
        """Whether the pattern has been found whole."""
        return bool(state & self._last) or (-1 in state and self._nullable)

    def after(self, state: frozenset[int], byte: int) -> frozenset[int]:
        """The state after one more byte; empty: it can't be found any more."""
        following: set[int] = set()
        for position in state:
            following |= self._first if position < 0 else self._follow[position]
        return frozenset(each for each in following if self._sets[each] >> byte & 1)

    def _build(self, tree: Node) -> tuple[bool, set[int], set[int]]:
        """Nullable, first and last positions of a tree (Glushkov's construction)."""
        match tree:
            case Sequence(parts):
                nullable, first, last = True, set[int](), set[int]()
                for part in parts:
                    its_nullable, its_first, its_last = self._build(part)
                    for position in last:
                        self._follow[position] |= its_first
                    first |= its_first if nullable else set()
                    last = its_last | (last if its_nullable else set())
                    nullable = nullable and its_nullable
                return nullable, first, last
            case Choice(parts):
                built = [self._build(part) for part in parts]
                return (
                    any(each[0] for each in built),
                    set().union(*(each[1] for each in built)),
                    set().union(*(each[2] for each in built)),
                )
            case Repeat(part, least, most):
                return self._repeat(part, least, most)
        assert isinstance(tree, Chars)
        self._sets.append(tree.ascii | (BEYOND if tree.beyond else 0))
        self._follow.append(set())
        position = len(self._sets) - 1
        return False, {position}, {position}

    def _repeat(self, part: Node, least: int, most: int | None) -> tuple[bool, set[int], set[int]]:
        if most is not None:
            copies: list[Node] = [part] * least
            tail: Node = Sequence(())
            for _ in range(most - least):
                tail = Choice((Sequence(()), Sequence((part, tail))))
            return self._build(Sequence((*copies, tail)))
        if least > 1:
            return self._build(Sequence((*[part] * (least - 1), Repeat(part, 1, None))))
        nullable, first, last = self._build(part)
        for position in last:
            self._follow[position] |= first
        return nullable or least == 0, first, last


class _Tree:
    """The bytes by which a line leaves all headers, as nested choices."""

    def __init__(self, headers: str, begins: str) -> None:
        self._low, self._begin = Prefixes(headers), Prefixes(begins)
        self._texts: dict[_State, str | None] = {}
        began = self._begin.accepts(self._begin.start)
        self.root: _State = (self._low.start, None if began else self._begin.start)

    def text(self, state: _State) -> str | None:
        """What still leads to a hit from here; None: nothing does."""
        if state not in self._texts:
            self._texts[state] = self._written(state)
        return self._texts[state]

    def ways(self, state: _State) -> tuple[int, dict[_State, int]]:
        """The bytes that leave it where it is, and the others by where they lead."""
        loop, ways = 0, dict[_State, int]()
        for byte in range(256):
            then = self._low.after(state[0], byte)
            now = None if state[1] is None else self._begin.after(state[1], byte)
            if now is not None and self._begin.accepts(now):
                now = None
            if now == _DEAD:
                continue
            if (then, now) == state:
                loop |= 1 << byte
            else:
                ways[then, now] = ways.get((then, now), 0) | 1 << byte
        return loop & ~NEWLINE, ways

    def _written(self, state: _State) -> str | None:
        if self._low.accepts(state[0]):
            return None
        if state == (_DEAD, None):
            return ""
        loop, ways = self.ways(state)
        inner = {then: self.text(then) for then in ways}
        options = [
            byte_class(bytes_) + text for then, bytes_ in ways.items() if (text := inner[then]) is not None
        ]
        if not options:
            return None
        text = options[0] if len(options) == 1 else f"(?:{'|'.join(options)})"
        if len(text) > _MOST_IN_ALL:
            raise TooComplexError
        return f"{byte_class(loop)}*{text}" if loop else text

    def split(self, state: _State, before: str) -> list[str]:
        """The patterns of a state, each of a length that engines take."""
        text = self.text(state)
        if text is None:
            return []
        if len(before) + len(text) <= _MOST_LENGTH:
            return [before + text]
        loop, ways = self.ways(state)
        before += f"{byte_class(loop)}*" if loop else ""
        return [
            each for then, bytes_ in ways.items() for each in self.split(then, before + byte_class(bytes_))
        ]


def complement(headers: str, begins: str = "") -> list[str]:
    """Patterns over bytes for the lines that begin with none of `headers` (and with `begins`, if given).

    To be used in multi-line mode. Raises `TooComplexError`.
    """
    tree = _Tree(headers, begins)
    try:
        return tree.split(tree.root, "^")
    except RecursionError:
        raise TooComplexError from None
