"""What a line of a source must hold for some rule to take its event.

The answer is patterns over bytes, wider than the rules. Per rule the most telling thing is asked for: its
message patterns, or its module (with a level word on the same line), or that the line isn't surely below its
level. Where nothing can be asked for, every line is looked at, and `Needs.every` says for whose sake.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from typing import Final

from msgspec import Struct, field

from relay.config.schema import Rule, TailSource, Text
from relay.config.texts import any_of
from relay.models import Level
from relay.scan.complement import TooComplexError, complement
from relay.scan.conditions import tree_of
from relay.scan.syntax import literal
from relay.scan.widen import Alphabet, Wide, widen
from relay.sources.multiline import Joiner
from relay.sources.scan import headers
from relay.text import clean

_TELLING: Final = 3  # fixed characters from which a message pattern is the best thing to ask for
_LEVELLED: Final = {"python", "java", "plain"}  # a line that carries a module carries a level word or letter
_MEMBERS: Final = {"json", "logfmt"}  # a text's newlines and controls are escaped, its parts may be far apart
_LABELLED: Final = {"syslog", "nginx", "json", "logfmt", "regex"}  # lines may carry labels
_COARSE: Final = 5  # characters of a text that is enough by itself, where there are thousands of rules
_MODULES: Final = 100  # in one pattern
_KLOG: Final = r"\d{4} \d\d:[^\n]*"
_EDGE: Final = r"\b"


class Needs(Struct, frozen=True):
    """What to look for in the lines of one source (and, for a file's own module, in one file)."""

    patterns: dict[str, str] = field(default_factory=dict)  # over bytes, multi-line; and whose they are
    low: str = ""  # lines that begin with it needn't be looked at, all others must be; empty: no such rule
    every: tuple[tuple[str, str], ...] = ()  # rules for which every line must be looked at, and why


class _Need(Struct, frozen=True):
    """What one rule asks for: patterns, modules, or a level; or (`why` is given) every line."""

    patterns: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()  # where lines carry them; of `level`
    level: Level | None = None
    why: str = ""


class Asking:
    """Derives what to look for from the rules of one source."""

    def __init__(self, source: str, settings: TailSource, *, coarse: bool = False) -> None:
        """`coarse`: compiling quickly matters more than hitting seldom."""
        self._coarse = _COARSE if coarse else 0
        self._source = source
        self._settings = settings
        joined = Joiner(settings).holds and settings.format in {"python", "java"}
        self._begins = headers.MAY_START if joined else ""  # without a header no event begins there
        escapes = settings.format in _MEMBERS
        self._alphabet = Alphabet.of(settings.encoding, escapes=escapes)
        self._broken = escapes or settings.format == "regex"
        self._default = Level.ERROR if settings.level is None else settings.level

    def of_lines(self, rules: Iterable[Rule]) -> Needs:
        """What lines must hold by which rules may take them whatever file they stand in."""
        found = []
        for rule in self._mine(rules):
            if not rule.match.module:
                found.append((rule, self._without_module(rule)))
            else:
                found.append((rule, self._with_module(rule)))
        return self._together(found)

    def of_file(self, rules: Iterable[Rule]) -> Needs:
        """What else is to be looked for in a file whose own module these rules name."""
        return self._together([(rule, self._without_module(rule)) for rule in self._mine(rules)])

    # --- one rule ---

    def _mine(self, rules: Iterable[Rule]) -> Iterable[Rule]:
        """The rules that could take an event of this source."""
        for rule in rules:
            if rule.match.source and not any_of(rule.match.source)(self._source):
                continue
            if self._settings.format not in _LABELLED and not self._labels_hold(rule):
                continue
            yield rule

    def _labels_hold(self, rule: Rule) -> bool:
        given = self._settings.labels
        return all(name in given and any_of(texts)(given[name]) for name, texts in rule.match.labels.items())

    def _without_module(self, rule: Rule) -> _Need:
        """What it asks for beside its module."""
        messages = self._messages(rule)
        weight = min((wide.weight for wide in messages), default=0)
        if weight >= _TELLING:
            return _Need(tuple(wide.text for wide in messages))
        level = self._by_level(rule.match.level)
        if not level.why or not weight:
            return level
        return _Need(tuple(wide.text for wide in messages))

    def _with_module(self, rule: Rule) -> _Need:
        """What it asks for where the line carries the module."""
        modules = [self._module(text) for text in rule.match.module]
        messages = self._messages(rule)
        weight = min((wide.weight for wide in modules), default=0)
        level = rule.match.level or Level.DEBUG
        if self._settings.format in {"plain", "nginx"}:  # only klog's lines carry one
            return _Need(modules=tuple(wide.text for wide in modules), level=level)
        said = min((wide.weight for wide in messages), default=0)
        if said >= _TELLING and said >= weight:
            return _Need(tuple(wide.text for wide in messages))
        if weight >= _TELLING - 1:
            return _Need(modules=tuple(wide.text for wide in modules), level=level)
        return self._without_module(rule)

    def _messages(self, rule: Rule) -> list[Wide]:
        return [self._message(text) for text in rule.match.message]

    def _message(self, text: Text) -> Wide:
        tree = tree_of(text)
        if self._alphabet is None or tree is None:
            return Wide("", 0)
        return widen(tree, self._alphabet, broken=self._broken, coarse=self._coarse)

    def _module(self, text: Text) -> Wide:
        """A condition on a module where it stands in a line."""
        if self._alphabet is None:
            return Wide("", 0)
        if text.kind == "regex":
            return self._message(text)
        name = text.text.removesuffix(".*")
        piece = max(re.split(r"[*?\s]+", name), key=len)
        wide = widen(literal(piece), self._alphabet, broken=self._broken)
        if not wide.text or not piece.isascii() or self._coarse:
            return wide
        before = (
            name.startswith(piece)
            and piece[:1].isalnum()
            and not (self._alphabet.double or self._alphabet.escapes)
        )
        after = name.endswith(piece) and piece[-1:].isalnum() and not self._alphabet.double
        return Wide(f"{_EDGE * before}{wide.text}{_EDGE * after}", wide.weight)

    def _beside_level(self, modules: str, level: Level) -> list[str]:
        """Modules (as choices) with a level's word or letter on their line, where such lines have one."""
        format_ = self._settings.format
        words, letters = headers.high_words(level), headers.high_letters(level)
        if format_ in {"plain", "nginx"}:
            return [rf"^[{letters}]{_KLOG}(?:{modules})"]
        if level <= Level.DEBUG or format_ not in _LEVELLED:
            return [rf"(?:{modules})"]
        ways = [rf"{words}\b[^\n]*(?:{modules})", rf"^\[?[{letters}] ?\d[^\n]*(?:{modules})"]
        if format_ == "python":
            ways.append(rf"(?:{modules})[^\n]*{words}\b")
        else:  # java.util.logging writes its level on a second line
            ways.append(rf"(?:{modules})[^\n]*\n{words}:")
        return ways

    def _by_level(self, level: Level | None) -> _Need:
        if level is None or level <= Level.DEBUG:
            return _Need(why="it asks for no text that a line must hold")
        if self._default >= level:
            if headers.low_headers(self._settings.format, level):
                return _Need(level=level)
            return _Need(
                why=f"lines without a level are taken as {self._default.word}s here (the source's `level`)"
            )
        if self._settings.format == "regex":
            return _Need(why="lines are read by a pattern of one's own, which may find a level anywhere")
        numbers = "|".join(headers.high_numbers(level))
        ways = {
            "syslog": [f"^<(?:{'|'.join(headers.high_priorities(level))})>"],
            "json": [rf"[:]\s*\"?(?:{numbers})\"?\s*[,}}]"],
            "logfmt": [rf"=\"?(?:{numbers})\"?(?:\s|$)"],
        }.get(self._settings.format, [])
        # A line that isn't of its format is read as plain text.
        words = headers.high_words(level)
        if self._settings.format in _MEMBERS:
            words = f"(?i:{words})"  # a member's value may be written anyhow
        return _Need((words, rf"^\[?[{headers.high_letters(level)}] ?\d", *ways))

    # --- all rules ---

    def _together(self, found: list[tuple[Rule, _Need]]) -> Needs:
        every = [(rule.name, need.why) for rule, need in found if need.why]
        if self._alphabet is None and found:
            name = self._settings.encoding
            every = [(rule.name, f"the encoding {name} can't be scanned as bytes") for rule, _ in found]
        if every:
            return Needs(every=tuple(every))
        patterns = {text: rule.name for rule, need in found for text in need.patterns}
        patterns |= self._with_modules(found)
        levels = {
            need.level: rule.name
            for rule, need in reversed(found)
            if need.level is not None and not need.modules
        }
        low = ""
        if levels:
            least = min(levels)
            low = headers.low_headers(self._settings.format, least)
            with contextlib.suppress(TooComplexError):
                patterns.update(dict.fromkeys(complement(low, self._begins), levels[least]))
                low = ""
        if patterns:
            patterns.update(dict.fromkeys(self._strange(), ""))
        return Needs(patterns, low)

    def _with_modules(self, found: list[tuple[Rule, _Need]]) -> dict[str, str]:
        """The patterns of rules that go by a module in the line: many in one compile ten times as fast."""
        named: dict[Level, dict[str, str]] = {}
        for rule, need in found:
            if need.modules and need.level is not None:
                named.setdefault(need.level, {}).update(dict.fromkeys(need.modules, rule.name))
        patterns = {}
        for level, owners in named.items():
            if self._coarse:
                patterns.update(owners)
                continue
            texts = sorted(owners)
            for at in range(0, len(texts), _MODULES):
                ways = self._beside_level("|".join(texts[at : at + _MODULES]), level)
                patterns.update(dict.fromkeys(ways, owners[texts[at]]))
        return patterns

    def _strange(self) -> list[str]:
        """Lines whose text isn't what their bytes are: they are always looked at.

        Terminal sequences and invisible characters are taken out of texts (see `text.clean`); the Kelvin sign
        and the long s are letters to a pattern that ignores case; in JSON any letter may be written as an
        escape.
        """
        alphabet = self._alphabet
        assert alphabet is not None
        found = [r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", r"\r[^\n]"]
        if alphabet.codec == "utf-8":
            found.append(
                r"\xc2[\x80-\x9f\xad]|\xc5\xbf|\xd8\x9c|\xe1\xa0\x8e|\xe2\x80[\x8b-\x8f\xa8-\xaf]|\xe2\x81[\xa0-\xaf]"
                r"|\xe2\x84\xaa|\xed[\xa0-\xbf]|\xef\xbb\xbf|\xef\xbf[\xb9-\xbb]|\xf3\xa0[\x80-\x81]"
            )
        elif alphabet.double:
            found.append(r"[\x81-\xfe][\x30-\x39]")  # four bytes of GB18030: any character
        else:
            decoded = ((byte, bytes((byte,)).decode(alphabet.codec, "replace")) for byte in range(128, 256))
            odd = "".join(rf"\x{byte:02x}" for byte, char in decoded if _is_odd(char))
            found += [f"[{odd}]"] if odd else []
        if self._settings.format == "json":
            found.append(
                r"\\u(?:00[0-7]|00[89aA]|017[fF]|212[aA]|20(?:0[b-fB-F]|2[89a-fA-F]|6)|061[cC]|180[eE]"
                r"|[fF][eE][fF][fF]|[fF]{3}[9abdABD]|[dD][89a-fA-F])"
            )
        elif self._settings.format == "logfmt":
            found.append(r'\\[^"\\\\ntr]')
        return found


def _is_odd(char: str) -> bool:
    return clean(char) != char or char in "\u017f\u212a"
