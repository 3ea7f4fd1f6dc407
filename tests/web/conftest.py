from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.web.rig import Client, House, served


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
async def client(house: House) -> AsyncIterator[Client]:
    async with served(house) as client:
        yield client
