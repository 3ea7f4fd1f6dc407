"""What rules.yaml can say, as types. A new key is a new field here and nothing else.

The checker (check.py) walks the YAML nodes beside these types: names, types, defaults and `Meta` are all it
knows (types.py says what they mean to it, kinds.py how each kind is written). Field order is the order of
the reference. A struct's own `problems()` says what is wrong with its fields together.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

from relay.backends.base import Settings
from relay.backends.template import Template
from relay.config.checks import Allowance, Check, Heartbeat, InARow, MissesOf, Restarted, UnitName, Word
from relay.config.commands import command_problem
from relay.models import Level
from relay.values import Duration, FilePath, Secret, Size, is_loopback, parse_listen

# What a text of rules.yaml can be, beyond a text.
Name = Annotated[str, Meta(extra={"kind": "name"})]  # of a source, backend or recipient
RecipientName = Annotated[str, Meta(extra={"kind": "recipient"})]  # of one that is there
BackendName = Annotated[str, Meta(extra={"kind": "backend"})]  # of one that is there
RecipientNames = tuple[RecipientName, ...]
To = Annotated[str, Meta(extra={"kind": "address"})]  # an account, room or mail address
Title = Annotated[str, Meta(extra={"kind": "title"})]  # one line, part of messages
Pattern = Annotated[str, Meta(extra={"kind": "pattern"})]  # RE2, without slashes
Encoding = Annotated[str, Meta(extra={"kind": "encoding"})]
Mode = Annotated[str, Meta(extra={"kind": "mode"})]  # octal
Start = Annotated[str, Meta(extra={"kind": "start"})]  # ISO date and time; an offset, or a zone's name
Field = Annotated[str, Meta(extra={"kind": "field"})]  # of a fingerprint: a label, a field, or `{default}`
Labels = Annotated[tuple[Field, ...], Meta(min_length=1)]
Time = Annotated[Duration, Meta(gt=0)]  # a duration that passes
Excluded = Annotated[FilePath, Meta(extra={"kind": "excluded"})]
SocketPath = Annotated[FilePath, Meta(extra={"kind": "socket"})]
StorePath = Annotated[str, Meta(extra={"kind": "store", "secrets": True})]
Listen = Annotated[str, Meta(extra={"kind": "listen"})]  # 127.0.0.1:8787, [::1]:8787, unix:/path
Unit = Annotated[str, Meta(extra={"kind": "unit pattern"})]  # of systemd; a glob is fine
HostName = Annotated[str, Meta(extra={"kind": "host"})]
Format = Literal["plain", "json", "logfmt", "syslog", "python", "java", "nginx", "regex"]
LineSize = Annotated[Size, Meta(ge=1024, le=64 * 1024 * 1024)]
Count = Annotated[int, Meta(ge=1)]
Zone = Annotated[str, Meta(extra={"kind": "zone"})]  # Asia/Shanghai; "": the host's
CalendarName = Annotated[str, Meta(extra={"kind": "calendar"})]  # of one that is there
Wait = Annotated[Duration, Meta(ge=0)]  # a duration that may be none
Rate = Annotated[str, Meta(extra={"kind": "rate"})]  # 10/1m
Url = Annotated[str, Meta(extra={"kind": "url"})]  # http(s)
RuleName = Annotated[str, Meta(extra={"kind": "rule"})]  # of one that is there

SHORTEST_TOKEN: Final = 16  # characters
MOST_WITHINS: Final = 300  # of the times that a rate looks at; each is six numbers to keep

_MESSAGE_GROUP: Final = re.compile(r"\(\?P?<message>")


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


SourceText = Annotated[Text, Meta(extra={"kind": "source text"})]
NameText = Annotated[Text, Meta(extra={"kind": "name text"})]
MessageText = Annotated[Text, Meta(extra={"kind": "message text"})]


class Dates(Struct, frozen=True):
    """`2026-10-01`, or `2026-10-01..2026-10-07` with both ends; as days since 1 January of year 1."""

    first: int
    last: int


class Window(Struct, frozen=True):
    """Times that come again: `mon-fri 09:00-18:00`, `22:00-06:00`, `workdays`, `2026-10-01..2026-10-07`.

    Days are any of `mon` ... `sun`, `mon-fri`, `workdays`, `weekends`, `holidays` (as the calendar has them)
    and dates; none named: every day. Times are the wall clock's, in minutes since midnight; one past 1440
    ends on the next day: `fri 22:00-06:00` ends on Saturday morning. No times: the whole day.
    """

    text: str  # as written
    weekdays: frozenset[int] = frozenset()  # 0 is Monday
    kinds: frozenset[str] = frozenset()  # of `workdays weekends holidays`
    dates: tuple[Dates, ...] = ()
    spans: tuple[tuple[int, int], ...] = ((0, 1440),)


SomeDates = Annotated[tuple[Annotated[Dates, Meta(extra={"kind": "dates"})], ...], Meta()]
Windows = tuple[Annotated[Window, Meta(extra={"kind": "window"})], ...]  # any of them


class Hours(Struct, frozen=True, kw_only=True):
    """When someone is to be told. Outside of it messages wait; then one says what happened meanwhile."""

    active: Windows = ()  # none: always
    mute: Windows = ()  # not then, although it is within `active`
    zone: Zone = ""  # in which both are meant
    calendar: CalendarName = ""  # of workdays and holidays; default: the only one there is


class Calendar(Struct, frozen=True, kw_only=True):
    """Public holidays, and weekend days that are worked instead (调休): a file's name, or in full."""

    file: FilePath = ""  # .ics, or a text with a line for each day: `2026-10-10 workday`
    holidays: SomeDates = ()
    workdays: SomeDates = ()  # these come before holidays
    weekend: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = ("sat", "sun")
    off: Annotated[frozenset[int], Meta(extra={"derived": True})] = frozenset()  # all of the above, by day
    on: Annotated[frozenset[int], Meta(extra={"derived": True})] = frozenset()


