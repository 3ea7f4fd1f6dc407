"""Log text made safe to show: nothing that moves a cursor, reorders or hides text gets through."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

# ECMA-48 sequences: colours and cursor moves, window titles and links, device strings, charset switches.
_SEQUENCE: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)"  # OSC
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x9c\n]*(?:\x1b\\|\x9c)"  # DCS, SOS, PM, APC
    r"|\x1b[ -/]*[0-~]"
)
# Nothing to see: NUL (a sparse log is full of them), soft hyphens, zero-width and tag characters, BOMs.
_INVISIBLE: Final = "\x00 \xad \u180e \u200b-\u200d \u2060-\u2065 \ufeff \U000e0000-\U000e007f"
# Controls (but newline and tab), line separators, and whatever changes the direction of text.
_HARMFUL: Final = (
    "\x01-\x08 \x0b-\x1f \x7f-\x9f \u061c \u200e \u200f \u2028-\u202e \u2066-\u206f \ufff9-\ufffb"
)
_SURROGATES: Final = "\ud800-\udfff"


def _codes(ranges: str) -> Iterator[int]:
    for each in ranges.split(" "):
        yield from range(ord(each[0]), ord(each[-1]) + 1)


_SHOWN: Final = (
    dict.fromkeys(_codes(_INVISIBLE), "")
    | {code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in _codes(_HARMFUL)}
    | dict.fromkeys(_codes(_SURROGATES), "\ufffd")
)
_UNSAFE: Final = re.compile(f"[{_INVISIBLE}{_HARMFUL}{_SURROGATES}]".replace(" ", ""))


def clean(text: str) -> str:
    """`text` with terminal sequences and invisible characters removed, and other controls shown as escapes.

    Newlines and tabs stay; CR LF becomes a newline, a CR at the end goes, lone surrogates become U+FFFD.
    Linear in the text.
    """
    if text.isprintable() or _UNSAFE.search(text) is None:
        return text
    text = text.replace("\r\n", "\n").removesuffix("\r")
    text = _SEQUENCE.sub("", text)
    return text.translate(_SHOWN) if _UNSAFE.search(text) else text


def entry(tag: str, module: str, title: str, count: int, number: int, most: int = 80) -> str:
    """`[ERROR] pay.refund: timeout after <num> ms (x12) #17` in so many bytes; count and number stay."""
    counted = f" (x{count})" if count > 1 else ""
    end = f"{counted} #{number}" if number else counted
    text = one_line(f"[{tag}] {module}: {title}")
    room = most - len(end.encode())
    if len(text.encode()) > room:
        text = text.encode()[: room - 3].decode(errors="ignore") + "…"
    return text + end


def one_line(text: str, most: int = 256) -> str:
    """`text` cleaned, with white space collapsed, cut at `most` characters: for names, labels and titles."""
    if not text.isprintable():
        text = " ".join(clean(text).split())
    return text if len(text) <= most else text[: most - 1] + "…"
