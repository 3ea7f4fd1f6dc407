"""The filters of templates: Jinja2's names where there is one, each bounded in what it makes and costs."""

from __future__ import annotations

import re
import time as clock
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Final
from urllib.parse import quote

from jinja2 import StrictUndefined, TemplateRuntimeError, Undefined, pass_context
from jinja2.runtime import Context

from relay.backends.compose import moment
from relay.backends.fit import clip
from relay.values import format_duration

BUDGET: Final = "its budget"  # the variable that holds it: no template can write that name
MOST_STEPS: Final = 50_000  # of one rendering: some 10 ms
MOST_TEXT: Final = 16_384  # characters that a filter may make
_PER_STEP: Final = 64  # characters
_MOST_INDENT: Final = 40
_MOST_FORMAT: Final = 64
_FORM: Final = re.compile(r"(?:[^%]|%-?[A-Za-z%])*", re.DOTALL)  # no widths: `%999999999d` would be filled up


class Budget:
    """Steps left for one rendering."""

    def __init__(self) -> None:
        self._left = MOST_STEPS

    def take(self, steps: int) -> None:
        """Pay for what is about to be done, or was."""
        self._left -= steps
        if self._left < 0:
            raise TemplateRuntimeError("it takes too many steps")


def shown(value: Any) -> str:
    """A value as part of the message; lists have no one way to be shown."""
    if isinstance(value, str | int | float | Undefined):
        return str(value)
    if value is None:
        return ""
    word = "labels" if isinstance(value, Mapping) else "a list"
    raise TemplateRuntimeError(f"{word} can't be shown as text: loop over it, or use `join`")


def _each(value: Any, price: int, budget: Budget) -> list[Any]:
    """What a loop goes through, paid for."""
    if isinstance(value, str):
        raise TemplateRuntimeError("a text is not a list: loop over `text | lines`")
    items = list(value)
    budget.take((len(items) + 1) * price)
    return items


def _bounded(size: int) -> None:
    if size > MOST_TEXT:
        raise TemplateRuntimeError(f"a text of more than {MOST_TEXT:,} characters")


def _replace(value: Any, old: str, new: str) -> str:
    text, old, new = shown(value), shown(old), shown(new)
    if not old:
        raise TemplateRuntimeError("`replace` needs a text to look for")
    _bounded(len(text) + text.count(old) * max(0, len(new) - len(old)))
    return text.replace(old, new)


def _join(value: Any, separator: str = "") -> str:
    parts = [shown(part) for part in _items(value)]
    separator = shown(separator)
    _bounded(sum(map(len, parts)) + len(separator) * len(parts))
    return separator.join(parts)


def _indent(value: Any, width: int = 4, first: bool = False) -> str:  # noqa: FBT001, FBT002 - Jinja2's order
    if not 0 <= width <= _MOST_INDENT:
        raise TemplateRuntimeError(f"`indent` takes 0 to {_MOST_INDENT}")
    text = shown(value)
    _bounded(len(text) + width * (text.count("\n") + 1))
    indented = text.replace("\n", "\n" + " " * width)
    return " " * width + indented if first else indented


def _time(value: Any, now: float, form: str = "") -> str:
    at = float(value)
    if not form:
        return moment(at, now)
    if len(form) > _MOST_FORMAT or not _FORM.fullmatch(form):
        raise TemplateRuntimeError(f"`time` takes a form like '%d.%m. %H:%M' of {_MOST_FORMAT} characters")
    try:
        return clock.strftime(form, clock.localtime(at))
    except (OverflowError, ValueError, OSError):
        return moment(at, now)  # an event may claim any time


def _default(value: Any, other: Any = "", boolean: bool = False) -> Any:  # noqa: FBT001, FBT002 - Jinja2's order
    return other if isinstance(value, Undefined) or (boolean and not value) else value


def _first(value: Any) -> Any:
    items = _items(value)
    return items[0] if items else StrictUndefined("an empty list has no first item: use `default`")


def _last(value: Any) -> Any:
    items = _items(value)
    return items[-1] if items else StrictUndefined("an empty list has no last item: use `default`")


def _lines(value: Any, most: int | None = None) -> list[str]:
    return shown(value).splitlines()[:most]


def _pairs(value: Any) -> list[tuple[Any, Any]]:
    if not isinstance(value, Mapping):
        raise TemplateRuntimeError("only labels have items")
    return list(value.items())


def _items(value: Any) -> list[Any]:
    return list(value)


def _whole(value: Any, other: int = 0) -> int:
    text = shown(value).strip()
    if isinstance(value, float):
        return int(value)
    return int(text) if re.fullmatch(r"[+-]?[0-9]{1,15}", text) else other


def _made(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that pays for what it is given and what it makes."""

    @pass_context
    @wraps(function)
    def paid(context: Context, value: Any, *args: Any, **kwargs: Any) -> Any:
        budget: Budget = context.parent[BUDGET]
        budget.take(1 + _size(value) // _PER_STEP)
        made = function(value, *args, **kwargs)
        budget.take(1 + _size(made) // _PER_STEP)
        return made

    return paid


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    return _PER_STEP * len(value) if isinstance(value, list | dict) else 0


@pass_context
def _walked(context: Context, value: Any, price: int) -> list[Any]:
    return _each(value, price, context.parent[BUDGET])


@pass_context
def _timed(context: Context, value: Any, form: str = "") -> str:
    context.parent[BUDGET].take(10)
    return _time(value, context.parent["now"], form)


_PLAIN: Final[dict[str, Callable[..., Any]]] = {
    "abs": abs,
    "capitalize": lambda value: shown(value).capitalize(),
    "count": len,
    "d": _default,
    "default": _default,
    "dictsort": lambda value: sorted(_pairs(value)),
    "duration": lambda value: format_duration(float(value)),
    "first": _first,
    "indent": _indent,
    "int": _whole,
    "items": _pairs,
    "join": _join,
    "last": _last,
    "length": len,
    "lines": _lines,
    "lower": lambda value: shown(value).lower(),
    "max": max,
    "min": min,
    "replace": _replace,
    "reverse": lambda value: value[::-1] if isinstance(value, str) else _items(value)[::-1],
    "round": lambda value, digits=0: round(float(value), digits) if digits else round(float(value)),
    "sort": lambda value: sorted(_items(value)),
    "title": lambda value: shown(value).title(),
    "trim": lambda value: shown(value).strip(),
    "truncate": lambda value, most=200: clip(shown(value), most),
    "unique": lambda value: list(dict.fromkeys(_items(value))),
    "upper": lambda value: shown(value).upper(),
    "urlencode": lambda value: quote(shown(value), safe="", errors="replace"),
}
FILTERS: Final[dict[str, Any]] = {
    **{name: _made(function) for name, function in _PLAIN.items()},
    "each": _walked,
    "time": _timed,
}
