"""Our jobs are arq's: a stock arq worker runs what submit.lua writes, and our worker what arq enqueues."""

import asyncio
import contextlib
import uuid

import arq.worker
import orjson
import pytest
from arq.connections import ArqRedis
from redis.asyncio import Redis

from askonce.contract.chunk import FUNCTION
from askonce.contract.keys import ARQ_JOB, Keys
from askonce.store.scripts import Script
from askonce_worker.health.parts import PartHealth
from askonce_worker.queue.arq_worker import LeasedWorker
from askonce_worker.queue.worker_options import JobHooks
from askonce_worker.redis.clock import RedisClock
from support.jobs import job_record, put
from support.worker_process import until

SUBMIT = Script("askonce", "submit")
CHUNK = {"v": 1, "namespace": "n", "questions": [{"id": "q", "text": "你好", "scope": 0}]}


@pytest.fixture
async def redis(valkey_url):
    client = Redis.from_url(valkey_url)
    yield client
    await client.aclose()


@pytest.fixture
def keys():
    return Keys(f"test-{uuid.uuid4().hex[:8]}")


async def submit(redis, keys, lane, question="q"):
    job = uuid.uuid4().hex
    await SUBMIT(
        redis,
        [keys.queue(lane), keys.wake, keys.fair, keys.load],
        [
            keys.result("n", ""), ARQ_JOB + job, job, lane, "n", 0, 60_000, 60_000, "", FUNCTION, orjson.dumps(CHUNK),
            question, "f" * 43,
        ],
    )  # fmt: skip
    return job


@contextlib.asynccontextmanager
async def running(worker):
    task = asyncio.create_task(worker.async_run())
    try:
        yield task
    finally:
        if isinstance(worker, LeasedWorker):
            worker.handle_sig(15)
            await task
        else:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await worker.pool.aclose()


class Seen:
    """A job function that notes how it is called."""

    def __init__(self):
        self.calls = []
        self.dead = []

    async def answer_chunk(self, ctx, *args, **kwargs):
        self.calls.append((ctx, args, kwargs))

    async def on_dead(self, job, cause):
        self.dead.append((job.job, cause))

    @property
    def function(self):
        return arq.worker.func(self.answer_chunk, name=FUNCTION)

    def worker(self, redis, keys):
        return LeasedWorker(
            [self.function], redis=redis, keys=keys, clock=RedisClock(), worker=uuid.uuid4().hex,
            health=PartHealth(), hooks=JobHooks(lambda record: [record], self.on_dead), lease=2.0, handle_signals=False,
        )  # fmt: skip


async def test_submit_writes_the_bytes_that_job_record_describes(redis, keys):
    job = await submit(redis, keys, "bulk")
    raw = await redis.get(ARQ_JOB + job)
    assert raw == job_record(orjson.dumps(CHUNK), orjson.loads(raw)["et"])


@pytest.mark.parametrize("lane", ["interactive", "bulk"])
async def test_a_stock_arq_worker_runs_our_job(redis, keys, valkey_url, lane):
    seen = Seen()
    job = await submit(redis, keys, lane)
    worker = arq.worker.Worker(
        [seen.function], queue_name=keys.queue(lane), redis_pool=ArqRedis(redis.connection_pool), poll_delay=0.02,
        handle_signals=False, job_serializer=orjson.dumps, job_deserializer=orjson.loads,
    )  # fmt: skip
    async with running(worker):
        await until(lambda: _async(seen.calls))
    ((ctx, args, kwargs),) = seen.calls
    assert (ctx["job_id"], list(args), kwargs) == (job, [CHUNK], {})


async def test_our_worker_runs_a_job_that_arq_enqueued(redis, keys):
    seen = Seen()
    producer = ArqRedis(redis.connection_pool, job_serializer=orjson.dumps, job_deserializer=orjson.loads)
    enqueued = await producer.enqueue_job(FUNCTION, CHUNK, 7, _queue_name=keys.queue("bulk"), word="yes")
    async with running(seen.worker(redis, keys)):
        await until(lambda: _async(seen.calls))
        await until(lambda: _gone(redis, enqueued.job_id))
    ((ctx, args, kwargs),) = seen.calls
    assert (list(args), kwargs) == ([CHUNK, 7], {"word": "yes"})
    assert ctx["job"].job == enqueued.job_id
    assert abs(ctx["clock"].now_ms() - ctx["job"].enqueued_ms) < 10_000
    assert await redis.exists(keys.leases("bulk"), keys.tokens("bulk"), keys.queue("bulk")) == 0


async def test_our_worker_runs_our_job_within_milliseconds_of_its_submission(redis, keys):
    seen = Seen()
    async with running(seen.worker(redis, keys)):
        await until(lambda: redis.zcard(keys.workers))
        took = []
        for number in range(1, 11):
            began = asyncio.get_running_loop().time()
            await submit(redis, keys, "interactive", f"q{number}")
            await until(lambda number=number: _async_value(_async(len(seen.calls)), number))
            took.append(asyncio.get_running_loop().time() - began)
        assert min(took) < 0.25  # polling twice a second takes as long on average


async def test_a_job_that_makes_no_sense_becomes_a_dead_letter_and_hurts_nobody(redis, keys):
    seen = Seen()
    pickled = await put(redis, keys, raw=b"\x80\x04\x95pickled")
    unknown = await put(redis, keys, raw=b'{"t":null,"f":"nobody","a":[],"k":{},"et":1}')
    shapeless = await put(redis, keys, raw=b'{"f":1}')
    async with running(seen.worker(redis, keys)):
        await until(lambda: _async_value(redis.hlen(keys.dead), 3))
        await submit(redis, keys, "bulk")
        await until(lambda: _async(seen.calls))
    causes = {job.decode(): orjson.loads(letter)["cause"] for job, letter in (await redis.hgetall(keys.dead)).items()}
    assert set(causes) == {pickled, unknown, shapeless}
    assert causes[unknown] == "unknown function 'nobody'"
    assert causes[pickled].startswith("malformed record")
    assert dict(seen.dead) == causes


async def _async(value):
    return value


async def _async_value(awaitable, wanted):
    return await awaitable == wanted


async def _gone(redis, job):
    return not await redis.exists(ARQ_JOB + job)
