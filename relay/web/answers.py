"""Answers in the port's manner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web


def data(value: Any, status: int = 200) -> web.Response:
    """A value as JSON."""
    body = msgspec.json.encode(value, enc_hook=str) + b"\n"
    return web.Response(body=body, status=status, content_type="application/json")


def refusal(status: int, why: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """An error, for people and programs."""
    answer = data({"error": why}, status)
    answer.headers.update(headers or {})
    return answer


def later(why: str, seconds: int = 5) -> web.Response:
    """It can't be done now."""
    return refusal(503, why, {"Retry-After": str(seconds)})


def text(words: str, status: int = 200) -> web.Response:
    """Lines for people."""
    return web.Response(text=f"{words}\n", status=status)
