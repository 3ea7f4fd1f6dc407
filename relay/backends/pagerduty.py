"""PagerDuty, Events API v2: an alert opens an incident, its repeats join it, its resolution closes it."""

from __future__ import annotations

import hashlib
import re
from typing import Final, Literal

from msgspec import field

from relay.backends.answer import Answer
from relay.backends.base import Door, Limits, Receipt
from relay.backends.compose import compose
from relay.backends.dialect import headline
from relay.backends.fit import clip
from relay.backends.http import HttpBackend, HttpSettings, operator_url, url_problem
from relay.backends.meaning import otherwise, plainer
from relay.backends.push import urgency, urgency_problems
from relay.backends.webhook_forms import idempotency_key, rfc3339
from relay.errors import BackendDownError, TemporaryError
from relay.models import AlertState, Json, Level, Message
from relay.text import one_line
from relay.values import Secret

MOST_SUMMARY: Final = 1024  # characters
MOST_SOURCE: Final = 255
SEVERITIES: Final = ("critical", "error", "warning", "info")
_SEVERITY: Final = {
    Level.DEBUG: "info",
    Level.INFO: "info",
    Level.NOTICE: "info",
    Level.WARNING: "warning",
    Level.ERROR: "error",
    Level.CRITICAL: "critical",
}
_ABOUT_THE_KEY: Final = re.compile("routing.?key", re.IGNORECASE)
Action = Literal["trigger", "acknowledge", "resolve"]
_ACTION: Final[dict[AlertState, Action]] = {
    AlertState.FIRING: "trigger",
    AlertState.ACKED: "acknowledge",
    AlertState.RESOLVED: "resolve",
}


class Settings(HttpSettings, frozen=True, kw_only=True, tag="pagerduty"):
    """Incidents in PagerDuty. An address is free text: the key says which service is meant.

    In the service's Integrations add "Events API V2" and take its integration key: 32 letters and digits.

    Minimal:

        type: pagerduty
        routing_key: ${PAGERDUTY_KEY}

    Full:

        type: pagerduty
        routing_key: ${PAGERDUTY_KEY}
        endpoint: https://events.eu.pagerduty.com/v2/enqueue
        severity: {critical: critical, error: error, warning: warning, info: info}
        client: relay at example.com
        client_url: https://relay.example.com

    `severity` is critical, error, warning or info for each level. Repeats join the open incident, the
    resolution closes it. `client` and `client_url` are shown as where the event came from.
    """

    routing_key: Secret
    endpoint: str = "https://events.pagerduty.com/v2/enqueue"
    severity: dict[str, str] = field(default_factory=dict)
    client: str = "relay"
    client_url: str = ""

    def problems(self) -> list[tuple[str, str]]:
        """A key of another shape, an endpoint that is no URL, severities that aren't."""
        found = [("endpoint", text) for text in (url_problem(self.endpoint),) if text]
        if not re.fullmatch(r"[A-Za-z0-9]{32}", self.routing_key.reveal()):
            found.append(("routing_key", "an integration key is 32 letters and digits"))
        if self.client_url and (wrong := url_problem(self.client_url)):
            found.append(("client_url", wrong))
        found += urgency_problems("severity", self.severity)
        if wrong_words := set(self.severity.values()) - set(SEVERITIES):
            found.append(("severity", f"{min(wrong_words)!r} is none of {', '.join(SEVERITIES)}"))
        return found


class PagerDuty(HttpBackend):
    """Enqueues events; accepted means 202 and `status: success`."""

    type = "pagerduty"
    idempotent = True  # events of one key are one incident
    settings: Settings
    limits = Limits(windows=((120, 60.0),), concurrency=16)

    def __init__(self, settings: Settings, door: Door) -> None:
        super().__init__(settings, door)
        self._endpoint = operator_url(settings.endpoint)

    async def send(self, message: Message, to: str) -> Receipt:
        """One event; the key it shares with the alert's other events is receipt and handle."""
        del to
        key = message.handle or _dedup_key(message)
        forms = (self._event(message, key, bare=bare) for bare in (False, True))
        await plainer(forms, self._enqueue)
        return Receipt(id=key, handle=key)

    async def _enqueue(self, event: Json) -> None:
        self._accept(await self.post_json(self._endpoint, event))

    def _event(self, message: Message, key: str, *, bare: bool) -> Json:
        """The event; `bare` has no more than it must, for when the whole one was refused."""
        now = self.door.clock.now()
        told = compose(message, now)
        event: Json = {
            "routing_key": self.settings.routing_key.reveal(),
            "event_action": _ACTION[message.state],
            "dedup_key": key,
            "payload": {
                "summary": clip(headline(told), MOST_SUMMARY),
                "source": one_line(_source(message), MOST_SOURCE) or "relay",
                "severity": urgency(message, _SEVERITY, self.settings.severity),
                "timestamp": rfc3339(message.last_seen),
                "component": told.module,
                "group": one_line(message.rule),
                "class": told.title,
            },
            "client": self.settings.client,
        }
        if not bare:
            details = {**dict(told.facts), "text": told.body or told.title, "note": told.footer}
            event["payload"]["custom_details"] = details
            event["links"] = [{"href": link.url, "text": link.label} for link in told.links]
            event |= {"client_url": self.settings.client_url} if self.settings.client_url else {}
        return event

    def _accept(self, answer: Answer) -> None:
        """Raise what the answer says; a 400 that names the key is the operator's."""
        if answer.status == 400 and _ABOUT_THE_KEY.search(answer.detail):
            raise BackendDownError(
                "400: PagerDuty doesn't know this integration key", code="400", detail=answer.detail
            )
        if not answer.accepted:
            raise otherwise("", answer, self.door.clock.now())
        if answer.status != 202 or answer.code("status") != "success":
            raise TemporaryError(
                "an answer without success", code=answer.code("status"), detail=answer.detail, limit=3
            )


def _dedup_key(message: Message) -> str:
    """The same for all news of an alert, another for the next alert of that kind; at most 255 characters.

    An event that comes late, after the resolution, then opens no incident under the name of a new alert.
    """
    if not message.fingerprint:
        return idempotency_key(message)
    told = f"{message.fingerprint} {message.alert} {message.first_seen}"
    return "relay-" + hashlib.sha256(told.encode()).hexdigest()[:32]


def _source(message: Message) -> str:
    return message.hosts[0] if message.hosts else message.source or message.module
