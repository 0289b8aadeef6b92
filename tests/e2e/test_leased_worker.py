"""Workers as processes: killed, stopped, frozen, without Redis, and with a question that kills whoever answers it."""

# ruff: noqa: F811
import asyncio
import contextlib
import json
import signal
import time

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from askonce_worker.local.valkey import server_command
from support.leased_pool import LEASE, pool, pool_on, redis  # noqa: F401
from support.worker_process import until


async def test_the_jobs_of_a_killed_worker_run_again_within_the_lease_plus_5_s_before_a_backlog_of_12000(pool):
    held = [await pool.put(["sleep:30", "ok"]) for _ in range(20)]
    victim = await pool.start()
    await pool.until_held(20)
    pipe = pool.redis.pipeline(transaction=False)
    for number in range(12_000):
        pipe.set(f"arq:job:{pool.keys.prefix}-{number}", b'{"t":null,"f":"nap","a":[0],"k":{},"et":1}', px=600_000)
        pipe.zadd(pool.keys.queue("bulk"), {f"{pool.keys.prefix}-{number}": 100 + number})
    await pipe.execute()
    heir = await pool.start(chunks=24)
    await victim.kill()
    killed = time.monotonic()

    async def all_again():
        ran = await pool.redis.smembers(f"{pool.keys.prefix}:ran")
        return {f"{job} {heir.pid}".encode() for job in held} <= ran

    await until(all_again, seconds=LEASE + 5)
    assert time.monotonic() - killed < LEASE + 5
    assert await pool.waiting() > 0
    await pool.redis.delete(pool.keys.queue("bulk"))
    assert all(count == 1 for count in (await pool.answered()).values())


def hanging(namespace):
    questions = [{"id": f"{namespace}-{number}", "text": "wait"} for number in range(64)]
    chunk = {"v": 1, "namespace": namespace, "scopes": [{"model": "m"}], "questions": questions}
    return json.dumps({"t": None, "f": "answer_chunk", "a": [chunk], "k": {}, "et": 1}).encode()


async def test_however_many_bulk_flows_hang_asks_and_lapsed_jobs_are_claimed(pool):
    for number in range(200):
        await pool.put(["wait"] * 64, raw=hanging(f"tenant-{number % 40}"), score=number)
    await pool.start(chunks=8, lease=5.0)

    async def is_full():
        before = await pool.held()
        await asyncio.sleep(2.5)
        return await pool.held() == before > 8

    await until(is_full, what="a worker that takes no more of bulk")
    assert await pool.waiting() > 100
    ask = await pool.put(lane="interactive")
    await pool.until_answered([f"{ask}/0"], seconds=10)
    lapsed = await pool.put()
    pipe = pool.redis.pipeline()
    pipe.zrem(pool.keys.queue("bulk"), lapsed)
    pipe.zadd(pool.keys.leases("bulk"), {lapsed: 1})
    pipe.hset(pool.keys.tokens("bulk"), lapsed, "dead-1 0 0 1")
    await pipe.execute()
    await pool.until_answered([f"{lapsed}/0"], seconds=10)


async def test_sigterm_hands_jobs_back_at_once_and_no_try_is_counted(pool):
    jobs = [await pool.put(["sleep:30"]) for _ in range(5)]
    worker = await pool.start(grace=0.2, lease=60)
    await pool.until_held(5)
    began = time.monotonic()
    assert await worker.stop() == 0
    assert time.monotonic() - began < 5
    assert await pool.held() == 0
    states = await pool.redis.hmget(pool.keys.tokens("bulk"), jobs)
    assert states == [b"- 0 0 1"] * 5
    assert await pool.redis.zscore(pool.keys.workers, f"worker-{worker.pid}") is None


async def test_sigterm_lets_a_running_job_end_and_claims_nothing_more(pool):
    job = await pool.put(["sleep:1"])
    worker = await pool.start()
    await pool.until_held(1)
    worker.signal(signal.SIGTERM)
    await until(lambda: _says(worker, "worker.stopping"))
    later = await pool.put()
    assert await asyncio.wait_for(worker.process.wait(), 10) == 0
    assert set(await pool.answered()) == {f"{job}/0"}
    assert await pool.redis.zscore(pool.keys.queue("bulk"), later) is not None


async def test_a_second_signal_does_not_wait(pool):
    await pool.put(["sleep:30"])
    worker = await pool.start(grace=30)
    await pool.until_held(1)
    worker.signal(signal.SIGTERM)
    await until(lambda: _says(worker, "worker.stopping"))
    worker.signal(signal.SIGINT)
    assert await asyncio.wait_for(worker.process.wait(), 5) == 0
    assert await pool.waiting() == 1


async def test_a_worker_frozen_for_twice_its_lease_can_finish_nothing(pool):
    job = await pool.put(["sleep:12"])  # longer than it is frozen: else its sleep is over as soon as it wakes
    zombie = await pool.start()
    await until(lambda: pool.began(job, 1))
    zombie.signal(signal.SIGSTOP)
    heir = await pool.start()

    await until(lambda: pool.began(job, 2), seconds=2 * LEASE + 5)
    await asyncio.sleep(LEASE)
    token = await pool.redis.hget(pool.keys.tokens("bulk"), job)
    zombie.signal(signal.SIGCONT)
    await until(lambda: _says(zombie, "job.lost"))
    assert await pool.redis.hget(pool.keys.tokens("bulk"), job) == token
    assert f"worker-{heir.pid}".encode() in token
    await pool.until_answered([f"{job}/0"])
    await pool.until_drained()
    assert await pool.answered() == {f"{job}/0": 1}


