"""Bark: push messages to iPhones, by api.day.app or a server of one's own."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from msgspec import field
from yarl import URL

from relay.backends.answer import Answer
from relay.backends.base import Check, Door, Limits, Receipt
from relay.backends.compose import compose
from relay.backends.fit import fit
from relay.backends.http import HttpBackend, HttpSettings, json_bytes, operator_url, url_problem
from relay.backends.meaning import PayloadError, plainer
from relay.backends.push import titled, urgency, urgency_problems
from relay.errors import BackendError, RejectedError, TemporaryError
from relay.models import Json, Level, Message
from relay.values import Secret

MOST_BYTES: Final = 3000  # of title and text in JSON: Apple takes 4096 for everything together
MOST_PLAIN: Final = 1000  # the same where that was too much: a link may be long
TOO_LARGE: Final = "PayloadTooLarge"
LEVELS: Final = ("critical", "active", "timeSensitive", "passive")
_LEVEL: Final = {
    Level.DEBUG: "passive",
    Level.INFO: "passive",
    Level.NOTICE: "active",
    Level.WARNING: "active",
    Level.ERROR: "timeSensitive",
    Level.CRITICAL: "critical",
}

# What the server and Apple say about a device that isn't there (any more), whatever the code.
_GONE: Final = (
    "device key is empty",
    "failed to get device token",
    "BadDeviceToken",
    "Unregistered",
    "DeviceTokenNotForTopic",
)


_KEY: Final = re.compile(r"[A-Za-z0-9]+")


class Settings(HttpSettings, frozen=True, kw_only=True, tag="bark"):
    """Push messages to iPhones by Bark. An address is one of the names under `devices`.

    The app shows each phone's key as part of its test address: `https://api.day.app/KEY/...`.

    Minimal:

        type: bark
        devices: {wang: "${BARK_WANG}"}

    Full:

        type: bark
        server: https://bark.example.com
        devices: {wang: "${BARK_WANG}", li: "${BARK_LI}"}
        level: {critical: critical, error: timeSensitive, warning: active, info: passive}
        group: production
        sound: alarm
        icon: https://example.com/relay.png

    `level` is what the phone does at each level: `critical` sounds although it is muted, `timeSensitive`
    breaks through a focus, `active` shows, `passive` only lists. News of an alert takes the place of what was
    shown before.
    """

    server: str = "https://api.day.app"
    devices: dict[str, Secret]
    level: dict[str, str] = field(default_factory=dict)
    group: str = "relay"
    sound: str = ""
    icon: str = ""

    def problems(self) -> list[tuple[str, str]]:
        """A server that is no URL, keys that are whole addresses, levels that aren't."""
        found = [("server", text) for text in (url_problem(self.server),) if text]
        if not self.devices:
            found.append(("devices", "name at least one device"))
        for name, key in self.devices.items():
            if not _KEY.fullmatch(key.reveal()):
                found.append(("devices", f"the key of {name!r} must be letters and digits, not an address"))
        if self.icon and (wrong_icon := url_problem(self.icon)):
            found.append(("icon", wrong_icon))
        found += urgency_problems("level", self.level)
        if wrong := set(self.level.values()) - set(LEVELS):
            found.append(("level", f"{min(wrong)!r} is none of {', '.join(LEVELS)}"))
        return found

    def refuses(self, to: str) -> str:
        """Why that is no device."""
        return "" if to in self.devices else f"is none of the devices: {', '.join(self.devices)}"


