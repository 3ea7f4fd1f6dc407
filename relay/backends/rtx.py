"""Tencent RTX, the messenger on a company's own servers: pop-ups through the scripts of its web root.

The scripts have no documented contract and differ between sites. What is assumed here comes from published
copies of them and from clients that work; whatever may differ is a setting.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct, structs

from relay.backends import rtx_answer
from relay.backends.base import Backend, Check, Door, Limits, Receipt
from relay.backends.compose import Composition, compose
from relay.backends.dialect import text_of
from relay.backends.fit import clip, fit
from relay.backends.guard import LinkLocalError
from relay.backends.http import HttpSettings, url_problem
from relay.backends.lenient import Connection, Host, RawAnswer, request
from relay.backends.rtx_text import Coding, accounts, escaped, link
from relay.errors import BackendDownError, BackendError, NeedsFallbackError, RejectedError, TemporaryError
from relay.models import Message

MOST_URL: Final = 2000  # bytes of a GET request's target: longer ones are lost between servers
MOST_TITLE: Final = 60  # bytes of the pop-up's title

_PLACES: Final = {
    "depart": ("/sendnotifybydepart.php", "receiverdepart"),
    "group": ("/sendnotifybygroup.php", "receivergroup"),
}


class Settings(HttpSettings, frozen=True, kw_only=True, tag="rtx"):
    """Tencent RTX (enterprise messenger on one's own servers), by the scripts of its web root.

    An address is an account name, several with commas between them, `depart:NAME` or `group:NAME` (display
    names). The server knows relay by its IP address: it must stand in `SDKProperty.xml` under
    `<sdkhttp><IPLimit>`, and the services RTX_HTTPServer and RTX_SvrMain be restarted after that.
    """

    url: str  # http://host:8012
    charset: Literal["gbk", "utf-8"] = "gbk"  # utf-8: only for servers whose scripts were patched to take it
    space: Literal["plus", "percent20"] = "plus"  # how a space travels
    unencodable: Literal["replace", "ignore", "error"] = "replace"  # what becomes of characters GBK lacks
    replacement: str = "?"
    method: Literal["POST", "GET"] = "POST"  # departments and groups take GET only
    success_markers: Annotated[tuple[str, ...], Meta(min_length=1)] = ("操作成功",)
    ip_denied_markers: tuple[str, ...] = ("IP受限", "IP 受限")
    unknown_markers: tuple[str, ...] = ("用户不存在", "不存在")
    delaytime: Annotated[int, Meta(ge=0)] = 0  # milliseconds a pop-up stays; 0: until it is closed
    default_title: str = ""  # the pop-up's title; default: level and module
    online_only: bool = True  # departments and groups: only members who are online now
    allow_broadcast: bool = False  # lets the address `all` reach everybody
    max_msg_bytes: Annotated[int, Meta(ge=400)] = 2000
    max_receivers: Annotated[int, Meta(ge=1)] = 100
    presence_check: bool = False  # ask first, and take the next address of those who are offline

    def problems(self) -> list[tuple[str, str]]:
        """A URL that isn't one, or a replacement that can't be written either."""
        wrong = url_problem(self.url)
        found = [("url", wrong)] if wrong else []
        parts = urlsplit("" if wrong else self.url)
        if parts.username or parts.query or parts.fragment:
            found.append(("url", "takes no user, query or fragment: RTX knows relay by its IP address"))
        if not self.coding.knows(self.replacement):
            found.append(("replacement", f"can't be written in {self.charset} itself"))
        return found

    def refuses(self, to: str) -> str:
        """Why an address can't be one; chiefly, that the server would tell everybody."""
        if not to.isprintable() or not self.coding.knows(to):
            return f"an address must be of printable characters of {self.charset}"
        place, name = _place(to)
        if place:
            return "" if name else f"{place}: needs a name"
        names = accounts(to)
        if not all(names):
            return "an empty account name is a broadcast to everybody"
        if any(name.lower() == "all" for name in names) and not (self.allow_broadcast and len(names) == 1):
            return "`all` is a broadcast to everybody: it needs allow_broadcast: true, and stands alone"
        if len(names) > self.max_receivers:
            return f"{len(names)} accounts in one address, at most {self.max_receivers} are taken"
        return ""

    @property
    def coding(self) -> Coding:
        """How this server's text is written."""
        return Coding(
            charset=self.charset,
            unencodable=self.unencodable,
            replacement=self.replacement,
            space=self.space,
        )


class Call(Struct, frozen=True):
    """A script to call; the message's text is still open."""

    method: str
    path: str
    fields: tuple[tuple[str, str | None], ...]  # None: here goes the text

    def form(self, coding: Coding, text: str) -> str:
        """The fields, percent-encoded."""
        return coding.form((name, text if value is None else value) for name, value in self.fields)


class Rtx(Backend):
    """Sends pop-ups; accepted means that the server's script said so, not that anybody saw it."""

    type = "rtx"
    settings: Settings
    limits = Limits(windows=((5, 1.0),), concurrency=8)

    def __init__(self, settings: Settings, door: Door) -> None:
        super().__init__(settings, door)
        parts = urlsplit(settings.url)
        tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._host = Host(parts.hostname or "", parts.port or (443 if tls else 80), tls)
        self._path = parts.path.rstrip("/")
        self._coding = settings.coding
        self._markers = rtx_answer.Markers(
            settings.success_markers, settings.ip_denied_markers, settings.unknown_markers
        )

    async def send(self, message: Message, to: str) -> Receipt:
        """One pop-up to one account, a list of them, a department or a group."""
        if refused := self.settings.refuses(to):
            raise RejectedError(refused, code="address")
        seconds = self.settings.timeout
        if self.settings.presence_check:
            seconds /= 2
            await self._require_online(to)
        composition = compose(message, self.door.clock.now())
        composition = structs.replace(composition, body=self._coding.possible(composition.body))
        call = self._call_for(to, self._title(composition))
        form = fit(composition, lambda told: self._form(call, told), lambda one: self._fits(call, one))[1]
        answer = await self._ask(call.method, call.path, form, seconds)
        if failure := rtx_answer.verdict(answer, self._markers, self.door.clock.now()):
            raise failure
        return Receipt()

    async def presence(self, to: str) -> bool | None:
        """Whether an account is online (away counts); RejectedError if there is no such account."""
        place, _ = _place(to)
        names = accounts(to)
        if place or len(names) > 1 or names[0].lower() == "all":
            return None
        form = self._coding.form([("username", names[0])])
        answer = await self._ask("GET", "/getstatus.php", form, self.settings.timeout / 2)
        state = rtx_answer.state(answer)
        if state == rtx_answer.UNKNOWN_USER:
            raise RejectedError("no such account", code=str(state))
        return {0: False, 1: True, 2: True}.get(-1 if state is None else state)

    async def check(self) -> list[Check]:
        """Whether the server answers, and lets this host in; it has no credentials."""
        try:
            form = self._coding.form([("username", "relay")])
            answer = await self._ask("GET", "/getstatus.php", form, self.settings.timeout)
        except BackendError as error:
            return [Check(ok=False, text=str(error), code=error.code)]
        if rtx_answer.denied(answer, self._markers):
            failure = rtx_answer.verdict(answer, self._markers, self.door.clock.now())
            return [Check(ok=False, text=str(failure), code="ip")]
        return [Check(ok=answer.status == 200, text=f"getstatus.php answers HTTP {answer.status}")]

    async def _require_online(self, to: str) -> None:
        """Where presence can't be known the message is sent: it may well arrive."""
        with suppress(TemporaryError):
            if await self.presence(to) is False:
                raise NeedsFallbackError("offline", code="0")

    def _title(self, composition: Composition) -> str:
        title = self.settings.default_title or f"{composition.tag} {composition.module}".strip()
        title = escaped(self._coding.possible(title))
        most = len(title)
        while self._coding.size(clip(title, most)) > MOST_TITLE:
            most -= 1
        return clip(title, most)

    def _call_for(self, to: str, title: str) -> Call:
        delay = ("delaytime", str(self.settings.delaytime))
        place, name = _place(to)
        if not place:
            receiver = ("receiver", ",".join(accounts(to)))
            return Call(
                self.settings.method, "/sendnotify.cgi", (receiver, ("title", title), ("msg", None), delay)
            )
        path, key = _PLACES[place]
        online = ("online", "1" if self.settings.online_only else "0")
        return Call("GET", path, ((key, name), ("msg", None), ("title", title), online, delay))

    def _form(self, call: Call, composition: Composition) -> tuple[str, str]:
        """The text, and the encoded form with it."""
        text = self._coding.possible(text_of(composition, escaped, link))
        return text, call.form(self._coding, text)

    def _fits(self, call: Call, rendered: tuple[str, str]) -> bool:
        text, form = rendered
        if call.method == "GET" and len(self._target(call.path, form)) > MOST_URL:
            return False
        return self._coding.size(text) <= self.settings.max_msg_bytes

    def _target(self, path: str, query: str = "") -> str:
        return f"{self._path}{path}?{query}" if query else f"{self._path}{path}"

    async def _ask(self, method: str, path: str, form: str, seconds: float) -> RawAnswer:
        if method == "GET":
            data = request(method, self._target(path, form), self._host)
        else:
            data = request(method, self._target(path), self._host, form.encode("ascii"))
        connection = Connection(self._host, guarded=not self.settings.allow_link_local)
        try:
            async with asyncio.timeout(seconds):
                return await connection.exchange(data)
        except OSError as error:
            raise _failure(error, written=connection.written, seconds=seconds) from None


def _place(to: str) -> tuple[str, str]:
    """("depart" or "group", its name) of an address that is one, else ("", ...)."""
    place, colon, name = to.partition(":")
    place = place.strip().lower()
    return (place, name.strip()) if colon and place in _PLACES else ("", to)


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
