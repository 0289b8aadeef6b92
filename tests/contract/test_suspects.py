"""Jobs whose workers died twice: they run one at a time, in a process that runs nothing else."""

import asyncio
import uuid

import arq.worker
import pytest

from askonce.contract.chunk import FUNCTION
from askonce.tasks import stop
from askonce_worker.health.parts import PartHealth
from askonce_worker.queue.arq_worker import LeasedWorker
from askonce_worker.queue.worker_options import JobHooks, WorkerLimits
from askonce_worker.redis.clock import RedisClock
from support.jobs import put
from support.worker_process import until


class Watch:
    """Jobs of 50 ms each, and which of them ran beside which."""

    def __init__(self):
        self.now = set()
        self.beside = {}
        self.suspects = 0

    async def answer_chunk(self, ctx, chunk):
        job = ctx["job"].job
        self.now.add(job)
        for other in self.now:
            self.beside.setdefault(other, set()).update(self.now)
        ctx["leave_slot"]()
        await asyncio.sleep(0.05)
        self.now.discard(job)

    def on_suspects(self):
        self.suspects += 1


async def on_dead(job, cause):
    raise AssertionError(cause)


def run(redis, keys, watch, *, suspects_only):
    return asyncio.create_task(
        LeasedWorker(
            [arq.worker.func(watch.answer_chunk, name=FUNCTION)], redis=redis, keys=keys, clock=RedisClock(),
            worker=uuid.uuid4().hex, health=PartHealth(),
            hooks=JobHooks(lambda record: [record], on_dead, on_suspects=watch.on_suspects),
            lease=2.0, limits=WorkerLimits(8), suspects_only=suspects_only, handle_signals=False,
        ).async_run()
    )  # fmt: skip


async def put_suspects(redis, keys, count):
    jobs = [uuid.uuid4().hex for _ in range(count)]
    for job in jobs:
        await redis.hset(keys.tokens("bulk"), job, "- 2 0 1")
        await put(redis, keys, job=job)
    return set(jobs)


async def test_a_worker_runs_all_jobs_but_suspects_and_asks_for_a_process_for_these(redis, keys, watch):
    suspects = await put_suspects(redis, keys, 3)
    others = {await put(redis, keys, score=2) for _ in range(30)}
    task = run(redis, keys, watch, suspects_only=False)

    async def they_ran():
        return watch.beside.keys() >= others and watch.suspects

    await until(they_ran)
    assert not watch.beside.keys() & suspects
    assert any(len(beside) > 1 for beside in watch.beside.values())
    await stop(task)


async def test_a_process_for_suspects_runs_them_one_at_a_time_and_ends_when_none_is_left(redis, keys, watch):
    others = {await put(redis, keys) for _ in range(3)}
    suspects = await put_suspects(redis, keys, 5)
    for job in suspects:  # the first look of any worker sets them apart
        await redis.zrem(keys.queue("bulk"), job)
        await redis.zadd(keys.alone("bulk"), {job: 1})
    async with asyncio.timeout(30):
        await run(redis, keys, watch, suspects_only=True)
    assert watch.beside == {job: {job} for job in suspects}
    assert await redis.zcard(keys.queue("bulk")) == len(others)
    assert await redis.exists(keys.leases("bulk"), keys.alone("bulk")) == 0


@pytest.fixture
def watch():
    return Watch()
