"""Leased workers as processes, on one server and prefix. For the tests of the queue."""

import contextlib
import json
import os
import tempfile
import uuid
from pathlib import Path

import pytest
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from support.jobs import put
from support.starting import start_module
from support.worker_process import WorkerProcess, until

LEASE = 1.5
TESTS = Path(__file__).parents[1]


@pytest.fixture
async def redis(valkey_url):
    client = Redis.from_url(valkey_url)
    yield client
    await client.aclose()


class Pool:
    """Workers on one server and prefix."""

    def __init__(self, url, redis, directory):
        self.url = url
        self.redis = redis
        self.keys = Keys(f"test-{uuid.uuid4().hex[:8]}")
        self.directory = directory
        self.workers = []

    async def start(self, **orders):
        log = self.directory / f"{len(self.workers)}.log"
        told = {"url": self.url, "prefix": self.keys.prefix, "lease": LEASE, **orders}
        environment = {**os.environ, "PYTHONPATH": str(TESTS)}
        files = {"directory": TESTS, "output": log, "errors": log}
        process = await start_module("support.leased_worker", json.dumps(told), environment=environment, **files)
        worker = WorkerProcess(process, log)
        self.workers.append(worker)
        name = f"worker-{process.pid}"
        await until(lambda: self.redis.zscore(self.keys.workers, name), what=f"the start of {name}")
        return worker

    async def put(self, texts=("ok",), **options):
        return await put(self.redis, self.keys, texts, **options)

    async def held(self):
        return await self.redis.zcard(self.keys.leases("bulk"))

    async def waiting(self):
        return await self.redis.zcard(self.keys.queue("bulk")) + await self.redis.zcard(self.keys.alone("bulk"))

    async def began(self, job, times):
        return int(await self.redis.hget(f"{self.keys.prefix}:began", job) or 0) == times

    async def answered(self):
        found = await self.redis.hgetall(f"{self.keys.prefix}:answered")
        return {name.decode(): int(count) for name, count in found.items()}

    async def until_answered(self, questions, seconds=60.0):
        async def all_of_them():
            return set(questions) <= set(await self.answered())

        await until(all_of_them, seconds=seconds, what="the answers")

    async def until_held(self, count):
        async def there():
            return await self.held() == count

        await until(there, what=f"{count} leases")

    async def until_drained(self, seconds=60.0):
        async def nothing_left():
            return not await self.held() and not await self.waiting()

        await until(nothing_left, seconds=seconds, what="an empty queue")


@contextlib.asynccontextmanager
async def pool_on(url):
    redis = Redis.from_url(url)
    with tempfile.TemporaryDirectory() as directory:
        pool = Pool(url, redis, Path(directory))
        try:
            yield pool
        finally:
            for worker in pool.workers:
                await worker.kill()
            await redis.aclose()


@pytest.fixture
async def pool(valkey_url):
    async with pool_on(valkey_url) as pool:
        yield pool
