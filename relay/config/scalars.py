"""Scalars to texts, numbers and truth, with YAML 1.1's surprises refused.

To YAML 1.1 an unquoted `no` is false, `012` is ten and `22:22` is 1342. Here a scalar is always the text that
stands there, so the only question is what its writer meant; where that isn't clear, quotes make it so.
A parser raises ValueError in words: what was given, what is allowed.
"""

from __future__ import annotations

import re
from typing import Final

from relay.config.nodes import Scalar

_LARGEST: Final = 2**53  # beyond it JSON readers and floats lose digits
_LONGEST_NUMBER: Final = 30  # characters

_FALSE_OR_TRUE: Final = {"no": "false", "off": "false", "yes": "true", "on": "true"}
_OCTAL: Final = re.compile(r"[-+]?0[0-7_]+")
_BASE_60: Final = re.compile(r"[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_INTEGER: Final = re.compile(r"[-+]?[0-9]+")
_FRACTION: Final = re.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


def surprise(node: Scalar) -> str:
    """What YAML 1.1 makes of an unquoted text where that isn't what stands there; empty if nothing."""
    if not node.plain:
        return ""
    if meaning := _FALSE_OR_TRUE.get(node.text.lower()):
        return meaning
    if _BASE_60.fullmatch(node.text):
        return "a number in base 60"
    return _octal(node)


def text(node: Scalar) -> str:
    """The text itself, unless it must be put in quotes first."""
    if meaning := surprise(node):
        raise ValueError(f"{node.given} without quotes is {meaning} in YAML 1.1: write it in quotes")
    return node.text


def line(node: Scalar, longest: int = 1000) -> str:
    """A text that is one line and not empty."""
    words = text(node)
    if not words.strip():
        raise ValueError("an empty text")
    if len(words) > longest or _CONTROL.search(words):
        raise ValueError(f"{node.given} must be one line of at most {longest} characters")
    return words


def digits(node: Scalar) -> str:
    """A text that begins with a number: the number that stands there."""
    if len(node.text) > _LONGEST_NUMBER:
        raise ValueError(f"{node.given} is too long for a number")
    if meaning := _octal(node):
        raise ValueError(f"{node.given} is {meaning} in YAML 1.1: leave out the leading zero")
    return node.text


def integer(node: Scalar) -> int:
    """A whole number."""
    if not _INTEGER.fullmatch(digits(node)):
        raise ValueError(f"{node.given} is not a whole number")
    value = int(node.text)
    if abs(value) > _LARGEST:
        raise ValueError(f"{node.given} is too large")
    return value


def fraction(node: Scalar) -> float:
    """A number."""
    if not _FRACTION.fullmatch(digits(node)):
        raise ValueError(f"{node.given} is not a number")
    return float(node.text)


def truth(node: Scalar) -> bool:
    """True or false; `yes` and `no` are clear where only these can be meant."""
    word = node.text.lower()
    word = _FALSE_OR_TRUE.get(word, word)
    if word not in {"true", "false"}:
        raise ValueError(f"{node.given} is neither true nor false")
    return word == "true"


def _octal(node: Scalar) -> str:
    if not (node.plain and _OCTAL.fullmatch(node.text)) or len(node.text) > _LONGEST_NUMBER:
        return ""
    number = node.text.replace("_", "")
    return f"the number {int(number, 8)}" if int(number, 8) != int(number) else ""
