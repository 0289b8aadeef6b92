"""What leading adds to a miss: the time of a claim, with 5,000 live leaders and 400 claims a second over 4 processes.

Every claim leads (all vectors differ) and settles the oldest leader, so that live leaders stay as many and settled ones
pile up to their bound. All in one scope, the worst case, and over 64 scopes. Prints medians of five rounds. The CPU
time a claim takes in all four workers together, settling included, tells how busy the machine was with other things.

    python tests/benchmarks/bench_coalescing.py [--rounds 5] [--seconds 5]
"""

import argparse
import asyncio
import multiprocessing
import os
import secrets
import statistics
import sys
import time
from collections import deque
from pathlib import Path

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[threads] = "1"
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import uvloop

from askonce.contract.keys import Keys
from askonce_worker.answering.coalescing import Lead, Settlement
from askonce_worker.local.parts import choose_parts
from askonce_worker.local.stack import Stack
from support.inflight import ask, settle, worker

PROCESSES, LIVE, RATE = 4, 5000, 400


def vector(random, dimensions):
    values = random.standard_normal(dimensions).astype(np.float32)
    return values / np.linalg.norm(values)


class Load:
    def __init__(self, coalescer, redis, *, index, dimensions, scopes):
        self.coalescer, self.redis, self.scopes = coalescer, redis, scopes
        self.index, self.dimensions = index, dimensions
        self.random = np.random.default_rng(index)
        self.leads, self.times, self.count = deque(), [], 0

    def question(self):
        self.count += 1
        scope = f"{self.count % self.scopes:043d}"
        return ask(f"{self.index} {self.count} {'x' * 60}", vector(self.random, self.dimensions), scope=scope)

    async def lead(self):
        question, position = self.question(), self.coalescer.position()
        started = time.perf_counter()
        lead = await self.coalescer.claim(question, position)
        self.times.append(time.perf_counter() - started)
        assert isinstance(lead, Lead)
        self.leads.append(lead)

    async def lead_and_settle(self):
        await self.lead()
        await settle(
            self.redis,
            self.coalescer,
            self.leads.popleft(),
            Settlement.SHARED,
            {"choices": [{"message": {"content": "x" * 300}}]},
        )

    async def run(self, seconds):
        end, tasks = time.monotonic() + seconds, []
        while time.monotonic() < end:
            tasks.append(asyncio.create_task(self.lead_and_settle()))
            await asyncio.sleep(self.random.exponential(PROCESSES / RATE))
        await asyncio.gather(*tasks)


async def one_worker(url, prefix, index, dimensions, scopes, seconds, ready, done):
    from redis.asyncio import Redis

    redis = Redis.from_url(url)
    async with worker(url, Keys(prefix), f"w{index}", redis=redis) as coalescer:
        load = Load(coalescer, redis, index=index, dimensions=dimensions, scopes=scopes)
        for _ in range(LIVE // PROCESSES // 50):
            await asyncio.gather(*(load.lead() for _ in range(50)))
        await asyncio.to_thread(ready.wait)
        await load.run(2.0)  # the settled ones pile up
        load.times.clear()
        cpu = time.process_time()
        await load.run(seconds)
        done.put((load.times, time.process_time() - cpu))
        await asyncio.to_thread(ready.wait)


def process(*arguments):
    uvloop.run(one_worker(*arguments))


def measure(url, dimensions, scopes, seconds):
    context = multiprocessing.get_context("spawn")
    ready, done, prefix = context.Barrier(PROCESSES), context.Queue(), f"bench-{secrets.token_hex(4)}"
    workers = [
        context.Process(target=process, args=(url, prefix, index, dimensions, scopes, seconds, ready, done))
        for index in range(PROCESSES)
    ]
    for each in workers:
        each.start()
    times, cpu = [], 0.0
    for _ in workers:
        took, used = done.get()
        times += took
        cpu += used
    for each in workers:
        each.join()
    p50, p99 = np.percentile(times, [50, 99]) * 1000
    return p50, p99, len(times) / seconds, cpu / len(times) * 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    with Stack(choose_parts(["redis"])) as stack:
        for dimensions in (384, 1536):
            for scopes in (1, 64):
                rounds = [
                    measure(stack.environment["ASKONCE_REDIS_URL"], dimensions, scopes, options.seconds)
                    for _ in range(options.rounds)
                ]
                p50, p99, rate, cpu = (statistics.median(column) for column in zip(*rounds, strict=True))
                at = f"{dimensions} dimensions, {scopes} scopes, {rate:.0f} claims/s"
                print(f"{at}: p50 {p50:.2f} ms, p99 {p99:.2f} ms, {cpu:.2f} ms CPU a claim", flush=True)


if __name__ == "__main__":
    main()
