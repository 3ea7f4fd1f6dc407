"""What is wrong in rules.yaml, all of it at once: where, what was given, and a guess at what was meant."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from itertools import islice
from typing import Final, Literal

from msgspec import Struct

from relay.config.schema import Place
from relay.errors import RelayError

MOST: Final = 300  # errors: nobody reads more, and a hostile file mustn't keep us busy
_GUESSED_AMONG: Final = 200  # words compared with a wrong one: difflib takes some 10 us for each
_LISTED: Final = 20  # allowed words shown where there is nothing to guess


class Problem(Struct, frozen=True):
    """One thing to repair (`error`) or to know (`warning`). Sorts by place."""

    severity: Literal["error", "warning"]
    place: Place
    text: str

    def __str__(self) -> str:
        mark = "warning: " if self.severity == "warning" else ""
        return f"{self.place}: {mark}{self.text}"

    def __lt__(self, other: Problem) -> bool:
        return (self.place, self.severity, self.text) < (other.place, other.severity, other.text)


class ConfigError(RelayError):
    """The rules can't be used; `problems` says all that is wrong with them."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class EnoughError(Exception):
    """So much is wrong that nothing more needs to be looked for."""


class Problems:
    """What was found so far. The same problem at the same place (seen through an alias) counts once."""

    def __init__(self) -> None:
        self._errors: dict[Problem, None] = {}
        self._warnings: dict[Problem, None] = {}

    @property
    def refused(self) -> bool:
        """Whether any of them is an error."""
        return bool(self._errors)

    def error(self, place: Place, text: str) -> None:
        """Something to repair before relay takes the rules; `EnoughError` when there are `MOST` already."""
        if len(self._errors) >= MOST:
            self._errors[Problem("error", max(self._errors).place, f"and more: {MOST} are shown")] = None
            raise EnoughError
        self._errors[Problem("error", place, text)] = None

    def warning(self, place: Place, text: str) -> None:
        """Something to know; the rules are taken."""
        if len(self._warnings) < MOST:
            self._warnings[Problem("warning", place, text)] = None

    def unknown(self, place: Place, what: str, given: str, allowed: Collection[str]) -> None:
        """A word that isn't one of the allowed ones, with the likeliest of them."""
        self.error(place, f"unknown {what} {quoted(given)}{hint(given, allowed)}")

    def sorted(self) -> list[Problem]:
        """All of them, by file, line and column."""
        return sorted([*self._errors, *self._warnings])


def closest(given: str, allowed: Collection[str]) -> str:
    """The allowed word that was likely meant; empty if none is near."""
    near = difflib.get_close_matches(given[:60], islice(allowed, _GUESSED_AMONG), n=1)
    return near[0] if near else ""


def hint(given: str, allowed: Collection[str]) -> str:
    """` (did you mean 'x'?)`, or else what is allowed, as far as that is a short list."""
    if near := closest(given, allowed):
        return f" (did you mean {near!r}?)"
    if 0 < len(allowed) <= _LISTED:
        return f" (allowed: {', '.join(allowed)})"
    return ""


def quoted(text: str) -> str:
    """The text in quotes, cut if long, control characters spelt out so that no terminal obeys them."""
    return repr(text if len(text) <= 60 else text[:57] + "...")
