"""Wired workers whose questions wait for batches, at a pace for tests."""

import asyncio
import contextlib
import re
import time
from functools import partialmethod

import pytest

from askonce import Question
from askonce.tasks import stop
from askonce_worker.parked import batches, tending
from askonce_worker.parked.pauses import Pauses
from askonce_worker.parked.sending import Sending
from askonce_worker.parked.store import LockLost
from support.asking import collected, settings_for
from support.worker_process import until


@pytest.fixture
def hurried(monkeypatch):
    """Rounds follow each other at once, and nothing is waited for longer than a test can."""
    monkeypatch.setattr(tending, "IDLE", 0.02)
    monkeypatch.setattr(batches, "FIRST_PAUSE", 200)
    monkeypatch.setattr(batches, "FILES_STAY", 0)
    monkeypatch.setattr(Pauses, "__init__", partialmethod(Pauses.__init__, first=0.02, most=0.1))
    monkeypatch.setattr(Sending, "__init__", partialmethod(Sending.__init__, arrives=3.0, listed=1.0))


@pytest.fixture
def batch_worker(hurried, valkey_url, embedded_qdrant_url, llm_server, prefix):
    """Settings of a worker whose bulk questions wait for batches."""
    return settings_for(valkey_url, embedded_qdrant_url, llm_server, prefix) | {
        "ASKONCE_BULK_TIER": "batch",
        "ASKONCE_BATCH_WAIT": "0.05",
        "ASKONCE_BATCH_MARGIN": "2",
        "ASKONCE_LEASE": "10",
    }


def dying(monkeypatch, part, method, when, is_it=lambda *_: True):
    """The first call of `part.method` of which `is_it` is true costs its worker the lock, before it or after it, as if
    it had died. Returns the arguments of that call, once it was made."""
    real, killed = getattr(part, method), []

    async def dies(self, *arguments, **options):
        now = not killed and is_it(*arguments)
        if now:
            killed.append(arguments)
        if now and when == "before":
            raise LockLost
        result = await real(self, *arguments, **options)
        if now:
            raise LockLost
        return result

    monkeypatch.setattr(part, method, dies)
    return killed


async def park(worker, *questions, **options):
    """Submits them as one chunk, and has the worker take it. Returns their job ids."""
    ids = await worker.client.submit_many(list(questions), lane="bulk", **options)
    await asyncio.wait_for(worker.run_next("bulk"), 30)
    return ids


async def answers(worker, ids, seconds=60.0):
    return await collected(worker.client, ids, seconds=seconds)


@contextlib.asynccontextmanager
async def taking(worker):
    """The worker takes what comes into the bulk lane."""
    task = asyncio.create_task(_run_bulk(worker))
    try:
        yield
    finally:
        await stop(task)


async def _run_bulk(worker):
    while True:
        if await worker.redis.zcard(worker.keys.queue("bulk")):
            await worker.run_next("bulk")
        await asyncio.sleep(0.02)


async def hasten(worker, place, *, seconds):
    """Those who wait in this place have so much time left."""
    deadline = int((time.time() + seconds) * 1000)
    for name in await worker.redis.zrange(worker.keys.parked(place), 0, -1):
        key = worker.keys.parked(f"question:{name.decode()}")
        for field, value in (await worker.redis.hgetall(key)).items():
            if field.startswith(b"w:"):
                await worker.redis.hset(key, field, re.sub(rb'"deadline":\d+', b'"deadline":%d' % deadline, value))
        await worker.redis.zadd(worker.keys.parked(place), {name: deadline})


async def in_place(worker, place, count):
    async def there():
        return await worker.redis.zcard(worker.keys.parked(place)) == count

    await until(there, seconds=60, what=f"{count} questions in {place}")


async def lines_of_batches(worker):
    """By batch, how many questions stand in it."""
    names = await worker.redis.zrange(worker.keys.parked("batches"), 0, -1)
    return {name.decode(): await worker.redis.zcard(worker.keys.parked(f"lines:{name.decode()}")) for name in names}


async def running(worker, count=1):
    """Until so many batches run at the provider. Returns their names."""

    async def there():
        names = await worker.redis.zrange(worker.keys.parked("batches"), 0, -1)
        states = [await worker.redis.hget(worker.keys.parked(f"batch:{name.decode()}"), "state") for name in names]
        return len(names) == count and set(states) == {b"running"} and names

    return await until(there, seconds=60, what=f"{count} running batches")


async def nothing_left(worker):
    """Of parked questions, but for what is kept of batches."""
    kept = ("ended", "batch:", "lock", "limits", "since", "none")

    async def gone():
        pattern = worker.keys.parked("*")
        names = [name.decode() async for name in worker.redis.scan_iter(pattern, count=10_000)]
        left = [name for name in names if not name.removeprefix(worker.keys.parked("")).startswith(kept)]
        return not left and int(await worker.redis.hget(worker.keys.load, "parked") or 0) == 0

    await until(gone, seconds=30, what="an empty room")


def distinct(count, start=0):
    return [Question(f"How far is town {n}? [g{n}]") for n in range(start, start + count)]


async def seen(llm_server):
    """What the provider's batches have seen, and the calls beside them."""
    stats = await llm_server.stats()
    return stats["batches"], stats["chat"]["calls"]


async def paid_once(llm_server, count, *, calls=0):
    """So many lines are billed, no text twice, and so many calls beside them. Returns what the batches have seen."""
    batches, beside = await seen(llm_server)
    assert (beside, batches["billed"], set(batches["texts"].values())) == (calls, count, {1})
    return batches
