"""How fast answers come, one at a time and in bulk, beside the bare floor on the same machine in the same run.

Everything runs on this machine: Valkey, Qdrant's engine, the LLM and embedding server of the tests, one worker, and the
client. The embedding server answers at once; the LLM takes 50 ms.
"""

import asyncio
import secrets
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from openai import AsyncOpenAI
from qdrant_client import models
from redis.asyncio import Redis

from askonce import Client, Question
from askonce.contract.keys import Keys
from askonce_worker.local.parts import choose_parts
from askonce_worker.local.stack import Stack
from support.llm_server import LLMServer
from support.official_qdrant import official_client
from support.worker_process import until, workers

ROUNDS = 5
ENTRIES = 10_000
LATENCY_MS = 50
AT_ONCE = 64


def politely(number):
    """Other words that change nothing."""
    words = ("please", "kindly", "hello", "hi", "well", "so", "okay", "hey")
    return " ".join(words[int(digit)] for digit in f"{number:o}")


def show(name, unit, values, floor=None, floor_name=""):
    median = statistics.median(values)
    line = f"{name:<44} {median:>12,.2f} {unit:<12}"
    if floor:
        line += f" {floor_name} {statistics.median(floor):,.2f}, ratio {median / statistics.median(floor):.2f}"
    print(line, flush=True)


async def one_by_one(ask, count):
    times = []
    for i in range(count):
        started = time.perf_counter()
        await ask(i)
        times.append((time.perf_counter() - started) * 1000)
    return times


async def single_questions(client, redis, openai, llm):
    """Milliseconds of `ask`, one at a time."""
    await client.ask("What is asked again and again? [g1]")
    raw, exact = [], []
    for _ in range(ROUNDS):
        raw.append(statistics.median(await one_by_one(lambda _: redis.get("nothing"), 300)))
        exact.append(
            statistics.median(await one_by_one(lambda _: client.ask("What is asked again and again? [g1]"), 300))
        )
    show("exact hit by ask, p50", "ms", exact, raw, "raw GET")

    await asyncio.sleep(1)
    semantic = []
    for round in range(ROUNDS):

        async def reword(i, round=round):
            answer = await client.ask(f"{politely(round * 60 + i)} what is asked again and again? [g1]")
            assert answer.source == "semantic", answer.source

        semantic.append(statistics.median(await one_by_one(reword, 60)))
    show("semantic hit by ask, p50", "ms", semantic)

    misses, raw = [], []
    for _ in range(ROUNDS):
        tag = secrets.token_hex(4)

        async def miss(i, tag=tag):
            answer = await client.ask(f"New {i} {tag} [g{tag}{i}]")
            assert answer.source == "llm", answer.source

        async def call(i, tag=tag):
            await openai.chat.completions.create(model="m", messages=[{"role": "user", "content": f"{tag} {i}"}])

        raw.append(statistics.median(await one_by_one(call, 30)))
        misses.append(statistics.median(await one_by_one(miss, 30)))
    show("miss by ask, p50", "ms", misses, raw, f"raw call ({LATENCY_MS} ms LLM)")


async def until_all_answered(client, questions):
    count = 0
    started = time.perf_counter()
    async for _, answer in client.map(questions, in_flight=10_000, ordered=False):
        assert answer.status == "answered", answer.error
        count += 1
    return count / (time.perf_counter() - started), answer


async def until_all_collected(client, questions):
    """As above, with `submit_many` and `as_completed`: these always go through a worker."""
    count = 0
    started = time.perf_counter()
    async for answer in client.as_completed(await client.submit_many(questions), forget=True):
        assert answer.status == "answered", answer.error
        count += 1
    return count / (time.perf_counter() - started), answer


