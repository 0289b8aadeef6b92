"""A large file at the price of batches, and in flex, with the command and the workers killed at random.

ASKONCE_TEST_BATCH_LINES=20000 runs it at its full size.
"""

import orjson
import pytest
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from support.batch_command import CONCURRENCY, MODEL, Command
from support.counting import counters
from support.killed_runs import LINES, SUBJECTS, each_is_answered_once, killed_in_turn, large_file, times_asked
from support.worker_process import all_alive, start_worker

HALF = {"input": 500.0, "output": 1500.0}
PRICES = {"input": 1000.0, "output": 3000.0, "batch": HALF, "flex": HALF}
"""Per million tokens."""
BILLED = {MODEL: {"default": [10**9, 10**9, 3 * 10**9], "flex": [5 * 10**8, 5 * 10**8, 15 * 10**8]}}
"""The same, in trillionths a token."""


@pytest.fixture
def settings(batch_settings, tmp_path):
    (tmp_path / "prices.json").write_bytes(orjson.dumps({"currency": "USD", "models": {MODEL: PRICES}}))
    return batch_settings | {"ASKONCE_PRICES": str(tmp_path / "prices.json"), "ASKONCE_LEASE": "1"}


async def run(settings, directory, begun):
    """Three workers and the command. Returns how many workers were killed, and the counters."""
    running = [await start_worker(settings, directory / f"worker-{name}.log") for name in ("a", "b", "c")]
    keys = Keys(settings["ASKONCE_KEY_PREFIX"])
    async with Redis.from_url(settings["ASKONCE_REDIS_URL"]) as redis:
        try:
            await all_alive(settings, running, 3)
            kills = await killed_in_turn(
                Command(directory, settings), settings, directory, running, lambda: begun(redis, keys)
            )
            assert not await is_parked(redis, keys)
            return kills, await counters(redis, keys)
        finally:
            for worker in running:
                await worker.kill()


async def is_parked(redis, keys):
    return int(await redis.hget(keys.load, "parked") or 0) > 0


def sums(totals, *names):
    return {name: sum(int(n) for key, n in totals.items() if key.startswith(f"{name}|".encode())) for name in names}


@pytest.mark.timeout(300 + LINES // 20)
async def test_a_large_file_is_paid_once_and_at_half_price_whoever_is_killed(settings, llm_server, tmp_path):
    subjects = large_file(tmp_path / "in.jsonl")
    steps = [{"step": step, "status": 503, "done": True} for step in ("create", "upload", "content", "look")]
    await llm_server.control(batches={"seconds": [0.5, 4], "validating": 0.2, "finalizing": 0.2, "steps": steps})
    batches = {
        "ASKONCE_BULK_TIER": "batch",
        "ASKONCE_BATCH_WAIT": "1",
        "ASKONCE_BATCH_MARGIN": "60",
        "ASKONCE_BATCH_MAX_REQUESTS": str(LINES // 8),
        "ASKONCE_BUDGETS": "default=1000000/day",
    }
    _, totals = await run(settings | batches, tmp_path, is_parked)
    each_is_answered_once(tmp_path / "out.jsonl", subjects)

    # Each distinct one is paid once, and all of it in batches.
    stats = await llm_server.stats()
    asked = times_asked(stats["batches"]["texts"])
    assert stats["chat"]["calls"] == 0
    assert set(asked.values()) == {1}
    assert len(asked) == SUBJECTS == stats["batches"]["billed"]

    # What is counted is what the provider bills.
    tokens_in, tokens_out = stats["batches"]["prompt_tokens"], stats["batches"]["completion_tokens"]
    cost = (tokens_in + 3 * tokens_out) * 500_000  # billionths: half of the standard price
    assert sums(totals, "calls", "tokens_in", "tokens_out", "tokens_in:batch", "cost") == {
        "calls": SUBJECTS,
        "tokens_in": tokens_in,
        "tokens_out": tokens_out,
        "tokens_in:batch": tokens_in,
        "cost": cost,
    }
    async with Redis.from_url(settings["ASKONCE_REDIS_URL"]) as redis:
        budget = await redis.hgetall(Keys(settings["ASKONCE_KEY_PREFIX"]).budgets.sums)
    assert (int(budget[b"default|spent"]), int(budget[b"default|held"])) == (cost, 0)


@pytest.mark.timeout(300 + LINES // 20)
async def test_flex_is_paid_once_and_for_refusals_the_standard_price_whoever_is_killed(settings, llm_server, tmp_path):
    subjects = large_file(tmp_path / "in.jsonl")
    full = {"kind": "status", "status": 429, "code": "resource_unavailable", "tier": "flex", "share": 0.3}
    await llm_server.control(chat={"prices": BILLED, "failures": [full], "latency_ms": 20})

    async def begun(*_):
        return (await llm_server.stats(brief=True))["chat"]["calls"] > 0

    kills, totals = await run(settings | {"ASKONCE_BULK_TIER": "flex"}, tmp_path, begun)
    out = each_is_answered_once(tmp_path / "out.jsonl", subjects)

    # Each distinct one is paid once, but for what a worker was asking in the moment in which it was killed.
    stats, lost = (await llm_server.stats())["chat"], kills * CONCURRENCY
    asked = times_asked(stats["texts"])
    assert len(asked) == SUBJECTS
    assert SUBJECTS <= stats["answered"] <= SUBJECTS + lost
    tiers = [record["askonce"].get("tier") for record in out if record["askonce"]["source"] == "llm"]
    assert stats["failed"] - lost <= len(tiers) - tiers.count("flex") <= stats["failed"]
    assert tiers.count("flex") > len(tiers) / 2

    # What is counted is what the provider bills for that.
    dearest = max(record["askonce"].get("cost") or 0 for record in out)
    counted = sums(totals, "cost")["cost"] / 10**9
    bill = stats["bill"] / 10**12
    assert bill - lost * dearest - 1e-6 <= counted <= bill + 1e-6
