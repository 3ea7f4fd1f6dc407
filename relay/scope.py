"""Tasks that end with the block they were begun for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any


@contextlib.asynccontextmanager
async def serving(*services: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Endless services that end with the block."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(service) for service in services]
        yield
        for task in tasks:
            task.cancel()
