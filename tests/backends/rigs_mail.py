"""Rigs of mail and Apprise."""

from __future__ import annotations

from tests.backends.rig import Rig

RIGS: dict[str, Rig] = {}
