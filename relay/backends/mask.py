"""Secrets out of texts: a service's answer may quote the URL or token it was called with."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from msgspec import Struct, structs

from relay.values import Secret

LONG: Final = 6  # a path segment or query value this long may be a token; a shorter one is a word


class Mask:
    """Replaces a backend's secrets, in every form they travel in, by `***`."""

    __slots__ = ("_hidden",)

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets for form in _forms(secret)}
        self._hidden = sorted(forms, key=len, reverse=True)  # the longest first: a part would break the whole

    @classmethod
    def of(cls, settings: Struct) -> Mask:
        """The mask over every `Secret` in the settings."""
        return cls(secrets_in(settings))

    def __call__(self, text: str) -> str:
        """The text with `***` where a secret was."""
        for hidden in self._hidden:
            text = text.replace(hidden, "***")
        return text

    def __repr__(self) -> str:
        return "Mask(***)"


def secrets_in(value: Any) -> Iterator[str]:
    """Each secret within a settings value, however deep."""
    match value:
        case Secret():
            yield value.reveal()
        case Struct():
            for part in structs.astuple(value):
                yield from secrets_in(part)
        case dict():
            for part in value.values():
                yield from secrets_in(part)
        case tuple() | list():
            for part in value:
                yield from secrets_in(part)


def _forms(secret: str) -> set[str]:
    """A secret as written, percent-encoded, in JSON, and the telling parts of one that is a URL."""
    plain = {secret}
    if "://" in secret:
        plain |= set(_url_parts(secret))
    forms: set[str] = set()
    for part in plain:
        decoded = unquote(part)
        forms |= {part, decoded, quote(part, safe=""), quote_plus(decoded), json.dumps(part)[1:-1]}
    return forms - {"", "/"}


def _url_parts(url: str) -> Iterator[str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return  # the settings' own check says so
    yield from (parts.path, parts.query, parts.fragment)
    yield from (segment for segment in parts.path.split("/") if len(segment) >= LONG)
    yield from (value for _, value in parse_qsl(parts.query) if len(value) >= LONG)
    userinfo = parts.netloc.rpartition("@")[0]
    if userinfo:
        yield from (userinfo, parts.password or "")
        yield base64.b64encode(unquote(userinfo).encode()).decode()
