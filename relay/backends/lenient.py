"""An HTTP/1.1 exchange that forgives its server: for the scripts of old intranet systems.

RTX's scripts send headers with spaces in their names and raw GBK in their values (`Ret Code: 0`), which
HTTP libraries refuse, answer and all. One request a connection, no redirects, no cookies.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Final

from msgspec import Struct

from relay.backends.guard import refuse_link_local

MOST_HEAD: Final = 32 * 1024  # bytes of status line and headers, or of one chunk's size line
MOST_BODY: Final = 64 * 1024  # bytes read of the body; the rest is left


class MalformedAnswerError(OSError):
    """What came is no HTTP answer, or not a whole one."""


class RawAnswer(Struct, frozen=True):
    """What came: header names in lower case, values as the bytes they were."""

    status: int
    reason: bytes
    headers: dict[bytes, bytes]
    body: bytes


class Host(Struct, frozen=True):
    """Where to connect; `tls` is a context, None for plain HTTP."""

    name: str
    port: int
    tls: ssl.SSLContext | None = None

    @property
    def authority(self) -> str:
        """Name and port as the Host header wants them."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port == (443 if self.tls else 80) else f"{name}:{self.port}"


class Connection:
    """One connection for one exchange; `written` says whether the request has gone out."""

    def __init__(self, host: Host, *, guarded: bool = True) -> None:
        self._host = host
        self._guarded = guarded
        self.written = False

    async def exchange(self, request: bytes) -> RawAnswer:
        """Send the request and read the answer; OSError or `MalformedAnswerError` where there is none."""
        reader, writer = await asyncio.open_connection(
            self._host.name, self._host.port, ssl=self._host.tls, limit=MOST_HEAD
        )
        try:
            if self._guarded:
                refuse_link_local(str(writer.get_extra_info("peername")[0]))
            writer.write(request)
            self.written = True
            await writer.drain()
            return await _answer(reader)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
            raise MalformedAnswerError(type(error).__name__) from None
        finally:
            writer.transport.abort()  # nothing is left to say, and a TLS farewell might wait for ever


def request(method: str, target: str, host: Host, body: bytes = b"") -> bytes:
    """The bytes of a request with a form as its body; `target` is percent-encoded ASCII."""
    lines = [
        f"{method} {target} HTTP/1.1",
        f"Host: {host.authority}",
        "User-Agent: relay",
        "Accept: */*",
        "Connection: close",
    ]
    if method == "POST":
        lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


async def _answer(reader: asyncio.StreamReader) -> RawAnswer:
    status, reason, headers = await _head(reader)
    while status // 100 == 1:  # "100 Continue" and the like come before the answer
        status, reason, headers = await _head(reader)
    if status in {204, 304}:
        return RawAnswer(status, reason, headers, b"")
    return RawAnswer(status, reason, headers, await _body(reader, headers))


async def _head(reader: asyncio.StreamReader) -> tuple[int, bytes, dict[bytes, bytes]]:
    version, _, rest = (await _line(reader)).partition(b" ")
    code, _, reason = rest.strip().partition(b" ")
    if not version.startswith(b"HTTP/") or not code.isdigit():
        raise MalformedAnswerError("no status line")
    headers: dict[bytes, bytes] = {}
    left = MOST_HEAD
    while line := await _line(reader):
        left -= len(line)
        if left < 0:
            raise MalformedAnswerError("too many headers")
        name, _, value = line.partition(b":")
        headers[name.strip().lower()] = value.strip()
    return int(code), reason, headers


async def _line(reader: asyncio.StreamReader) -> bytes:
    """A line without its end, which may be a bare newline."""
    return (await reader.readuntil(b"\n")).rstrip(b"\r\n")


async def _body(reader: asyncio.StreamReader, headers: dict[bytes, bytes]) -> bytes:
    if b"chunked" in headers.get(b"transfer-encoding", b"").lower():
        return await _chunks(reader)
    length = headers.get(b"content-length", b"")
    if length.isdigit():
        return await reader.readexactly(min(int(length), MOST_BODY))
    body = bytearray()
    while len(body) < MOST_BODY and (part := await reader.read(MOST_BODY - len(body))):
        body += part
    return bytes(body)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while len(body) < MOST_BODY:
        size = int((await _line(reader)).partition(b";")[0], 16)
        if size <= 0:
            break
        body += await reader.readexactly(min(size, MOST_BODY - len(body)))
        if len(body) < MOST_BODY:
            await _line(reader)
    return bytes(body)
