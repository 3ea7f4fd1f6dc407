"""The files that are shipped with relay: in the installed package, or at the top of a checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).parent.parent
# What rules.yaml of a checkout, which `make run` starts, becomes for a service.
_PLACES: Final = {
    "store: run/relay.db  ": "store: /var/lib/relay/relay.db  ",
    "socket: run/relay.sock  ": "socket: /run/relay/relay.sock  ",
    "datagrams at run/relay.dgram": "datagrams at /run/relay/relay.dgram",
    "tail: run/logs/*.log  ": "tail: /var/log/shop/*.log  ",
}


def shipped(name: str) -> str:
    """The text of a shipped file."""
    inside = _PACKAGE / "shipped" / name
    if inside.exists():
        return inside.read_text("utf-8")
    top = _PACKAGE.parent
    return (top / name if name == "rules.yaml" else top / "systemd" / name).read_text("utf-8")


def sample_rules() -> str:
    """rules.yaml for a service of the system."""
    text = shipped("rules.yaml")
    for in_checkout, in_system in _PLACES.items():
        if text.count(in_checkout) != 1:
            raise AssertionError(f"the shipped rules.yaml has no {in_checkout!r}")
        text = text.replace(in_checkout, in_system)
    return text