class Match(Struct, frozen=True, kw_only=True):
    """Conditions that must all hold; each is a tuple that means any of."""

    source: tuple[SourceText, ...] = ()
    module: tuple[NameText, ...] = ()
    level: Level | None = None  # that level or above
    message: tuple[MessageText, ...] = ()
    labels: dict[str, tuple[NameText, ...]] = field(default_factory=dict)


class Example(Struct, frozen=True):
    """An event that must reach its rule: a raw line, or the event's fields."""

    line: str = ""
    event: dict[str, str] | None = None
    place: Place = Place("", 0, 0)


class Storm(Struct, frozen=True):
    """More messages of one rule than this are one message, until it is over."""

    count: Count = 20
    within: Time = 60.0


class Flap(Struct, frozen=True):
    """An alert that resolves so often is flapping, until it has been still that long."""

    times: Annotated[int, Meta(ge=2, le=100)] = 3
    within: Time = 3600.0


class Step(Struct, frozen=True, kw_only=True):
    """Who is told next of an alert that nobody acknowledged: so long after the step (or message) before."""

    after: Time
    to: Annotated[RecipientNames, Meta(min_length=1)]


class Inhibit(Struct, frozen=True, kw_only=True):
    """Which other alerts an alert holds back while it lives: those with equal values of these labels."""

    equal: Labels = ()  # an event that lacks one of them isn't held back
    rules: tuple[RuleName, ...] = ()  # alerts of these; none given: of all other rules
    match: Match = Match()

    def problems(self) -> list[tuple[str, str]]:
        """What no single field shows: (field, what is wrong with it)."""
        if self.equal or self.rules or self.match != Match():
            return []
        return [("", "it would hold back every other alert: give `equal`, `rules` or `match`")]


class Mute(Struct, frozen=True, kw_only=True):
    """A silence that stands in rules.yaml: every week, or until a time."""

    match: Match = Match()
    rules: tuple[RuleName, ...] = ()
    every: Windows = ()  # sat 02:00-04:00
    until: Start = ""  # 2026-01-05T09:00
    zone: Zone = ""  # in which both are meant
    calendar: CalendarName = ""  # of workdays and holidays; default: the only one there is
    reason: Title
    author: Title = "rules.yaml"

    def problems(self) -> list[tuple[str, str]]:
        """What no single field shows: (field, what is wrong with it)."""
        if bool(self.every) == bool(self.until):
            return [("", "either `every` (sat 02:00-04:00) or `until` (2026-01-05T09:00) says when it holds")]
        if not self.rules and self.match == Match():
            return [("", "it would silence everything: give `match` or `rules`")]
        return []


Ratio = Annotated[float, Meta(gt=1)]
Enough = Annotated[int, Meta(ge=2, le=10_000)]  # events, or values, that are counted up to
FieldNames = Annotated[tuple[str, ...], Meta(min_length=1)]  # labels, or module, source, level, message
# What is counted together, and is one alert: fields as above, `fingerprint`, or `rule` (all of it).
By = FieldNames


