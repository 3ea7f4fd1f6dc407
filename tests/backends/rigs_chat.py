"""Rigs of Slack, Telegram, Discord, Teams, Mattermost, Rocket.Chat."""

from __future__ import annotations

from typing import Any

from relay.backends import discord, mattermost, rocketchat, slack, teams, telegram
from relay.values import Secret
from tests.backends.rig import Rig
from tests.emulators import discord as discord_emulator
from tests.emulators import mattermost as mattermost_emulator
from tests.emulators import rocketchat as rocketchat_emulator
from tests.emulators import slack as slack_emulator
from tests.emulators import telegram as telegram_emulator
from tests.emulators.chat import counted
from tests.emulators.teams import Teams

NEVER = ("", " ", "a\nb", "ops @<x>")  # addresses that no chat service has


def chat(**fields: Any) -> Rig:
    """A service whose emulator has `posts`, each with `shown` and `marks`."""
    return Rig(
        **{
            "read": lambda emulator: [post.shown for post in emulator.posts],
            "markup": lambda emulator: [mark for post in emulator.posts for mark in post.marks],
            "size": counted,
            **fields,
        }
    )


RIGS: dict[str, Rig] = {
    "discord": chat(
        emulator=discord_emulator.Discord,
        settings=lambda server: discord.Settings(
            key=Secret(discord_emulator.KEY), api=f"{server.url}/api", follow_up="new"
        ),
        to="ops",
        unknown="thread:199737254929760999",
        refused=(*NEVER, "thread:x", "ops @x"),
        limit=4096,
    ),
    "mattermost": chat(
        emulator=lambda: mattermost_emulator.Mattermost(most=2500),
        settings=lambda server: mattermost.Settings(
            server=server.url, token=Secret(mattermost_emulator.TOKEN), max_chars=2500
        ),
        to=mattermost_emulator.CHANNEL,
        unknown="channelchannelchannelchan0",
        refused=(*NEVER, "ops", "@wangwei"),
        limit=2500,
    ),
    "mattermost-webhook": chat(
        emulator=lambda: mattermost_emulator.Mattermost(most=2500),
        settings=lambda server: mattermost.Settings(
            url=Secret(f"{server.url}{mattermost_emulator.HOOK}"), max_chars=2500
        ),
        to="-",
        unknown="nowhere",
        refused=(*NEVER, "ops here", "Ops"),
        limit=2500,
    ),
    "rocketchat": chat(
        emulator=rocketchat_emulator.RocketChat,
        settings=lambda server: rocketchat.Settings(
            server=server.url, user_id=rocketchat_emulator.USER, token=Secret(rocketchat_emulator.TOKEN)
        ),
        to="#ops",
        unknown="#nowhere",
        refused=(*NEVER, "-", "#ops here"),
        limit=5000,
    ),
    "rocketchat-webhook": chat(
        emulator=rocketchat_emulator.RocketChat,
        settings=lambda server: rocketchat.Settings(url=Secret(f"{server.url}{rocketchat_emulator.HOOK}")),
        to="-",
        unknown="#nowhere",
        refused=(*NEVER, "ops"),
        limit=5000,
    ),
    "slack": chat(
        emulator=slack_emulator.Slack,
        settings=lambda server: slack.Settings(token=Secret(slack_emulator.TOKEN), api=f"{server.url}/api"),
        to="C024BE91L",
        unknown="C000000",
        refused=(*NEVER, "ops", "C024BE91L here", "C024BE91L @wangwei"),
        limit=4000,
    ),
    "slack-webhook": chat(
        emulator=slack_emulator.Slack,
        settings=lambda server: slack.Settings(url=Secret(f"{server.url}{slack_emulator.HOOK}")),
        to="ops",
        refused=(*NEVER, "ops @wangwei"),
        limit=4000,
    ),
    "teams": chat(
        emulator=lambda: Teams(most=4000),
        settings=lambda server: teams.Settings(url=Secret(server.hook), max_bytes=4000),
        read=lambda server: [card.shown for card in server.cards],
        markup=lambda server: [mark for card in server.cards for mark in card.marks],
        to="ops",
        refused=NEVER,
        limit=4000,
    ),
    "telegram": chat(
        emulator=telegram_emulator.Telegram,
        settings=lambda server: telegram.Settings(token=Secret(telegram_emulator.TOKEN), api=server.url),
        to="-1001234",
        unknown="-100999",
        refused=(*NEVER, "ops", "-100/x", "-1001234 wang"),
        limit=4096,
    ),
}
