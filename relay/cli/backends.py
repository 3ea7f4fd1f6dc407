"""`relay backends`: which there are, and each one's page."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from relay.cli.common import FINE, USAGE, complain, parser, table


def main(name: str, given: Sequence[str]) -> int:
    """The table, or one type's page with its settings and examples."""
    arguments = parser(
        name, "The services relay can reach; with a type: how to set it up.", "relay backends wecom_robot"
    )
    arguments.add_argument("type", nargs="?", help="show this one's page")
    options = arguments.parse_args(given)

    from relay.backends import registry  # noqa: PLC0415 - heavy, and not for --help
    from relay.backends.base import Settings  # noqa: PLC0415 - as above

    if options.type is None:
        print(table(("type", "many in a call", "presence", "doctor", "what it is"), rows()))
        return FINE
    found = registry.find(options.type)
    if found is None:
        complain(f"unknown backend type {options.type!r}; known: {', '.join(registry.names())}")
        return USAGE
    print(inspect.getdoc(found.settings))
    print(f"\n{inspect.getdoc(Settings)}")
    return FINE


def rows() -> list[tuple[str, ...]]:
    """What each type supports, read off the code."""
    from relay.backends import registry  # noqa: PLC0415 - as above
    from relay.backends.base import Backend  # noqa: PLC0415

    found = []
    for name in registry.names():
        registered = registry.find(name)
        assert registered is not None
        kind = registered.backend
        supports = (
            "yes" if own is not base else "-"
            for own, base in (
                (kind.send_many, Backend.send_many),
                (kind.presence, Backend.presence),
                (kind.check, Backend.check),
            )
        )
        page = inspect.getdoc(registered.settings) or ""
        found.append((name, *supports, page.partition("\n")[0]))
    return found
