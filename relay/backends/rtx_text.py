"""Text as an RTX server takes it: GBK bytes, percent-encoded, with links as `[label|url]`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Literal
from urllib.parse import quote_from_bytes

from msgspec import Struct

from relay.backends.compose import Link
from relay.errors import RejectedError

_BRACKETS: Final = str.maketrans("[]|", "【】｜")  # the marks of a link have no escape: these look the same
_IN_URL: Final = {"[": "%5B", "]": "%5D", "|": "%7C"}
_SEPARATORS: Final = re.compile("[,;，；]")


class Coding(Struct, frozen=True, kw_only=True):
    """How text becomes bytes on the wire.

    Not gb18030: its four-byte forms are no GBK, and show as other characters. Trail bytes of GBK may be
    `[`, `]` or `|`: text is cut and escaped before it is encoded, never after.
    """

    charset: Literal["gbk", "utf-8"]
    unencodable: Literal["replace", "ignore", "error"]
    replacement: str
    space: Literal["plus", "percent20"]

    def possible(self, text: str) -> str:
        """The text with what the charset lacks replaced or left out; RejectedError where that is set."""
        try:
            text.encode(self.charset)
        except UnicodeEncodeError as error:
            if self.unencodable == "error":
                char = f"U+{ord(text[error.start]):04X}"
                raise RejectedError(f"{char} can't be written in {self.charset}", code="payload") from None
            other = self.replacement if self.unencodable == "replace" else ""
            return "".join(char if self.knows(char) else other for char in text)
        return text

    def knows(self, text: str) -> bool:
        """Whether the charset has all of these characters."""
        try:
            text.encode(self.charset)
        except UnicodeEncodeError:
            return False
        return True

    def size(self, text: str) -> int:
        """Bytes of a possible text."""
        return len(text.encode(self.charset))

    def quote(self, text: str) -> str:
        """A possible text, percent-encoded."""
        quoted = quote_from_bytes(text.encode(self.charset), safe="")
        return quoted.replace("%20", "+") if self.space == "plus" else quoted

    def form(self, fields: Iterable[tuple[str, str]]) -> str:
        """Fields as a query or a form body."""
        return "&".join(f"{name}={self.quote(value)}" for name, value in fields)


def escaped(text: str) -> str:
    """Text in which nothing can become a link."""
    return text.translate(_BRACKETS)


def link(one: Link) -> str:
    """A link as RTX shows it: its label, clickable."""
    url = "".join(_IN_URL.get(char, char) for char in one.url)
    return f"[{escaped(one.label)}|{url}]"


def accounts(to: str) -> list[str]:
    """The account names in an address; the server itself takes commas and semicolons alike."""
    return [name.strip() for name in _SEPARATORS.split(to)]
