"""What a million questions cost: by tier, with the cache and without, as the provider bills them and as `stats` says.

20,000 questions of a pipeline, four of ten repeated or reworded, under one system prompt that the provider caches; two
workers. Three of ten calls in the flex tier are refused for want of capacity. The prices are those of gpt-5.4-mini.
"""

import asyncio
import random
import secrets
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from askonce import Client, Question
from askonce.operator.admin import Admin
from askonce.prices.load import load_prices
from askonce_worker.local.parts import choose_parts
from askonce_worker.local.stack import Stack
from support.llm_server import LLMServer
from support.worker_process import workers

QUESTIONS, REPEATED, REFUSED = 20_000, 0.4, 0.3
MODEL = "gpt-5.4-mini"
PRICES = {MODEL: {"default": [750_000, 75_000, 4_500_000], "flex": [375_000, 37_500, 2_250_000]}}
"""Trillionths of a dollar a token: read, read from the provider's cache, written."""
SYSTEM = "You classify the messages of our customers by what they want of us. " * 70
FULL = {"kind": "status", "status": 429, "code": "resource_unavailable", "tier": "flex", "share": REFUSED}
ANSWER = 60
"""Tokens."""


def a_pipeline():
    chance, fresh = random.Random(5), 0
    for _ in range(QUESTIONS):
        if fresh and chance.random() < REPEATED:
            number = chance.randrange(fresh)
        else:
            number, fresh = fresh, fresh + 1
        please = "Please tell me: " if chance.random() < 0.5 else ""
        yield Question(f"{please}how tall is tower number {number}? [g{number}]", model=MODEL, system=SYSTEM)


async def run(tier, stack, llm):
    prefix = f"bench-{secrets.token_hex(4)}"
    await llm.reset()
    await llm.control(
        chat={"prices": PRICES, "prompt_cache": True, "completion_tokens": ANSWER, "failures": [FULL], "latency_ms": 20}
    )
    settings = {
        **stack.environment,
        "ASKONCE_KEY_PREFIX": prefix,
        "ASKONCE_EMBEDDING_MODEL": f"test-{prefix}",
        "ASKONCE_SIMILARITY_THRESHOLD": "0.95",
        "ASKONCE_BULK_TIER": tier,
        "ASKONCE_PROMPT_CACHE_KEY": "always",
        "OPENAI_BASE_URL": llm.base_url,
        "OPENAI_API_KEY": "test",
    }
    async with Client(settings["ASKONCE_REDIS_URL"], key_prefix=prefix) as client, workers(2, settings):
        async for _, answer in client.map(a_pipeline(), ordered=False):
            assert answer.status == "answered", answer
    seen = (await llm.stats(brief=True))["chat"]
    async with Admin(settings["ASKONCE_REDIS_URL"], key_prefix=prefix) as admin:
        said = (await admin.stats(load_prices()))["total"]["money_spent"]
    paid, bill = seen["answered"], seen["bill"] / 10**12
    alone, cached = 1e6 * bill / paid, 1e6 * bill / QUESTIONS
    print(f"{tier:<10} {alone:>12,.2f} {cached:>12,.2f} {paid:>8,} {bill:>12.6f} {said:>12.6f}", flush=True)


async def main():
    headings = ("tier", "a million, USD", "with askonce", "paid", "bill, USD", "stats, USD")
    print("{:<10} {:>12} {:>12} {:>8} {:>12} {:>12}".format(*headings))
    with Stack(choose_parts(["redis", "qdrant"])) as stack, LLMServer() as llm:
        for tier in ("standard", "flex"):
            await run(tier, stack, llm)


if __name__ == "__main__":
    asyncio.run(main())
