"""Whatever runs in the background ends on a single cancellation, whenever it comes: asyncio.run sends no second one."""

import asyncio
import random

from askonce.contract.keys import Keys
from askonce.session.listener import Listener
from askonce.store.connection import Store
from askonce_worker.redis.connection import connect_redis

TIMES = 400


async def all_end(call):
    """Each task does nothing but calls, and is cancelled once, at any moment of them."""

    async def for_ever():
        while True:
            await call()

    for _ in range(TIMES):
        task = asyncio.create_task(for_ever())
        await asyncio.sleep(random.uniform(0, 0.003))
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=60)
        assert done, "it goes on"
        assert task.cancelled()


async def test_a_call_of_the_client_ends(valkey_url):
    store = Store(valkey_url)
    await all_end(lambda: store.pipeline([("PING",), ("TIME",)]))
    await store.aclose()


async def test_a_call_of_the_worker_ends(valkey_url):
    async with connect_redis(valkey_url) as redis:
        await all_end(redis.time)


async def test_a_listener_ends(valkey_url, prefix):
    store = Store(valkey_url)
    for _ in range(40):
        before = asyncio.all_tasks()
        Listener(store, Keys(prefix)).start()
        tasks = asyncio.all_tasks() - before
        await asyncio.sleep(random.uniform(0, 0.003))
        for task in tasks:
            task.cancel()
        done, pending = await asyncio.wait(tasks, timeout=60)
        assert not pending
        assert all(task.cancelled() for task in done)
    await store.aclose()
