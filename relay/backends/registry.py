"""The backend types rules.yaml may name: one line each; other packages add theirs by entry point.

A package of its own registers `my_type = my_package:REGISTERED` in the group `relay.backends`, where
`REGISTERED` is a `Registered`. It is imported only when rules.yaml names its type.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from relay.backends import (
    anyrtc,
    apprise,
    bark,
    console,
    dingtalk_notice,
    dingtalk_robot,
    discord,
    feishu_app,
    feishu_robot,
    gotify,
    matrix,
    mattermost,
    ntfy,
    openim,
    pagerduty,
    rocketchat,
    rongcloud,
    rtx,
    serverchan,
    slack,
    smtp,
    teams,
    telegram,
    webhook,
    wechat,
    wecom_app,
    wecom_robot,
    zulip,
)
from relay.backends.base import Backend, Door, Registered, Settings
from relay.errors import RelayError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP: Final = "relay.backends"

TYPES: Final[dict[str, Registered]] = {
    "anyrtc": Registered(anyrtc.Settings, anyrtc.AnyRtc),
    "apprise": Registered(apprise.Settings, apprise.Apprise),
    "bark": Registered(bark.Settings, bark.Bark),
    "console": Registered(console.Settings, console.Console),
    "dingtalk_notice": Registered(dingtalk_notice.Settings, dingtalk_notice.DingtalkNotice),
    "dingtalk_robot": Registered(dingtalk_robot.Settings, dingtalk_robot.DingtalkRobot),
    "discord": Registered(discord.Settings, discord.Discord),
    "feishu_app": Registered(feishu_app.Settings, feishu_app.FeishuApp),
    "feishu_robot": Registered(feishu_robot.Settings, feishu_robot.FeishuRobot),
    "gotify": Registered(gotify.Settings, gotify.Gotify),
    "matrix": Registered(matrix.Settings, matrix.Matrix),
    "mattermost": Registered(mattermost.Settings, mattermost.Mattermost),
    "ntfy": Registered(ntfy.Settings, ntfy.Ntfy),
    "openim": Registered(openim.Settings, openim.OpenIm),
    "pagerduty": Registered(pagerduty.Settings, pagerduty.PagerDuty),
    "rocketchat": Registered(rocketchat.Settings, rocketchat.RocketChat),
    "rongcloud": Registered(rongcloud.Settings, rongcloud.RongCloud),
    "rtx": Registered(rtx.Settings, rtx.Rtx),
    "serverchan": Registered(serverchan.Settings, serverchan.ServerChan),
    "slack": Registered(slack.Settings, slack.Slack),
    "smtp": Registered(smtp.Settings, smtp.Smtp),
    "teams": Registered(teams.Settings, teams.Teams),
    "telegram": Registered(telegram.Settings, telegram.Telegram),
    "webhook": Registered(webhook.Settings, webhook.Webhook),
    "wechat": Registered(wechat.Settings, wechat.WeChat),
    "wecom_app": Registered(wecom_app.Settings, wecom_app.WecomApp),
    "wecom_robot": Registered(wecom_robot.Settings, wecom_robot.WecomRobot),
    "zulip": Registered(zulip.Settings, zulip.Zulip),
}


def find(type_name: str) -> Registered | None:
    """The backend type of that name or alias; None if nobody has it, RelayError if its package is broken."""
    for name, registered in TYPES.items():
        if type_name == name or type_name in registered.aliases:
            return registered
    for point in _points():
        if point.name == type_name:
            return _load(point)
    return None


def names() -> list[str]:
    """Every type that can be named, for suggestions and the reference."""
    return sorted({*TYPES, *(point.name for point in _points())})


def build(settings: Settings, door: Door) -> Backend:
    """The backend that these settings describe."""
    tag = type(settings).__struct_config__.tag
    registered = find(str(tag))
    if registered is None:
        raise RelayError(f"no backend has the type {tag!r}")
    return registered.backend(settings, door)


def _points() -> Iterable[EntryPoint]:
    from importlib.metadata import entry_points  # noqa: PLC0415 - 30 ms that only unknown types cost

    return entry_points(group=GROUP)


def _load(point: EntryPoint) -> Registered:
    try:
        found = point.load()
    except Exception as error:
        text = f"backend type {point.name!r}: {point.value} can't be loaded ({type(error).__name__})"
        raise RelayError(text) from error
    if not isinstance(found, Registered):
        raise RelayError(f"backend type {point.name!r}: {point.value} is not a Registered")
    return found
