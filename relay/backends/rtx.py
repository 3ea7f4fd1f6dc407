"""Tencent RTX, the messenger on a company's own servers: pop-ups through the scripts of its web root.

The scripts have no documented contract and differ between sites. What is assumed here comes from published
copies of them and from clients that work; whatever may differ is a setting.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from msgspec import Meta, structs

from relay.backends import rtx_answer
from relay.backends.base import Backend, Check, Door, Limits, Receipt
from relay.backends.compose import Composition, compose
from relay.backends.dialect import text_of
from relay.backends.fit import clip, fit
from relay.backends.http import HttpSettings, url_problem
from relay.backends.many import away, each
from relay.backends.rtx_scripts import MOST_URL, STATUS, Call, WebRoot, call_for, place_of
from relay.backends.rtx_text import Coding, accounts, escaped, link
from relay.errors import BackendError, NeedsFallbackError, RejectedError, TemporaryError
from relay.models import Message

MOST_IN_URL: Final = 20  # accounts in a GET request: their names take room from the text


class Settings(HttpSettings, frozen=True, kw_only=True, tag="rtx"):
    """Tencent RTX (enterprise messenger on one's own servers), by the scripts of its web root.

    An address is an account name, several with commas between them, `depart:NAME` or `group:NAME` (display
    names), or `all` (see `allow_broadcast`). There are no credentials: the server knows relay by its IP
    address, which must stand in `SDKProperty.xml` under `<sdkhttp><IPLimit>`; the services RTX_HTTPServer and
    RTX_SvrMain must be restarted after that. Accepted means that the server's script said so; what becomes of
    a pop-up for somebody who is offline is not documented.

    * `url`: the server's web root, `http://host:8012`
    * `charset`: `utf-8` only for servers whose scripts were patched to take it
    * `space`: how a space travels, `plus` or `percent20`
    * `unencodable`: what becomes of characters that GBK lacks: `replace` (by `replacement`), `ignore` or
      `error`
    * `method`: `POST` or `GET`; departments and groups take GET only
    * `success_markers`, `ip_denied_markers`, `unknown_markers`: what the scripts' answers say
    * `delaytime`: milliseconds that a pop-up stays; 0: until it is closed
    * `default_title`: the pop-up's title; default: level and module
    * `online_only`: departments and groups: only members who are online now
    * `allow_broadcast`: lets the address `all` reach everybody
    * `max_msg_bytes`, `max_title_bytes`: of the text and of the pop-up's title in `charset`
    * `max_receivers`: accounts in one call
    * `partial_lists`: whether, of a list with an unknown account, the others get the message all the same;
      false (the default): nobody does, and relay tells each of them alone
    * `presence_check`: ask first, and take the next address of those who are offline

    Minimal:

        rtx:
          type: rtx
          url: http://10.0.0.8:8012

    Full:

        rtx:
          type: rtx
          url: http://10.0.0.8:8012
          charset: gbk
          space: plus
          unencodable: replace
          replacement: "?"
          method: POST
          success_markers: [操作成功]
          ip_denied_markers: [IP受限, IP 受限]
          unknown_markers: [用户不存在, 不存在]
          delaytime: 10000
          default_title: 告警
          online_only: false
          max_msg_bytes: 2000
          max_title_bytes: 64
          max_receivers: 50
          partial_lists: false
          presence_check: true
          rate: 5/1s
    """

    url: str
    charset: Literal["gbk", "utf-8"] = "gbk"
    space: Literal["plus", "percent20"] = "plus"
    unencodable: Literal["replace", "ignore", "error"] = "replace"
    replacement: str = "?"
    method: Literal["POST", "GET"] = "POST"
    success_markers: Annotated[tuple[str, ...], Meta(min_length=1)] = ("操作成功",)
    ip_denied_markers: tuple[str, ...] = ("IP受限", "IP 受限")
    unknown_markers: tuple[str, ...] = ("用户不存在", "不存在")
    delaytime: Annotated[int, Meta(ge=0)] = 0
    default_title: str = ""
    online_only: bool = True
    allow_broadcast: bool = False
    max_msg_bytes: Annotated[int, Meta(ge=400)] = 2000
    max_title_bytes: Annotated[int, Meta(ge=16)] = 64
    max_receivers: Annotated[int, Meta(ge=1)] = 100
    partial_lists: bool = False
    presence_check: bool = False

    def problems(self) -> list[tuple[str, str]]:
        """A URL that isn't one, a replacement that can't be written either, markers that say nothing."""
        wrong = url_problem(self.url)
        found = [("url", wrong)] if wrong else []
        parts = urlsplit("" if wrong else self.url)
        if parts.username or parts.query or parts.fragment:
            found.append(("url", "takes no user, query or fragment: RTX knows relay by its IP address"))
        if not self.coding.knows(self.replacement):
            found.append(("replacement", f"can't be written in {self.charset} itself"))
        return found + [
            (name, "an empty one would be found in every answer")
            for name in ("success_markers", "ip_denied_markers", "unknown_markers")
            if not all(marker.strip() for marker in getattr(self, name))
        ]

    def refuses(self, to: str) -> str:
        """Why an address can't be one; chiefly, that the server would tell everybody."""
        if not to.isprintable() or not self.coding.knows(to):
            return f"an address must be of printable characters of {self.charset}"
        place, name = place_of(to)
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


class Rtx(Backend):
    """Sends pop-ups; accepted means that the server's script said so, not that anybody saw it."""

    type = "rtx"
    settings: Settings
    limits = Limits(windows=((5, 1.0),), concurrency=8)

    def __init__(self, settings: Settings, door: Door) -> None:
        super().__init__(settings, door)
        self._coding = settings.coding
        self._root = WebRoot(
            settings.url,
            guarded=not settings.allow_link_local,
            rehearsal=door.rehearsal,
            charset=self._coding.charset,
        )
        self._markers = rtx_answer.Markers(
            settings.success_markers, settings.ip_denied_markers, settings.unknown_markers
        )
        most = settings.max_receivers
        if settings.method == "GET":
            most = min(most, MOST_IN_URL)
        self.limits = structs.replace(self.limits, receivers=most)

    async def send(self, message: Message, to: str) -> Receipt:
        """One pop-up to one account, a list of them, a department or a group."""
        if refused := self.settings.refuses(to):
            raise RejectedError(refused, code="address")
        seconds = self.settings.timeout
        if self.settings.presence_check:
            seconds /= 2
            await self._require_online(to)
        return await self._pop_up(message, to, seconds)

    async def send_many(self, message: Message, tos: Sequence[str]) -> list[Receipt | BackendError]:
        """One call for all accounts; lists, departments, groups and impossible addresses by themselves."""
        single = [to for to in dict.fromkeys(tos) if self._is_account(to)]
        absent = await away(self.presence, single) if self.settings.presence_check else {}
        outcomes: dict[str, Receipt | BackendError] = {
            **absent,
            **await self._pop_up_list(message, [to for to in single if to not in absent]),
            **await each(partial(self.send, message), [to for to in tos if to not in single]),
        }
        return [outcomes[to] for to in tos]

    async def presence(self, to: str) -> bool | None:
        """Whether an account is online (away counts); RejectedError if there is no such account."""
        if not self._is_account(to):
            return None
        form = self._coding.form([("username", to.strip())])
        answer = await self._root.ask("GET", STATUS, form, self.settings.timeout / 2)
        state = rtx_answer.state(answer)
        if state == rtx_answer.UNKNOWN_USER:
            raise RejectedError("no such account", code=str(state))
        return {0: False, 1: True, 2: True}.get(-1 if state is None else state)

    async def check(self) -> list[Check]:
        """Whether the server answers, and lets this host in; it has no credentials."""
        try:
            form = self._coding.form([("username", "relay")])
            answer = await self._root.ask("GET", STATUS, form, self.settings.timeout)
        except BackendError as error:
            return [Check(ok=False, text=str(error), code=error.code)]
        failure = rtx_answer.barred(answer, self._markers, self.door.clock.now())
        if failure is not None:
            return [Check(ok=False, text=f"{STATUS}: {failure}", code=failure.code)]
        found = [Check(ok=True, text="the server answers, and lets this host in", code="200")]
        if self.settings.presence_check and rtx_answer.state(answer) is None:
            text = f"presence_check: {STATUS} gives no number but {rtx_answer.words(answer)!r}"
            found.append(Check(ok=False, text=text, code="state"))
        return found

    async def _pop_up_list(self, message: Message, names: list[str]) -> dict[str, Receipt | BackendError]:
        """One call, whose answer is one for all; where a name spoils it, each of them alone."""
        if not names:
            return {}
        try:
            receipt = await self._pop_up(message, ",".join(names), self.settings.timeout)
            return dict.fromkeys(names, receipt)
        except BackendError as error:
            if not _may_be_one_name(error):
                raise
            if len(names) == 1:
                return {names[0]: error}
        unknown = await self._unknown(names) if self.settings.partial_lists else {}
        if unknown:
            return {**dict.fromkeys(names, Receipt(note="told in a list with unknown accounts")), **unknown}
        return await each(lambda to: self._pop_up(message, to, self.settings.timeout), names)

    async def _unknown(self, names: list[str]) -> dict[str, BackendError]:
        found = await away(self.presence, names)
        return {name: error for name, error in found.items() if isinstance(error, RejectedError)}

    async def _pop_up(self, message: Message, to: str, seconds: float) -> Receipt:
        composition = compose(message, self.door.clock.now())
        composition = structs.replace(composition, body=self._coding.possible(composition.body))
        call = self._call_for(to, composition)
        form = fit(composition, lambda told: self._form(call, told), lambda one: self._fits(call, one))[1]
        answer = await self._root.ask(call.method, call.path, form, seconds)
        if failure := rtx_answer.verdict(answer, self._markers, self.door.clock.now()):
            raise failure
        return Receipt()

    def _is_account(self, to: str) -> bool:
        """Whether it is the name of one account."""
        place, _ = place_of(to)
        return not (
            place or self.settings.refuses(to) or len(accounts(to)) > 1 or to.strip().lower() == "all"
        )

    async def _require_online(self, to: str) -> None:
        """Where presence can't be known the message is sent: it may well arrive."""
        with suppress(TemporaryError):
            if await self.presence(to) is False:
                raise NeedsFallbackError("offline", code="0")

    def _call_for(self, to: str, composition: Composition) -> Call:
        settings = self.settings
        return call_for(
            to,
            self._title(composition),
            method=settings.method,
            delaytime=settings.delaytime,
            online_only=settings.online_only,
        )

    def _title(self, composition: Composition) -> str:
        title = self.settings.default_title or f"{composition.tag} {composition.module}".strip()
        title = escaped(self._coding.possible(title))
        most = len(title)
        while self._coding.size(clip(title, most)) > self.settings.max_title_bytes:
            most -= 1
        return clip(title, most)

    def _form(self, call: Call, composition: Composition) -> tuple[str, str]:
        """The text, and the encoded form with it."""
        text = self._coding.possible(text_of(composition, escaped, link))
        return text, call.form(self._coding, text)

    def _fits(self, call: Call, rendered: tuple[str, str]) -> bool:
        text, form = rendered
        if call.method == "GET" and len(self._root.target(call.path, form)) > MOST_URL:
            return False
        return self._coding.size(text) <= self.settings.max_msg_bytes


def _may_be_one_name(error: BackendError) -> bool:
    """Whether a script said it: in words of its own, it may have meant one name of a list."""
    return isinstance(error, RejectedError) or (isinstance(error, TemporaryError) and error.limit > 0)
