"""Rigs of WeCom, DingTalk, Feishu."""

from __future__ import annotations

from typing import Any

from relay.backends import (
    dingtalk_app,
    dingtalk_notice,
    dingtalk_robot,
    feishu_app,
    feishu_robot,
    wecom_app,
    wecom_robot,
)
from relay.backends.base import Backend, Door
from relay.backends.http import json_bytes
from relay.backends.registry import build
from relay.values import Secret
from tests.backends.messages import NOW
from tests.backends.rig import CANARY, Rig
from tests.emulators.dingtalk_app import DingtalkOpenApi
from tests.emulators.dingtalk_notice import DingtalkServer
from tests.emulators.dingtalk_robot import DingtalkRobots
from tests.emulators.feishu_app import FeishuServer
from tests.emulators.feishu_robot import FeishuRobots
from tests.emulators.loose_markdown import Mark
from tests.emulators.wecom_app import WecomServer
from tests.emulators.wecom_robot import WecomRobots

KEY = f"{CANARY}-7aoc-4bc4-97a0-0ec2sifa5aaa"
TOKEN = f"{CANARY}0123456789abcdef"
SEC = f"SEC{CANARY}0123456789abcdef"


def foreign(marks: list[Mark]) -> list[str]:
    """Markup beyond what relay's own layout has: the headline, and the footer."""
    own = {"font", "bold", "heading"}
    return [str(mark) for mark in marks if mark.kind not in own or not mark.text.startswith(OWN)]


OWN = ("[ERROR", "<font", "**[ERROR", "alert 17")


def wecom_robot_rig(form: Any, limit: int = 0) -> Rig:
    return Rig(
        emulator=lambda: WecomRobots(KEY),
        settings=lambda robots: wecom_robot.Settings(key=(Secret(KEY),), server=robots.url, format=form),
        to="ops",
        read=lambda robots: [post.text for post in robots.posts],
        markup=lambda robots: [
            *(name for post in robots.posts for name in post.mentions),
            *(text for post in robots.posts for text in foreign(post.marks)),
        ],
        refused=("", " ", "ops @张三", "ops @<x>", "a\nb", "@mobile:x", "@"),
        limit=limit,
    )


def wecom_app_rig(form: Any, limit: int = 0) -> Rig:
    return Rig(
        emulator=lambda: WecomServer("ww1", f"s-{CANARY}", 1000002),
        settings=lambda server: wecom_app.Settings(
            corpid="ww1",
            corpsecret=Secret(f"s-{CANARY}"),
            agentid=1000002,
            server=server.url,
            format=form,
            duplicate_check_interval=0.0,
        ),
        to="zhangsan",
        read=lambda server: [post.text for post in server.posts],
        markup=lambda server: [text for post in server.posts for text in foreign(post.marks)],
        unknown="nobody",
        refused=("", " ", "@all", "party:", "party:x", "a|b", "张三", "@ALL", "user:@all", "chat:a b"),
        limit=limit,
        build=patient,
    )


def dingtalk_robot_rig(form: Any, limit: int = 0) -> Rig:
    return Rig(
        emulator=lambda: DingtalkRobots({TOKEN: SEC}, NOW),
        settings=lambda robots: dingtalk_robot.Settings(
            access_token=(Secret(TOKEN),),
            secret=(Secret(SEC),),
            server=robots.url,
            format=form,
            max_chars=limit or 5000,
        ),
        to="ops",
        read=lambda robots: [post.text for post in robots.posts],
        markup=lambda robots: [
            *(name for post in robots.posts for name in post.pinged),
            *(text for post in robots.posts for text in foreign(post.marks)),
        ],
        refused=("", " ", "ops @张三", "ops @<x>", "a\nb", "@mobile:x", "@", "@a " * 51),
        size=len,
        limit=limit,
        build=patient,
    )


def dingtalk_app_rig(template: str) -> Rig:
    return Rig(
        emulator=lambda: DingtalkOpenApi("ding1", f"s-{CANARY}", template=template),
        settings=lambda company: dingtalk_app.Settings(
            appkey="ding1", appsecret=Secret(f"s-{CANARY}"), server=company.url, card_template=template
        ),
        to="cid6KeBB+/oX==",
        read=lambda company: [post.text for post in company.posts],
        markup=lambda company: [
            *(name for post in company.posts for name in post.pinged),
            *(text for post in company.posts for text in foreign(post.marks)),
        ],
        unknown="cid6KeBBnone==",
        refused=("", " ", "@all", "a b", "张三", "cid6KeBB== all", "0123 @all", "cid/../x?", "a,b"),
        build=patient,
    )


