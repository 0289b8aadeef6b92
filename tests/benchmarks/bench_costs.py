"""What a million questions cost: by tier, with the cache and without, as the provider bills them and as `stats` says.

20,000 questions of a pipeline (or as many as the argument says), four of ten repeated or reworded, under one system
prompt that the provider caches; two workers. Three of ten calls in the flex tier are refused for want of capacity. The
prices are those of gpt-5.4-mini. Without the cache each question is asked by itself (`cache="bypass"`).
"""

import asyncio
import random
import secrets
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from askonce import Client, Question
from askonce.operator.admin import Admin
from askonce.prices.load import load_prices
from askonce_worker.local.parts import choose_parts
from askonce_worker.local.stack import Stack
from support.llm_server import LLMServer
from support.worker_process import workers

REPEATED, REFUSED = 0.4, 0.3
MODEL = "gpt-5.4-mini"
HALF = [375_000, 37_500, 2_250_000]
PRICES = {MODEL: {"default": [750_000, 75_000, 4_500_000], "flex": HALF, "batch": HALF}}
"""Trillionths of a dollar a token: read, read from the provider's cache, written."""
SYSTEM = "You classify the messages of our customers by what they want of us. " * 70
FULL = {"kind": "status", "status": 429, "code": "resource_unavailable", "tier": "flex", "share": REFUSED}
ANSWER = 60
"""Tokens."""


def a_pipeline(count, cache):
    chance, fresh = random.Random(5), 0
    for _ in range(count):
        if fresh and chance.random() < REPEATED:
            number = chance.randrange(fresh)
        else:
            number, fresh = fresh, fresh + 1
        please = "Please tell me: " if chance.random() < 0.5 else ""
        text = f"{please}how tall is tower number {number}? [g{number}]"
        yield Question(text, model=MODEL, system=SYSTEM, cache=cache)


async def run(tier, cache, count, stack, llm):
    """What the provider bills, and what `stats` says of it, in dollars; and how many calls it answered."""
    prefix = f"bench-{secrets.token_hex(4)}"
    await llm.reset()
    chat = {"prices": PRICES, "prompt_cache": True, "completion_tokens": ANSWER, "failures": [FULL], "latency_ms": 20}
    await llm.control(chat=chat, batches={"seconds": [1, 5], "validating": 0.5, "finalizing": 0.5})
    settings = {
        **stack.environment,
        "ASKONCE_KEY_PREFIX": prefix,
        "ASKONCE_EMBEDDING_MODEL": f"test-{prefix}",
        "ASKONCE_SIMILARITY_THRESHOLD": "0.95",
        "ASKONCE_BULK_TIER": tier,
        "ASKONCE_BATCH_WAIT": "2",
        "ASKONCE_BATCH_MAX_REQUESTS": "4000",
        "ASKONCE_PROMPT_CACHE_KEY": "always",
        "OPENAI_BASE_URL": llm.base_url,
        "OPENAI_API_KEY": "test",
    }
    in_flight = count if tier == "batch" else 5000
    async with Client(settings["ASKONCE_REDIS_URL"], key_prefix=prefix) as client, workers(2, settings):
        async for _, answer in client.map(a_pipeline(count, cache), ordered=False, in_flight=in_flight):
            assert answer.status == "answered", answer
    seen = await llm.stats(brief=True)
    async with Admin(settings["ASKONCE_REDIS_URL"], key_prefix=prefix) as admin:
        said = (await admin.stats(load_prices()))["total"]["money_spent"]
    bill = seen["chat"]["bill"] + seen["batches"]["bill"]
    return bill / 10**12, said, seen["chat"]["answered"] + seen["batches"]["billed"]


async def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    headings = ("tier", "cache", "a million, USD", "calls", "bill, USD", "stats, USD", "seconds")
    print("{:<10} {:<8} {:>16} {:>8} {:>12} {:>12} {:>8}".format(*headings), flush=True)
    with Stack(choose_parts(["redis", "qdrant"])) as stack, LLMServer() as llm:
        for tier in ("standard", "flex", "batch"):
            for cache in ("bypass", "use"):
                began = time.monotonic()
                bill, said, calls = await run(tier, cache, count, stack, llm)
                row = (tier, cache, 1e6 * bill / count, calls, bill, said, time.monotonic() - began)
                print("{:<10} {:<8} {:>16,.2f} {:>8,} {:>12.6f} {:>12.6f} {:>8.0f}".format(*row), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
