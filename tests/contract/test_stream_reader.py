"""A client listens in the same write with which it submits: the replies are kept apart, whatever comes between."""

import asyncio

import pytest
from redis.asyncio import Redis

from askonce.errors import StoreUnreachable
from askonce.store.connection import ScriptCall, Store
from askonce.store.scripts import Script
from support.valkey_fixture import own_valkey  # noqa: F401

START = b"0-0"
FORGET = Script("askonce", "forget")
"""Any script: it returns how many of these there were."""


@pytest.fixture
async def store(valkey_url):
    store = Store(valkey_url)
    await store.script(FORGET, [], ["", 1, 0])
    yield store
    await store.aclose()


def forget(*names):
    return ScriptCall(FORGET, [], ["", 60_000, 0, *names])


async def test_the_scripts_reply_and_what_came_of_it_are_kept_apart(store, redis, prefix):
    reader = store.reader(f"{prefix}:stream")
    await redis.set(f"{prefix}:known", "1")
    assert reader.is_free
    assert await reader.behind(forget(f"{prefix}:known", f"{prefix}:other"), START) == 1
    assert not reader.is_free, "a read is under way"
    name = await redis.xadd(f"{prefix}:stream", {"ids": "a"})
    assert await reader.after(START) == [(name, {b"ids": b"a"})]
    assert reader.is_free
    later = await redis.xadd(f"{prefix}:stream", {"ids": "b"})
    assert await reader.after(name) == [(later, {b"ids": b"b"})]


async def test_one_who_reads_meanwhile_waits_for_the_scripts_reply(store, redis, prefix):
    reader = store.reader(f"{prefix}:stream")
    name = await redis.xadd(f"{prefix}:stream", {"ids": "a"})
    for _ in range(20):
        replies = await asyncio.gather(reader.behind(forget(), START), reader.after(START), reader.after(START))
        assert replies == [0, [(name, {b"ids": b"a"})], [(name, {b"ids": b"a"})]]


async def test_a_connection_that_breaks_is_another_one_the_next_time(own_valkey, prefix):  # noqa: F811
    store = Store(own_valkey.url)
    await store.script(FORGET, [], ["", 1, 0])
    reader = store.reader(f"{prefix}:stream")
    async with Redis.from_url(own_valkey.url) as redis:
        await reader.behind(forget(), START)
        await redis.client_kill_filter(_type="normal", skipme=True)
        with pytest.raises(StoreUnreachable):
            await reader.after(START)
        assert await reader.behind(forget(), START) == 0
        name = await redis.xadd(f"{prefix}:stream", {"ids": "a"})
        assert await reader.after(START) == [(name, {b"ids": b"a"})]
    await store.aclose()


async def test_an_error_of_the_script_leaves_no_reply_behind(store, redis, prefix):
    reader = store.reader(f"{prefix}:stream")
    with pytest.raises(StoreUnreachable):
        await reader.behind(ScriptCall(FORGET, [], ["", "no number", 1, f"{prefix}:x"]), START)
    assert reader.is_free
    assert await reader.behind(forget(), START) == 0