def dingtalk_notice_rig(form: Any, limit: int = 0) -> Rig:
    return Rig(
        emulator=lambda: DingtalkServer("ding1", f"s-{CANARY}", 123),
        settings=lambda server: dingtalk_notice.Settings(
            appkey="ding1",
            appsecret=Secret(f"s-{CANARY}"),
            agent_id=123,
            server=server.url,
            format=form,
        ),
        to="manager4220",
        read=lambda server: [post.text for post in server.posts],
        markup=lambda server: [text for post in server.posts for text in foreign(post.marks)],
        unknown="nobody",
        refused=("", " ", "@all", "dept:", "dept:x", "a,b", "张三", "@ALL", "user:@all"),
        size=lambda text: len(json_bytes({"msgtype": "text", "text": {"content": text}})),
        limit=limit,
        build=patient,
    )


def feishu_robot_rig(form: Any, limit: int = 0) -> Rig:
    """The size of a text counts with the request around it."""
    room = len(json_bytes({"msg_type": "text", "content": {"text": ""}})) + feishu_robot.SIGNED
    return Rig(
        emulator=lambda: FeishuRobots({KEY: SEC}, NOW),
        settings=lambda robots: feishu_robot.Settings(
            token=(Secret(KEY),),
            secret=(Secret(SEC),),
            server=robots.url,
            format=form,
            max_bytes=limit + room if limit else 20_000,
        ),
        to="ops",
        read=lambda robots: [post.text for post in robots.posts],
        markup=lambda robots: [str(each) for post in robots.posts for each in (*post.mentions, *post.links)],
        refused=("", " ", "ops @张三", "ops @<x>", "a\nb", "@"),
        size=lambda text: len(json_bytes(text)) - 2,
        limit=limit,
    )


def feishu_app_rig(form: Any, limit: int = 0) -> Rig:
    return Rig(
        emulator=lambda: FeishuServer("cli_1", f"s-{CANARY}"),
        settings=lambda server: feishu_app.Settings(
            app_id="cli_1",
            app_secret=Secret(f"s-{CANARY}"),
            server=server.url,
            format=form,
            max_bytes=limit + len(json_bytes({"text": ""})) if limit else 28_000,
        ),
        to="oc_1",
        read=lambda server: [post.text for post in server.posts],
        markup=lambda server: [str(each) for post in server.posts for each in (*post.mentions, *post.links)],
        unknown="ou_nobody",
        refused=(
            "",
            " ",
            "@all",
            "ou_1 @all",
            "oc_1 all",
            "oc_1 @张三",
            "oc_1 @<x>",
            "a b",
            "张三",
            "oc_/../x",
        ),
        size=lambda text: len(json_bytes(text)) - 2,
        limit=limit,
        build=patient,
    )


def patient(settings: Any, door: Door, service: Any) -> Backend:
    """The suite sends hundreds of messages to one receiver, with the same text and key at times."""
    service.once = False
    return build(settings, door)


RIGS: dict[str, Rig] = {
    "dingtalk_app-markdown": dingtalk_app_rig(""),
    "dingtalk_app-card": dingtalk_app_rig("6f2f-a2.schema"),
    "dingtalk_notice-text": dingtalk_notice_rig("text", 2048),
    "dingtalk_notice-markdown": dingtalk_notice_rig("markdown"),
    "dingtalk_robot-text": dingtalk_robot_rig("text", 2000),
    "dingtalk_robot-markdown": dingtalk_robot_rig("markdown"),
    "feishu_app-card": feishu_app_rig("card"),
    "feishu_app-post": feishu_app_rig("post"),
    "feishu_app-text": feishu_app_rig("text", 4000),
    "feishu_robot-card": feishu_robot_rig("card"),
    "feishu_robot-post": feishu_robot_rig("post"),
    "feishu_robot-text": feishu_robot_rig("text", 4000),
    "wecom_app-text": wecom_app_rig("text", 2048),
    "wecom_app-markdown": wecom_app_rig("markdown"),
    "wecom_robot-text": wecom_robot_rig("text", 2048),
    "wecom_robot-markdown": wecom_robot_rig("markdown"),
    "wecom_robot-markdown_v2": wecom_robot_rig("markdown_v2"),
}
