"""WeChat Official Accounts: a customer-service message, or a template message where that is closed.

https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Service_Center_messages.html
https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Template_Message_Interface.html
"""

from __future__ import annotations

import re
from typing import Annotated, Final
from urllib.parse import quote, urlsplit

from msgspec import Meta, Struct, field, structs

from relay.backends import wechat_callback
from relay.backends.answer import Answer
from relay.backends.base import CallbackAnswer, CallbackRequest, Check, Door, Limits, Receipt
from relay.backends.compose import Composition, compose
from relay.backends.dialect import text_of
from relay.backends.fit import fit, utf8_bytes
from relay.backends.http import HttpBackend, HttpSettings, operator_url, url_problem
from relay.backends.mask import Mask, secrets_in
from relay.backends.refusals import ReceiversRefused
from relay.backends.tokens import Tokens
from relay.backends.webhook_forms import idempotency_key
from relay.backends.wechat_answer import OF_A_FOLLOWER, OFTEN_WAIT, TOO_LONG, verdict
from relay.backends.wechat_text import FIELD_NAME, GONE, WORDS, escaped, fields, link, unknown_words
from relay.backends.wechat_token import MARGIN, Account, TokenMode, TokenSource
from relay.errors import BackendError, ReceiverLimitedError, RejectedError, TemporaryError
from relay.models import Json, Message
from relay.values import Duration, Secret

CUSTOM: Final = "/cgi-bin/message/custom/send"
TEMPLATE: Final = "/cgi-bin/message/template/send"

_APPID: Final = re.compile(r"wx[0-9a-f]{16}")
_SECRET: Final = re.compile(r"[0-9a-f]{32}")
_TEMPLATE_ID: Final = re.compile(r"[A-Za-z0-9_-]+")
_KF_ACCOUNT: Final = re.compile(r"[^\s@]+@[^\s@]+")
_OPENID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")


