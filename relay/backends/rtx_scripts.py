"""The scripts in an RTX server's web root, and how they are called."""

from __future__ import annotations

import asyncio
import ssl
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from relay.backends.guard import LinkLocalError
from relay.backends.lenient import Connection, Host, RawAnswer, request
from relay.backends.rehearsal import Rehearsal, Request
from relay.backends.rtx_text import Coding, accounts
from relay.errors import BackendDownError, BackendError, TemporaryError

STATUS: Final = "/getstatus.php"
MOST_URL: Final = 2000  # bytes of a GET request's target: longer ones are lost between servers

_PLACES: Final = {
    "depart": ("/sendnotifybydepart.php", "receiverdepart"),
    "group": ("/sendnotifybygroup.php", "receivergroup"),
}


class Call(Struct, frozen=True):
    """A script to call; the message's text is still open."""

    method: str
    path: str
    fields: tuple[tuple[str, str | None], ...]  # None: here goes the text

    def form(self, coding: Coding, text: str) -> str:
        """The fields, percent-encoded."""
        return coding.form((name, text if value is None else value) for name, value in self.fields)


def call_for(to: str, title: str, *, method: str, delaytime: int, online_only: bool) -> Call:
    """The call that pops up at that address. Departments and groups can only be named in a URL."""
    delay = ("delaytime", str(delaytime))
    place, name = place_of(to)
    if not place:
        receiver = ("receiver", ",".join(accounts(to)))
        return Call(method, "/sendnotify.cgi", (receiver, ("title", title), ("msg", None), delay))
    path, key = _PLACES[place]
    online = ("online", "1" if online_only else "0")
    return Call("GET", path, ((key, name), ("msg", None), ("title", title), online, delay))


def place_of(to: str) -> tuple[str, str]:
    """("depart" or "group", its name) of an address that is one, else ("", ...)."""
    place, colon, name = to.partition(":")
    place = place.strip().lower()
    return (place, name.strip()) if colon and place in _PLACES else ("", to)


class WebRoot:
    """Where the scripts are."""

    def __init__(
        self, url: str, *, guarded: bool, rehearsal: Rehearsal | None = None, charset: str = "gbk"
    ) -> None:
        parts = urlsplit(url)
        self._rehearsal = rehearsal
        self._charset = charset  # of forms, for whoever reads the rehearsal
        self._origin = f"{parts.scheme}://{parts.netloc}"
        tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._host = Host(parts.hostname or "", parts.port or (443 if tls else 80), tls)
        self._path = parts.path.rstrip("/")
        self._guarded = guarded  # doesn't connect to link-local addresses

    def target(self, path: str, query: str = "") -> str:
        """What stands in the request line."""
        return f"{self._path}{path}?{query}" if query else f"{self._path}{path}"

    async def ask(self, method: str, path: str, form: str, seconds: float) -> RawAnswer:
        """Call a script; raises `TemporaryError` or `BackendDownError` where no whole answer came."""
        target, body = self.target(path), form.encode("ascii")
        if method == "GET":
            target, body = self.target(path, form), b""
        if self._rehearsal:
            url = f"{self._origin}{target}"
            self._rehearsal.take(Request(method=method, url=url, body=body, charset=self._charset))
        data = request(method, target, self._host, body) if body else request(method, target, self._host)
        connection = Connection(self._host, guarded=self._guarded)
        try:
            async with asyncio.timeout(seconds):
                return await connection.exchange(data)
        except OSError as error:
            raise _failure(error, written=connection.written, seconds=seconds) from None


def _failure(error: OSError, *, written: bool, seconds: float) -> BackendError:
    """A transport's exception as an outcome."""
    name = type(error).__name__
    match error:
        case LinkLocalError():
            text = "the URL leads to a link-local address; allow_link_local: true if that is meant"
            return BackendDownError(text, code="link-local")
        case ssl.SSLCertVerificationError():
            return BackendDownError("the server's certificate is not valid for this URL", code="certificate")
        case TimeoutError():
            return TemporaryError(f"no complete answer within {seconds:g} s", code=name, ambiguous=written)
        case _:
            return TemporaryError(f"network error: {name}", code=name, ambiguous=written)
