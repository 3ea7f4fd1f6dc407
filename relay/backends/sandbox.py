"""Templates of messages: a part of Jinja2 in which nothing can run long, grow large or reach anything.

The tree of a template is checked node by node before it is compiled: no calls, macros or files, so that the
only loops are those over a message's own lists. Each loop pays for its body before it starts, each filter
for what it gives, out of one budget: the event loop renders, and must not stand still. On top of that it
is Jinja2's sandbox. The text of templates comes from the operators, the values from whoever writes logs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from jinja2 import StrictUndefined, TemplateError, TemplateRuntimeError, TemplateSyntaxError, Undefined, nodes
from jinja2 import Template as Compiled
from jinja2.meta import find_undeclared_variables
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS
from jinja2.visitor import NodeTransformer

from relay.backends import template_filters
from relay.backends.template_filters import BUDGET, Budget, shown
from relay.backends.template_values import FULL, PLAIN, Labels, values
from relay.models import Message

MOST_SOURCE: Final = 4096  # characters of a template
MOST_DEPTH: Final = 30  # levels of its tree
MOST_OUTPUT: Final = 16_384  # characters that one may write; far above what any service shows

_NUMBERS: Final = 1e15  # beyond, arithmetic gets slow or inexact
_LOOP: Final = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length"})
_TESTS: Final = (
    *("defined", "undefined", "none", "string", "number", "mapping", "odd", "even", "divisibleby", "in"),
    *("eq", "equalto", "==", "ne", "!=", "lt", "<", "gt", ">", "le", "<=", "ge", ">="),
)
_ALLOWED: Final = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Getattr),
    *(nodes.Getitem, nodes.Slice, nodes.Filter, nodes.Test, nodes.If, nodes.For, nodes.Assign, nodes.Compare),
    *(nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos, nodes.Add, nodes.Sub, nodes.Mul),
    *(nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Concat, nodes.CondExpr, nodes.Keyword),
)


class WordingError(Exception):
    """A template that can't be compiled, or failed: where and why, in words."""


def problem(source: str) -> str:
    """Why that can't be a template, with the line in it; "" if it can. It is tried on two messages."""
    for message, words in ((FULL, ""), (PLAIN, "for an event without hosts and labels: ")):
        try:
            write(source, message, message.last_seen)
        except WordingError as error:
            return f"{words}{error}"
    return ""


def write(source: str, message: Message, now: float) -> str:
    """What the template makes of a message; raises a `WordingError`."""
    template = _compiled(source)
    written: list[str] = []
    size = 0
    try:
        for part in template.generate({**values(message, now), BUDGET: Budget()}):
            written.append(part)
            size += len(part)
            if size > MOST_OUTPUT:
                break
    except Exception as error:  # noqa: BLE001 - whatever an operator's expression may raise
        raise WordingError(_told(error)) from None
    if size > MOST_OUTPUT:
        raise WordingError(f"it writes more than {MOST_OUTPUT:,} characters")
    return "".join(written)


class _Environment(ImmutableSandboxedEnvironment):
    """No call, no attribute of Python's: values are texts, numbers, lists and labels."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%"})

    def is_safe_callable(self, obj: Any) -> bool:
        """Nothing is called; the check of the tree says so first."""
        del obj
        return False

    def getattr(self, obj: Any, attribute: str) -> Any:
        """`a.b` is `a["b"]`."""
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """A label, a link's part, an item of a list, or a loop's number."""
        if isinstance(obj, Undefined):
            return obj[argument]  # raises: it says which name isn't there
        if isinstance(obj, LoopContext) and argument in _LOOP:
            return getattr(obj, argument)
        if isinstance(obj, Mapping) and argument in obj:
            return obj[argument]
        if isinstance(obj, list | tuple | str) and argument in range(-len(obj), len(obj)):
            return obj[argument]
        if isinstance(obj, Labels):
            return Undefined(name=f"labels.{argument}")  # shown as nothing: labels differ from event to event
        return self.undefined(obj=obj, name=argument)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Arithmetic of small numbers: `text * 1000000000` and `"%999999999d" % 1` aren't any."""
        del context
        for side in (left, right):
            if not isinstance(side, int | float):
                raise TemplateRuntimeError(f"`{operator}` takes numbers only; `~` joins texts")
            if abs(side) > _NUMBERS:
                raise TemplateRuntimeError("a number is too large")
        return self.binop_table[operator](left, right)


