"""What the group robots of WeCom, DingTalk and Feishu share: each is a key or a whole URL."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from typing import Final

from msgspec import Struct, structs

from relay.backends.compose import Composition
from relay.backends.http import url_problem
from relay.values import Secret

MOST_KEYWORD: Final = 40  # characters

_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


class Robot(Struct, frozen=True):
    """One robot; both texts are secret."""

    url: str
    secret: str = ""  # signs its messages; "": they aren't signed

    def __repr__(self) -> str:
        return "Robot(***)"


def robots(
    prefix: str, keys: Sequence[Secret], urls: Sequence[Secret], secrets: Sequence[Secret]
) -> cycle[Robot]:
    """The robots by turns: several in one room share the load, as each of them has a limit of its own."""
    whole = [f"{prefix}{key.reveal()}" for key in keys] + [url.reveal() for url in urls]
    signing = [secret.reveal() for secret in secrets] or [""] * len(whole)
    return cycle([Robot(url, secret) for url, secret in zip(whole, signing, strict=True)])


def key_problems(name: str, keys: Sequence[Secret], urls: Sequence[Secret]) -> Iterator[tuple[str, str]]:
    """Not exactly one of the key (called `name`) and the URL, or one that can't be right."""
    if bool(keys) == bool(urls):
        yield name, f"needs either {name}, or the whole url"
    if not all(_KEY.fullmatch(key.reveal()) for key in keys):
        yield name, "is of letters, digits, - and _ only; a whole URL belongs under url"
    if len({key.reveal() for key in keys}) < len(keys):
        yield name, "names a robot twice: its limit would be exceeded"
    if len({url.reveal() for url in urls}) < len(urls):
        yield "url", "names a robot twice: its limit would be exceeded"
    yield from (("url", text) for url in urls if (text := url_problem(url.reveal())))


def secret_problems(secrets: Sequence[Secret], count: int) -> Iterator[tuple[str, str]]:
    """Robots that are signed need a secret each."""
    if secrets and len(secrets) != count:
        yield "secret", f"there are {count} robots and {len(secrets)} secrets: give one for each, in order"
    if any(not _KEY.fullmatch(secret.reveal()) for secret in secrets):
        yield "secret", "is of letters, digits, - and _ only"


def keyword_problems(keyword: str, escaped: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    """A keyword must arrive as it is: `escaped` is what the format makes of text."""
    if keyword != keyword.strip() or not (keyword or "x").isprintable() or len(keyword) > MOST_KEYWORD:
        yield "keyword", f"is a word of up to {MOST_KEYWORD} characters, without spaces around it"
    elif escaped(f"{keyword} ERROR") != f"{keyword} ERROR":
        yield "keyword", "holds characters that are markup here, and would not arrive as it is"


def with_keyword(composition: Composition, keyword: str) -> Composition:
    """With the word that the robot's security settings ask for, where nothing cuts it off."""
    if not keyword or keyword in composition.tag:
        return composition
    return structs.replace(composition, tag=f"{keyword} {composition.tag}")
