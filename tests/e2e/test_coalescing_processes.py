"""Four real processes, a thousand questions of fifty groups in random order: fifty calls."""

import asyncio
import json
import os
import random
import sys
from pathlib import Path

from redis.asyncio import Redis

PROCESSES, GROUPS, QUESTIONS = 4, 50, 1000
TESTS = Path(__file__).parents[1]

WORKER = """
import asyncio, json, os, sys
from askonce.contract.keys import Keys
from askonce_worker.answering.coalescing import Lead, Settlement, Shared, Stale
from redis.asyncio import Redis
from support.inflight import ask, near, settle, unit, worker

url, prefix, name = sys.argv[1:]


def of(group):
    return {"choices": [{"message": {"content": str(group)}}]}


async def answer(coalescer, redis, questions, counts):
    position = coalescer.position()
    group, copy = questions
    question = ask(f"{group} {copy}", near(unit(group), 0.97, seed=1000 + copy))
    while True:
        decision = await coalescer.claim(question, position)
        if isinstance(decision, Lead):
            counts["leads"] += 1
            await asyncio.sleep(float(os.environ["LLM_SECONDS"]))
            return await settle(redis, coalescer, decision, Settlement.SHARED, of(group))
        if isinstance(decision, Stale):
            position = coalescer.position()
            continue
        outcome = await coalescer.wait(decision)
        if isinstance(outcome, Shared):
            assert outcome.body == of(group)
            counts["follows"] += 1
            return
        position = coalescer.position()


async def main():
    counts = {"leads": 0, "follows": 0}
    async with Redis.from_url(url) as redis, worker(url, Keys(prefix), name) as coalescer:
        print("ready", flush=True)
        todo = json.loads(await asyncio.to_thread(sys.stdin.readline))
        await asyncio.gather(*(answer(coalescer, redis, each, counts) for each in todo))
    print(json.dumps(counts), flush=True)


asyncio.run(main())
"""


async def start(url, prefix, name, *, llm_seconds=0.2):
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", WORKER, url, prefix, name,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(TESTS), "OPENBLAS_NUM_THREADS": "1", "LLM_SECONDS": str(llm_seconds)},
    )  # fmt: skip


async def work(process, questions):
    process.stdin.write(json.dumps(questions).encode() + b"\n")
    output, _ = await process.communicate()
    return json.loads(output)


async def test_fifty_groups_make_fifty_calls(valkey_url, prefix):
    questions = [(number % GROUPS, number // GROUPS) for number in range(QUESTIONS)]
    random.Random(1).shuffle(questions)
    processes = [await start(valkey_url, prefix, f"w{number}") for number in range(PROCESSES)]
    try:
        for process in processes:
            assert (await process.stdout.readline()).strip() == b"ready"
        counts = await asyncio.gather(
            *(work(process, questions[number::PROCESSES]) for number, process in enumerate(processes))
        )
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert sum(count["leads"] for count in counts) == GROUPS
    assert sum(count["follows"] for count in counts) == QUESTIONS - GROUPS


async def test_the_followers_of_a_killed_process_are_answered(valkey_url, prefix):
    victim = await start(valkey_url, prefix, "victim", llm_seconds=60)
    heir = await start(valkey_url, prefix, "heir")
    try:
        for process in (victim, heir):
            assert (await process.stdout.readline()).strip() == b"ready"
        victim.stdin.write(b"[[0, 0]]\n")
        async with Redis.from_url(valkey_url) as redis:
            while not [key async for key in redis.scan_iter(f"{prefix}:leaders:*")]:
                await asyncio.sleep(0.01)
            following = asyncio.create_task(work(heir, [(0, 1), (0, 2)]))
            victim.kill()
            await victim.wait()
            await redis.zadd(f"{prefix}:workers", {"victim": 1})
        assert await following == {"leads": 1, "follows": 1}
    finally:
        for process in (victim, heir):
            if process.returncode is None:
                process.kill()
                await process.wait()
