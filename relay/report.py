"""How relay's parts tell the operators of a trouble of their own."""

from __future__ import annotations

from typing import Protocol


class Report(Protocol):
    """Tells the operators of relay's own trouble, or that it is over."""

    def __call__(self, kind: str, subject: str, text: str, *, avoid: str = "", cleared: bool = False) -> None:
        """`subject` names what is in trouble; `avoid` a backend that can't carry the news."""
        ...
