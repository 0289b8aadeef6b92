"""What a budget of errors costs a worker: questions a second with one and without, in turns, on one machine.

Two workers, one with a budget and one without, have a cache each; while one is asked the other does nothing. The
provider answers at once and always the same, so each hit that is checked was right.
"""

import asyncio
import os
import secrets
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from redis.asyncio import Redis

from askonce import Client
from askonce.contract.keys import Keys
from askonce_worker.local.parts import choose_parts
from askonce_worker.local.stack import Stack
from support.asking import paraphrases
from support.llm_server import LLMServer
from support.worker_process import until, workers

ROUNDS = 5
ENTRIES = int(os.environ.get("ASKONCE_BENCH_ENTRIES", "1000"))
BUDGET = "0.01"


async def asked(client, texts):
    """Questions a second, and the share of semantic hits."""
    hits, started = 0, time.perf_counter()
    async for _, answer in client.map(texts, in_flight=500, ordered=False):
        assert answer.status == "answered", answer.error
        hits += answer.source == "semantic"
    return len(texts) / (time.perf_counter() - started), hits / len(texts)


async def rounds(clients, redis, texts_of):
    """Of each client the rates and shares, a pair for each round. Whose turn is first changes."""
    found = {name: [] for name in clients}
    for number in range(ROUNDS):
        for name in sorted(clients, reverse=number % 2 == 1):
            found[name].append(await asked(clients[name], texts_of(number)))
            await until(lambda name=name: no_vector_waits(redis, name), seconds=120, what="an empty outbox")
    return found


async def no_vector_waits(redis, prefix):
    return await redis.xlen(Keys(prefix).outbox) == 0


def show(what, found):
    for name, values in found.items():
        rate, share = (statistics.median(column) for column in zip(*values, strict=True))
        print(f"{what:<15} {name:<5} {rate:8,.0f} questions/s   semantic hits {100 * share:5.1f} %   (each round: "
              f"{', '.join(f'{rate:,.0f}' for rate, _ in values)})", flush=True)  # fmt: skip
    ratios = [on / off for (on, _), (off, _) in zip(found["on"], found["off"], strict=True)]
    print(f"{what:<15} ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})", flush=True)


async def main():
    run = secrets.token_hex(3)
    with Stack(choose_parts(["redis", "qdrant"])) as stack, LLMServer() as llm:
        url = stack.environment["ASKONCE_REDIS_URL"]
        settings = {
            **stack.environment,
            "ASKONCE_SIMILARITY_THRESHOLD": "0.95",
            "OPENAI_BASE_URL": llm.base_url,
            "OPENAI_API_KEY": "test",
        }
        await llm.control(chat={"answer": "42"})
        off = {**settings, "ASKONCE_KEY_PREFIX": "off", "ASKONCE_EMBEDDING_MODEL": "off"}
        on = {**settings, "ASKONCE_KEY_PREFIX": "on", "ASKONCE_EMBEDDING_MODEL": "on", "ASKONCE_ERROR_BUDGET": BUDGET}
        async with (
            workers(1, off),
            workers(1, on),
            Client(url, key_prefix="off", model="m") as without,
            Client(url, key_prefix="on", model="m") as within,
            Redis.from_url(url) as redis,
        ):
            clients = {"off": without, "on": within}
            show("misses", await rounds(clients, redis, lambda number: new(run, number)))
            show("semantic hits", await rounds(clients, redis, lambda number: reworded(run, number)))


def new(run, number):
    return [f"what is behind door {number}x{i} [g{run}x{number}x{i}]" for i in range(ENTRIES)]


def reworded(run, number):
    """The questions of the first round, in other words each time."""
    return [paraphrases(text, 2 + number)[-1] for text in new(run, 0)]


if __name__ == "__main__":
    asyncio.run(main())
