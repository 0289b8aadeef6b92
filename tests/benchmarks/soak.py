"""Everything at once, for as long as it is told: is anything lost, doubled, wrong, stale or left behind?

    python tests/benchmarks/soak.py --minutes 20 [--rate 100] [--workers 3] [--seed N] [--json FILE]

Real servers (Valkey with its append-only file, Qdrant's engine, the LLM and embedding server of the tests) and worker
processes, which are killed, ended and frozen at random, as the servers are restarted. Exits with 1 when a question got
no answer or two, a wrong or a stale one, when a result changed, more was called than the killed ones explain, or
something stayed behind; and, from ten minutes on, when memory grows by 1 % in ten minutes.
"""

import argparse
import asyncio
import json
import secrets
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from redis.asyncio import Redis
from soak_chaos import Chaos, Pool
from soak_ledger import Ledger
from soak_left import Memory, bounds, left_over, open_work
from soak_load import CACHE_TTL, RESULT_TTL, Load
from soak_report import Report

from askonce import Client
from askonce.contract.keys import Keys
from askonce.tasks import stop
from askonce_worker.cache.qdrant_channel import QdrantChannel
from askonce_worker.cache.semantic import QdrantSemanticCache
from askonce_worker.local.parts import choose_parts
from askonce_worker.local.stack import Stack
from support.asking import settings_for
from support.counting import counters
from support.llm_server import LLMServer
from support.valkey_fixture import OwnValkey

LEASE = 2.0
CALM = 8.0
"""Seconds at the end of the load in which nothing happens to anyone."""


class Soak:
    def __init__(self, options, directory, valkey, qdrant, llm) -> None:
        self.options, self.valkey, self.qdrant, self.llm = options, valkey, qdrant, llm
        self.prefix = f"soak-{secrets.token_hex(3)}"
        self.keys = Keys(self.prefix)
        self.settings = settings_for(valkey.url, qdrant.environment["ASKONCE_QDRANT_URL"], llm, self.prefix) | {
            "ASKONCE_LEASE": str(LEASE),
            "ASKONCE_CACHE_TTL": str(CACHE_TTL),
            "ASKONCE_RESULT_TTL": str(RESULT_TTL),
            "ASKONCE_MAX_ENTRIES": str(int(CACHE_TTL * options.rate)),
            "ASKONCE_LLM_TIMEOUT": "10",
            "ASKONCE_MAX_TRIES": "10",
        }
        self.redis = Redis.from_url(valkey.url)
        self.client = Client(valkey.url, key_prefix=self.prefix, result_ttl=RESULT_TTL, cache_ttl=CACHE_TTL)
        self.ledger = Ledger(cache_ttl=CACHE_TTL, result_ttl=RESULT_TTL)
        self.load = Load(self.client, self.ledger, rate=options.rate, seed=options.seed)
        self.pool = Pool(self.settings, directory)
        self.chaos = Chaos(self.pool, self.load, llm, self.redis, self.keys, lease=LEASE, seed=options.seed)
        self.memory = Memory()
        self.channel = QdrantChannel(self.settings["ASKONCE_QDRANT_URL"])
        self.vectors = QdrantSemanticCache(
            self.channel, embedding_model=self.settings["ASKONCE_EMBEDDING_MODEL"], now=time.time, prefix=self.prefix
        )

    async def run(self) -> Report:
        began, seconds = time.time(), self.options.minutes * 60
        await self.llm.control(chat={"answer": "call {number}: {text}", "latency_ms": [50, 400]})
        await self.pool.ready(self.options.workers)
        reading = asyncio.create_task(self.ledger.reading(self.redis, self.keys))
        watching = [
            asyncio.create_task(self.memory.watch(self.redis, lambda: self.pool.running[0].pid)),
            asyncio.create_task(self.pool.watch()),
            asyncio.create_task(self._count_calls()),
        ]
        await asyncio.gather(self.load.run(seconds), self.chaos.run(seconds - CALM, self.valkey, self.qdrant))
        await stop(*watching)
        await self.load.done()
        left = await _last(lambda: open_work(self.redis, self.keys), seconds=30)
        await stop(reading)
        await self.ledger.read_to_the_end(self.redis, self.keys)
        left |= await _last(lambda: self._left(time.time() - began), seconds=CACHE_TTL + RESULT_TTL + 30)
        stats = (await self.llm.stats(brief=True))["chat"]
        counts = await counters(self.redis, self.keys)
        await self.pool.end_all()
        return Report(self.ledger, self.chaos, self.memory, stats=stats, counted=counts, left=left)

    async def _count_calls(self) -> None:
        while True:
            self.ledger.calls = (await self.llm.stats(brief=True))["chat"]["calls"]
            await asyncio.sleep(0.5)

    async def _left(self, seconds: float) -> dict[str, int]:
        """Keys and vectors, once all entries and results have expired. seconds: since the beginning."""
        left = await left_over(self.redis, self.keys, bounds(workers=self.pool.lives, seconds=seconds))
        vectors = await self.vectors.count()
        return left | ({"vectors": vectors} if vectors else {})

    async def aclose(self) -> None:
        await self.pool.aclose()
        await self.client.aclose()
        await self.redis.aclose()
        await self.channel.close()


async def _last(left: Callable[[], Awaitable[dict[str, int]]], *, seconds: float) -> dict[str, int]:
    """What is still left after so many seconds, or at once nothing when nothing is."""
    end = time.monotonic() + seconds
    while (found := await left()) and time.monotonic() < end:
        await asyncio.sleep(1)
    return found


async def main(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as name, LLMServer() as llm:
        directory = Path(name)
        valkey = OwnValkey(directory / "valkey")
        qdrant = Stack(choose_parts(["qdrant"], data_dir=directory))
        try:
            await asyncio.to_thread(qdrant.__enter__)
            soak = Soak(options, directory, valkey, qdrant, llm)
            try:
                report = await soak.run()
            finally:
                await soak.aclose()
        finally:
            qdrant.stop()
            valkey.stop()
        report.show()
        if options.json:
            options.json.write_text(json.dumps(report.facts() | {"samples": soak.memory.samples}))
        return 1 if report.faults() else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--rate", type=int, default=100, help="questions a second")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(arguments())))
