"""Any HTTP endpoint: relay's own JSON, Alertmanager's webhook, or Standard Webhooks."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import field
from multidict import CIMultiDict

from relay.backends.answer import refusal
from relay.backends.base import Door, Limits, Receipt
from relay.backends.http import JSON_TYPE, HttpBackend, HttpSettings, json_bytes, operator_url, url_problem
from relay.backends.webhook_forms import Form, idempotency_key, payload, signatures, signing_key
from relay.errors import RejectedError, TemporaryError
from relay.models import Message
from relay.values import Secret

MOST_ATTEMPTS: Final = 10  # Standard Webhooks' schedule, which takes a 400 as a receiver's passing fault


class Settings(HttpSettings, frozen=True, kw_only=True, tag="webhook"):
    """An HTTP endpoint that takes each message as JSON and answers 2xx when it has it.

    `form: plain` is relay's own JSON, `alertmanager` the payload (version 4) of Alertmanager's webhooks,
    `standard` the signed form of standardwebhooks.com. `secret` (`whsec_...`; two while they are being
    changed) signs the body in any form. Every attempt of a message carries the same `webhook-id` and
    `Idempotency-Key`. What is refused is given up, in the form `standard` after ten attempts. The address of
    a recipient is free text, passed on as `to` (Alertmanager: `receiver`).

    Minimal:

        type: webhook
        url: ${HOOK_URL}

    Full:

        type: webhook
        url: ${HOOK_URL}
        form: plain
        method: POST
        headers: {Authorization: "Bearer ${HOOK_TOKEN}"}
        rate: [100/1m]
        timeout: 10s
    """

    url: Secret
    form: Form = "plain"
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    headers: dict[str, Secret] = field(
        default_factory=dict
    )  # sent with each request: `Authorization: Bearer ...`
    secret: tuple[Secret, ...] = ()

    def problems(self) -> list[tuple[str, str]]:
        """A URL that isn't one, headers that can't be sent, secrets that can't sign."""
        found = [("url", text) for text in (url_problem(self.url.reveal()),) if text]
        for name, value in self.headers.items():
            if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
                found.append(("headers", f"{name!r} is not a header's name"))
            elif not value.reveal().isprintable():
                found.append(("headers", f"the value of {name} has control characters"))
        if self.form == "standard" and not self.secret:
            found.append(("form", "form: standard is signed and needs a secret (whsec_...)"))
        for secret in self.secret:
            try:
                signing_key(secret.reveal())
            except ValueError:
                found.append(("secret", "a signing secret is whsec_ and base64 of 24 to 64 bytes"))
        return found


class Webhook(HttpBackend):
    """Posts each message as JSON; any 2xx is acceptance."""

    type = "webhook"
    settings: Settings
    limits = Limits()

    def __init__(self, settings: Settings, door: Door) -> None:
        super().__init__(settings, door)
        self._url = operator_url(settings.url.reveal())
        self._keys = tuple(signing_key(secret.reveal()) for secret in settings.secret)
        own = {"Content-Type": JSON_TYPE}
        self._headers = CIMultiDict(
            {**own, **{name: value.reveal() for name, value in settings.headers.items()}}
        )

    async def send(self, message: Message, to: str) -> Receipt:
        """Post it; raises a `BackendError` by the status of the answer."""
        now = self.door.clock.now()
        key = idempotency_key(message)
        body = json_bytes(payload(self.settings.form, message, to, now))
        headers = self._headers.copy()
        headers["webhook-id"] = headers["Idempotency-Key"] = key
        if self._keys:
            headers["webhook-timestamp"] = str(int(now))
            headers["webhook-signature"] = signatures(self._keys, key, int(now), body)
        answer = await self.ask(self.settings.method, self._url, body=body, headers=headers)
        failure = refusal(answer, now)
        if type(failure) is RejectedError and self.settings.form == "standard":
            raise TemporaryError(str(failure), code=failure.code, detail=failure.detail, limit=MOST_ATTEMPTS)
        if failure is not None:
            raise failure
        return Receipt()
