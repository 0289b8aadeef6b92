"""A wake-up reaches a worker that can take the job. The workers here never look for jobs without one."""

# ruff: noqa: F811
import orjson
import pytest

from support.leased_pool import pool, redis  # noqa: F401
from support.worker_process import until

ASKS = 50
NEVER = 86_400


def of(namespace, text, job):
    chunk = {"v": 1, "namespace": namespace, "questions": [{"id": f"{job}/0", "text": text}]}
    return orjson.dumps({"t": None, "f": "answer_chunk", "a": [chunk], "k": {}, "et": 1})


async def ran_by(pool):
    """Job -> the process that ran it."""
    members = await pool.redis.smembers(f"{pool.keys.prefix}:ran")
    return dict(member.decode().split(" ") for member in members)


async def until_it_runs(pool, job):
    """Returns the process."""

    async def runs():
        return (await ran_by(pool)).get(job)

    return await until(runs, what="the start of a job")


async def ask_one_after_the_other(pool, count, **options):
    asked = []
    for _ in range(count):
        job = await pool.put(lane="interactive", **options)
        await pool.until_answered([f"{job}/0"])
        asked.append(job)
    return asked


async def test_no_ask_waits_for_a_worker_that_holds_its_flow_back(pool):
    """One of two workers has taken so much of a flow that hangs that it takes no more of it."""
    workers = [await pool.start(chunks=1, poll=NEVER) for _ in range(2)]
    hanging = await pool.put(["wait"] * 64, lane="interactive")
    saturated = await until_it_runs(pool, hanging)
    asked = await ask_one_after_the_other(pool, ASKS)
    ran = await ran_by(pool)
    other = next(str(worker.pid) for worker in workers if str(worker.pid) != saturated)
    assert {ran[job] for job in asked} == {other}


async def test_no_ask_waits_for_a_worker_without_a_free_slot(pool):
    workers = [await pool.start(chunks=1, poll=NEVER) for _ in range(2)]
    busy = await pool.put(["sleep:3600"], lane="interactive")
    saturated = await until_it_runs(pool, busy)
    asked = await ask_one_after_the_other(pool, ASKS)
    ran = await ran_by(pool)
    other = next(str(worker.pid) for worker in workers if str(worker.pid) != saturated)
    assert {ran[job] for job in asked} == {other}


@pytest.mark.parametrize("workers", [2, 3])
async def test_workers_that_hold_different_flows_back_take_each_others_asks(pool, workers):
    for _ in range(workers):
        await pool.start(chunks=1, poll=NEVER)
    held = {}
    for number in range(workers):
        record = orjson.loads(of(f"n{number}", "wait", "hangs"))
        record["a"][0]["questions"] *= 64
        job = await pool.put(lane="interactive", raw=orjson.dumps(record))
        held[f"n{number}"] = await until_it_runs(pool, job)
    for turn in range(10):
        for namespace in held:
            job = f"ask-{namespace}-{turn}"
            await pool.put(lane="interactive", job=job, raw=of(namespace, "ok", job))
            await pool.until_answered([f"{job}/0"])
    ran = await ran_by(pool)
    assert all(ran[job] != held[job.split("-")[1]] for job in ran if job.startswith("ask-"))
