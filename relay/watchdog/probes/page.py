"""`http://` and `https://`: a page answers with the right status, text and header."""

from __future__ import annotations

import ssl
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from relay.config.checks import HttpCheck
from relay.watchdog.probes.base import holds, refused, shown
from relay.watchdog.probes.certificate import TlsProbe, no_tls
from relay.watchdog.tools import Tools
from relay.watchdog.verdict import FailedError, UnknownError

MOST_BODY: Final = 256 * 1024  # bytes looked at


class PageProbe:
    """Asks for the page, follows no redirect."""

    def __init__(self, check: HttpCheck) -> None:
        self.target = check.url.partition("?")[0]  # a query may hold a token
        self._check = check
        place = urlsplit(check.url)
        where = f"tls://{_bracketed(place.hostname or '')}:{place.port or 443}"
        self._certificate = TlsProbe(where, check.certificate) if check.certificate else None

    async def look(self, tools: Tools) -> str:
        """As in `Probe`. The certificate is looked at apart: aiohttp hides it once the answer is read."""
        found = await self._ask(tools)
        return found if self._certificate is None else await self._certificate.look(tools)

    async def _ask(self, tools: Tools) -> str:
        try:
            async with tools.session.get(self._check.url, allow_redirects=False) as answer:
                self._judge_head(answer)
                if self._check.body:
                    await self._judge_body(answer)
                return f"answers {answer.status}"
        except aiohttp.ClientConnectorCertificateError as error:
            raise no_tls(_cause(error.certificate_error)) from None
        except aiohttp.ClientConnectorDNSError:
            raise UnknownError("its name doesn't resolve") from None
        except aiohttp.ClientConnectorSSLError as error:
            raise no_tls(error.os_error) from None
        except ssl.SSLError as error:
            raise no_tls(error) from None
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientConnectionResetError):
            raise FailedError("takes connections, but hangs up without an answer") from None
        except OSError as error:  # of aiohttp's too
            raise refused(error) from None
        except (aiohttp.ClientError, ValueError) as error:  # no URL in the text: it may hold a token
            raise FailedError(f"no answer that is HTTP: {type(error).__name__}") from None

    def _judge_head(self, answer: aiohttp.ClientResponse) -> None:
        wanted = self._check.status
        if (answer.status not in wanted) if wanted else not 200 <= answer.status < 400:
            raise FailedError(f"answers {answer.status} {shown(answer.reason or '')}".rstrip())
        for name, expected in self._check.header.items():
            if name not in answer.headers:
                raise FailedError(f"answers {answer.status} without the header {name}")
            given = ", ".join(answer.headers.getall(name))  # RFC 9110, 5.3
            if not holds(expected, given):
                raise FailedError(f"answers {answer.status}, but {name} is not as expected: {shown(given)!r}")

    async def _judge_body(self, answer: aiohttp.ClientResponse) -> None:
        body = bytearray()
        async for part in answer.content.iter_chunked(16384):
            body += part
            if len(body) >= MOST_BODY:
                break
        try:
            text = body.decode(answer.get_encoding(), "replace")
        except (LookupError, RuntimeError):
            text = body.decode("utf-8", "replace")
        if not holds(self._check.body, text):
            raise FailedError(f"answers {answer.status}, but the body is not as expected: {shown(text)!r}")


def _cause(error: Exception) -> OSError:
    return error if isinstance(error, OSError) else ssl.SSLError(1, str(error))


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
