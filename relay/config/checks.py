"""What `check:` of a watchdog entry can say, as types; watchdog/probes/ has the probes beside them."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct, field

from relay.config.commands import command_problem
from relay.values import Duration, FilePath, Size

Problems = list[tuple[str, str]]

CheckUrl = Annotated[str, Meta(extra={"kind": "check url"})]  # tcp://host:port, https://..., unix:///path ...
Expected = Annotated[str, Meta(extra={"kind": "expected"})]  # a part of a text, or /RE2/
UnitName = Annotated[str, Meta(extra={"kind": "unit"})]
Restarted = Annotated[str, Meta(extra={"kind": "restarted unit"})]
Word = Annotated[str, Meta(extra={"kind": "argument"})]
Share = Annotated[str, Meta(extra={"kind": "share"})]  # 500MiB, or 10%
Mode = Annotated[str, Meta(extra={"kind": "file mode"})]
Cron = Annotated[str, Meta(extra={"kind": "cron"})]
Zone = Annotated[str, Meta(extra={"kind": "zone"})]
Time = Annotated[Duration, Meta(gt=0)]
Wait = Annotated[Duration, Meta(ge=0)]
Port = Annotated[int, Meta(ge=1, le=65535)]
Count = Annotated[int, Meta(ge=1, le=1000)]
InARow = Annotated[int, Meta(ge=1, extra={"kind": "misses"})]
Status = Annotated[int, Meta(ge=100, le=599)]
ExitStatus = Annotated[int, Meta(ge=0, le=255)]

SCHEMES: Final[dict[str, int]] = {  # with the port where none is named; 0: one must be
    "tcp": 0,
    "tls": 0,
    "smtp": 25,
    "redis": 6379,
    "postgres": 5432,
    "mysql": 3306,
    "ssh": 22,
}


class HttpCheck(Struct, frozen=True, kw_only=True):
    """A page that answers: `url` with what its answer must hold."""

    url: CheckUrl
    status: tuple[Status, ...] = ()  # default: 200 to 399
    body: Expected = ""
    header: dict[str, Expected] = field(default_factory=dict)
    certificate: Duration = 0.0  # it must be valid that much longer

    def problems(self) -> Problems:
        """What no single field shows: (field, what is wrong with it)."""
        if self.url.startswith(("http://", "https://")):
            if self.certificate and self.url.startswith("http:"):
                return [("certificate", "http:// has no certificate: write https://")]
            return []
        if self.url.startswith("tls://"):
            wrong = self.status or self.body or self.header
            return [("url", "tls:// answers no page: only `certificate` goes with it")] if wrong else []
        return [("url", "`url` with its particulars is http://, https:// or tls://")]


class Process(Struct, frozen=True, kw_only=True):
    """Which process must be there; all that is given must hold for one process."""

    name: str = ""  # of the process or its program's file
    pidfile: FilePath = ""
    match: Expected = ""  # in its command line

    def problems(self) -> Problems:
        """What no single field shows: (field, what is wrong with it)."""
        given = self.name or self.pidfile or self.match
        return [] if given else [("", "write `name`, `pidfile` or `match`")]


class ProcessCheck(Struct, frozen=True, kw_only=True):
    """A process that runs."""

    process: Process


class UnitCheck(Struct, frozen=True, kw_only=True):
    """A unit of systemd that is active."""

    unit: UnitName


class Owner(Struct, frozen=True, kw_only=True):
    """Who must hold a listening TCP port."""

    port: Port
    name: str = ""  # of the process or its program's file
    unit: UnitName | None = None
    user: str = ""

    def problems(self) -> Problems:
        """What no single field shows: (field, what is wrong with it)."""
        given = self.name or self.unit or self.user
        return [] if given else [("", "write whose it must be: `name`, `unit` or `user`")]


class OwnerCheck(Struct, frozen=True, kw_only=True):
    """A port that the right program holds."""

    port_owner: Owner


class CommandCheck(Struct, frozen=True, kw_only=True):
    """A command that ends with the right status, and prints the right thing. Never through a shell."""

    command: Annotated[tuple[Word, ...], Meta(min_length=1)]
    status: Annotated[tuple[ExitStatus, ...], Meta(min_length=1)] = (0,)  # any of them
    output: Expected = ""

    def problems(self) -> Problems:
        """What no single field shows: (field, what is wrong with it)."""
        wrong = command_problem(self.command)
        return [("command", wrong)] if wrong else []


class File(Struct, frozen=True, kw_only=True):
    """A file that is there, and as it should be."""

    path: FilePath  # its name may be a glob: the newest counts
    age: Duration = 0.0  # it was written within that time; 0: whenever
    size: Size = 0  # at least
    max_size: Size = 0  # at most; 0: any
    mode: Mode | None = None

    def problems(self) -> Problems:
        """What no single field shows: (field, what is wrong with it)."""
        is_empty = bool(self.max_size) and self.max_size < self.size
        return [("max_size", "`max_size` is less than `size`")] if is_empty else []


class FileCheck(Struct, frozen=True, kw_only=True):
    """A file."""

    file: File


class Disk(Struct, frozen=True, kw_only=True):
    """A file system with room left."""

    path: FilePath
    free: Share = "10%"
    inodes: Share = "1%"


class DiskCheck(Struct, frozen=True, kw_only=True):
    """A file system."""

    disk: Disk


class MemoryCheck(Struct, frozen=True, kw_only=True):
    """Memory that programs can still get."""

    memory: Share


class LoadCheck(Struct, frozen=True, kw_only=True):
    """The load average of 5 minutes stays below."""

    load: Annotated[float, Meta(gt=0)]


Check = (
    CheckUrl
    | HttpCheck
    | ProcessCheck
    | UnitCheck
    | OwnerCheck
    | CommandCheck
    | FileCheck
    | DiskCheck
    | MemoryCheck
    | LoadCheck
)


class Heartbeat(Struct, frozen=True, kw_only=True):
    """A sign of life that a job must give: every so often, or after each time of a cron expression."""

    every: Time | None = None
    cron: Cron = ""
    grace: Wait = 60.0  # how late it may be
    zone: Zone = ""  # of `cron`; default: the host's

    def problems(self) -> Problems:
        """What no single field shows: (field, what is wrong with it)."""
        if (self.every is None) == (not self.cron):
            return [("", "write either `every` or `cron`")]
        return [("zone", "`zone` goes with `cron`")] if self.zone and not self.cron else []


class Allowance(Struct, frozen=True, kw_only=True):
    """At most `count` within that time."""

    count: Count
    within: Time


class MissesOf(Struct, frozen=True, kw_only=True):
    """`count` of the latest `of` looks."""

    count: Count
    of: Count

    def problems(self) -> Problems:
        """What no single field shows: (field, what is wrong with it)."""
        return [("count", f"{self.count} of {self.of} can't be")] if self.count > self.of else []
