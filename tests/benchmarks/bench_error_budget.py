"""What a budget of errors costs a worker: questions a second and its CPU time for each, with one and without, in turns.

Two workers, one with a budget and one without, have a cache each; while one is asked the other does nothing. The
provider answers at once and always the same, so each hit that is checked was right.
"""

import asyncio
import os
import secrets
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from redis.asyncio import Redis

from askonce import Client
from askonce.contract.keys import Keys
from askonce_worker.audit.policy import decode_policy
from askonce_worker.local.parts import choose_parts
from askonce_worker.local.stack import Stack
from support.asking import paraphrases
from support.llm_server import LLMServer
from support.worker_process import until, workers

ROUNDS = 5
ENTRIES = int(os.environ.get("ASKONCE_BENCH_ENTRIES", "1000"))
BUDGET = "0.01"
KNOWN = 0.12
"""The chance of a check, of a group with 6,700 requests in its ledger."""
MOST_ROUNDS = 80


@dataclass
class Side:
    """With a budget, or without."""

    name: str
    client: Client
    worker: int

    def cpu(self):
        """Seconds of the worker's process so far."""
        fields = Path(f"/proc/{self.worker}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def asked(side, redis, texts):
    """Questions a second, the share of semantic hits, and the worker's CPU time of one, in ms, until all is stored."""
    hits, started, cpu = 0, time.perf_counter(), side.cpu()
    async for _, answer in side.client.map(texts, in_flight=500, ordered=False):
        assert answer.status == "answered", answer.error
        hits += answer.source == "semantic"
    rate = len(texts) / (time.perf_counter() - started)
    await until(lambda: no_vector_waits(redis, side.name), seconds=120, what="an empty outbox")
    return rate, hits / len(texts), 1000 * (side.cpu() - cpu) / len(texts)


async def rounds(sides, redis, texts_of):
    """Of each side what `asked` says, of each round. Whose turn is first changes."""
    found = {side.name: [] for side in sides}
    for number in range(ROUNDS):
        for side in sides[:: -1 if number % 2 else 1]:
            found[side.name].append(await asked(side, redis, texts_of(number)))
    return found


async def until_known(side, redis, texts_of):
    """Asks until few hits are checked. Returns the chance of a check."""
    for number in range(MOST_ROUNDS):
        await asked(side, redis, texts_of(number))
        async for key in redis.scan_iter(Keys(side.name).audit.policy("*")):
            policy = decode_policy("", await redis.get(key))
            if policy.chance <= KNOWN:
                return policy.chance
    raise TimeoutError("the group is not known")


async def no_vector_waits(redis, prefix):
    return await redis.xlen(Keys(prefix).outbox) == 0


def show(what, found):
    for name, values in found.items():
        rate, share, cpu = (statistics.median(column) for column in zip(*values, strict=True))
        print(f"{what:<15} {name:<5} {rate:8,.0f} questions/s   CPU {cpu:5.2f} ms   semantic hits {100 * share:5.1f} %",
              flush=True)  # fmt: skip
    for label, column in (("questions/s", 0), ("CPU", 2)):
        pairs = zip(found["on"], found["off"], strict=True)
        ratios = [on[column] / off[column] for on, off in pairs]
        middle = statistics.median(ratios)
        print(f"{what:<15} ratio of {label} {middle:.2f} ({min(ratios):.2f} to {max(ratios):.2f})", flush=True)


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
            workers(1, off) as [one],
            workers(1, on) as [other],
            Client(url, key_prefix="off", model="m") as without,
            Client(url, key_prefix="on", model="m") as within,
            Redis.from_url(url) as redis,
        ):
            sides = [Side("off", without, one.process.pid), Side("on", within, other.process.pid)]
            show("misses", await rounds(sides, redis, lambda number: new(run, number)))
            show("semantic hits", await rounds(sides, redis, lambda number: reworded(run, number)))
            known = await until_known(sides[1], redis, lambda number: reworded(run, ROUNDS + number))
            print(f"of a known group {100 * known:.0f} % of the hits are checked", flush=True)
            show(
                "a known group", await rounds(sides, redis, lambda number: reworded(run, ROUNDS + MOST_ROUNDS + number))
            )


def new(run, number):
    return [f"what is behind door {number}x{i} [g{run}x{number}x{i}]" for i in range(ENTRIES)]


def reworded(run, number):
    """The questions of the first round, in other words each time."""
    return [paraphrases(text, 2 + number)[-1] for text in new(run, 0)]


if __name__ == "__main__":
    asyncio.run(main())
