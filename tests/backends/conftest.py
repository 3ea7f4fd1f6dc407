"""Fixtures of the backends' tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from relay.backends.base import Door
from relay.backends.http import open_session
from relay.clock import FakeClock


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as session:
        yield session


@pytest.fixture
def door(session: aiohttp.ClientSession) -> Door:
    return Door(session=session, clock=FakeClock(), name="under-test")
