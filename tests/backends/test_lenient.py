"""The reader that forgives: byte-exact answers from a server of our own."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from relay.backends.lenient import MOST_BODY, Connection, Host, MalformedAnswerError, RawAnswer, request

Serve = Callable[[bytes], Any]


@asynccontextmanager
async def serving(answer: bytes) -> AsyncIterator[Host]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        with suppress(ConnectionError):
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield Host("127.0.0.1", server.sockets[0].getsockname()[1])


async def exchanged(answer: bytes) -> RawAnswer:
    async with serving(answer) as host:
        return await Connection(host).exchange(request("GET", "/x", host))


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokMORE", b"ok"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.0 200\r\n\r\nno reason", b"no reason"),
        (b"HTTP/1.1 200 OK\nA: b\n\nbare newlines", b"bare newlines"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2;x=1\r\nok\r\n1\r\n!\r\n0\r\n\r\n", b"ok!"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nlater", b"later"),
        (b"HTTP/1.1 204 No Content\r\n\r\nnot read", b""),
        (b"HTTP/1.1 200 OK\r\nRet Code: 0\r\nRet String: \xb2\xd9\xd7\xf7\r\nno colon\r\n\r\nodd", b"odd"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nbad length", b"bad length"),
    ],
)
async def test_answers_are_read(raw: bytes, body: bytes) -> None:
    answer = await exchanged(raw)
    assert answer.body == body
    assert answer.status in {200, 204}


async def test_odd_headers_are_kept_as_bytes() -> None:
    answer = await exchanged(b"HTTP/1.1 404 IP limited!\r\nRet Code: -1\r\nRet String:\xb2\xd9\r\n\r\n")
    assert answer.headers == {b"ret code": b"-1", b"ret string": b"\xb2\xd9"}
    assert (answer.status, answer.reason) == (404, b"IP limited!")


@pytest.mark.parametrize(
    "head",
    [b"", b"Content-Length: 5000000\r\n", b"Transfer-Encoding: chunked\r\n"],
    ids=["close", "length", "chunked"],
)
async def test_a_large_body_is_read_up_to_the_cap(head: bytes) -> None:
    body = b"x" * 5_000_000
    if b"chunked" in head:
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    assert len((await exchanged(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + body)).body) == MOST_BODY


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"220 smtp.example ESMTP\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nA: b\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * 100_000,
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000,
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
    ids=lambda raw: ascii(raw[:60]),
)
async def test_what_is_no_whole_answer_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedAnswerError):
        await exchanged(raw)


def test_a_request_on_the_wire() -> None:
    host = Host("rtx.example", 8012)
    assert request("POST", "/a.cgi", host, b"a=%B8") == (
        b"POST /a.cgi HTTP/1.1\r\nHost: rtx.example:8012\r\nUser-Agent: relay\r\nAccept: */*\r\n"
        b"Connection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        b"Content-Length: 5\r\n\r\na=%B8"
    )
    assert b"Host: rtx.example\r\n" in request("GET", "/", Host("rtx.example", 80))
    assert b"Host: rtx.example\r\n" in request(
        "GET", "/", Host("rtx.example", 443, ssl.create_default_context())
    )
    assert b"Host: [::1]:8012\r\n" in request("GET", "/", Host("::1", 8012))
    with pytest.raises(UnicodeEncodeError):
        request("GET", "/告", host)
