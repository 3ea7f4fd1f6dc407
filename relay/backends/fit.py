"""A composition within a service's limit, in that service's own unit.

The cut is made in the text, before any markup: whatever a service counts (bytes of an encoding, UTF-16
units, the length of a whole URL), the question is only whether the finished form fits.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from msgspec import Struct, structs

from relay.backends.compose import Composition

Form = TypeVar("Form")

WORTH_SHARING: Final = 80  # characters of body; where there is room for fewer, the facts come first
SHORT_BODY: Final = 200  # characters that no fact is worth
SHORT_FACT: Final = 40  # characters that a fact keeps before any of them is dropped
LONGEST_MARK: Final = 30  # characters of `… 1,234,567 characters cut …`

_JOINER: Final = "\u200d"
_MOST_STEPS: Final = 32  # back from a cut, at most: no real character is longer


def fit(
    composition: Composition, render: Callable[[Composition], Form], fits: Callable[[Form], bool]
) -> Form:
    """The rendered composition, cut as little as makes it fit.

    A short body stays; a long one has half of the room that body and facts share, and all that the facts
    leave. Facts are shortened before any is dropped, the last ones first. The title is cut when nothing else
    is left to cut. Tag, module, links and footer stay; where even they don't fit, the smallest form is
    returned.
    """
    form = render(composition)
    if fits(form):
        return form

    def largest(cuts: Cuts) -> int | None:
        return _largest(cuts, lambda told: fits(render(told)))

    bare = structs.replace(composition, facts=())
    room = largest(_bodies(bare))
    if room is None:
        titles = _titles(_bodies(bare).cut(0))
        return render(titles.cut(largest(titles) or 0))
    facts = _facts(_bodies(composition).cut(_share(room, _bodies(bare).most, len(composition.body))))
    told = structs.replace(composition, facts=facts.cut(largest(facts) or 0).facts)
    grown = largest(_bodies(told))
    return render(_bodies(bare).cut(room) if grown is None else _bodies(told).cut(grown))


def _share(room: int, most: int, length: int) -> int:
    """How far the body may be cut so that facts stay, where `room` of `most` fits without any facts."""
    if room == most and length <= SHORT_BODY:
        return room
    return room // 2 if room >= WORTH_SHARING else 0


class Cuts(Struct, frozen=True):
    """Ways to cut a composition: `cut(0)` leaves the least, `cut(most)` all of it."""

    most: int
    cut: Callable[[int], Composition]


def _largest(cuts: Cuts, fits: Callable[[Composition], bool]) -> int | None:
    """The largest that fits; None if not even the smallest does."""
    if not fits(cuts.cut(0)):
        return None
    best, high = 0, cuts.most
    while best < high:
        middle = (best + high + 1) // 2
        if fits(cuts.cut(middle)):
            best = middle
        else:
            high = middle - 1
    return best


def _bodies(composition: Composition) -> Cuts:
    """Whole, or shorter by more than it costs to say how much was cut."""
    body = composition.body
    most = max(0, len(body) - LONGEST_MARK) + 1 if body else 0

    def cut(n: int) -> Composition:
        if n >= most:
            return composition
        short = shorten(body, n) if len(body) > LONGEST_MARK else "…"
        return structs.replace(composition, body=short)

    return Cuts(most, cut)


def _facts(composition: Composition) -> Cuts:
    """The first few of them, each short; then all of them, longer and longer."""
    facts = composition.facts
    longest = max((len(value) for _, value in facts), default=0)

    def cut(n: int) -> Composition:
        most = SHORT_FACT + max(0, n - len(facts))
        kept = tuple((name, clip(value, most)) for name, value in facts[:n])
        return structs.replace(composition, facts=kept)

    return Cuts(len(facts) + max(0, longest - SHORT_FACT), cut)


def _titles(composition: Composition) -> Cuts:
    title = composition.title
    return Cuts(len(title), lambda n: structs.replace(composition, title=clip(title, n)))


def shorten(text: str, keep: int) -> str:
    """About `keep` characters of the text, with `… 1,234 characters cut …` where the others were.

    The cut is in the middle of several lines, as a stack trace tells the most in its first and last ones,
    and at the end of a single one.
    """
    if keep >= len(text):
        return text
    tail = keep // 3 if "\n" in text else 0
    start, end = boundary(text, keep - tail), boundary(text, len(text) - tail)
    mark = f"… {end - start:,} characters cut"
    return f"{text[:start]}{mark} …{text[end:]}" if tail else f"{text[:start]}{mark}"


def clip(text: str, most: int) -> str:
    """At most `most` characters, the last of them `…` if any were cut."""
    if len(text) <= most:
        return text
    return text[: boundary(text, most - 1)] + "…" if most > 0 else ""


def boundary(text: str, at: int) -> int:
    """The nearest place at or before `at` that is not inside what people see as one character."""
    at = max(0, min(at, len(text)))
    for place in range(at, max(0, at - _MOST_STEPS), -1):
        if place == len(text) or not _joined(text, place):
            return place
    return max(0, at - _MOST_STEPS)


def _joined(text: str, at: int) -> bool:
    """Whether the characters before and after `at` belong together."""
    before, after = text[at - 1], text[at]
    if _JOINER in {before, after} or "\U0001f3fb" <= after <= "\U0001f3ff":  # the latter: skin tones
        return True
    if unicodedata.category(after).startswith("M"):  # accents, vowel signs, keycaps, variation selectors
        return True
    return _is_flag(after) and sum(1 for _ in _flags_before(text, at)) % 2 == 1


def _flags_before(text: str, at: int) -> Iterator[str]:
    """The unbroken run of regional indicators that ends at `at`: each two of them are one flag."""
    while at > 0 and _is_flag(text[at - 1]):
        at -= 1
        yield text[at]


def _is_flag(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def utf8_bytes(text: str) -> int:
    """Length as WeCom, Feishu and most JSON services count it."""
    return len(text.encode(errors="replace"))


def utf16_units(text: str) -> int:
    """Length as Telegram counts entities and Java or JavaScript services their strings."""
    return len(text.encode("utf-16-le", "replace")) // 2
