"""Rigs of Matrix, Zulip, ntfy, Gotify, Bark, ServerChan, PagerDuty."""

from __future__ import annotations

from tests.backends.rig import Rig

RIGS: dict[str, Rig] = {}