class Threshold(Struct, frozen=True, kw_only=True):
    """So many events within a time, sliding; fewer are held back."""

    count: Enough
    within: Time
    by: By = ("fingerprint",)


class Distinct(Struct, frozen=True, kw_only=True):
    """So many different values of a label within a time, sliding; fewer are held back."""

    of: str  # a label, or module, source, level, message
    count: Annotated[int, Meta(ge=2, le=1000)]
    within: Time
    by: By = ("fingerprint",)


class Absent(Struct, frozen=True, kw_only=True):
    """An alert when nothing has matched for a time. The events themselves go on to the rules below."""

    for_: Time = field(name="for")
    grace: Time | None = None  # after a start, or an edit of the rule; default: `for`, at most 5 minutes


class Jump(Struct, frozen=True, kw_only=True):
    """An alert when events come so many times as fast as they did before; until it is over again."""

    factor: Ratio = 5.0
    within: Time = 300.0  # what is compared ...
    over: Time = 3600.0  # ... with the mean of this time before it
    least: Count = 20  # events within `within`: fewer are no jump, however few there were before

    def problems(self) -> list[tuple[str, str]]:
        """What no single field shows: (field, what is wrong with it)."""
        if self.over < self.within:
            return [("over", "must be at least as long as `within`: it is the time to compare with")]
        if self.over > MOST_WITHINS * self.within:
            return [("over", f"must be at most {MOST_WITHINS} times as long as `within`")]
        return []


class Pair(Struct, frozen=True, kw_only=True):
    """An alert when an event isn't followed, within a time, by the one that ends it."""

    ends: Match  # over all events, whichever rule takes them
    within: Time
    by: FieldNames  # both events have the same values of these


class Rule(Hours, frozen=True, kw_only=True):
    """Which events matter, who hears of them, how often, and when (`active`, `mute`: else they wait)."""

    name: Title
    match: Match = Match()
    except_: Match | None = field(name="except", default=None)
    to: Annotated[RecipientNames, Meta(extra={"required": True})] = ()  # `[]` on purpose: nobody
    continue_: bool = field(name="continue", default=False)
    fingerprint: Literal["template", "message", "event"] | Labels = "template"
    repeat: tuple[Time, ...] = (3600.0, 14400.0, 86400.0)  # the last one repeats; `[]`: no reminders
    resolve_after: Time | None = None  # None: closes in silence when long quiet
    threshold: Threshold | None = None  # at most one of these six
    distinct: Distinct | None = None
    absent: Time | Absent | None = None  # alone: `for`
    rate: Jump | None = None
    new: bool = False  # only problems that this rule never saw before
    pair: Pair | None = None
    group_by: tuple[str, ...] = ()  # labels and fields: one message for all alerts that agree in them
    group_wait: Wait | None = None  # before a group's first message; default: 30s with `group_by`, else 0s
    group_interval: Time = 300.0  # between messages that tell what is new in a group, or in a storm
    storm: Storm | bool = Storm()  # false: each problem is told by itself, however many
    flap: Flap | bool = Flap()  # false: each time it fires or resolves is told
    ack_for: Time = 4 * 3600.0  # after that an acknowledgement lapses, and reminders go on
    escalate: tuple[Step, ...] = ()
    inhibit: tuple[Inhibit, ...] = ()
    runbook: Url = ""  # what to do about it: a link of its messages
    template: Template = Template()  # how messages read, before that of the backend
    examples: tuple[Example, ...] = ()
    place: Place = Place("", 0, 0)

    @property
    def goes_on(self) -> bool:
        """Whether the events it takes go on to the rules below: one that waits for them only looks on."""
        return self.continue_ or self.absent is not None

    @property
    def alone(self) -> bool:
        """Whether each event is an alert of its own, over at once."""
        together = self.stands or self.threshold is not None or self.distinct is not None
        return self.fingerprint == "event" and not together

    @property
    def ending(self) -> Rule | None:
        """A rule of the same name that takes what ends its pair; None if it has none."""
        return Rule(name=self.name, match=self.pair.ends, continue_=True) if self.pair is not None else None

    @property
    def stands(self) -> bool:
        """Whether its alerts are over when a condition is, not when it is quiet."""
        return self.absent is not None or self.rate is not None or self.pair is not None

    def problems(self) -> list[tuple[str, str]]:
        """What no single field shows: (field, what is wrong with it)."""
        meters = ("threshold", "distinct", "absent", "rate", "new", "pair")
        first, *others = [name for name in meters if getattr(self, name)] or [""]
        found = [(name, f"`{first}` and `{name}` exclude each other: make two rules") for name in others]
        counted = self.threshold or self.distinct
        alone = self.new or (counted is not None and "fingerprint" in counted.by)
        if self.fingerprint == "event" and alone:
            advice = "" if self.new else ": say what to count together with `by`"
            found.append((first, f"with `fingerprint: event` each event is a problem of its own{advice}"))
        if self.stands and self.resolve_after is not None:
            over = {"absent": "something matches again", "rate": "events come as before", "pair": "it ends"}
            found.append(("resolve_after", f"an alert of `{first}` is over when {over[first]}"))
        return found