async def test_a_worker_that_is_frozen_alone_goes_on_with_what_nobody_claimed(pool):
    job = await pool.put(["sleep:2"])
    worker = await pool.start()
    await until(lambda: pool.began(job, 1))
    worker.signal(signal.SIGSTOP)
    await asyncio.sleep(2 * LEASE)
    worker.signal(signal.SIGCONT)
    await pool.until_answered([f"{job}/0"])
    await pool.until_drained()
    # Twice, if a claim was on its way when it froze: that one takes back its own lapsed job, before any renewal can.
    assert int(await pool.redis.hget(f"{pool.keys.prefix}:began", job)) <= 2


class Server:
    """A server with an append-only file, that the test may stop and start again."""

    def __init__(self, directory, port):
        self.command = [*server_command(port, directory, durable=True), "--appendfsync", "always"]
        self.url = f"redis://127.0.0.1:{port}"

    async def start(self):
        self.process = await asyncio.create_subprocess_exec(*self.command, stdin=asyncio.subprocess.DEVNULL)
        redis = Redis.from_url(self.url)

        async def answers():
            with contextlib.suppress(RedisError, OSError):
                return await redis.ping()

        await until(answers, what="the server")
        await redis.aclose()

    async def stop(self):
        self.process.kill()
        await self.process.wait()


@pytest.fixture
async def server(tmp_path, unused_tcp_port):
    server = Server(tmp_path, unused_tcp_port)
    await server.start()
    yield server
    if server.process.returncode is None:
        await server.stop()


async def test_nothing_is_lost_when_redis_restarts_under_load(server):
    async with pool_on(server.url) as pool:
        worker = await pool.start(lease=2.0)
        jobs = [await pool.put(["sleep:0.5", "sleep:0.05"], score=n + 1) for n in range(150)]
        await until(lambda: pool.answered())
        await server.stop()
        await asyncio.sleep(2.5)
        await server.start()
        await pool.until_answered([f"{job}/{n}" for job in jobs for n in range(2)], seconds=30)
        await pool.until_drained()
        assert await pool.redis.exists(pool.keys.dead) == 0
        assert worker.process.returncode is None
        assert not await _says(worker, "job.split")
        assert await worker.stop() == 0


async def test_a_worker_ends_with_a_clear_event_when_redis_is_away_for_too_long(server):
    async with pool_on(server.url) as pool:
        worker = await pool.start(away_limit=1.5)
        await server.stop()
        assert await asyncio.wait_for(worker.process.wait(), 15) != 0
        assert await _says(worker, "worker.failed")
        assert await _says(worker, "Redis has not answered for")


async def test_of_a_poison_job_only_the_bad_question_fails(pool):
    good = [await pool.put(["sleep:0.3"] * 2) for _ in range(19)]
    poison = await pool.put(["ok", "crash", "sleep:0.02"])
    bad = f"{poison}/1"

    async def keep_one_running():
        while True:
            worker = await pool.start(chunks=40, max_tries=4, lease=1.0)
            await worker.process.wait()

    keeping = asyncio.create_task(keep_one_running())
    try:
        await until(lambda: pool.redis.hlen(pool.keys.dead), seconds=40, what="the dead letter")
        await pool.until_drained()
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
    fine = {f"{job}/{n}" for job in good for n in range(2)} | {f"{poison}/0", f"{poison}/2"}
    assert set(await pool.answered()) == fine
    assert await pool.redis.hgetall(f"{pool.keys.prefix}:failed") == {bad.encode(): b"crashed"}
    assert await pool.redis.hkeys(pool.keys.dead) == [f"{poison}.{bad}".encode()]
    assert await pool.redis.hget(pool.keys.load, "bulk") in (b"0", None)


async def test_a_failing_question_is_retried_split_off_and_buried_and_no_log_quotes_it(pool):
    job = await pool.put(["ok", "raise"])
    worker = await pool.start(max_tries=3)
    await until(lambda: pool.redis.hlen(pool.keys.dead), seconds=30)
    await pool.until_drained()
    assert await pool.answered() == {f"{job}/0": 1}
    assert await pool.redis.hgetall(f"{pool.keys.prefix}:failed") == {f"{job}/1".encode(): b"failed: ValueError"}
    assert await _says(worker, "job.failed")
    assert not await _says(worker, "secret prompt")


async def test_a_cron_tick_runs_once_over_all_workers_and_a_failing_one_hurts_nobody(pool):
    workers = [await pool.start(cron=True) for _ in range(2)]
    first, _ = await pool.redis.time()
    before = int(await pool.redis.get(f"{pool.keys.prefix}:ticks") or 0)

    async def three_more():
        return int(await pool.redis.get(f"{pool.keys.prefix}:ticks") or 0) >= before + 3

    await until(three_more)
    ticks = int(await pool.redis.get(f"{pool.keys.prefix}:ticks")) - before
    now, _ = await pool.redis.time()
    assert ticks <= now - first + 1
    await until(lambda: _one_says(workers, "cron.failed"))
    job = await pool.put()
    await pool.until_answered([f"{job}/0"])


async def _says(worker, word):
    return word in worker.log.read_text()


async def _one_says(workers, word):
    return any([await _says(worker, word) for worker in workers])
