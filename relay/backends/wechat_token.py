"""WeChat's access tokens: stable ones, legacy ones, and those that another program looks after.

https://developers.weixin.qq.com/doc/offiaccount/Basic_Information/getStableAccessToken.html
"""

from __future__ import annotations

from typing import Final, Literal
from urllib.parse import urlencode

from msgspec import Struct

from relay.backends.answer import Answer
from relay.backends.http import HttpBackend, operator_url
from relay.backends.wechat_answer import token_refusal
from relay.errors import TemporaryError
from relay.values import Secret

TokenMode = Literal["stable", "legacy", "external"]

MARGIN: Final = 60.0  # seconds before its end from which a token isn't used any more
UNSTATED: Final = 120.0  # seconds that another program's token is taken to be good for, if it doesn't say


class Account(Struct, frozen=True):
    """Whose token, and who gives it."""

    root: str  # of the API's URLs
    appid: str
    secret: Secret
    mode: TokenMode
    token_url: Secret  # of `external`


class TokenSource:
    """Asks for tokens, on behalf of a backend."""

    def __init__(self, backend: HttpBackend, account: Account) -> None:
        self._backend = backend
        self._account = account
        self._latest = ""  # token: the service may give one again that it has just refused

    async def fetch(self) -> tuple[str, float]:
        """A token and the seconds it is good for; raises a `BackendError`."""
        match self._account.mode:
            case "stable":
                return await self._fetch_stable()
            case "legacy":
                return await self._fetch_legacy()
            case "external":
                return await self._fetch_external()

    async def _fetch_stable(self) -> tuple[str, float]:
        """The current token; a new one is forced only where the current one was refused.

        relay asks again in a token's last minute, and gets another one then; the same one can only come
        if it was dropped before its time. Forcing is allowed 20 times a day.
        """
        token, seconds = await self._ask_stable(force=False)
        if token == self._latest:
            token, seconds = await self._ask_stable(force=True)
        self._latest = token
        return token, seconds

    async def _ask_stable(self, *, force: bool) -> tuple[str, float]:
        account = self._account
        payload = {
            "grant_type": "client_credential",
            "appid": account.appid,
            "secret": account.secret.reveal(),
            "force_refresh": force,
        }
        url = operator_url(f"{account.root}/cgi-bin/stable_token")
        return self._token_in(await self._backend.post_json(url, payload))

    async def _fetch_legacy(self) -> tuple[str, float]:
        """A new token: the one before is no longer good, whoever holds it."""
        account = self._account
        query = urlencode(
            {"grant_type": "client_credential", "appid": account.appid, "secret": account.secret.reveal()}
        )
        return self._token_in(
            await self._backend.ask("GET", operator_url(f"{account.root}/cgi-bin/token?{query}"))
        )

    async def _fetch_external(self) -> tuple[str, float]:
        """What another program tells: WeChat's own form of JSON, or the bare token."""
        answer = await self._backend.ask("GET", operator_url(self._account.token_url.reveal()))
        if answer.json() is not None:
            return self._token_in(answer)
        self._backend.accept(answer)
        token = answer.body.decode(errors="replace").strip()
        if not token.isascii() or not token.isprintable() or not token or len(token.split()) != 1:
            raise TemporaryError("`token_url` gives no token", code="malformed", detail="not shown")
        return token, UNSTATED

    def _token_in(self, answer: Answer) -> tuple[str, float]:
        if failure := token_refusal(answer, self._backend.door.clock.now()):
            raise failure
        return answer.code("access_token"), _seconds(answer.code("expires_in"))


def _seconds(text: str) -> float:
    return float(text) if text.isdecimal() and int(text) > 0 else UNSTATED
