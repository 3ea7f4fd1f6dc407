"""What differs between the releases of the OpenIM server: paths, names of fields, numbers.

Read in the sources of open-im-server (github.com/openimsdk/open-im-server), tags v2.0 to v3.8.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct, structs

from relay.models import Json

Version = Literal["v2.0", "v2.2", "v3.0", "v3.3", "v3.8"]


class Api(Struct, frozen=True, kw_only=True):
    """One release, and those after it up to the next one here; an empty path: it can't do that."""

    old: bool = False  # v2: failures in the HTTP status, the operation's id in the body
    auth: str = "/auth/user_token"  # gives a token
    platform: str = "platformID"  # field of the request for a token; "": it has none
    platform_id: int = 10  # "administrator"
    admin: str = "imAdmin"  # the server's own default administrator
    send: str = "/msg/send_msg"
    batch: str = "/msg/batch_send_msg"
    business: str = "/msg/send_business_notification"
    online: str = "/user/get_users_online_status"
    auth_check: str = "/auth/parse_token"
    group_session: int = 3  # "read" groups, the only kind since v3
    text: str = "content"  # field of a text message's content
    users: str = "userIDs"
    receivers: str = "recvIDs"
    results: str = "results"
    failed: str = "failedUserIDs"


_V3_3: Final = Api()
_V3_0: Final = structs.replace(_V3_3, business="", text="text")
_V2_2: Final = Api(
    old=True,
    platform="platform",
    platform_id=7,  # Linux: no phone or browser of the administrator loses its session to relay
    admin="openIM123456",
    send="/msg/manage_send_msg",
    business="",
    auth_check="",
    group_session=2,
    text="text",
    users="userIDList",
    receivers="recvIDList",
    results="resultList",
    failed="FailedIDList",
)
APIS: Final[dict[Version, Api]] = {
    "v2.0": structs.replace(
        _V2_2, send="/manager/send_msg", batch="", online="/manager/get_users_online_status"
    ),
    "v2.2": _V2_2,
    "v3.0": _V3_0,
    "v3.3": _V3_3,
    "v3.8": structs.replace(_V3_3, auth="/auth/get_admin_token", platform=""),
}


def token_lifetime(data: Json, now: float) -> float:
    """Seconds that a token is good for: v3 states them, v2 the time of its end; an hour if neither."""
    for stated in (data.get("expireTimeSeconds"), data.get("expiredTime")):
        if isinstance(stated, int | float) and stated > 0:
            return stated if stated < 1e9 else max(stated - now, 0.0)
    return 3600.0
