"""Settings of anyRTC RTM, and how its addresses are written."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from msgspec import Meta

from relay.backends.anyrtc_token import LIFE
from relay.backends.http import HttpSettings, url_problem
from relay.values import Duration, Secret

_ID: Final = re.compile(r"[a-zA-Z0-9 !#$%&()+\-:;<=.>?@\[\]^_{}|~,']{1,64}")
_APP_ID: Final = re.compile(r"[0-9A-Za-z]{32}")  # the certificate has the same shape
_TOKEN: Final = re.compile(r"[!-~]+")  # what a header may hold


class Settings(HttpSettings, frozen=True, kw_only=True, tag="anyrtc"):
    """anyRTC RTM, for apps of one's own that are built with it.

    An address is a user's id in the app (`wang`, or `user:wang`) or `channel:NAME`. Give either `api_key` and
    `api_secret`, or `uid` with `app_certificate` (relay makes the tokens) or with `token` (one made
    elsewhere). All of them come from the console of anyRTC, page of the project.

    * `app_id`: the project's id, 32 letters and digits
    * `api_key`, `api_secret`: of the project's RESTful interface
    * `uid`: the account that tokens are made for, and that messages come from
    * `app_certificate`: the project's certificate; `token_ttl`: how long each token is good for, at most 24h
    * `token`: a token for `uid`; somebody must replace it before it expires
    * `sender_id`: who the messages come from, with `api_key`; any id
    * `wait_for_ack`: the answer says whether the receiver's app has it; it takes longer
    * `enable_offline`: messages to those who are offline are stored (200 of them, 7 days)
    * `enable_history`: messages go into the history that apps may read
    * `offline_is`: what an offline receiver means: `stored` is a success (the default with `enable_offline`),
      `fallback` takes the next address (the default without), `recipient` gives this address up
    * `payload_format`: `text`, or `json`: an object with `title`, `text`, `severity`, `state`, `url`,
      `dedup_key` (one for each alert), `key` (one for each message) and `ts`
    * `max_bytes`: of a message in UTF-8
    * `url`: the service's address, without the project's id

    Minimal:

        anyrtc:
          type: anyrtc
          app_id: 970ca35de60c44645bbae8a215061b33
          api_key: ${ANYRTC_KEY}
          api_secret: ${ANYRTC_SECRET}

    Full:

        anyrtc:
          type: anyrtc
          url: https://api.agrtc.cn/dev/v2/project
          app_id: 970ca35de60c44645bbae8a215061b33
          uid: relay
          app_certificate: ${ANYRTC_CERTIFICATE}
          token_ttl: 12h
          wait_for_ack: true
          enable_offline: true
          enable_history: false
          offline_is: fallback
          payload_format: json
          max_bytes: 32000
          rate: 100/1s
    """

    app_id: str
    api_key: str = ""
    api_secret: Secret | None = None
    uid: str = ""
    app_certificate: Secret | None = None
    token_ttl: Annotated[Duration, Meta(ge=60, le=LIFE)] = float(LIFE)
    token: Secret | None = None
    sender_id: str = "relay"
    wait_for_ack: bool = True
    enable_offline: bool = True
    enable_history: bool = False
    offline_is: Literal["", "stored", "recipient", "fallback"] = ""
    payload_format: Literal["text", "json"] = "text"
    max_bytes: Annotated[int, Meta(ge=1000)] = 32_768
    url: str = "https://api.agrtc.cn/dev/v2/project"

    def problems(self) -> list[tuple[str, str]]:
        """Credentials that are missing or too many, ids that can't be."""
        wrong = url_problem(self.url)
        found = [("url", wrong)] if wrong else []
        parts = urlsplit("" if wrong else self.url)
        if parts.query or parts.fragment:
            found.append(("url", "takes no query or fragment"))
        if not _APP_ID.fullmatch(self.app_id):
            found.append(("app_id", "must be 32 letters and digits"))
        if self.offline_is == "stored" and not self.enable_offline:
            found.append(("offline_is", "`stored` needs enable_offline: true"))
        sender = "uid" if self.uid else "sender_id"
        if not _is_id(self.sender) or self.sender != self.sender.strip():
            found.append((sender, "must be 1 to 64 characters that anyRTC knows, no space at either end"))
        return found + self._credential_problems()

    def _credential_problems(self) -> list[tuple[str, str]]:
        basic = bool(self.api_key), bool(self.api_secret)
        tokens = bool(self.app_certificate), bool(self.token)
        if any(basic) and (self.uid or any(tokens)):
            return [("api_key", "give either api_key and api_secret, or uid with app_certificate or token")]
        if any(basic):
            return [] if all(basic) else [("api_key", "api_key and api_secret go together")]
        if not self.uid or not any(tokens):
            return [("app_id", "needs api_key and api_secret, or uid with app_certificate or token")]
        if all(tokens):
            return [("token", "give either app_certificate or token")]
        if self.token and not _TOKEN.fullmatch(self.token.reveal()):
            return [("token", "must be of printable ASCII, without spaces")]
        if self.app_certificate and not _APP_ID.fullmatch(self.app_certificate.reveal()):
            return [("app_certificate", "must be 32 letters and digits")]
        return []

    def refuses(self, to: str) -> str:
        """Why an address can't be one."""
        _, name = place_of(to)
        if not _is_id(name):
            return "an address must be 1 to 64 letters, digits or punctuation that anyRTC knows (no slash)"
        return ""

    @property
    def sender(self) -> str:
        """Who the messages come from: with a token, the account it is for."""
        return self.uid or self.sender_id

    @property
    def when_offline(self) -> Literal["", "stored", "recipient", "fallback"]:
        """What an offline receiver means."""
        return self.offline_is or ("stored" if self.enable_offline else "fallback")


def place_of(to: str) -> tuple[str, str]:
    """("user" or "channel", its id) of an address."""
    place, colon, name = to.partition(":")
    return (place, name) if colon and place in {"user", "channel"} else ("user", to)


def _is_id(name: str) -> bool:
    return _ID.fullmatch(name) is not None and bool(name.strip())