_ENVIRONMENT: Final = _Environment(
    undefined=StrictUndefined,
    finalize=shown,
    autoescape=False,  # each service has its own escapes: they come after this
    optimized=False,  # nothing is computed while compiling
    trim_blocks=True,
    lstrip_blocks=True,
    cache_size=0,
)
_ENVIRONMENT.globals.clear()
_ENVIRONMENT.filters = template_filters.FILTERS
_ENVIRONMENT.tests = {name: TESTS[name] for name in _TESTS}
_VARIABLES: Final = frozenset(values(FULL, 0.0))


@lru_cache(1024)
def _compiled(source: str) -> Compiled:
    if len(source) > MOST_SOURCE:
        raise WordingError(f"a template is at most {MOST_SOURCE:,} characters long")
    try:
        tree = _ENVIRONMENT.parse(source)
        _check(tree)
        return _ENVIRONMENT.from_string(_Bounded().visit(tree))
    except TemplateSyntaxError as error:
        raise WordingError(_at(error.lineno, error.message or "not a template")) from None
    except (TemplateError, SyntaxError, RecursionError, MemoryError) as error:
        raise WordingError(f"not a template ({type(error).__name__})") from None


def _check(tree: nodes.Template) -> None:
    """Raise what is not allowed in a template, the first thing first."""
    for node, depth in _walk(tree, 0):
        if text := _objection(node) or ("" if depth <= MOST_DEPTH else "nested too deeply"):
            raise WordingError(_at(node.lineno, text))
    if unknown := find_undeclared_variables(tree) - _VARIABLES:
        first = min((each for each in tree.find_all(nodes.Name) if each.name in unknown), key=_line)
        text = f"unknown variable {first.name!r}{_hint(first.name, _VARIABLES)}"
        raise WordingError(_at(first.lineno, text))


def _objection(node: nodes.Node) -> str:
    match node:
        case nodes.Filter() if node.name not in template_filters.FILTERS:
            return f"unknown filter {node.name!r}{_hint(node.name, template_filters.FILTERS)}"
        case nodes.Test() if node.name not in _ENVIRONMENT.tests:
            return f"unknown test {node.name!r}{_hint(node.name, _ENVIRONMENT.tests)}"
        case nodes.Name() if node.name == "self":
            return "`self` has no place in a message's template"
        case nodes.Call():
            return "nothing can be called in a template: use filters, as in {{ text | upper }}"
        case nodes.For() if node.recursive:
            return "no loop is recursive here"
        case nodes.List() | nodes.Tuple():
            simple = nodes.Name if getattr(node, "ctx", "load") == "store" else nodes.Const
            plain = all(isinstance(each, simple) for each in node.items)
            return "" if plain else "a list in a template holds plain values only"
        case nodes.Filter() | nodes.Test():
            return "no * or ** here" if node.dyn_args or node.dyn_kwargs else ""
        case _ if not isinstance(node, _ALLOWED):
            return f"`{type(node).__name__.lower()}` has no place in a message's template"
    return ""


def _walk(node: nodes.Node, depth: int) -> Iterator[tuple[nodes.Node, int]]:
    yield node, depth
    if depth <= MOST_DEPTH:
        for child in node.iter_child_nodes():
            yield from _walk(child, depth + 1)


def _line(node: nodes.Node) -> int:
    return node.lineno


class _Bounded(NodeTransformer):
    """Loops pay for their body before they begin, and joined texts for their length."""

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802 - Jinja2's name
        """`for x in hosts` -> `for x in hosts | each(nodes in the body)`."""
        price = sum(1 for _ in _walk(node, 0))
        self.generic_visit(node)
        node.iter = _filtered(node.iter, "each", node, nodes.Const(price))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:  # noqa: N802 - as above
        """`a ~ b` -> `[a, b] | join`."""
        self.generic_visit(node)
        return _filtered(nodes.List(node.nodes, lineno=node.lineno), "join", node)


def _filtered(value: nodes.Node, name: str, at: nodes.Node, *args: nodes.Expr) -> nodes.Filter:
    found = nodes.Filter(value, name, list(args), [], None, None, lineno=at.lineno)
    return found.set_environment(_ENVIRONMENT)  # type: ignore[return-value]


def _at(line: int, text: str) -> str:
    return f"line {line} of the template: {text}"


def _hint(given: str, known: Any) -> str:
    import difflib  # noqa: PLC0415 - only for mistakes

    close = difflib.get_close_matches(given, sorted(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else f" (there are: {', '.join(sorted(known))})"


def _told(error: Exception) -> str:
    """The failure in words, with the template's line where Jinja2's traceback has one."""
    lines = []
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename in {"<template>", "<unknown>"}:
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    words = str(error) if isinstance(error, TemplateError) else f"{type(error).__name__}: {error}"
    return _at(lines[-1], words[:200]) if lines else words[:200]
