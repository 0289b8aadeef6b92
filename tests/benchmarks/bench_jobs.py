"""No-op jobs a second: leased workers beside stock arq, in the same run. Prints a table; never fails.

python tests/benchmarks/bench_jobs.py [--jobs 6000] [--rounds 5]
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
import uuid
from pathlib import Path

import orjson
from redis.asyncio import Redis

from askonce.contract.keys import ARQ_JOB, Keys
from askonce_worker.local.parts import choose_parts
from askonce_worker.local.stack import Stack

SILENT = {"stdout": asyncio.subprocess.DEVNULL, "stderr": asyncio.subprocess.DEVNULL}
TESTS = Path(__file__).parents[1]
WAYS = (("stock arq", 1, True), ("stock arq", 2, True), ("leased", 1, False), ("leased", 2, False))


async def enqueue(redis: Redis, keys: Keys, function: str, jobs: int) -> None:
    now = int(time.time() * 1000)
    record = orjson.dumps({"t": None, "f": function, "a": [{"questions": []}], "k": {}, "et": now})
    pipe = redis.pipeline(transaction=False)
    for number in range(jobs):
        job = f"{keys.prefix}-{number:06}"
        pipe.set(ARQ_JOB + job, record, px=600_000)
        pipe.zadd(keys.queue("bulk"), {job: now - jobs + number})
    await pipe.execute()


async def drained(redis: Redis, keys: Keys, most: int) -> None:
    while await redis.zcard(keys.queue("bulk")) + await redis.zcard(keys.leases("bulk")) > most:
        await asyncio.sleep(0.005)


async def run_once(url: str, function: str, jobs: int, workers: int, stock: bool) -> float:
    """Jobs a second, from the moment the first tenth is done: starting up is not counted."""
    keys = Keys(f"bench-{uuid.uuid4().hex[:8]}")
    redis = Redis.from_url(url)
    await enqueue(redis, keys, function, jobs)
    orders = json.dumps({"url": url, "prefix": keys.prefix, "stock": stock})
    environ = {**os.environ, "PYTHONPATH": str(TESTS)}
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "support.leased_worker", orders, env=environ, **SILENT
        )
        for _ in range(workers)
    ]
    try:
        async with asyncio.timeout(120):
            await drained(redis, keys, jobs * 9 // 10)
            left = await redis.zcard(keys.queue("bulk"))
            began = time.perf_counter()
            await drained(redis, keys, 0)
            return left / (time.perf_counter() - began)
    except TimeoutError:
        return 0.0
    finally:
        for process in processes:
            process.terminate()
            await process.wait()
        await redis.aclose()


async def main(url: str, jobs: int, rounds: int) -> None:
    print(f"{'jobs':10} {'worker':10} {'processes':>9} {'jobs/s (median)':>16} {'from':>8} {'to':>8}")
    for function in ("noop", "nap"):
        found = {way: [] for way in WAYS}
        for _ in range(rounds):
            for way in WAYS:
                name, workers, stock = way
                found[way].append(await run_once(url, function, jobs // 4 if stock else jobs, workers, stock))
        for (name, workers, _), rates in found.items():
            line = f"{statistics.median(rates):16,.0f} {min(rates):8,.0f} {max(rates):8,.0f}"
            print(f"{function:10} {name:10} {workers:9} {line}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=12_000)
    parser.add_argument("--rounds", type=int, default=5)
    told = parser.parse_args()
    with Stack(choose_parts(["redis"])) as stack:
        asyncio.run(main(stack.environment["ASKONCE_REDIS_URL"], told.jobs, told.rounds))
