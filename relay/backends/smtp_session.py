"""One conversation with a mail server, and what its replies mean. Needs aiosmtplib (the extra `smtp`)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Self, cast

from aiosmtplib import (
    SMTP,
    SMTPConnectError,
    SMTPDataError,
    SMTPException,
    SMTPHeloError,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)
from msgspec import Struct

from relay.backends.answer import MOST_DETAIL
from relay.backends.base import Receipt
from relay.backends.mask import Mask
from relay.backends.smtp_mail import Mail
from relay.errors import BackendDownError, BackendError, RejectedError, TemporaryError
from relay.text import clean

_GOODBYE: Final = 1.0  # seconds for the server's answer to QUIT, when all is said

# RFC 5321 4.2.3 and RFC 4954 6.
WORDS: Final = {
    421: "the service is closing",
    450: "the mailbox is not available now (busy, or greylisted)",
    451: "an error in the server's processing",
    452: "the server has no room",
    454: "the server can't check credentials or start TLS now",
    530: "the server wants credentials",
    535: "the credentials were refused",
    538: "the server wants TLS for this login",
    550: "the mailbox is not available, or not for us",
    551: "the user is not local",
    552: "too large, or the mailbox is full",
    553: "the mailbox name is not allowed",
    554: "refused",
}
_FOR_AN_OPERATOR: Final = {530, 534, 535, 538}


class Endpoint(Struct, frozen=True, kw_only=True):
    """Where the server is, and how to talk to it."""

    host: str
    port: int
    use_tls: bool  # from the first byte
    start_tls: bool | None  # None: if it is offered
    tls: ssl.SSLContext
    username: str
    password: str
    helo: str
    timeout: float
    mask: Mask


class _Client(SMTP):
    """A client that ends its connection: in TLS one that is closed waits half a minute for a farewell."""

    def close(self) -> None:
        transport = cast("asyncio.WriteTransport | None", self.transport)
        super().close()
        if transport is not None:
            transport.abort()


class Session:
    """One connection, for one mail. `written` says that the mail may have gone out."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self.written = False
        self._client = _Client(
            hostname=endpoint.host,
            port=endpoint.port,
            username=endpoint.username or None,
            password=endpoint.password or None,
            local_hostname=endpoint.helo or None,
            timeout=endpoint.timeout,
            use_tls=endpoint.use_tls,
            start_tls=endpoint.start_tls,
            tls_context=endpoint.tls,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None and self._client.is_connected:
            with suppress(SMTPException, OSError):
                async with asyncio.timeout(_GOODBYE):
                    await self._client.quit()
        self._client.close()

    async def deliver(self, mail: Mail, tos: Sequence[str]) -> dict[str, Receipt | BackendError]:
        """Hand the mail over, an outcome for each address; raises a `BackendError` that holds for all.

        A `RejectedError` that is raised is about the mail itself.
        """
        try:
            await self._client.connect()
            outcomes = await self._envelope(mail, tos)
            accepted = [to for to in tos if to not in outcomes]
            if accepted:
                receipt = await self._content(mail)
                outcomes |= dict.fromkeys(accepted, receipt)
        except (SMTPException, OSError, ValueError) as error:
            failure = self._failure(error)
        else:
            return outcomes
        raise failure  # outside the except block: `__context__` would keep the server's words

    async def probe(self, sender: str) -> str:
        """Whether the server lets us in and takes the sender; what it said. Nothing is sent."""
        try:
            await self._client.connect()
            reply = await self._client.mail(sender)
            await self._client.rset()
        except (SMTPException, OSError, ValueError) as error:
            failure = self._failure(error)
        else:
            return f"{reply.code} {self._words(reply.message)}"
        raise failure

    async def _envelope(self, mail: Mail, tos: Sequence[str]) -> dict[str, Receipt | BackendError]:
        """Sender and receivers; the outcome of those that are refused."""
        if self._client.is_ehlo_or_helo_needed:
            with suppress(SMTPHeloError):  # an old server: the next command says HELO first
                await self._client.ehlo()
        wide = not all(address.isascii() for address in (mail.sender, *tos))
        utf8 = wide and self._client.supports_extension("smtputf8")
        encoding = "utf-8" if utf8 else "ascii"
        options = ["SMTPUTF8"] if utf8 else []
        if self._client.supports_extension("size"):
            options.append(f"SIZE={len(mail.content)}")
        await self._client.mail(mail.sender, options=options, encoding=encoding)
        outcomes: dict[str, Receipt | BackendError] = {}
        for to in tos:
            if not utf8 and not to.isascii():
                outcomes[to] = RejectedError("the server takes only addresses in ASCII", code="smtputf8")
                continue
            try:
                await self._client.rcpt(to, encoding=encoding)
            except SMTPRecipientRefused as error:
                outcomes[to] = self._refusal(error, RejectedError)
        return outcomes

    async def _content(self, mail: Mail) -> Receipt:
        self.written = True
        reply = await self._client.data(mail.content)
        return Receipt(id=mail.id, note=self._words(reply.message)[:200], handle=mail.id)

    def _failure(self, error: Exception) -> BackendError:
        """What went wrong, for all addresses."""
        if isinstance(error, SMTPConnectError) and isinstance(error.__cause__, ssl.SSLError):
            error = error.__cause__
        name = type(error).__name__
        match error:
            case SMTPDataError():
                return self._refusal(error, RejectedError)
            case SMTPSenderRefused() if error.code == 552:
                return self._refusal(error, RejectedError)
            case SMTPResponseException():
                return self._refusal(error, BackendDownError)
            case ssl.SSLCertVerificationError():
                text = "the server's certificate is not valid for this host"
                return BackendDownError(text, code="certificate")
            case ssl.SSLError() if "WRONG_VERSION_NUMBER" in str(error):
                text = "the server doesn't speak TLS on this port: smtp:// and STARTTLS, or another port"
                return BackendDownError(text, code="tls")
            case TimeoutError() | SMTPTimeoutError():
                text = f"no answer within {self._endpoint.timeout:g} s"
                return TemporaryError(text, code=name, ambiguous=self.written)
            case OSError() | SMTPConnectError() | SMTPServerDisconnected():
                return TemporaryError(f"network error: {name}", code=name, ambiguous=self.written)
            case _:  # STARTTLS or AUTH isn't offered, a method of login that nobody shares
                return BackendDownError(
                    f"the server can't do what these settings want ({name})",
                    code="unsupported",
                    detail=self._words(str(error)),
                )

    def _refusal(self, error: SMTPResponseException, permanent: type[BackendError]) -> BackendError:
        """A reply's outcome: 4xx may pass, 5xx is `permanent`, unless an operator can cure it."""
        code, detail = str(error.code), self._words(error.message)
        text = f"{code}: {WORDS.get(error.code, 'refused')}"
        if error.code in _FOR_AN_OPERATOR:
            return BackendDownError(text, code=code, detail=detail)
        if 500 <= error.code < 600:
            return permanent(text, code=code, detail=detail)
        if 400 <= error.code < 500:
            return TemporaryError(text, code=code, detail=detail)
        return TemporaryError("what came is no reply", code=code, detail=detail, ambiguous=self.written)

    def _words(self, text: str) -> str:
        words = clean(self._endpoint.mask(text)).strip()
        return words.encode()[:MOST_DETAIL].decode(errors="ignore")
