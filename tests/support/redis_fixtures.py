"""The Redis of a test by itself: its keys, and a connection."""

import pytest
from redis.asyncio import Redis

from askonce.contract.keys import Keys


@pytest.fixture
def keys(prefix) -> Keys:
    return Keys(prefix)


@pytest.fixture
async def redis(valkey_url):
    async with Redis.from_url(valkey_url) as client:
        yield client
