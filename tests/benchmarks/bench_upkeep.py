"""How long it takes to clean 100,000 entries, vectors included, and what that does to answers meanwhile.

Everything runs on this machine: Valkey, Qdrant's engine, the LLM and embedding server of the tests, one worker, and the
client, which asks exact, near and new questions all the time.
"""

import asyncio
import secrets
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from qdrant_client import grpc as qdrant

from askonce import Client
from askonce_worker.cache import qdrant_messages as messages
from askonce_worker.local.parts import choose_parts
from askonce_worker.local.stack import Stack
from support.cache import LONG_AGO, Cache
from support.llm_server import LLMServer
from support.worker_process import workers

ENTRIES = 100_000
DIMENSION = 384


class Asking:
    """Asks without a pause, one question after the other. times: seconds of each."""

    def __init__(self, client):
        self.client = client
        self.times = []
        self.stopped = False

    async def run(self):
        number = 0
        while not self.stopped:
            number += 1
            text = (f"New {secrets.token_hex(4)}? [g{number}]", "Known? [g1]", f"{'well ' * (number % 9)}known? [g1]")
            started = time.perf_counter()
            await self.client.ask(text[number % 3], timeout=30)
            self.times.append(time.perf_counter() - started)

    def report(self, what):
        times = sorted(self.times)
        p99 = times[int(len(times) * 0.99)]
        print(
            f"  answers {what}: {len(times):,}, p50 {statistics.median(times) * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms"
        )
        self.times = []


async def vectors_left(cache):
    """Of those that were put in; the others are of what is being asked."""
    ours = qdrant.Filter(must=[messages.matches("model", "m")])
    request = qdrant.CountPoints(collection_name=cache.collection, exact=True, filter=ours)
    return (await cache.client.grpc_points.Count(request, timeout=30)).result.count


async def cleaned(cache, client, what, begin):
    """Seconds until all that was put in is gone from Redis and from Qdrant."""
    began = time.perf_counter()
    gone = await cache.put(*(f"{what} {number}" for number in range(ENTRIES)))
    print(
        f"{what}: {len(gone):,} entries with vectors of {DIMENSION}, put in within {time.perf_counter() - began:.0f} s"
    )
    await cache.redis.delete("gone")
    await cache.set_clock("gone", gone, 0)
    asking = Asking(client)
    task = asyncio.create_task(asking.run())
    await asyncio.sleep(5)
    asking.report("before")
    began = time.perf_counter()
    await begin(gone)
    while await cache.redis.execute_command("ZINTERCARD", 2, cache.keys.touched, "gone") or await vectors_left(cache):
        await asyncio.sleep(0.5)
    seconds = time.perf_counter() - began
    asking.report("meanwhile")
    asking.stopped = True
    await task
    print(f"  all cleaned after {seconds:.1f} s")


async def main(environment, llm):
    prefix = f"bench-{secrets.token_hex(3)}"
    settings = {
        **environment,
        "ASKONCE_KEY_PREFIX": prefix,
        "ASKONCE_EMBEDDING_MODEL": "e5",
        "ASKONCE_SIMILARITY_THRESHOLD": "0.95",
        "OPENAI_BASE_URL": llm.base_url,
        "OPENAI_API_KEY": "test",
    }
    cache = Cache(settings["ASKONCE_REDIS_URL"], settings["ASKONCE_QDRANT_URL"], prefix, dimension=DIMENSION)
    async with Client(settings["ASKONCE_REDIS_URL"], key_prefix=prefix, model="asked") as client, workers(1, settings):
        await cleaned(cache, client, "expired", lambda gone: cache.set_clock(cache.keys.expiries, gone, LONG_AGO))
        await cleaned(cache, client, "invalidated", lambda _: client.invalidate(model="m"))
    await cache.aclose()


if __name__ == "__main__":
    with Stack(choose_parts(["redis", "qdrant"])) as stack, LLMServer() as server:
        asyncio.run(main(stack.environment, server))
