"""One HTTP request of a backend: a total deadline, no redirects, a capped body, failures without secrets."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Final

import aiohttp
import msgspec
from yarl import URL

from relay import __version__
from relay.backends.answer import Answer, refusal
from relay.backends.base import Backend, Door, Settings
from relay.backends.guard import LinkLocalError, guarded_socket, link_local_allowed
from relay.backends.mask import Mask
from relay.backends.rehearsal import Request
from relay.errors import BackendDownError, BackendError, TemporaryError
from relay.values import Secret

MOST_BODY: Final = 64 * 1024  # bytes read of an answer, and unpacked of a compressed one
JSON_TYPE: Final = "application/json; charset=utf-8"


class Exchange:
    """One request of `ask`, as far as its connection tells."""

    __slots__ = ("written",)

    def __init__(self) -> None:
        self.written = False  # it has a connection: from here on the service may have the message


_exchange: Final = ContextVar[Exchange | None]("exchange", default=None)  # of the task that makes it


class _Connector(aiohttp.TCPConnector):
    """Notes that a request has got its connection: aiohttp's tracing costs a fifth of a whole request."""

    async def connect(self, *request: Any, **options: Any) -> Any:
        connection = await super().connect(*request, **options)
        if (made := _exchange.get()) is not None:
            made.written = True
        return connection


class HttpSettings(Settings, frozen=True, kw_only=True):
    """Settings of every backend that speaks HTTP."""

    allow_link_local: bool = False  # may connect to 169.254.0.0/16, fe80::/10 and clouds' metadata addresses


class HttpBackend(Backend):
    """A backend that speaks HTTP: `ask` makes one request, `refusal` reads its status."""

    def __init__(self, settings: Settings, door: Door) -> None:
        super().__init__(settings, door)
        self.mask = Mask.of(settings)
        self._allow_link_local = isinstance(settings, HttpSettings) and settings.allow_link_local

    async def ask(
        self,
        method: str,
        url: URL,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        most: int = MOST_BODY,
    ) -> Answer:
        """Make one request; raises `TemporaryError` or `BackendDownError` where no whole answer came.

        `most` bytes are read of the answer, more than usual where a call for many has one for each of them.
        """
        if self.door.rehearsal:
            self.door.rehearsal.take(
                Request(method=method, url=str(url), headers=dict(headers or {}), body=body or b"")
            )
        exchange = Exchange()
        _exchange.set(exchange)
        link_local_allowed.set(self._allow_link_local)
        try:
            async with (
                asyncio.timeout(self.settings.timeout),
                self.door.session.request(
                    method, url, data=body, headers=headers, allow_redirects=False
                ) as response,
            ):
                raw = _unpacked(await _capped(response.content, most), response.headers, most)
                return Answer(response.status, response.headers, raw, self.mask)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            failure = _failure(error, written=exchange.written, timeout=self.settings.timeout)
        # Outside the except block: the caught error's text holds the URL, and `__context__` would keep it.
        raise failure

    async def post_json(
        self, url: URL, payload: Any, headers: Mapping[str, str] | None = None, *, most: int = MOST_BODY
    ) -> Answer:
        """Post `payload` as UTF-8 JSON."""
        headers = {"Content-Type": JSON_TYPE, **(headers or {})}
        return await self.ask("POST", url, body=json_bytes(payload), headers=headers, most=most)

    def accept(self, answer: Answer) -> None:
        """Raise what the status says, unless it is 2xx."""
        failure = refusal(answer, self.door.clock.now())
        if failure is not None:
            raise failure


def operator_url(text: str) -> URL:
    """A URL to be sent as it was written: signatures in it don't survive normalising."""
    return URL(text, encoded=True)


def url_problem(text: str) -> str:
    """What is wrong with an http(s) URL, without quoting it; "" if nothing."""
    try:
        url = URL(text, encoded=True)
        usable = url.scheme in {"http", "https"} and bool(url.host) and url.port is not None
    except ValueError:
        usable = False
    if not usable:
        return "must be a whole URL: http://host/path or https://host/path"
    if any(char.isspace() or not char.isprintable() for char in text):
        return "must not contain spaces or control characters"
    return ""


def secret_problem(secret: Secret | None) -> str:
    """What is wrong with a token that is sent in a header, without quoting it; "" if nothing."""
    text = secret.reveal() if secret else ""
    if text.isascii() and text.isprintable() and " " not in text:
        return ""
    return "must be of ASCII letters, digits and signs, without spaces"


def json_bytes(payload: Any) -> bytes:
    """JSON as the bytes to send, count and sign: UTF-8 with no escapes of non-ASCII, no lone surrogates."""
    try:
        return msgspec.json.encode(payload)
    except UnicodeEncodeError:
        text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
        return text.encode(errors="replace")


def open_session() -> aiohttp.ClientSession:
    """The session that all backends share: it adds nothing of its own to what `ask` decides."""
    return aiohttp.ClientSession(
        connector=_Connector(limit=0, socket_factory=guarded_socket),  # each backend's seats are its limit
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": f"relay/{__version__}", "Accept-Encoding": "identity"},
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),  # `ask` has one deadline over all
        auto_decompress=False,  # `_unpacked` has a cap, so that a small body can't fill the memory
    )


async def _capped(content: aiohttp.StreamReader, most: int) -> bytes:
    """The body's first bytes; the rest is not read, and the connection is closed then."""
    body = bytearray()
    while len(body) < most and (part := await content.read(most - len(body))):
        body += part
    return bytes(body)


def _unpacked(body: bytes, headers: Mapping[str, str], most: int) -> bytes:
    """The body as text would need it: some services compress unasked."""
    if headers.get("Content-Encoding", "").lower() not in {"gzip", "x-gzip", "deflate"}:
        return body
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress(body, most)
    except zlib.error:
        return body


def _failure(error: Exception, *, written: bool, timeout: float) -> BackendError:
    """A transport's exception as an outcome; by class name only, as its text holds the URL."""
    name = type(error).__name__
    match error:
        case aiohttp.ClientConnectorError() if isinstance(error.os_error, LinkLocalError):
            return BackendDownError(
                "the URL leads to a link-local address; allow_link_local: true if that is meant",
                code="link-local",
            )
        case aiohttp.ClientConnectorCertificateError():
            return BackendDownError("the server's certificate is not valid for this URL", code="certificate")
        case TimeoutError():
            return TemporaryError(f"no complete answer within {timeout:g} s", code=name, ambiguous=written)
        case aiohttp.InvalidURL():
            return BackendDownError(f"the URL can't be used ({name})", code=name)
        case aiohttp.ClientError() | OSError():
            return TemporaryError(f"network error: {name}", code=name, ambiguous=written)
        case _:
            return BackendDownError(f"these settings make no valid request ({name})", code=name)
