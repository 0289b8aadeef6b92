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


@pytest.mark.parametrize("host", [b"evil.example", b"[", b""])
async def test_without_keys_nobody_gets_in_by_a_name_of_his_own(valkey_url, prefix, host):
    request = Request({"type": "http", "headers": [(b"host", host)]})
    store = Store(valkey_url)
    try:
        doorman = Doorman(KnownKeys(store, Keys(prefix).front_door.access), anonymous=True, local=True)
        with pytest.raises(Refused) as refused:
            await doorman.admit(request)
        assert refused.value.status == 403
    finally:
        await store.aclose()
