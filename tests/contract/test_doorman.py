"""Who is let in by keys that a later release has written."""

import pytest
from redis.asyncio import Redis
from starlette.requests import Request

from askonce.contract.keys import Keys
from askonce.operator.access_keys import AccessKeys
from askonce.operator.known_keys import KnownKeys
from askonce.serve.doorman import Doorman
from askonce.serve.refusals import Refused
from askonce.store.connection import Store


async def test_keys_of_a_later_release_alone_let_nobody_in(valkey_url, prefix):
    request = Request({"type": "http", "headers": [(b"host", b"localhost")]})
    store, where = Store(valkey_url), Keys(prefix).front_door.access
    try:
        assert await Doorman(KnownKeys(store, where), anonymous=True, local=True).lets_in_anybody(request)
        async with Redis.from_url(valkey_url) as redis:
            await redis.hset(where, "new", b'{"format": 999}')
        for local in (True, False):
            with pytest.raises(Refused) as refused:
                await Doorman(KnownKeys(store, where), anonymous=True, local=local).admit(request)
            assert refused.value.status == 401
        async with AccessKeys(valkey_url, key_prefix=prefix) as keys:
            assert await keys.all() == []
    finally:
        await store.aclose()
