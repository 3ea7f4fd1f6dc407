"""Mail, handed to a mail server: one mail for up to a hundred people, threads, TLS that says what it does."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Sequence
from email.utils import parseaddr
from typing import TYPE_CHECKING, Annotated, Final, Literal
from urllib.parse import urlsplit

from msgspec import Meta, field

from relay.backends import base
from relay.backends.base import Backend, Check, Door, Limits, Receipt
from relay.backends.mask import Mask
from relay.backends.rehearsal import Request
from relay.backends.smtp_mail import Letterhead, Mail, mail
from relay.errors import BackendDownError, BackendError, RejectedError, TemporaryError
from relay.models import Message
from relay.values import Duration, FilePath, Secret, Size

if TYPE_CHECKING:
    from relay.backends.smtp_session import Session

# RFC 5321 4.1.2 without quoted local parts, and RFC 6531: any letters of the world.
_ADDRESS: Final = re.compile(r"""[^\s@<>()\[\]:;,"\\]{1,64}@[^\s@<>()\[\]:;,"\\]{1,190}""")


class Settings(base.Settings, frozen=True, kw_only=True, tag="smtp"):
    """Mail by SMTP (needs `pip install 'alert-relay[smtp]'`). An address is a mail address.

    Minimal:

        type: smtp
        url: smtp://mail.example.com:25
        from: relay@example.com

    Full:

        type: smtp
        url: smtp://mail.example.com:587
        from: Relay <relay@example.com>
        starttls: always
        username: relay
        password: ${SMTP_PASSWORD}
        helo: relay1.example.com
        subject_tag: true
        max_text: 32KiB

    `smtp://` talks to port 25 unless the URL names another (587 for submission with a login), `smtps://` to
    465, in TLS from the first byte. `starttls: auto` encrypts where the server offers it, whoever it says it
    is, as mail servers do among themselves; with a login, or with `always`, the server must offer TLS and
    prove its name, by the host's certificates or those of `ca_file`; `never` sends all of it readable.

    All mails about one alert make one thread: they share a subject and name the same root in `References`.
    `subject_tag` puts `[ERROR]` or `[RESOLVED]` into the subject, by which some programs part threads.
    """

    url: str
    from_: str = field(name="from")
    starttls: Literal["auto", "always", "never"] = "auto"
    username: str = ""
    password: Secret | None = None
    ca_file: FilePath = ""  # PEM, instead of the host's certificates
    helo: str = ""  # the name relay introduces itself by; default: the host's
    subject_tag: bool = False
    max_text: Annotated[Size, Meta(ge=1000)] = 64 * 1024
    timeout: Duration = 30.0  # mail servers make strangers wait

    def problems(self) -> list[tuple[str, str]]:
        """A URL or sender that isn't one, half a login, certificates that can't be read."""
        found = [("url", text) for text in (_url_problem(self.url),) if text]
        if not _is_address(parseaddr(self.from_)[1]) or not self.from_.isprintable():
            found.append(("from", "must be a mail address: relay@example.com, or Relay <relay@example.com>"))
        if bool(self.username) != bool(self.password):
            found.append(("username" if self.username else "password", "username and password go together"))
        if self.url.startswith("smtps:") and self.starttls != "auto":
            found.append(("starttls", "smtps:// is in TLS from the first byte"))
        if self.ca_file:
            try:
                self.tls()
            except OSError as error:
                found.append(("ca_file", f"can't be used ({type(error).__name__})"))
        return found

    def refuses(self, to: str) -> str:
        """Why that can't be a mail address."""
        return "" if _is_address(to) else "must be a mail address: name@example.com"

    def tls(self) -> ssl.SSLContext:
        """How the server must prove who it is; OSError if `ca_file` can't be read."""
        context = ssl.create_default_context(cafile=self.ca_file or None)
        if self.opportunistic:  # RFC 7435: encrypted to anybody is better than readable by everybody
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    @property
    def opportunistic(self) -> bool:
        """Whether TLS is taken as it comes."""
        return self.starttls == "auto" and not self.password and not self.url.startswith("smtps:")


