"""A job that may take its worker with it: it waits for the others, and runs with no other beside it."""

import asyncio
import uuid

import arq.worker
import pytest
from redis.asyncio import Redis

from askonce.contract.chunk import FUNCTION
from askonce.contract.keys import Keys
from askonce_worker.queue.arq_worker import LeasedWorker
from askonce_worker.redis.clock import RedisClock
from support.jobs import put
from support.worker_process import until


class Watch:
    """Jobs of 50 ms each, and which of them ran beside which."""

    def __init__(self):
        self.now = set()
        self.beside = {}
        self.told = asyncio.Event()

    async def answer_chunk(self, ctx, chunk):
        job = ctx["job"].job
        self.now.add(job)
        for other in self.now:
            self.beside.setdefault(other, set()).update(self.now)
        await asyncio.sleep(0.05)
        self.now.discard(job)

    async def answer_until_told(self, ctx, chunk):
        self.now.add(ctx["job"].job)
        if ctx["job"].lane == "bulk":
            await self.told.wait()


@pytest.fixture
async def redis(valkey_url):
    client = Redis.from_url(valkey_url)
    yield client
    await client.aclose()


async def on_dead(job, cause):
    raise AssertionError(cause)


def run(redis, keys, function):
    worker = LeasedWorker(
        [arq.worker.func(function, name=FUNCTION)], redis=redis, keys=keys, clock=RedisClock(),
        worker=uuid.uuid4().hex, split=lambda record: [record], on_dead=on_dead, lease=2.0, chunks=8,
        handle_signals=False,
    )  # fmt: skip
    return worker, asyncio.create_task(worker.async_run())


async def test_whoever_awaits_an_answer_does_not_wait_for_the_bulk_jobs_before_one_that_runs_alone(redis, prefix):
    keys, watch = Keys(prefix), Watch()
    bulk = await put(redis, keys)
    worker, task = run(redis, keys, watch.answer_until_told)

    async def runs(job):
        return job in watch.now

    async def is_held(job):
        return await redis.zscore(keys.leases("bulk"), job)

    await until(lambda: runs(bulk))
    alone = uuid.uuid4().hex
    await redis.hset(keys.tokens("bulk"), alone, "- 2 0 1")
    await put(redis, keys, job=alone)
    await until(lambda: is_held(alone))
    asked = await put(redis, keys, lane="interactive")
    await until(lambda: runs(asked))
    assert alone not in watch.now
    watch.told.set()
    await until(lambda: runs(alone))
    worker.handle_sig(15)
    await task


async def test_jobs_that_lapsed_twice_run_alone_and_do_not_keep_the_others_waiting(redis, prefix):
    keys, watch = Keys(prefix), Watch()
    alone = [await put(redis, keys) for _ in range(3)]
    for job in alone:
        await redis.hset(keys.tokens("bulk"), job, "- 2 0 1")
    others = [await put(redis, keys, score=2) for _ in range(30)]
    worker, task = run(redis, keys, watch.answer_chunk)

    async def all_ran():
        return set(watch.beside) == {*alone, *others}

    await until(all_ran)
    worker.handle_sig(15)
    await task
    assert all(watch.beside[job] == {job} for job in alone)
    order = list(watch.beside)
    assert min(order.index(job) for job in others) < max(order.index(job) for job in alone)
    assert any(len(watch.beside[job]) > 1 for job in others)
    assert await redis.exists(keys.leases("bulk"), keys.queue("bulk")) == 0
