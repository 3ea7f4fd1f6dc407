"""A message as a mail: text and HTML, headers that thread it, and none that a log line could forge.

RFC 5322 (form and threads), RFC 3834 (`Auto-Submitted`, so that no vacation program answers).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr
from typing import Final

from msgspec import Struct

from relay.backends.compose import Composition, compose
from relay.backends.dialect import text_of
from relay.backends.fit import fit, utf8_bytes
from relay.backends.markup import html_of
from relay.backends.webhook_forms import idempotency_key
from relay.models import Level, Message
from relay.text import one_line

_POLICY: Final = SMTP.clone(cte_type="7bit")  # every server takes it, with 8BITMIME or without


class Letterhead(Struct, frozen=True, kw_only=True):
    """What is the same in all mails of a backend."""

    sender: str  # `relay@example.com` or `Relay <relay@example.com>`
    subject_tag: bool  # `[ERROR]` or `[RESOLVED]` in the subject
    max_text: int  # bytes of the text part

    @property
    def address(self) -> str:
        """The sender's bare address."""
        return parseaddr(self.sender)[1]

    @property
    def domain(self) -> str:
        """Where the ids of our mails belong."""
        return self.address.rpartition("@")[2]


class Mail(Struct, frozen=True):
    """A mail, ready to hand over."""

    id: str
    sender: str  # of the envelope
    content: bytes


def mail(message: Message, tos: Sequence[str], head: Letterhead, now: float, *, html: bool = True) -> Mail:
    """The mail about a message; without `html` for servers that refuse more than plain text."""
    told = compose(message, now)
    parts = EmailMessage(policy=_POLICY)
    ident = _message_id(message, head)
    _address(parts, tos, head)
    parts["Subject"] = _safe(_subject(message, told, head))
    parts["Date"] = datetime.fromtimestamp(now, UTC)
    parts["Message-ID"] = ident
    _thread(parts, message, head)
    _mark(parts, message)
    parts.set_content(fit(told, text_of, lambda text: utf8_bytes(text) <= head.max_text))
    if html:
        parts.add_alternative(
            fit(told, html_of, lambda text: utf8_bytes(text) <= 2 * head.max_text), subtype="html"
        )
    wide = not all(address.isascii() for address in (head.address, *tos))
    policy = _POLICY.clone(utf8=True) if wide else _POLICY
    return Mail(ident, head.address, parts.as_bytes(policy=policy))


def _address(parts: EmailMessage, tos: Sequence[str], head: Letterhead) -> None:
    parts["From"] = _addressed(head.address, parseaddr(head.sender)[0])
    parts["To"] = [_addressed(to) for to in tos]


def _addressed(address: str, name: str = "") -> Address:
    user, _, domain = address.rpartition("@")
    return Address(name, user, domain)


def _subject(message: Message, told: Composition, head: Letterhead) -> str:
    """The same for all mails about an alert, as some programs part threads by it."""
    tag = f"[{told.tag}] " if head.subject_tag else ""
    others = f" (and {len(message.digest)} more)" if message.digest else ""
    return f"{tag}{told.subject}{others}"


def _thread(parts: EmailMessage, message: Message, head: Letterhead) -> None:
    """All mails about an alert name one root that was never sent, so that any of them may be missing."""
    if not message.fingerprint:
        return
    root = f"<alert-{_hash(message.fingerprint, str(message.alert), str(message.first_seen))}@{head.domain}>"
    parts["References"] = f"{root} {message.handle}".strip()
    parts["In-Reply-To"] = message.handle or root


def _mark(parts: EmailMessage, message: Message) -> None:
    """For filters and programs."""
    parts["Auto-Submitted"] = "auto-generated"
    parts["X-Auto-Response-Suppress"] = "All"  # Exchange's word for it
    if message.level >= Level.CRITICAL:
        parts["Importance"] = "high"
    told = {
        "Alert": str(message.alert or ""),
        "Level": message.level.word,
        "State": message.state.value,
        "Rule": message.rule,
        "Module": message.module,
    }
    for name, value in told.items():
        if value:
            parts[f"X-Relay-{name}"] = _safe(one_line(value, 100))


def _safe(text: str) -> str:
    """No encoded word (RFC 2047): `=?utf-8?b?...?=` in a log line would be decoded on the way out."""
    return text.replace("=?", "= ?")


def _message_id(message: Message, head: Letterhead) -> str:
    """The same for every attempt, so that a mailbox can tell a mail it has already."""
    return f"<{_hash(idempotency_key(message))}@{head.domain}>"


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()[:32]