class Smtp(Backend):
    """Hands mails to a server; accepted means that the server has taken charge of them."""

    type = "smtp"
    settings: Settings
    limits = Limits(concurrency=8, receivers=100)  # RFC 5321 4.5.3.1.8: a server takes at least 100

    def __init__(self, settings: Settings, door: Door) -> None:
        super().__init__(settings, door)
        self._letterhead = Letterhead(
            sender=settings.from_, subject_tag=settings.subject_tag, max_text=settings.max_text
        )
        self._mask = Mask.of(settings)
        self._tls = settings.tls()

    async def send(self, message: Message, to: str) -> Receipt:
        """One mail to one address."""
        (outcome,) = await self.send_many(message, [to])
        if isinstance(outcome, BackendError):
            raise outcome
        return outcome

    async def send_many(self, message: Message, tos: Sequence[str]) -> list[Receipt | BackendError]:
        """One mail to all of them, each of whom sees who else was told."""
        known = list(dict.fromkeys(to for to in tos if not self.settings.refuses(to)))
        outcomes = await self._deliver(message, known) if known else {}
        return [outcomes.get(to) or RejectedError(self.settings.refuses(to), code="address") for to in tos]

    async def check(self) -> list[Check]:
        """Connection, TLS, login and the sender's address."""
        try:
            async with self._session() as session, asyncio.timeout(self.settings.timeout):
                said = await session.probe(self._letterhead.address)
        except BackendError as error:
            return [Check(ok=False, text=f"{error} {error.detail}".strip(), code=error.code)]
        except TimeoutError:
            return [Check(ok=False, text=f"no answer within {self.settings.timeout:g} s", code="timeout")]
        return [Check(ok=True, text=f"the server takes mail from {self._letterhead.address}: {said}")]

    async def _deliver(self, message: Message, tos: Sequence[str]) -> dict[str, Receipt | BackendError]:
        """The mail; where its content is refused, the plain text of it, once."""
        now = self.door.clock.now()
        deadline = asyncio.get_running_loop().time() + self.settings.timeout
        try:
            return await self._exchange(mail(message, tos, self._letterhead, now), tos, deadline)
        except RejectedError:
            bare = mail(message, tos, self._letterhead, now, html=False)
        return await self._exchange(bare, tos, deadline)

    async def _exchange(
        self, letter: Mail, tos: Sequence[str], deadline: float
    ) -> dict[str, Receipt | BackendError]:
        if self.door.rehearsal:
            self.door.rehearsal.take(Request(method="SMTP", url=self.settings.url, body=letter.content))
        async with self._session() as session:
            try:
                async with asyncio.timeout_at(deadline):
                    return await session.deliver(letter, tos)
            except TimeoutError:
                text = f"no complete answer within {self.settings.timeout:g} s"
                failure = TemporaryError(text, code="TimeoutError", ambiguous=session.written)
            raise failure

    def _session(self) -> Session:
        try:
            from relay.backends.smtp_session import Endpoint, Session  # noqa: PLC0415 - an extra, and 60 ms
        except ModuleNotFoundError:
            text = "needs a library: pip install 'alert-relay[smtp]'"
            raise BackendDownError(text, code="library") from None
        parts, given = urlsplit(self.settings.url), self.settings
        use_tls = parts.scheme == "smtps"
        encrypt = None if given.opportunistic else not use_tls and given.starttls != "never"
        return Session(
            Endpoint(
                host=parts.hostname or "",
                port=parts.port or (465 if use_tls else 25),
                use_tls=use_tls,
                start_tls=encrypt,
                tls=self._tls,
                username=given.username,
                password=given.password.reveal() if given.password else "",
                helo=given.helo,
                timeout=given.timeout,
                mask=self._mask,
            )
        )


def _is_address(text: str) -> bool:
    return text.isprintable() and _ADDRESS.fullmatch(text) is not None


def _url_problem(text: str) -> str:
    """What is wrong with a mail server's URL, without quoting it; "" if nothing."""
    try:
        url = urlsplit(text)
        usable = url.scheme in {"smtp", "smtps"} and bool(url.hostname) and url.port != 0
    except ValueError:
        usable = False
    if not usable or not text.isprintable() or " " in text:
        return "must be smtp://host:port or smtps://host:port"
    if url.username is not None or url.path.strip("/") or url.query or url.fragment:
        return "takes host and port only: username and password are keys of their own"
    return ""
