"""A decision as a `Message`: what people read, before any backend's dialect."""

from __future__ import annotations

from typing import Final

from relay.models import Alert, AlertState, Event, Message
from relay.routing.decide import Decision, Told

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
    return Message(
        reason=told.reason if told is not None else decision.reason,
        title=alert.title,
        level=alert.level,
        rule=alert.rule,
        module=alert.module,
        state=alert.state,
        count=alert.count,
        first_seen=alert.first_seen,
        last_seen=alert.last_seen,
        text=excerpt(sample.message) if sample is not None else "",
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
    )


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
