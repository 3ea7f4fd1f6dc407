"""What only shows when all sections are there: who is meant by default, what excludes what."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from relay.config.calendars import with_calendars
from relay.config.files import beside
from relay.config.nodes import Table
from relay.config.owners import with_owners
from relay.config.people import check_people, names_in
from relay.config.problems import Problems, quoted
from relay.config.schema import Config, Place, SocketSource
from relay.config.watched import check_watchdog

STORE: Final = "/var/lib/relay/relay.db"
CONTROL: Final = "control.sock"
_OPERATORS: Final = ("operators", "ops")  # who is meant where `operators` isn't given


def finished(config: Config, root: Table, problems: Problems) -> Config:
    """The configuration with its defaults, checked across its sections."""
    _check_rule_names(config, problems)
    config = with_owners(with_calendars(config, root, problems), root, problems)
    check_people(config, root, problems)
    config = replace(config, store=config.store or STORE)
    config = replace(
        config,
        control=config.control or _control(config),
        operators=config.operators or _operators(config),
    )
    _check_sockets(config, root, problems)
    _check_silence(config, root, problems)
    check_watchdog(config, root, problems)
    return config


def _check_rule_names(config: Config, problems: Problems) -> None:
    first: dict[str, Place] = {}
    for rule in config.rules:
        if rule.name in first:
            problems.error(
                rule.place, f"a second rule {quoted(rule.name)}: the first is at {first[rule.name]}"
            )
        first.setdefault(rule.name, rule.place)


def _check_sockets(config: Config, root: Table, problems: Problems) -> None:
    """Sockets in one place would each take the other's away; the commands need theirs for themselves."""
    places = names_in(root, "sources")
    taken = {config.control: "the control socket"}
    if config.http is not None and config.http.listen.startswith("unix:"):
        _check_http_socket(config.http.listen.removeprefix("unix:"), root, taken, problems)
    for name, source in config.sources.items():
        if not isinstance(source, SocketSource):
            continue
        if source.socket in taken:
            problems.error(
                places[name], f"the same socket as {taken[source.socket]}: {quoted(source.socket)}"
            )
        taken.setdefault(source.socket, f"source {name!r}")


def _check_http_socket(path: str, root: Table, taken: dict[str, str], problems: Problems) -> None:
    if path in taken:
        place = names_in(root, "http").get("listen", root.place)
        problems.error(place, f"the same socket as {taken[path]}: {quoted(path)}")
    taken.setdefault(path, "`http`")


def _check_silence(config: Config, root: Table, problems: Problems) -> None:
    """Sections without which nobody will hear anything."""
    for section in ("sources", "rules"):
        if section not in root.pairs:
            problems.warning(root.place, f"no `{section}`: nobody will be told of anything")
    if not config.operators:
        problems.warning(root.place, "no `operators`: nobody will be told of relay's own troubles")


def _control(config: Config) -> str:
    sockets = [source.socket for source in config.sources.values() if isinstance(source, SocketSource)]
    return beside((*sockets, config.store)[0], CONTROL)


def _operators(config: Config) -> tuple[str, ...]:
    named = [(name,) for name in _OPERATORS if config.recipients.get(name)]  # {}: an error told elsewhere
    told = [rule.to for rule in reversed(config.rules) if rule.to]
    return next(iter(named + told), ())
