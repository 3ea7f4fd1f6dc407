"""A decision as a `Message`: what people read, before any backend's dialect."""

from __future__ import annotations

from typing import Final

from relay.models import Alert, AlertState, Event, Message, Reason
from relay.routing.account import Account, Line, spelled
from relay.routing.decide import Decision, Told
from relay.routing.hold import Hold, Kind
from relay.text import entry

MOST_TEXT: Final = 4096  # bytes of UTF-8
MOST_LINES: Final = 40
_CUT: Final = "..."  # stands where lines were left out


def message(
    decision: Decision,
    before: Alert | None,
    sample: Event | None,
    key: str,
    told: Told | None = None,
    counted: tuple[str, ...] = (),
) -> Message:
    """What to tell about `decision`.

    `before` is the alert as it was (None: there was none), `sample` one of its events (None: no longer
    stored), `key` is stable over retries. With `told`: what is new to that recipient. `counted` says what the
    rule counted before it told.
    """
    alert = decision.alert
    if before is not None and (before.id != alert.id or before.state is AlertState.RESOLVED):
        before = None  # an earlier life of the same problem
    known, since = (before.notified_count, before.notified_at) if before is not None else (0, 0.0)
    if told is not None:
        known, since = told.known, told.since
    reason = told.reason if told is not None else decision.reason
    begins = reason is Reason.FIRST  # even if it is over: with `fingerprint: event` at once
    flaps = f"It is flapping: {decision.trace['why']}." if decision.reason is Reason.FLAPPING else ""
    text = excerpt(sample.message) if sample is not None else ""
    return Message(
        reason=reason,
        title=alert.title,
        level=alert.level,
        rule=alert.rule,
        module=alert.module,
        state=AlertState.FIRING if begins or flaps else alert.state,
        count=alert.count,
        first_seen=alert.first_seen,
        last_seen=alert.last_seen,
        text=f"{flaps}\n{text}".strip("\n") if flaps else text,
        alert=alert.id,
        fingerprint=alert.fingerprint,
        labels=dict(sample.labels) if sample is not None else {},
        hosts=alert.hosts,
        source=sample.source if sample is not None else "",
        origin=sample.origin if sample is not None else "",
        more=alert.count - known if since else 0,
        since=since,
        counted=counted,
        key=key,
        notes=decision.notes,
    )


def held_message(
    hold: Hold,
    account: Account,
    reason: Reason,
    sample: Event | None,
    *,
    key: str,
    ends: bool,
    note: str = "",
) -> Message:
    """What was held, in one message: each problem in a line, or by its number, or (many) counted.

    A single problem reads as it does by itself (`sample`: one of its events). `ends`: nothing of it goes on.
    `more` (or `count`, in the first message) is the number of events that the message makes up for.
    """
    single = account.lines[0] if account.alerts == 1 and account.lines else None
    text = excerpt(sample.message) if sample is not None and single is not None else ""
    since = hold.told_at or (hold.opened_at if hold.kind is not Kind.GROUP else 0.0)
    return Message(
        reason=reason,
        title=single.title if single is not None else _title(hold, account),
        level=account.level,
        rule=hold.rule,
        module=single.module if single is not None else _module(account),
        state=AlertState.RESOLVED if ends else AlertState.FIRING,
        count=single.total if single is not None else account.events,
        first_seen=account.first,
        last_seen=account.last,
        text="\n".join(part for part in (note, text if single is not None else _listing(account)) if part),
        alert=single.alert if single is not None else 0,
        fingerprint=hold.key.rpartition("-")[2],
        labels=dict(sample.labels) if sample is not None and single is not None else {},
        hosts=account.hosts,
        source=sample.source if sample is not None and single is not None else "",
        origin=sample.origin if sample is not None and single is not None else "",
        more=account.events if since else 0,
        variants=account.new if since else 0,
        since=since,
        key=key,
    )


def _title(hold: Hold, account: Account) -> str:
    problems = f"{account.alerts:,} problem{'' if account.alerts == 1 else 's'}"
    match hold.kind:
        case Kind.STORM:
            return f"a storm of rule {hold.rule}: {problems} more"
        case Kind.BUDGET:
            return f"{problems} in one message: your budget of messages is used up"
        case _:
            return f"{problems} of {hold.name}" if hold.name else problems


def _module(account: Account) -> str:
    """The one that all have in common."""
    modules = {line.module for line in account.lines}
    return modules.pop() if len(modules) == 1 and account.alerts <= len(account.lines) else ""


def _listing(account: Account) -> str:
    lines = [_line(line) for line in account.lines]
    others = account.alerts - len(account.lines)
    if others > 0:
        rest = account.events - sum(line.events for line in account.lines)
        numbers = spelled(account.numbers, {line.alert for line in account.lines})
        lines.append(f"and {others:,} more with {rest:,} events: {numbers}")
    return "\n".join(lines)


def _line(line: Line) -> str:
    tag = "RESOLVED" if line.state is AlertState.RESOLVED else line.level.name
    return entry(tag, line.module, line.title, line.events, line.alert)


def excerpt(text: str, most_bytes: int = MOST_TEXT, most_lines: int = MOST_LINES) -> str:
    """The text within both limits, cut between lines where that is possible; a cut is marked.

    What went wrong is kept: a Python trace says it in its last line, a Java one in its last `Caused by`.
    """
    text = text.rstrip()
    if len(_bytes(text)) <= most_bytes and text.count("\n") < most_lines:
        return text
    lines = text.split("\n")
    if len(lines) == 1:
        return cut(text, most_bytes)
    causes = [line for line in lines[1:] if line.lstrip().startswith("Caused by")]
    ending = f"\n{_CUT}\n{cut((causes or lines)[-1], most_bytes // 3)}"
    room = most_bytes - len(_bytes(ending))
    return _beginning("\n".join(lines[: min(len(lines) - 1, most_lines - 2)]), room) + ending


def cut(text: str, most_bytes: int) -> str:
    """The text's beginning in at most so many bytes of UTF-8, never within a character; a cut is marked."""
    data = _bytes(text)
    if len(data) <= most_bytes:
        return text
    return data[: most_bytes - len(_CUT)].decode(errors="ignore") + _CUT


def _beginning(text: str, most_bytes: int) -> str:
    """Whole lines if at least one fits, else a part of the first."""
    data = _bytes(text)
    if len(data) <= most_bytes:
        return text
    whole_lines, _, rest = data[: most_bytes + 1].decode(errors="ignore").rpartition("\n")
    return whole_lines or cut(rest, most_bytes)


def _bytes(text: str) -> bytes:
    return text.encode(errors="replace")  # a lone surrogate has no UTF-8
