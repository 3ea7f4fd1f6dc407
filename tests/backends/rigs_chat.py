"""Rigs of Slack, Telegram, Discord, Teams, Mattermost, Rocket.Chat."""

from __future__ import annotations

from tests.backends.rig import Rig

RIGS: dict[str, Rig] = {}
