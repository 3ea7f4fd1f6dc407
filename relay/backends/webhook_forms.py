"""The bodies a webhook may want, and the Standard Webhooks signature.

`plain` is relay's own form. Its names are stable: keys are added, none is renamed or removed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Literal

from relay.backends.compose import compose
from relay.backends.dialect import cleaned, headline, text_of
from relay.models import AlertState, Json, Message

Form = Literal["plain", "alertmanager", "standard"]

SIGNED_PREFIX: Final = "whsec_"
_NEVER: Final = "0001-01-01T00:00:00Z"  # Go's zero time: how Alertmanager says "not ended"
_NOT_IN_LABELS: Final = re.compile(r"[^a-zA-Z0-9_]")


def plain(message: Message, to: str, now: float) -> Json:
    """One flat object; `text` is the whole message for people, `message` the sample event's own text."""
    composition = compose(message, now)
    return {
        "version": 1,
        "key": message.key,  # the same for every attempt of this message
        "to": to,
        "reason": message.reason.value,
        "state": message.state.value,
        "level": message.level.word,
        "rule": message.rule,
        "module": message.module,
        "title": message.title,
        "text": text_of(composition),
        "message": message.text,
        "alert": message.alert,
        "fingerprint": message.fingerprint,
        "count": message.count,
        "more": message.more,  # events since the last message about this alert
        "counted": list(message.counted),  # what made the rule tell, then what was counted
        "first_seen": rfc3339(message.first_seen),
        "last_seen": rfc3339(message.last_seen),
        "late": message.late,  # seconds, when worth saying
        "hosts": list(message.hosts),
        "source": message.source,
        "origin": message.origin,
        "labels": message.labels,
        "notes": list(message.notes),  # "acknowledged by wang", "silence 12 of li (deploy) is over: ..."
        "links": dict(message.links),  # by label: runbook, ack, silence 1h
    }


def alertmanager(message: Message, to: str, now: float) -> Json:
    """Prometheus Alertmanager's webhook payload, version 4, with one alert."""
    status = "resolved" if message.state is AlertState.RESOLVED else "firing"
    group = {"alertname": message.rule or message.module}
    labels = _labels(message) | group
    composition = compose(message, now)
    annotations = {"summary": headline(composition), "description": text_of(composition)}
    alert = {
        "status": status,
        "labels": labels,
        "annotations": annotations,
        "startsAt": rfc3339(message.first_seen),
        "endsAt": rfc3339(message.last_seen) if status == "resolved" else _NEVER,
        "generatorURL": "",
        "fingerprint": message.fingerprint or _hash_of(labels.items()),
    }
    return {
        "version": "4",
        "groupKey": f'{{}}:{{alertname="{group["alertname"]}"}}',
        "truncatedAlerts": 0,
        "status": status,
        "receiver": to,
        "groupLabels": group,
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": "",
        "alerts": [alert],
    }


def standard(message: Message, to: str, now: float) -> Json:
    """The envelope that Standard Webhooks suggests, around the plain form."""
    data = plain(message, to, now)
    return {"type": f"alert.{message.state.value}", "timestamp": rfc3339(message.last_seen), "data": data}


FORMS: Final[dict[Form, Callable[[Message, str, float], Json]]] = {
    "plain": plain,
    "alertmanager": alertmanager,
    "standard": standard,
}


def payload(form: Form, message: Message, to: str, now: float) -> Json:
    """The body in that form, all text in it clean; it is data, so nothing in it is escaped as markup."""
    body: Json = cleaned(FORMS[form](message, to, now))
    return body


def signing_key(secret: str) -> bytes:
    """The key of a `whsec_` secret (base64 of 24 to 64 bytes); ValueError if it isn't one."""
    key = base64.b64decode(secret.removeprefix(SIGNED_PREFIX), validate=True)
    if not secret.startswith(SIGNED_PREFIX) or not 24 <= len(key) <= 64:
        raise ValueError("a signing secret is whsec_ and base64 of 24 to 64 bytes")
    return key


def signatures(keys: Iterable[bytes], key: str, at: int, body: bytes) -> str:
    """The `webhook-signature` header: one `v1,` signature for each key (Standard Webhooks 1.0)."""
    signed = f"{key}.{at}.".encode() + body
    digests = (hmac.new(one, signed, hashlib.sha256).digest() for one in keys)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


def idempotency_key(message: Message) -> str:
    """The same for every attempt of a message, and safe in a header."""
    if re.fullmatch(r"[\w:-]+", message.key, re.ASCII):
        return message.key
    told = (message.key, message.reason, message.rule, message.module, message.title, message.count)
    return _hash_of((str(message.last_seen), str(part)) for part in told)


@lru_cache(1024)
def rfc3339(at: float) -> str:
    """A time in UTC to the millisecond: `2026-01-02T03:04:05.678Z`."""
    try:
        moment = datetime.fromtimestamp(at, UTC)
    except (OverflowError, ValueError, OSError):
        return _NEVER  # an event may claim any time
    return f"{moment.isoformat(timespec='milliseconds')[:-6]}Z"


def _labels(message: Message) -> dict[str, str]:
    own = {
        "severity": message.level.word,
        "module": message.module,
        "source": message.source,
        "instance": message.hosts[0] if message.hosts else "",
    }
    given = {_label_name(name): value for name, value in message.labels.items()}
    return {name: value for name, value in {**given, **own}.items() if value}


def _label_name(name: str) -> str:
    """Prometheus allows letters, digits and underscores, and no digit first."""
    name = _NOT_IN_LABELS.sub("_", name)
    return f"_{name}" if name[:1].isdigit() or not name else name


def _hash_of(parts: Iterable[tuple[str, str]]) -> str:
    text = "\0".join(f"{name}={value}" for name, value in parts)
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]
