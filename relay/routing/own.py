"""The rules that take relay's own news, whatever rules.yaml says; and what it takes to hush them."""

from __future__ import annotations

from typing import Final

from relay.config.schema import Match
from relay.models import Alert

TROUBLE: Final = "relay itself"
REPORTS: Final = "relay reports"


def is_own(alert: Alert) -> bool:
    """Whether it is relay's own trouble or news: hushed only by what names it."""
    return alert.rule in {TROUBLE, REPORTS}


def names_own(module: str) -> bool:
    """Whether a condition on `module` is meant for relay's own: `relay.*`, `relay.backend`; not `*`."""
    return module == "relay" or module.startswith(("relay.", "relay\\."))


def match_names_own(match: Match) -> bool:
    """Whether the conditions of rules.yaml are meant for relay's own."""
    return any(names_own(each.text) for each in match.module)