class MiniProgram(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a template message opens, instead of a URL."""

    appid: str
    pagepath: str = ""


class Settings(HttpSettings, frozen=True, kw_only=True, tag="wechat"):
    """WeChat Official Account (微信公众号).

    `appid` and `secret` stand in the account's console under Basic configuration, and so does the list of IP
    addresses, in which this host's must be. An address is a follower's openid. A customer-service message
    reaches those who have written to the account in the last 48 hours; for the others relay sends a template
    message at once, if `template_id` is set, and else takes the recipient's next address. Accepted means that
    the service took it; whether a template message arrived, it tells by a callback only.

    * `appid`, `secret`: the account's credentials
    * `token_mode`: `stable` (default); `legacy`: each token that relay gets ends the one before, for other
      programs too; `external`: another program looks after the token, relay asks it at `token_url`
    * `token_url`: answers a GET with `{"access_token": ..., "expires_in": ...}` or with the bare token
    * `url`: where the API is
    * `custom_enabled`: false: always send the template message
    * `kf_account`: the customer-service account that messages come from
    * `max_bytes`: of a customer-service message in UTF-8
    * `template_id`: of the template message
    * `template_fields`: what stands in which field. In braces: `headline`, `title`, `text`, `level`,
      `module`, `rule`, `source`, `host`, `count`, `first_seen`, `last_seen`. WeChat shows no `first` and
      `remark` any more
    * `field_limit`: characters that a `keyword` or `thing` field shows
    * `template_url`: what a template message opens; default: the message's first link
    * `miniprogram`: what it opens instead: `appid` and `pagepath`
    * `fallback_codes`: on which refusals of the customer-service message the template message is sent
    * `user_pause`: how long a follower's messages wait when WeChat says that they come too often; doubling
    * `callback_token`: the Token of the account's server configuration, for the reports on template messages:
      one that failed goes to the recipient's next address. The console's URL is `https://HOST/callback/NAME`:
      a public host from which a proxy leads to relay's `http:` port, and the backend's name. The console must
      be set to plain text or compatible mode, not to safe mode

    Minimal:

        wechat:
          type: wechat
          appid: wx0123456789abcdef
          secret: ${WECHAT_SECRET}

    Full:

        wechat:
          type: wechat
          appid: wx0123456789abcdef
          secret: ${WECHAT_SECRET}
          token_mode: stable
          url: https://api2.weixin.qq.com
          kf_account: ops@example
          max_bytes: 2048
          template_id: ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY
          template_fields:
            thing1: "{title}"
            thing2: "{module} {host}"
            time3: "{last_seen}"
          template_url: https://relay.example.com/
          miniprogram: {appid: wxfedcba9876543210, pagepath: pages/alerts}
          fallback_codes: [45015, 45047]
          user_pause: 60s
          callback_token: ${WECHAT_CALLBACK_TOKEN}
    """

    appid: str = ""
    secret: Secret = Secret("")
    token_mode: TokenMode = "stable"  # noqa: S105 - a word, not a secret
    token_url: Secret = Secret("")
    url: str = "https://api.weixin.qq.com"
    custom_enabled: bool = True
    kf_account: str = ""
    max_bytes: Annotated[int, Meta(ge=600)] = 2048
    template_id: str = ""
    template_fields: dict[str, str] = field(default_factory=dict)
    field_limit: Annotated[int, Meta(ge=1)] = 20
    template_url: str = ""
    miniprogram: MiniProgram | None = None
    fallback_codes: tuple[int, ...] = (45015, 45047)
    user_pause: Annotated[Duration, Meta(ge=1)] = OFTEN_WAIT
    callback_token: Secret = Secret("")

    def problems(self) -> list[tuple[str, str]]:
        """Credentials that can't be ones, URLs that aren't, templates that can't be filled."""
        wrong = url_problem(self.url)
        found = [("url", wrong)] if wrong else []
        parts = urlsplit("" if wrong else self.url)
        if parts.query or parts.fragment:
            found.append(("url", "takes no query or fragment"))
        found += self._credential_problems() + self._channel_problems() + self._template_problems()
        if self.template_url and (wrong := url_problem(self.template_url)):
            found.append(("template_url", wrong))
        return found

    def refuses(self, to: str) -> str:
        """Why an address can't be one."""
        return "" if _OPENID.fullmatch(to) else "an openid is letters, digits, - and _"

    def _credential_problems(self) -> list[tuple[str, str]]:
        match self.token_mode:
            case "external":
                wrong = url_problem(self.token_url.reveal())
                return [("token_url", f"{wrong}; token_mode: external needs it")] if wrong else []
        found = []
        if not _APPID.fullmatch(self.appid):
            found.append(("appid", "is wx and 16 hexadecimal digits"))
        if not _SECRET.fullmatch(self.secret.reveal()):
            found.append(("secret", "is 32 hexadecimal digits; token_mode: external needs none"))
        if self.token_url:
            found.append(("token_url", "needs token_mode: external"))
        return found

    def _channel_problems(self) -> list[tuple[str, str]]:
        found = []
        if self.kf_account and not _KF_ACCOUNT.fullmatch(self.kf_account):
            found.append(("kf_account", "is NAME@ACCOUNT, as the console shows it"))
        others = [code for code in self.fallback_codes if str(code) not in OF_A_FOLLOWER]
        if others:
            words = f"{others[0]} doesn't refuse one follower's message: no template message would help"
            found.append(("fallback_codes", words))
        if self.miniprogram and not _APPID.fullmatch(self.miniprogram.appid):
            found.append(("miniprogram", "its appid is wx and 16 hexadecimal digits"))
        if self.template_id and not _TEMPLATE_ID.fullmatch(self.template_id):
            found.append(("template_id", "is letters, digits, - and _"))
        return found

    def _template_problems(self) -> list[tuple[str, str]]:
        if not self.template_id:
            needed = [
                name for name in ("template_fields", "template_url", "miniprogram") if getattr(self, name)
            ]
            found = [(name, "needs a template_id") for name in needed]
            return found if self.custom_enabled else [*found, ("custom_enabled", "false needs a template_id")]
        found = [] if self.template_fields else [("template_fields", "a template has fields to fill")]
        for name, pattern in self.template_fields.items():
            if name in GONE:
                found.append(("template_fields", f"`{name}` isn't shown any more: use the template's others"))
            elif not FIELD_NAME.fullmatch(name):
                found.append(("template_fields", f"{name!r} is no field: thing1, keyword2, time3 are"))
            found += [
                ("template_fields", f"{{{word}}} is none of {', '.join(WORDS)}")
                for word in unknown_words(pattern)
            ]
        return found


class WeChat(HttpBackend):
    """Sends to one follower; accepted means that the service took the message."""

    type = "wechat"
    settings: Settings
    limits = Limits(concurrency=60)

    def __init__(self, settings: Settings, door: Door) -> None:
        super().__init__(settings, door)
        self._root = settings.url.rstrip("/")
        account = Account(
            self._root, settings.appid, settings.secret, settings.token_mode, settings.token_url
        )
        self._tokens = Tokens(door, TokenSource(self, account).fetch, MARGIN)
        self.tells_later = bool(settings.callback_token)
        self._fallback_codes = frozenset(map(str, settings.fallback_codes))
        self._refused = ReceiversRefused(door.clock, settings.user_pause)
        if not settings.custom_enabled:
            self.limits = structs.replace(self.limits, windows=((50, 1.0),))  # of template messages

    async def send(self, message: Message, to: str) -> Receipt:
        """A customer-service message; a template message where that one is closed to this follower."""
        if refused := self.settings.refuses(to):
            raise RejectedError(refused, code="address")
        try:
            receipt = await self._deliver(message, to)
        except ReceiverLimitedError as error:
            error.retry_after = self._refused.next_wait(to)
            raise
        self._refused.end(to)
        return receipt

    async def _deliver(self, message: Message, to: str) -> Receipt:
        composition = compose(message, self.door.clock.now())
        if not self.settings.custom_enabled:
            return await self._send_template(message, composition, to)
        try:
            return await self._send_custom(composition, to)
        except BackendError as error:
            if not self.settings.template_id or error.code not in self._fallback_codes:
                raise
        return await self._send_template(message, composition, to)

    async def callback(self, request: CallbackRequest) -> CallbackAnswer:
        """The console's check of the URL, and reports on template messages."""
        token = self.settings.callback_token.reveal()
        if not token:
            return CallbackAnswer(status=404, body="set callback_token to take reports")
        if request.method == "GET":
            return CallbackAnswer(body=wechat_callback.greeting(token, request.query, request.now))
        told = wechat_callback.feedback(token, request.query, request.body, request.now)
        return CallbackAnswer(body="success", feedback=(told,) if told else ())

    async def check(self) -> list[Check]:
        """Whether the service gives a token: credentials and IP list are right then."""
        try:
            await self._tokens.get()
        except BackendError as error:
            return [Check(ok=False, text=str(error), code=error.code)]
        return [Check(ok=True, text="an access token was given", code="0")]

    async def _send_custom(self, composition: Composition, to: str) -> Receipt:
        """The whole text; half of it where the service takes less than `max_bytes`: its cap is unwritten."""
        most = self.settings.max_bytes
        try:
            await self._post(CUSTOM, self._custom(composition, to, most))
        except RejectedError as error:
            if error.code != TOO_LONG:
                raise
            await self._post(CUSTOM, self._custom(composition, to, most // 2))
        return Receipt(note="customer-service message")

    async def _send_template(self, message: Message, composition: Composition, to: str) -> Receipt:
        """What the service says to this one is final; one that may have arrived is shown once."""
        try:
            answer = await self._post(TEMPLATE, self._template(message, composition, to))
        except TemporaryError as error:
            error.repeatable = True  # by its client_msg_id
            raise
        return Receipt(id=answer.code("msgid"), note="template message")

    def _custom(self, composition: Composition, to: str, most: int) -> Json:
        text = fit(
            composition,
            lambda told: text_of(told, escaped, link),
            lambda text: utf8_bytes(text) <= most,
        )
        payload: Json = {"touser": to, "msgtype": "text", "text": {"content": text}}
        if self.settings.kf_account:
            payload["customservice"] = {"kf_account": self.settings.kf_account}
        return payload

    def _template(self, message: Message, composition: Composition, to: str) -> Json:
        settings = self.settings
        first_link = composition.links[0].url if composition.links else ""
        payload: Json = {
            "touser": to,
            "template_id": settings.template_id,
            "data": fields(settings.template_fields, message, composition, settings.field_limit),
        }
        if url := settings.template_url or first_link:
            payload["url"] = url
        if settings.miniprogram:
            payload["miniprogram"] = structs.asdict(settings.miniprogram)
        payload["client_msg_id"] = idempotency_key(message)  # a second one within 10 minutes isn't sent
        return payload

    async def _post(self, path: str, payload: Json) -> Answer:
        """Post with a token, which the texts of failures don't show."""

        async def post(token: str) -> Answer:
            url = operator_url(f"{self._root}{path}?access_token={quote(token, safe='')}")
            answer = await self.post_json(url, payload)
            masked = structs.replace(answer, mask=Mask([token, *secrets_in(self.settings)]))
            if failure := verdict(masked, self.door.clock.now()):
                raise failure
            return answer

        return await self._tokens.use(post)