async def bulk(client, redis, qdrant, openai, llm, prefix):
    """Questions a second, through one worker."""
    submits, memory = [], []
    idle = Client(client_url(client), key_prefix="submit", model="m")
    for _ in range(ROUNDS):
        texts = [f"How do I do the thing {secrets.token_hex(8)} in Python, please, now {i:06}?" for i in range(20_000)]
        before = (await redis.info("memory"))["used_memory"]
        started = time.perf_counter()
        await idle.submit_many(texts)
        submits.append(20_000 / (time.perf_counter() - started))
        memory.append(((await redis.info("memory"))["used_memory"] - before) / 20_000)
    await idle.aclose()
    show("submit_many", "questions/s", submits)
    show("Redis memory of a queued question", "bytes", memory)

    texts = [f"Bulk question number {i} {prefix}? [g{i}]" for i in range(ENTRIES)]
    await llm.control(chat={"latency_ms": 0})
    await until_all_answered(client, texts)
    await llm.control(chat={"latency_ms": LATENCY_MS})
    rates, raw = [], []
    for _ in range(ROUNDS):
        raw.append(await raw_reads(redis, prefix, texts * 2))
        rate, answer = await until_all_answered(client, texts * 2)
        assert answer.source == "exact", answer
        rates.append(rate)
    show("exact hits in bulk, by map", "questions/s", rates, raw, "raw MGET of the entries")

    rates, raw = [], []
    for _ in range(ROUNDS):
        raw.append(await raw_commands(redis, prefix, 20_000))
        rate, answer = await until_all_collected(client, texts * 2)
        assert answer.source == "exact", answer
        rates.append(rate)
    show("exact hits in bulk, through the queue", "questions/s", rates, raw, "raw SET, MGET, MGET, SET, MGET")

    keys = Keys(prefix)
    await until(lambda: empty(redis, keys.outbox), seconds=60, what="an empty outbox")
    rates, raw = [], []
    for round in range(ROUNDS):
        raw.append(await raw_queries(qdrant, 2_048))
        reworded = [f"{politely(round)} bulk question number {i} {prefix}? [g{i}]" for i in range(ENTRIES)]
        rate, answer = await until_all_answered(client, reworded)
        assert answer.source == "semantic", answer
        rates.append(rate)
    show("semantic hits in bulk", "questions/s", rates, raw, "raw Qdrant queries, 64 a batch")

    rates, raw = [], []
    for round in range(ROUNDS):
        raw.append(await raw_calls(openai, 1_000))
        rate, answer = await until_all_answered(
            client, [f"Unheard {round} {i} {prefix} [g{round}999{i}]" for i in range(1_000)]
        )
        rates.append(rate)
    show(f"misses in bulk, {AT_ONCE} at once", "questions/s", rates, raw, "raw AsyncOpenAI")


async def raw_reads(redis, prefix, texts):
    """The entries and nothing else, 256 a command; their keys are made beforehand."""
    keys = [Keys(prefix).entry(Question(t, model="m", namespace="default").fingerprint) for t in texts]
    started = time.perf_counter()
    for first in range(0, len(keys), 256):
        await redis.mget(keys[first : first + 256])
    return len(keys) / (time.perf_counter() - started)


async def raw_commands(redis, prefix, count):
    """The least that a queue and a cache send for an answer of a kilobyte: marker, two lookups, result, read."""
    answer, started = b"x" * 1000, time.perf_counter()
    for first in range(0, count, 64):
        keys = [f"{prefix}:raw:{number % 1024}" for number in range(first, min(first + 64, count))]
        for commands in (("set", b"pending"), ("mget",), ("mget",), ("set", answer), ("mget",)):
            pipe = redis.pipeline(transaction=False)
            if commands[0] == "mget":
                pipe.mget(keys)
            else:
                for key in keys:
                    pipe.set(key, commands[1], px=60_000)
            await pipe.execute()
    return count / (time.perf_counter() - started)


async def raw_queries(qdrant, count):
    """One client, one batch after the other, of the vectors that are there."""
    [collection] = (await qdrant.get_collections()).collections
    info = await qdrant.get_collection(collection.name)
    random = np.random.default_rng(1)
    size, started = info.config.params.vectors.size, time.perf_counter()
    for _ in range(0, count, 64):
        requests = [models.QueryRequest(query=random.random(size).tolist(), limit=5) for _ in range(64)]
        await qdrant.query_batch_points(collection.name, requests)
    return count / (time.perf_counter() - started)


async def raw_calls(openai, count):
    places = asyncio.Semaphore(AT_ONCE)

    async def call(i):
        async with places:
            await openai.chat.completions.create(model="m", messages=[{"role": "user", "content": f"question {i}"}])

    started = time.perf_counter()
    await asyncio.gather(*(call(i) for i in range(count)))
    return count / (time.perf_counter() - started)


async def empty(redis, stream):
    return await redis.xlen(stream) == 0


def client_url(client):
    return client_url.url


async def main():
    prefix = f"bench-{secrets.token_hex(3)}"
    with Stack(choose_parts(["redis", "qdrant"])) as stack, LLMServer() as llm:
        client_url.url = stack.environment["ASKONCE_REDIS_URL"]
        settings = {
            **stack.environment,
            "ASKONCE_KEY_PREFIX": prefix,
            "ASKONCE_EMBEDDING_MODEL": "bench",
            "ASKONCE_SIMILARITY_THRESHOLD": "0.95",
            "OPENAI_BASE_URL": llm.base_url,
            "OPENAI_API_KEY": "test",
        }
        await llm.control(chat={"latency_ms": LATENCY_MS})
        redis = Redis.from_url(client_url.url)
        async with (
            workers(1, settings),
            Client(client_url.url, key_prefix=prefix, model="m") as client,
            AsyncOpenAI(base_url=llm.base_url, api_key="test", max_retries=0) as openai,
        ):
            await single_questions(client, redis, openai, llm)
            await bulk(client, redis, official_client(stack.environment["ASKONCE_QDRANT_URL"]), openai, llm, prefix)
        await redis.aclose()


if __name__ == "__main__":
    asyncio.run(main())
