"""Rigs of OpenIM, RongCloud, anyRTC, WeChat."""

from __future__ import annotations

from tests.backends.rig import Rig

RIGS: dict[str, Rig] = {}
