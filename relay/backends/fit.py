"""A composition within a service's limit, in that service's own unit.

The cut is made in the text, before any markup: whatever a service counts (bytes of an encoding, UTF-16
units, the length of a whole URL), the question is only whether the finished form fits.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from msgspec import structs

from relay.backends.compose import Composition

Form = TypeVar("Form")

_JOINER: Final = "\u200d"
_MOST_STEPS: Final = 32  # back from a cut, at most: no real character is longer


def fit(
    composition: Composition, render: Callable[[Composition], Form], fits: Callable[[Form], bool]
) -> Form:
    """The rendered composition, cut as little as makes it fit: the body first, then facts, then the title.

    Tag, module, links and footer stay; where even they don't fit, the smallest form is returned.
    """
    form = render(composition)
    if fits(form):
        return form
    for cuts in (_bodies, _facts, _titles):
        most, cut = cuts(composition)
        smallest = render(cut(0))
        if fits(smallest):
            return _largest(most, smallest, lambda n, cut=cut: render(cut(n)), fits)  # type: ignore[misc]
        composition = cut(0)
    return smallest


def _largest(most: int, smallest: Form, render: Callable[[int], Form], fits: Callable[[Form], bool]) -> Form:
    """The largest form of 0 to `most` that fits, where the smallest is known to."""
    best, low, high = smallest, 0, most
    while low < high:
        middle = (low + high + 1) // 2
        form = render(middle)
        if fits(form):
            best, low = form, middle
        else:
            high = middle - 1
    return best


Cut = Callable[[int], Composition]


def _bodies(composition: Composition) -> tuple[int, Cut]:
    body = composition.body
    return len(body), lambda n: structs.replace(composition, body=shorten(body, n))


def _facts(composition: Composition) -> tuple[int, Cut]:
    facts = composition.facts
    return len(facts), lambda n: structs.replace(composition, facts=facts[:n])


def _titles(composition: Composition) -> tuple[int, Cut]:
    title = composition.title
    return len(title), lambda n: structs.replace(composition, title=clip(title, n))


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