class SocketSource(Struct, frozen=True, kw_only=True):
    """A Unix socket that programs write events to, with a datagram socket beside it (`.dgram`)."""

    socket: SocketPath
    mode: Mode = "0660"
    group: str = ""  # default: `relay` where that group exists and relay may set it
    max_line: LineSize = 256 * 1024
    max_connections: Count = 2048
    max_connections_per_uid: Count = 1024
    labels: dict[str, str] = field(default_factory=dict)


class TailSource(Struct, frozen=True, kw_only=True):
    """Log files to follow."""

    tail: Annotated[tuple[FilePath, ...], Meta(min_length=1)]  # globs
    format: Format = "plain"
    pattern: Pattern = ""  # with `format: regex`: groups named time, level, module, message; others: labels
    encoding: Encoding = "utf-8"
    module: str = ""  # where lines carry no module of their own; default: the file's name without its end
    level: Level | None = None  # where lines carry no level of their own; default: error
    start: Literal["end", "beginning"] = "end"  # of files relay has never seen when it first starts
    multiline: bool | None = None  # join stack traces; default: by format
    flush_after: Duration | None = None  # how long a stack trace may take to arrive; default: by format
    max_line: LineSize = 256 * 1024  # longer lines are cut and marked
    max_event: LineSize = 256 * 1024  # a longer stack trace is cut and marked
    follow_symlinks: bool = False
    exclude: tuple[Excluded, ...] = ()  # globs; one without a slash is a file's name, anywhere
    poll: Time = 1.0  # how often to look where inotify can't serve (NFS ...), and for new files
    labels: dict[str, str] = field(default_factory=dict)

    def problems(self) -> list[tuple[str, str]]:
        """What no single field shows: (field, what is wrong with it)."""
        return _format_problems(self.format, self.pattern)


class Journal(Struct, frozen=True, kw_only=True):
    """Which entries of the systemd journal; all that is given must hold. `{}`: all but relay's own."""

    units: tuple[Unit, ...] = ()  # any of these; `.service` where no type is named; globs
    identifiers: tuple[Title, ...] = ()  # SYSLOG_IDENTIFIER: any of these
    level: Level | None = None  # that priority or above; what services print has the unit's default: info
    directory: FilePath = ""  # of journal files, as from other hosts; default: this host's journal
    name: Literal["unit", "identifier"] = "unit"  # what becomes the module where the text names none


class JournalSource(Struct, frozen=True, kw_only=True):
    """The systemd journal, followed from where relay left off."""

    journal: Journal
    format: Format = "plain"  # of the entries' text
    pattern: Pattern = ""  # as for `tail`
    module: str = ""  # where the text names none; default: `journal: name:`
    level: Level | None = None  # where neither text nor priority tell; default: info
    start: Literal["end", "beginning"] = "end"  # of the journal, when relay first starts
    multiline: bool | None = None  # join stack traces that a service prints; default: by format
    flush_after: Duration | None = None  # how long a stack trace may take to arrive; default: by format
    max_event: LineSize = 256 * 1024  # a longer entry or stack trace is cut and marked
    labels: dict[str, str] = field(default_factory=dict)

    def problems(self) -> list[tuple[str, str]]:
        """What no single field shows: (field, what is wrong with it)."""
        return _format_problems(self.format, self.pattern)


def _format_problems(format_: str, pattern: str) -> list[tuple[str, str]]:
    if format_ != "regex":
        return [("pattern", "`pattern` needs `format: regex`")] if pattern else []
    if not _MESSAGE_GROUP.search(pattern):
        return [("pattern", "`format: regex` needs a `pattern` with a group (?P<message>...)")]
    return []


class Way(Struct, frozen=True, kw_only=True):
    """An address that is used at times only, by the person's zone and calendar: `{to: X, active: ...}`."""

    to: To
    active: Windows = ()
    mute: Windows = ()
    place: Place = Place("", 0, 0)


