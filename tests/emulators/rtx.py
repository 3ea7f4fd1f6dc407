"""An RTX server's web root, byte for byte: its scripts' precedence, encodings, IP list and odd headers.

Raw asyncio, as no HTTP library would send what these scripts send.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import Literal, Self
from urllib.parse import unquote_to_bytes

from msgspec import Struct, field

from tests.emulators.faults import NONE, Fault, pause

LINK = re.compile(r"\[([^\[\]|]*)\|(https?://[^\[\]|\s]+)\]")
FIELDS = ("receiver", "msg", "title", "delaytime", "okurl", "errurl")
DEFAULT_TITLE = "通知"
OK = "操作成功!"


class Popup(Struct, frozen=True, kw_only=True):
    """One pop-up as a user saw it."""

    user: str
    title: str
    msg: str
    delaytime: int
    links: tuple[tuple[str, str], ...]
    by: str  # the script's path, in lower case


class RtxServer:
    """Users and their presence (0 offline, 1 online, 2 away), departments, groups; switches as attributes."""

    def __init__(self) -> None:
        self.users: dict[str, int] = {"zhangsan": 1, "lisi": 1, "wangwu": 0, "zhaoliu": 2, "朱镕基": 1}
        self.departs: dict[str, tuple[str, ...]] = {"运维开发组": ("zhangsan", "wangwu")}
        self.groups: dict[str, tuple[str, ...]] = {"值班": ("lisi", "wangwu")}
        self.allowed: list[str] | None = None  # the IP list; None: not enabled
        self.loopback_passes = True
        self.denied_by_404 = False
        self.patched = False  # decodes and answers in UTF-8
        self.jsonp: Literal["", "raw", "escaped"] = ""
        self.strict = False  # bytes that aren't valid in the charset are an error
        self.unknown_state = (
            "-984"  # what getstatus.php says of an unknown user: a number, or an error's text
        )
        self.partial = False  # one unknown name in a list: the others still get it
        self.odd_headers = False  # `Ret Code: 0` and raw GBK in `Ret String`, with an empty body
        self.chunked = False
        self.close_delimited = False
        self.empty = False
        self.answer: bytes | None = None  # instead of the script's own body
        self.fault: Fault = NONE
        self.popups: list[Popup] = []
        self.broadcasts: list[str] = []
        self.targets: list[str] = []  # request targets as they came
        self.bodies: list[bytes] = []
        self.requests = 0
        self.url = ""
        self._end = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._end.set()
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    @property
    def charset(self) -> str:
        return "utf-8" if self.patched else "gbk"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._exchange(reader, writer)
        writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await _read(reader)
        self.requests += 1
        self.targets.append(request.target.decode("latin-1"))
        self.bodies.append(request.body)
        fault = self.fault
        if fault.delay:
            await pause(self._end, fault.delay)
        if fault.hang:
            await self._hang(writer, fault.hang)
            return
        if fault.status:
            head = [b"Content-Length: %d" % len(fault.body)]
            head += [f"{name}: {value}".encode() for name, value in fault.headers.items()]
            await _write(writer, b"%d Fault" % fault.status, head, fault.body)
            return
        status, body, head = self._run(request, "127.0.0.1")
        if fault.cut == "before":
            return
        if fault.cut == "within":
            await _write(writer, status, [b"Content-Length: %d" % (len(body) + 100)], body[:3])
            return
        await self._reply(writer, status, body, head)

    async def _hang(self, writer: asyncio.StreamWriter, how: str) -> None:
        if how != "accept":
            await _write(writer, b"200 OK", [b"Content-Length: 1000"], b"")
        while how == "drip" and not self._end.is_set():
            writer.write(b" ")
            await writer.drain()
            await pause(self._end, 1)
        await self._end.wait()

    async def _reply(
        self, writer: asyncio.StreamWriter, status: bytes, body: bytes, head: list[bytes]
    ) -> None:
        if self.chunked:
            parts = [body[i : i + 5] for i in range(0, len(body), 5)]
            body = b"".join(b"%x;x=1\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
            head = [*head, b"Transfer-Encoding: chunked"]
        elif not self.close_delimited:
            head = [*head, b"Content-Length: %d" % len(body)]
        await _write(writer, status, head, body)

    def _run(self, request: Request, peer: str) -> tuple[bytes, bytes, list[bytes]]:
        """Status, body and headers of one call."""
        if b" " in request.target or any(byte > 126 for byte in request.target):
            return b"400 Bad Request", b"", []
        if not self._lets_in(peer):
            if self.denied_by_404:
                return b"404 IP limited!", b"", []
            return b"200 OK", "IP受限制".encode("gbk"), []
        path, _, query = request.target.decode().partition("?")
        if request.method not in {"GET", "POST"}:
            return b"405 Method Not Allowed", b"", []
        script = {
            "/sendnotify.cgi": self._sendnotify,
            "/getstatus.php": self._getstatus,
            "/sendnotifybydepart.php": self._bydepart,
            "/sendnotifybygroup.php": self._bygroup,
        }.get(path.lower())
        if script is None:
            return b"404 Not Found", b"<h1>Not Found</h1>", []
        try:
            text = script(request, self._fields(query), path.lower())
        except UnicodeDecodeError:
            text = "bad characters<br>"
        if self.answer is not None:
            return b"200 OK", self.answer, []
        if self.odd_headers:
            code = b"0" if text == OK else b"-1"
            return b"200 OK", b"", [b"Ret Code: " + code, b"Ret String: " + text.encode("gbk")]
        return b"200 OK", b"" if self.empty else self._body(text), []

    def _lets_in(self, peer: str) -> bool:
        if self.allowed is None or (self.loopback_passes and "127.0.0." in peer):
            return True
        return peer in [ip.strip() for ip in self.allowed]

    def _body(self, text: str) -> bytes:
        if self.jsonp:
            shown = text.encode("unicode_escape").decode() if self.jsonp == "escaped" else text
            text = f'cb({{"msg":"{shown}"}})'
        return text.encode(self.charset)

    def _fields(self, encoded: str) -> dict[str, str]:
        fields = {}
        for pair in filter(None, encoded.split("&")):
            name, _, value = pair.partition("=")
            raw = unquote_to_bytes(value.replace("+", " "))
            fields[name] = raw.decode(self.charset, "strict" if self.strict else "replace")
        return fields

    def _sendnotify(self, request: Request, query: dict[str, str], path: str) -> str:
        # The script reads POST values only if all of these are empty in the query.
        posted = request.method == "POST" and not any(query.get(name) for name in FIELDS)
        fields = self._fields(request.body.decode("ascii")) if posted else query
        receiver = fields.get("receiver", "")
        if not receiver or receiver.lower() == "all":
            self.broadcasts.append(fields.get("msg", ""))
            return OK
        names = [name for name in re.split("[,;]", receiver) if name]
        known = [name for name in names if name in self.users]
        if len(known) < len(names) and not self.partial:
            return "用户不存在<br>"
        for name in known:
            self._show(name, fields, path)
        return OK if len(known) == len(names) else "部分用户不存在<br>"

    def _getstatus(self, request: Request, query: dict[str, str], path: str) -> str:
        if request.method != "GET":
            return "error<br>"
        state = self.users.get(query.get("username", ""), self.unknown_state)
        return f'cb({{"state":{state}}})' if self.jsonp else f" {state}\r\n"

    def _bydepart(self, request: Request, query: dict[str, str], path: str) -> str:
        return self._to_members(self.departs.get(query.get("receiverdepart", "")), query, path)

    def _bygroup(self, request: Request, query: dict[str, str], path: str) -> str:
        return self._to_members(self.groups.get(query.get("receivergroup", "")), query, path)

    def _to_members(self, members: tuple[str, ...] | None, query: dict[str, str], path: str) -> str:
        if members is None:
            return "部门不存在<br>"
        for name in members:
            if query.get("online") == "0" or self.users[name] != 0:
                self._show(name, query, path)
        return OK

    def _show(self, user: str, fields: dict[str, str], path: str) -> None:
        msg = fields.get("msg", "")
        self.popups.append(
            Popup(
                user=user,
                title=fields.get("title") or DEFAULT_TITLE,
                msg=msg,
                delaytime=int(fields.get("delaytime") or 0),
                links=tuple(LINK.findall(msg)),
                by=path,
            )
        )


class Request(Struct):
    method: str
    target: bytes
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


async def _read(reader: asyncio.StreamReader) -> Request:
    line = (await reader.readuntil(b"\r\n")).rstrip(b"\r\n")
    method, _, rest = line.partition(b" ")
    request = Request(method.decode("latin-1"), rest.removesuffix(b" HTTP/1.1"))
    while line := (await reader.readuntil(b"\r\n")).rstrip(b"\r\n"):
        name, _, value = line.decode("latin-1").partition(":")
        request.headers[name.strip().lower()] = value.strip()
    request.body = await reader.readexactly(int(request.headers.get("content-length", "0")))
    return request


async def _write(writer: asyncio.StreamWriter, status: bytes, head: list[bytes], body: bytes) -> None:
    writer.write(b"\r\n".join([b"HTTP/1.1 " + status, *head, b"Connection: close", b"", b""]) + body)
    await writer.drain()
