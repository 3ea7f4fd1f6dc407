"""Settings of OpenIM, and how its addresses are written."""

from __future__ import annotations

from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct, field

from relay.backends.http import HttpSettings, url_problem
from relay.backends.openim_answer import SITE_CODES, Verdict
from relay.backends.openim_api import APIS, Api, Version
from relay.values import Duration, Secret

EVERYBODY: Final = "@all"
Mode = Literal["text", "markdown", "notification", "custom", "business"]


class Push(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the phones of people who are offline show."""

    title: str = ""
    desc: str = ""
    ex: str = ""
    ios_sound: str = "default"
    ios_badge_count: bool = True


class Settings(HttpSettings, frozen=True, kw_only=True, tag="openim"):
    """OpenIM, on one's own server (v2.0 to v3.8).

    An address is a user's id (`wang`, or `user:wang`), `group:ID`, or `@all` (see `allow_broadcast`).
    relay speaks as an administrator: `secret` and the administrator's id stand in the server's configuration
    (v3: `share.yml`, `secret` and `imAdminUserID`; v2: `config.yaml`, `secret` and `manager`).
    Accepted means that the server has queued the message; for notifications it doesn't even look whether
    the receiver exists.

    * `url`: the API's address, `http://host:10002` (v2.0: 10000)
    * `secret`: the server's secret
    * `version`: the newest of `v2.0`, `v2.2`, `v3.0`, `v3.3` and `v3.8` that is not newer than the server;
      a server before v3.8.3 is `v3.3`
    * `admin_user_id`: the administrator; default `imAdmin` (v2: `openIM123456`)
    * `send_id`: who the messages come from; default the administrator. In v3 a notification account
      (`/user/add_notification_account`) or an administrator
    * `sender_nickname`, `sender_face_url`: the sender's name and picture
    * `mode`: `text`; `markdown` (from v3.8); `notification` (type 1400, for people only); `custom` (type 110,
      JSON for one's own app); `business` (from v3.3, JSON that the app's own code is handed)
    * `notification_type`: a number from 1, by which apps tell notifications apart
    * `business_key`: by which apps tell business notifications apart
    * `business_message`: whether a business notification shows up in the conversation too
    * `reliability`: of business notifications: `guaranteed`, or `online` for those only who are online
    * `online_only`: true: not stored, lost for those who are offline
    * `presence_check`: ask first, and take the next address of those who are offline
    * `push`: whether phones of those who are offline ring
    * `offline_push`: what they show: `title` and `desc` (default: the alert's), `ex`, `ios_sound`,
      `ios_badge_count`
    * `large_groups`: whether groups are of session type 3; default: in v3
    * `platform_id`: of the administrator's session; default 10 (v2: 7)
    * `batch_size`: receivers in one call, at most 1000; the server serves them one after the other, so that
      a larger one may need a longer `timeout`
    * `max_bytes`: of a message's text in UTF-8
    * `token_refresh_margin`: how long before its end a token is replaced
    * `site_codes`: what the codes 20001 to 29999 of the site's own webhooks mean: `temporary`, `rejected` or
      `down` (the default)
    * `allow_broadcast`: lets the address `@all` reach every user (from v3.0)

    Minimal:

        openim:
          type: openim
          url: http://10.0.0.9:10002
          secret: ${OPENIM_SECRET}

    Full:

        openim:
          type: openim
          url: https://im.example.com/api
          secret: ${OPENIM_SECRET}
          version: v3.8
          admin_user_id: imAdmin
          send_id: ops-alerts
          sender_nickname: Alerts
          sender_face_url: https://im.example.com/alerts.png
          mode: notification
          notification_type: 7
          presence_check: true
          offline_push: {title: Alert, desc: See the app, ios_sound: alarm.caf}
          batch_size: 100
          site_codes: {"20001": rejected}
          rate: 50/1s
    """

    url: str
    secret: Secret
    version: Version = "v3.8"
    admin_user_id: str = ""
    send_id: str = ""
    sender_nickname: str = ""
    sender_face_url: str = ""
    mode: Mode = "text"
    notification_type: Annotated[int, Meta(ge=1)] = 1  # 0 counts as missing
    business_key: str = "relay.alert"
    business_message: bool = False
    reliability: Literal["online", "guaranteed"] = "guaranteed"
    online_only: bool = False
    presence_check: bool = False
    push: bool = True
    offline_push: Push = Push()
    large_groups: bool | None = None
    platform_id: Annotated[int, Meta(ge=1)] | None = None
    batch_size: Annotated[int, Meta(ge=1, le=1000)] = 200
    max_bytes: Annotated[int, Meta(ge=1000)] = 20_000
    token_refresh_margin: Duration = 3600.0
    site_codes: dict[str, Verdict] = field(default_factory=dict)
    allow_broadcast: bool = False

    def problems(self) -> list[tuple[str, str]]:
        """URLs and ids that aren't any, what this version of the server can't do, what would do nothing."""
        wrong = url_problem(self.url)
        found = [("url", wrong)] if wrong else []
        parts = urlsplit("" if wrong else self.url)
        if parts.query or parts.fragment:
            found.append(("url", "takes no query or fragment"))
        senders = [("admin_user_id", self.admin_user_id), ("send_id", self.send_id)]
        found += [(name, "is a user's id, without spaces") for name, who in senders if who and not is_id(who)]
        if self.sender_face_url and (wrong := url_problem(self.sender_face_url)):
            found.append(("sender_face_url", wrong))
        return found + self._mode_problems()

    def _mode_problems(self) -> list[tuple[str, str]]:
        found = []
        if self.mode == "markdown" and self.version != "v3.8":
            found.append(("mode", "markdown needs `version: v3.8`"))
        if self.mode == "business" and not self.api.business:
            found.append(("mode", "business needs `version: v3.3` or v3.8"))
        if self.business_message and self.mode != "business":
            found.append(("business_message", "needs `mode: business`"))
        if self.online_only and self.mode == "business":
            found.append(("online_only", "business notifications have `reliability: online` for that"))
        if self.allow_broadcast and (self.api.old or self.mode == "business"):
            found.append(("allow_broadcast", "`@all` needs v3.0 or later, and a mode other than business"))
        strange = [code for code in self.site_codes if not code.isdecimal() or int(code) not in SITE_CODES]
        found += [("site_codes", f"{code!r} is no webhook's code: 20001 to 29999") for code in strange]
        return found

    def refuses(self, to: str) -> str:
        """Why an address can't be one; chiefly, that everybody would be told."""
        place, name = place_of(to)
        if not is_id(name):
            return "an address must be a user's id, or group:ID, without spaces"
        if name.lower() == EVERYBODY and not (self.allow_broadcast and to == EVERYBODY):
            return "`@all` is a broadcast to everybody: it needs allow_broadcast: true"
        if to == EVERYBODY and (self.api.old or self.mode == "business"):
            return "`@all` needs v3.0 or later, and a mode other than business"
        if place == "group" and self.mode == "notification":
            return "a notification goes to people, not to groups"
        return ""

    @property
    def api(self) -> Api:
        """How this version of the server is spoken to."""
        return APIS[self.version]


def is_id(name: str) -> bool:
    """Whether it can be a user's or a group's id."""
    return bool(name) and name.isprintable() and not any(char.isspace() for char in name)


def place_of(to: str) -> tuple[str, str]:
    """("user" or "group", its id) of an address."""
    place, colon, name = to.partition(":")
    return (place, name) if colon and place in {"user", "group"} else ("user", to)
