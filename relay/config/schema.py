"""What rules.yaml can say, as types. A new key is a new field here and nothing else.

The checker (check.py) walks the YAML nodes beside these types: names, types, defaults and `Meta` extras
are all it knows. Field order is the order of the reference.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from relay.backends.base import Settings
from relay.models import Level
from relay.values import Duration, FilePath, Size


class Place(Struct, frozen=True, order=True):
    """Where something stands, 1-based; printed `file:line:col`."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Text(Struct, frozen=True):
    """A condition on a text: `exact` as a whole, `glob` as a whole, `part` anywhere, `regex` (RE2) anywhere.

    A `module` glob is over dotted names: `pay.*` matches `pay` and everything under it; a module regex is
    matched as a whole.
    """

    kind: Literal["exact", "glob", "part", "regex"]
    text: str  # without the slashes and flags of a regex
    ignore_case: bool = False


class Match(Struct, frozen=True, kw_only=True):
    """Conditions that must all hold; each is a tuple that means any of."""

    source: tuple[Text, ...] = ()
    module: tuple[Text, ...] = ()
    level: Level | None = None  # that level or above
    message: tuple[Text, ...] = ()
    labels: dict[str, tuple[Text, ...]] = field(default_factory=dict)


class Example(Struct, frozen=True):
    """An event that must reach its rule: a raw line, or the event's fields."""

    line: str = ""
    event: dict[str, str] | None = None
    place: Place = Place("", 0, 0)


class Rule(Struct, frozen=True, kw_only=True):
    """Which events matter, who hears of them, and how often."""

    name: str
    match: Match = Match()
    except_: Match | None = field(name="except", default=None)
    to: tuple[str, ...] = ()  # names of recipients
    continue_: bool = field(name="continue", default=False)
    fingerprint: Literal["template", "message", "event"] | tuple[str, ...] = "template"
    repeat: tuple[Duration, ...] = (3600.0, 14400.0, 86400.0)  # the last one repeats
    resolve_after: Duration | None = None  # None: closes in silence when long quiet
    examples: tuple[Example, ...] = ()
    place: Place = Place("", 0, 0)


class SocketSource(Struct, frozen=True, kw_only=True):
    """A Unix socket that programs write events to, with a datagram socket beside it (`.dgram`)."""

    socket: FilePath
    mode: str = "0660"
    group: str = ""  # default: `relay` where that group exists and relay may set it
    max_line: Size = 256 * 1024
    max_connections: int = 2048
    max_connections_per_uid: int = 1024
    labels: dict[str, str] = field(default_factory=dict)


class TailSource(Struct, frozen=True, kw_only=True):
    """Log files to follow."""

    tail: tuple[FilePath, ...]  # globs
    format: Literal["plain", "json", "logfmt", "syslog", "python", "java", "nginx", "regex"] = "plain"
    pattern: str = ""  # with `format: regex`: RE2 with groups named time, level, module, message, others: labels
    encoding: str = "utf-8"
    module: str = ""  # where lines carry no module of their own; default: the file's name without its end
    level: Level | None = None  # where lines carry no level of their own; default: error
    start: Literal["end", "beginning"] = "end"  # of files relay has never seen when it first starts
    multiline: bool | None = None  # join stack traces; default: by format
    flush_after: Duration | None = None  # how long a stack trace may take to arrive; default: by format
    max_line: Size = 256 * 1024  # longer lines are cut and marked
    max_event: Size = 256 * 1024  # a longer stack trace is cut and marked
    follow_symlinks: bool = False
    exclude: tuple[FilePath, ...] = ()
    poll: Duration = 1.0  # how often to look where inotify can't serve (NFS ...), and for new files
    labels: dict[str, str] = field(default_factory=dict)


class Rota(Struct, frozen=True, kw_only=True):
    """People who take turns."""

    rota: tuple[str, ...]
    every: Duration
    from_: str = field(name="from")  # ISO date and time, the host's zone unless it names one


# A recipient is a person or room (addresses in order of preference), a team (names), or a rota.
type_of_recipient = dict[str, str] | tuple[str, ...] | Rota


class Retention(Struct, frozen=True, kw_only=True):
    """How long the store keeps what is over."""

    events: Duration = 7 * 86400.0
    alerts: Duration = 90 * 86400.0  # resolved ones
    deliveries: Duration = 30 * 86400.0  # delivered and cancelled ones; dead ones wait for someone
    max_events: int = 1_000_000


class Config(Struct, frozen=True, kw_only=True):
    """All of rules.yaml, checked and resolved."""

    store: str = ""
    control: FilePath = ""  # the socket the commands use; default: beside the first socket, else the store
    operators: tuple[str, ...] = ()  # who hears of relay's own troubles
    retention: Retention = Retention()
    sources: dict[str, SocketSource | TailSource] = field(default_factory=dict)
    backends: dict[str, Settings] = field(default_factory=dict)
    recipients: dict[str, dict[str, str] | tuple[str, ...] | Rota] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    files: tuple[str, ...] = ()  # the files it was read from