class Person(Hours, frozen=True, kw_only=True):
    """A person or room with hours; the short form `{rtx: wangwei, mail: w@example.com}` has none."""

    addresses: Annotated[dict[BackendName, To | Way], Meta(min_length=1)]  # in order of preference
    place: Place = Place("", 0, 0)


class Team(Hours, frozen=True, kw_only=True):
    """A team with hours of its own; the short form `[wang, li]` has none."""

    team: Annotated[RecipientNames, Meta(min_length=1)]


class Override(Struct, frozen=True, kw_only=True):
    """Who is on duty instead, for a while; of several that hold, the last counts."""

    to: Annotated[RecipientNames, Meta(min_length=1)]
    from_: Start = field(name="from")
    until: Start  # a date alone: to its end

    def problems(self) -> list[tuple[str, str]]:
        """What no single field shows: (field, what is wrong with it)."""
        is_before = self.until[:16] < self.from_[:16] and self.until[:10] != self.from_[:10]
        is_same = "T" in self.until and self.until == self.from_
        return [("until", "`until` is not after `from`")] if is_before or is_same else []


class Rota(Hours, frozen=True, kw_only=True):
    """People who take turns. A change of turns stays at the same time of day when clocks change."""

    rota: Annotated[RecipientNames, Meta(min_length=1)]
    every: Time
    from_: Start = field(name="from")  # in `zone`, else the host's, unless it names one itself
    overrides: tuple[Override, ...] = ()


class Owner(Struct, frozen=True, kw_only=True):
    """Whoever a CODEOWNERS file names for the file of the innermost application frame of a stack trace.

    `@wang` and `@org/wang` are the recipient `wang`, an address is the recipient who has it, unless `names`
    says otherwise.
    """

    owner: FilePath  # the CODEOWNERS file
    else_: RecipientNames = field(name="else")  # where there is no frame, no owner, or nobody by that name
    root: FilePath = ""  # the repository as its traces name it; default: the folder that CODEOWNERS is for
    names: dict[str, RecipientName] = field(default_factory=dict)  # "@org/payments": payments
    entries: Annotated[tuple[tuple[str, tuple[str, ...]], ...], Meta(extra={"derived": True})] = ()


# A person or room (addresses in order of preference), a team (names), a rota, or the owner of the code.
type_of_recipient = dict[BackendName, To | Way] | RecipientNames | Rota | Person | Team | Owner


class Retention(Struct, frozen=True, kw_only=True):
    """How long the store keeps what is over."""

    events: Time = 7 * 86400.0
    alerts: Time = 90 * 86400.0  # resolved ones
    deliveries: Time = 30 * 86400.0  # delivered and cancelled ones; dead ones wait for someone
    max_events: Count = 1_000_000


class Http(Struct, frozen=True, kw_only=True):
    """The HTTP port: probes, metrics, the API, and what services report back. Without it nothing listens.

    With a `token` every request needs it (`Authorization: Bearer ...`) but probes and services' reports.
    """

    listen: Listen  # beyond this host only with `allow_remote` and a `token`
    url: str = ""  # under which others reach it, as through a proxy
    hosts: tuple[HostName, ...] = ()  # further names that requests may be addressed to
    token: Secret = Secret("")
    allow_remote: bool = False
    mode: Mode = "0660"  # of a Unix socket

    def problems(self) -> list[tuple[str, str]]:
        """What no single field shows: (field, what is wrong with it)."""
        found = []
        if self.url and (wrong := self._url_problem()):
            found.append(("url", wrong))
        if self.token and len(self.token.reveal()) < SHORTEST_TOKEN:
            found.append(
                ("token", f"must have at least {SHORTEST_TOKEN} characters, so that nobody guesses it")
            )
        if self.listen.startswith("unix:") or is_loopback(parse_listen(self.listen)[0]):
            return found
        needed = {"`allow_remote: true`": self.allow_remote, "a `token`": bool(self.token)}
        if missing := [key for key, given in needed.items() if not given]:
            found.append(("listen", f"other hosts would reach it: that needs {' and '.join(missing)}"))
        return found

    def _url_problem(self) -> str:
        from relay.backends.http import url_problem  # noqa: PLC0415 - aiohttp, only where there is a URL

        return url_problem(self.url) or ("takes no query or fragment" if {"?", "#"} & set(self.url) else "")


