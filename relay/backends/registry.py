"""The backend types rules.yaml may name: one line each; other packages add theirs by entry point.

A package of its own registers `my_type = my_package:REGISTERED` in the group `relay.backends`, where
`REGISTERED` is a `Registered`. Whichever it is, it is imported only when rules.yaml names its type.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Final

from relay.backends.base import Backend, Door, Registered, Settings
from relay.errors import RelayError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP: Final = "relay.backends"

# type -> the class in the module of that name; its `Settings` stand beside it.
TYPES: Final[dict[str, str]] = {
    "anyrtc": "AnyRtc",
    "apprise": "Apprise",
    "bark": "Bark",
    "console": "Console",
    "dingtalk_app": "DingtalkApp",
    "dingtalk_notice": "DingtalkNotice",
    "dingtalk_robot": "DingtalkRobot",
    "discord": "Discord",
    "feishu_app": "FeishuApp",
    "feishu_robot": "FeishuRobot",
    "gotify": "Gotify",
    "matrix": "Matrix",
    "mattermost": "Mattermost",
    "ntfy": "Ntfy",
    "openim": "OpenIm",
    "pagerduty": "PagerDuty",
    "rocketchat": "RocketChat",
    "rongcloud": "RongCloud",
    "rtx": "Rtx",
    "serverchan": "ServerChan",
    "slack": "Slack",
    "smtp": "Smtp",
    "teams": "Teams",
    "telegram": "Telegram",
    "webhook": "Webhook",
    "wechat": "WeChat",
    "wecom_app": "WecomApp",
    "wecom_robot": "WecomRobot",
    "zulip": "Zulip",
}


class Types(Mapping[str, Registered]):
    """Every type that can be named; each is imported when it is asked for."""

    def __getitem__(self, name: str) -> Registered:
        found = find(name)
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(names())

    def __len__(self) -> int:
        return len(names())

    def __contains__(self, name: object) -> bool:
        return name in names()


def find(type_name: str) -> Registered | None:
    """The backend type of that name; None if nobody has it, RelayError if its package is broken."""
    if type_name in TYPES:
        module = import_module(f"relay.backends.{type_name}")
        return Registered(module.Settings, getattr(module, TYPES[type_name]))
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
