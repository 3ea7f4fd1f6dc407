"""Rigs of WeCom, DingTalk, Feishu."""

from __future__ import annotations

from tests.backends.rig import Rig

RIGS: dict[str, Rig] = {}
