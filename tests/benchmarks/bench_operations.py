"""What a question costs Redis, by how it is answered: the arithmetic of deploy/README.md.

Redis's own counters before and after each run (`INFO`), less what idle workers do in as long: reads from its sockets
(about as many as round trips), commands in all (those inside scripts too), bytes in and out, processor time, memory
kept. Questions of 100 characters, answers of 1,000, vectors of 1,536 dimensions, jobs of 64; the LLM takes 20 ms.

    python tests/benchmarks/bench_operations.py [WORKERS]
"""

import asyncio
import secrets
import sys
import time
from collections import Counter
from pathlib import Path
from pydoc_data import topics

sys.path.insert(0, str(Path(__file__).parents[1]))

from redis.asyncio import Redis

from askonce import Client
from askonce.contract.keys import LANES, Keys
from askonce_worker.local.parts import choose_parts
from askonce_worker.local.stack import Stack
from support.llm_server import LLMServer
from support.worker_process import until, workers

COUNT = 3_000
SINGLE = 500
IDLE = 10.0
ANSWER = topics.topics["specialnames"][:1_000]
MEASURES = ("reads", "commands", "bytes_in", "bytes_out", "cpu_us")


class Meter:
    def __init__(self, redis, llm):
        self._redis, self._llm = redis, llm
        self._idle = dict.fromkeys(MEASURES, 0.0)

    async def read(self):
        info = await self._redis.info("all")
        commands = {name: facts["calls"] for name, facts in info.items() if name.startswith("cmdstat_")}
        return {
            "at": time.monotonic(),
            "commands": sum(commands.values()),
            "reads": info["total_reads_processed"],
            "bytes_in": info["total_net_input_bytes"],
            "bytes_out": info["total_net_output_bytes"],
            "cpu_us": (info["used_cpu_user"] + info["used_cpu_sys"]) * 1e6,
            "memory": info["used_memory"],
            "llm": (await self._llm.stats(brief=True))["chat"]["calls"],
        }

    async def idle(self):
        before = await self.read()
        await asyncio.sleep(IDLE)
        after = await self.read()
        self._idle = {name: (after[name] - before[name]) / (after["at"] - before["at"]) for name in MEASURES}
        print("idle workers, a second:", {name: round(value, 1) for name, value in self._idle.items()}, flush=True)

    async def run(self, name, count, ask):
        before = await self.read()
        await ask()
        after = await self.read()
        seconds = after["at"] - before["at"]
        each = {m: (after[m] - before[m] - self._idle[m] * seconds) / count for m in MEASURES}
        kept, llm = (after["memory"] - before["memory"]) / count, (after["llm"] - before["llm"]) / count
        figures = "".join(f"{each[m]:>10.1f}" for m in MEASURES)
        print(f"{name:<40}{figures}{kept:>10.0f}{llm:>8.3f}{count / seconds:>10.0f}", flush=True)


def questions(kind, opening="", count=COUNT):
    return [f"{opening}{f'what is {kind}{number}?'.ljust(88, 'x')} [g{kind}{number}]" for number in range(count)]


async def in_bulk(client, texts, source):
    ids = await client.submit_many(texts)
    answers = [answer async for answer in client.as_completed(ids, timeout=300)]
    sources = Counter(answer.source for answer in answers)
    if source and sources[source] < 0.99 * len(texts):
        print(f"not what was to be measured: {dict(sources)}")


async def one_by_one(client, texts, source):
    for text in texts:
        answer = await client.ask(text)
        assert answer.source == source, answer


async def measure(redis, keys, client, llm):
    meter = Meter(redis, llm)
    await client.ask("who warms up?")
    await meter.idle()

    async def settled():
        kept = [key(lane) for lane in LANES for key in (keys.queue, keys.leases)]
        return not await redis.exists(*kept) and await redis.xlen(keys.outbox) == 0

    async def run(name, way, texts, source):
        async def ask():
            await way(client, texts, source)
            await until(settled, seconds=120, what="the end of all jobs")

        await meter.run(name, len(texts), ask)

    print(f"{'':<40}{''.join(f'{m:>10}' for m in MEASURES)}{'kept':>10}{'llm':>8}{'q/s':>10}")
    await run("bulk, new: the LLM", in_bulk, questions("b"), "llm")
    await run("bulk, the same again: exact", in_bulk, questions("b"), "exact")
    await run("bulk, in other words: semantic", in_bulk, questions("b", "please "), "semantic")
    same = [text for text in questions("f", count=COUNT // 10) for _ in range(10)]
    await run("bulk, new, each ten times", in_bulk, same, None)
    await run("ask, new: the LLM", one_by_one, questions("s", count=SINGLE), "llm")
    await run("ask, in other words: semantic", one_by_one, questions("s", "please ", SINGLE), "semantic")
    await run("ask, the same again: exact", one_by_one, questions("s", count=SINGLE), "exact")
    fingerprints = await redis.zrange(keys.touched, 0, 200)
    sizes = [await redis.memory_usage(keys.entry(name.decode())) for name in fingerprints]
    print(f"an entry itself: {sum(sizes) / len(sizes):.0f} bytes")


async def main():
    prefix = f"bench-{secrets.token_hex(3)}"
    with Stack(choose_parts(["redis", "qdrant"])) as stack, LLMServer() as llm:
        settings = {
            **stack.environment,
            "ASKONCE_KEY_PREFIX": prefix,
            "ASKONCE_EMBEDDING_MODEL": "bench",
            "ASKONCE_SIMILARITY_THRESHOLD": "0.95",
            "OPENAI_BASE_URL": llm.base_url,
            "OPENAI_API_KEY": "test",
        }
        await llm.control(chat={"latency_ms": 20, "answer": ANSWER}, embeddings={"dimensions": 1536})
        url = stack.environment["ASKONCE_REDIS_URL"]
        async with (
            Redis.from_url(url) as redis,
            workers(int((*sys.argv[1:], 1)[0]), settings),
            Client(url, key_prefix=prefix, model="m") as client,
        ):
            await measure(redis, Keys(prefix), client, llm)


if __name__ == "__main__":
    asyncio.run(main())