class Bark(HttpBackend):
    """Pushes to phones; accepted means that the server handed it to Apple."""

    type = "bark"
    settings: Settings
    limits = Limits(receivers=50, concurrency=16)

    def __init__(self, settings: Settings, door: Door) -> None:
        super().__init__(settings, door)
        self._url = operator_url(f"{settings.server.rstrip('/')}/push")

    async def send(self, message: Message, to: str) -> Receipt:
        """Push to one phone."""
        (key,) = self._keys([to])
        return await plainer((MOST_BYTES, MOST_PLAIN), partial(self._push, message, key))

    async def send_many(self, message: Message, tos: Sequence[str]) -> list[Receipt | BackendError]:
        """Push to several phones in one call; the answer has a code for each."""
        keys = self._keys(tos)
        outcomes = await self._push_many(message, keys, MOST_BYTES)
        if too_large := [key for key, outcome in outcomes.items() if isinstance(outcome, PayloadError)]:
            outcomes |= await self._push_many(message, too_large, MOST_PLAIN)
        return [outcomes[key] for key in keys]

    async def check(self) -> list[Check]:
        """Whether the server is up; a device's key can't be tried without a message."""
        try:
            url = URL(f"{self.settings.server.rstrip('/')}/ping", encoded=True)
            answer = await self.ask("GET", url)
            self._accept(answer, answer.json() or {})
        except BackendError as error:
            return [Check(ok=False, text=str(error), code=error.code)]
        return [Check(ok=True, text="the server is up")]

    def _keys(self, tos: Sequence[str]) -> list[str]:
        for to in tos:
            if refused := self.settings.refuses(to):
                raise RejectedError(refused, code="address")
        return [self.settings.devices[to].reveal() for to in tos]

    async def _push(self, message: Message, key: str, most: int) -> Receipt:
        answer = await self.post_json(self._url, {"device_key": key, **self._payload(message, most)})
        self._accept(answer, answer.json() or {})
        return Receipt()

    async def _push_many(
        self, message: Message, keys: Sequence[str], most: int
    ) -> dict[str, Receipt | BackendError]:
        answer = await self.post_json(self._url, {"device_keys": keys, **self._payload(message, most)})
        self._accept(answer, answer.json() or {})
        data = (answer.json() or {}).get("data")
        results = {one.get("device_key"): one for one in data if isinstance(one, dict)} if data else {}
        return {key: self._outcome(answer, results.get(key)) for key in keys}

    def _payload(self, message: Message, most: int) -> Json:
        composition = compose(message, self.door.clock.now())
        told = fit(composition, titled, lambda form: pushed_bytes(form.title + form.text) <= most)
        given = {
            "id": _id(message),
            "group": self.settings.group,
            "sound": self.settings.sound,
            "icon": self.settings.icon,
            "url": message.links[0][1] if message.links else "",
        }
        return {
            "title": told.title,
            "body": told.text,
            "level": urgency(message, _LEVEL, self.settings.level),
            **{name: value for name, value in given.items() if value},
        }

    def _outcome(self, answer: Answer, result: Any) -> Receipt | BackendError:
        """What became of one phone; one that isn't mentioned may have it or not."""
        try:
            self._accept(answer, result if isinstance(result, dict) else {})
        except BackendError as error:
            return error
        return Receipt()

    def _accept(self, answer: Answer, result: Json) -> None:
        """Raise what a body or a part of it says, or else the status; only code 200 is acceptance."""
        code, words = str(result.get("code", "")), self.mask(str(result.get("message", "")))
        if code == "200" and answer.accepted:
            return
        if any(gone in words for gone in _GONE):
            raise RejectedError(f"{code}: no such device", code=code, detail=words)
        if TOO_LARGE in words:
            raise PayloadError(f"{code}: the message is too large for Apple", code=code, detail=words)
        self.accept(answer)
        if code == "400":
            raise RejectedError("400: refused", code=code, detail=words)
        raise TemporaryError(f"{code or 'no code'}: not accepted", code=code, detail=answer.detail, limit=3)


def pushed_bytes(text: str) -> int:
    """What a text takes of Apple's 4096 bytes: the server's JSON writes `<`, `>` and `&` with six each."""
    return len(json_bytes(text)) - 2 + 5 * sum(map(text.count, "<>&"))


def _id(message: Message) -> str:
    """The same for all news of an alert; Apple takes at most 64 bytes. "" for relay's own messages."""
    if not message.fingerprint:
        return ""
    return "relay-" + hashlib.sha256(f"{message.fingerprint} {message.alert}".encode()).hexdigest()[:32]
