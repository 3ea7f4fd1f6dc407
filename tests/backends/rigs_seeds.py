"""Rigs of OpenIM, RongCloud, anyRTC, WeChat."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from relay.backends import anyrtc, openim, rongcloud, wechat
from relay.backends.http import json_bytes
from relay.backends.openim_api import Version
from relay.backends.openim_settings import Mode
from relay.values import Secret
from tests.backends.messages import TIMEOUT
from tests.backends.rig import CANARY, Rig
from tests.emulators.anyrtc import AnyRtcService
from tests.emulators.openim import OpenImServer
from tests.emulators.openim_markdown import constructs, readable
from tests.emulators.rongcloud import KEY as RONGCLOUD_KEY
from tests.emulators.rongcloud import SECRET as RONGCLOUD_SECRET
from tests.emulators.rongcloud import RongCloudServer
from tests.emulators.wechat import APPID as WECHAT_APPID
from tests.emulators.wechat import SECRET as WECHAT_SECRET
from tests.emulators.wechat import WeChatServer, anchors

WECHAT_BYTES = 4000  # more than the real service takes: room for all that the contract looks for
IMPOSSIBLE_USERS = ("", " ", "a b", "group:", "user:", "a\nb", "@all", "@ALL", "user:@all", "group:@all")


def openim_rig(version: Version, mode: Mode, **changes: Any) -> Rig:
    rig = Rig(
        emulator=lambda: OpenImServer(version, secret=f"{CANARY}-secret"),
        settings=lambda server: openim.Settings(
            url=server.url, secret=Secret(server.secret), version=version, mode=mode, max_bytes=4000
        ),
        to="wang",
        read=lambda server: [one.text for one in server.sent],
        unknown="nobody",
        refused=IMPOSSIBLE_USERS,
        limit=4000,
    )
    return replace(rig, **changes)


def wechat_server() -> WeChatServer:
    server = WeChatServer()
    server.most_text = WECHAT_BYTES
    return server


RIGS: dict[str, Rig] = {
    "anyrtc": Rig(
        emulator=lambda: AnyRtcService(secret=f"{CANARY}-secret"),
        settings=lambda service: anyrtc.Settings(
            app_id=service.app_id,
            api_key=service.key,
            api_secret=Secret(service.secret),
            url=f"{service.url}/dev/v2/project",
            max_bytes=4000,
        ),
        to="wang",
        read=lambda service: [one.payload for one in service.received],
        refused=("", " ", "a/b", "组", "a" * 65, "channel:", "user:", "a\nb", 'a"b'),
        limit=4000,
    ),
    "openim": openim_rig("v3.8", "text"),
    "openim-markdown": openim_rig(
        "v3.8",
        "markdown",
        read=lambda server: [readable(one.text) for one in server.sent],
        markup=lambda server: [found for one in server.sent for found in constructs(one.text)],
        limit=0,  # what a person reads is less than what is counted
    ),
    "openim-v2": openim_rig("v2.2", "notification", unknown=""),  # nobody checks who gets a notification
    "rongcloud": Rig(
        emulator=RongCloudServer,
        settings=lambda server: rongcloud.Settings(
            app_key=RONGCLOUD_KEY,
            app_secret=Secret(RONGCLOUD_SECRET),
            from_user_id="relay",
            hosts=(server.url,),
            max_bytes=4000,
        ),
        to="wang",
        read=lambda server: [stored.content["content"] for stored in server.stored],
        refused=("", " ", "@all", "@ALL", "@tags", "a,b", "a b", "x" * 65, "a\n"),
        size=lambda text: len(json_bytes({"content": text, "extra": TIMEOUT.fingerprint})),
        limit=4000,
    ),
    "wechat": Rig(
        emulator=wechat_server,
        settings=lambda server: wechat.Settings(
            url=server.url, appid=WECHAT_APPID, secret=Secret(WECHAT_SECRET), max_bytes=WECHAT_BYTES
        ),
        to="oWang",
        read=lambda server: [one.text for one in server.arrived],
        markup=lambda server: [found for one in server.arrived for found in anchors(one.text)],
        unknown="oNobody",
        refused=("", " ", "o Wang", "oWang,oLi", "@all", "oWang\n", "王"),
        limit=WECHAT_BYTES,
    ),
}
