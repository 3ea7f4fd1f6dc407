"""What a template is given of a message: texts, numbers and lists, each of them bounded."""

from __future__ import annotations

from typing import Any, Final

from relay.models import AlertState, Level, Message, Reason

MOST_TEXT: Final = 8192  # characters of one value
MOST_ITEMS: Final = 100  # hosts, labels, links, lines of a digest


class Labels(dict[str, str]):
    """Those of the sample event: one that isn't there is empty."""


def values(message: Message, now: float) -> dict[str, Any]:
    """The variables by name; template.py says what each of them is."""
    texts = {
        "title": message.title,
        "text": message.text,
        "level": message.level.word,
        "module": message.module,
        "rule": message.rule,
        "state": message.state.value,
        "reason": message.reason.value,
        "fingerprint": message.fingerprint,
        "source": message.source,
        "origin": message.origin,
    }
    labels = list(message.labels.items())[:MOST_ITEMS]
    links = message.links[:MOST_ITEMS]
    return {
        **{name: _short(value) for name, value in texts.items()},
        "count": message.count,
        "more": message.more,
        "alert": message.alert,
        "first_seen": message.first_seen,
        "last_seen": message.last_seen,
        "since": message.since,
        "late": message.late,
        "now": now,
        "hosts": [_short(host) for host in message.hosts[:MOST_ITEMS]],
        "labels": Labels((_short(name), _short(value)) for name, value in labels),
        "links": [{"label": _short(label), "url": _short(url)} for label, url in links],
        "counted": [_short(each) for each in message.counted[:MOST_ITEMS]],
        "notes": [_short(note) for note in message.notes[:MOST_ITEMS]],
        "digest": [_short(line) for line in message.digest[:MOST_ITEMS]],
    }


def _short(text: str) -> str:
    return text[:MOST_TEXT]


# Two messages that every template must work for.
FULL: Final = Message(
    reason=Reason.REMINDER,
    title="timeout after <num> ms",
    level=Level.ERROR,
    rule="payments",
    module="pay.refund",
    state=AlertState.FIRING,
    count=313,
    first_seen=1_767_600_000.0,
    last_seen=1_767_600_600.0,
    text="timeout after 3000 ms\n  in refund()",
    alert=17,
    fingerprint="00f1e2d3c4b5a697",
    labels={"host": "web1", "order": "o-4711"},
    hosts=("web1", "web2"),
    source="shop",
    origin="/srv/shop/logs/pay.log:81233",
    more=312,
    since=1_767_600_000.0,
    late=120.0,
    links=(("runbook", "https://wiki.example.com/pay"),),
    notes=("silence 12 of li (deploy) is over: it held this back",),
    digest=("[ERROR] pay.card: no route (x2) #18",),
)
PLAIN: Final = Message(
    reason=Reason.FIRST,
    title="",
    level=Level.ERROR,
    rule="all",
    module="",
    state=AlertState.FIRING,
    count=1,
    first_seen=0.0,
    last_seen=0.0,
    text="",
)
