"""A real mail server (aiosmtpd) on a loopback port, and one that misbehaves wherever a test wants it to.

`localhost.pem` is a key with its certificate for localhost and 127.0.0.1, signed by itself, made for these
tests and good until 2126.
"""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import ssl
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Literal, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from msgspec import Struct

CERTIFICATE = Path(__file__).with_name("localhost.pem")
REFUSALS = {
    "nobody": "550 5.1.1 User unknown",
    "full": "452 4.2.2 Mailbox full",
    "grey": "451 4.7.1 Greylisted, come back later",
}


class Arrived(Struct, frozen=True):
    """One mail as the server stored it."""

    sender: str
    receivers: tuple[str, ...]
    encrypted: bool
    raw: bytes

    @property
    def mail(self) -> EmailMessage:
        parsed = email.message_from_bytes(self.raw, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    def part(self, kind: Literal["plain", "html"]) -> str:
        """That part's text, as it was before its transfer encoding; "" if there is none."""
        part = self.mail.get_body((kind,))
        return "" if part is None else str(part.get_content()).replace("\r\n", "\n")


class MailServer:
    """Takes mail for example.com and пример.example; what it refuses stands in `REFUSALS`."""

    def __init__(
        self,
        *,
        tls: Literal["none", "starttls", "smtps"] = "none",
        login: tuple[str, str] | None = None,
        smtputf8: bool = True,
        most: int = 1_000_000,
        no_html: bool = False,
    ) -> None:
        self.tls = tls
        self.login = login
        self.smtputf8 = smtputf8
        self.most = most  # bytes of a mail, announced
        self.no_html = no_html
        self.senders = ("relay@example.com",)
        self.arrived: list[Arrived] = []
        self.requests = 0  # connections
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        upgrade = context if self.tls == "starttls" else None
        self._server = await asyncio.get_running_loop().create_server(
            lambda: self._protocol(upgrade),
            "127.0.0.1",
            0,
            ssl=context if self.tls == "smtps" else None,
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        scheme = "smtps" if self.tls == "smtps" else "smtp"
        return f"{scheme}://localhost:{self.port}"

    def _protocol(self, upgrade: ssl.SSLContext | None) -> SMTP:
        self.requests += 1
        return SMTP(
            self,
            hostname="mail.example.com",
            data_size_limit=self.most,
            enable_SMTPUTF8=self.smtputf8,
            tls_context=upgrade,
            authenticator=self._authenticate,
            auth_require_tls=self.tls == "starttls",
        )

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        good = (data.login.decode(), data.password.decode()) == self.login
        return AuthResult(success=good, handled=good)

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.login and not session.authenticated:
            return "530 5.7.0 Authentication required"
        if address not in self.senders:
            return "553 5.7.1 Sender address rejected: not yours"
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        name, _, domain = address.partition("@")
        if domain not in {"example.com", "пример.example"}:
            return "554 5.7.1 Relay access denied"
        if name in REFUSALS:
            return REFUSALS[name]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        if self.no_html and b"text/html" in envelope.content:
            return "554 5.6.0 No HTML here"
        encrypted = session.ssl is not None or self.tls == "smtps"
        receivers = tuple(map(str, envelope.rcpt_tos))
        self.arrived.append(Arrived(str(envelope.mail_from), receivers, encrypted, envelope.content))
        return "250 2.0.0 Queued as 4711"


class Misbehaviour(Struct, frozen=True, kw_only=True):
    """What goes wrong at which step: `connect`, a verb in capitals, `.` (the end of a mail)."""

    at: str
    reply: str = ""  # instead of the right one
    act: Literal["reply", "hang", "close"] = "reply"


class MisbehavingServer:
    """Speaks just enough SMTP to go wrong at any step; keeps the mails whose last dot it saw."""

    def __init__(self, wrong: Misbehaviour) -> None:
        self.wrong = wrong
        self.right = {
            "connect": "220 mail.example.com ESMTP",
            "EHLO": "250-mail.example.com\r\n250 8BITMIME",
            "DATA": "354 go on",
            "QUIT": "221 bye",
        }
        self.mails: list[bytes] = []
        self._end = asyncio.Event()
        self._server: asyncio.Server | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"smtp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._end.set()
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._talk(reader, writer)
        writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        step = "connect"
        while await self._step(step, writer) and step != "QUIT":
            line = await reader.readuntil(b"\r\n")
            step = line[:4].decode().strip().upper()
            if step == "DATA" and await self._step("DATA", writer):
                self.mails.append(await reader.readuntil(b"\r\n.\r\n"))
                step = "."

    async def _step(self, step: str, writer: asyncio.StreamWriter) -> bool:
        """Answer it; False if the conversation ends here."""
        wrong = self.wrong.at == step
        if wrong and self.wrong.act == "hang":
            await self._end.wait()
        if wrong and self.wrong.act != "reply":
            return False
        reply = self.wrong.reply if wrong else self.right.get(step, "250 OK")
        writer.write(reply.encode() + b"\r\n")
        await writer.drain()
        return reply[:1] in {"2", "3", "4", "5"}