class Ping(Struct, frozen=True, kw_only=True):
    """A URL outside that expects to be called, and raises the alarm when relay no longer does."""

    url: Secret  # called with GET while the store writes, messages are accepted and the loop is on time
    every: Annotated[Duration, Meta(ge=5)] = 60.0

    def problems(self) -> list[tuple[str, str]]:
        """What no single field shows: (field, what is wrong with it)."""
        from relay.backends.http import url_problem  # noqa: PLC0415 - aiohttp, only where there is a URL

        wrong = url_problem(self.url.reveal())
        return [("url", wrong)] if wrong else []


class Watch(Hours, frozen=True, kw_only=True):
    """One thing that must keep working: how it is probed, and what is done when it doesn't.

    It is looked at within its hours only: `mute: sun 02:00-04:00` is a maintenance window.

    `to` says who hears; without it the rules decide, and where none takes it the operators hear.
    """

    check: Check | tuple[Check, ...] = ()  # of a list, all must hold
    heartbeat: Heartbeat | None = None
    every: Time = 30.0
    timeout: Time = 5.0
    failures: InARow | MissesOf = 3  # in a row, or so many of the latest
    recovers: Count = 1  # successes in a row after which it is up again
    start_grace: Wait = 30.0  # after a restart, or relay's own start, until it must answer
    depends_on: tuple[Name, ...] = ()  # other entries: while one of them fails, this one is not told of
    labels: dict[str, str] = field(default_factory=dict)
    level: Level = Level.ERROR
    to: RecipientNames = ()
    repeat: tuple[Time, ...] = (3600.0, 14400.0, 86400.0)  # with `to`; as a rule's
    module: tuple[NameText, ...] = ()  # events of these modules are counted into its outage, not told apart
    restart: Restarted | tuple[Word, ...] = ()  # a unit, or a command's words
    restart_timeout: Time = 60.0
    max_restarts: Allowance = Allowance(count=3, within=3600.0)
    mode: Literal["act", "observe"] = "act"  # observe: only say what would have been done
    unit: UnitName | None = None  # whose status and journal are evidence; default: the one restarted
    log: FilePath = ""  # whose last lines are evidence

    @property
    def checks(self) -> tuple[Check, ...]:
        """All that must hold."""
        return self.check if isinstance(self.check, tuple) else (self.check,)

    def problems(self) -> list[tuple[str, str]]:
        """What no single field shows: (field, what is wrong with it)."""
        found = []
        if bool(self.checks) == (self.heartbeat is not None):
            found.append(("", "write either `check` or `heartbeat`"))
        if isinstance(self.restart, tuple) and self.restart and (wrong := command_problem(self.restart)):
            found.append(("restart", wrong))
        return found


class Remedies(Struct, frozen=True, kw_only=True):
    """What holds for all restarts of this host."""

    mode: Literal["act", "observe"] = "act"
    budget: Allowance = Allowance(count=10, within=3600.0)  # of all entries together


class Config(Struct, frozen=True, kw_only=True):
    """All of rules.yaml, checked and resolved."""

    store: StorePath = ""  # default: /var/lib/relay/relay.db
    control: SocketPath = ""  # of the commands; default: control.sock beside the first socket, else the store
    operators: RecipientNames = ()  # of relay's own troubles; default: `operators`, `ops`, the last rule's
    budget: tuple[Rate, ...] = ("10/1m", "60/1h")  # messages to each recipient; what is beyond shares one
    budgets: dict[RecipientName, tuple[Rate, ...]] = field(default_factory=dict)  # of those who differ
    retention: Retention = Retention()
    http: Annotated[Http, Meta(extra={"secrets": True})] | None = None
    ping: Annotated[Ping, Meta(extra={"secrets": True})] | None = None
    drill: Literal["daily", "weekly", "monthly"] | None = None  # at 10:00; Mondays, the first of a month
    start_report: Time = 300.0  # operators hear of a start after that long away, or if anything is late
    sources: dict[Name, SocketSource | TailSource | JournalSource] = field(default_factory=dict)
    backends: dict[Name, Settings] = field(default_factory=dict)
    recipients: dict[Name, type_of_recipient] = field(default_factory=dict)
    calendars: dict[Name, FilePath | Calendar] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    watchdog: dict[Name, Watch] = field(default_factory=dict)
    remedies: Remedies = Remedies()
    silences: dict[Name, Mute] = field(default_factory=dict)
    files: Annotated[tuple[str, ...], Meta(extra={"derived": True})] = ()  # the files it was read from
