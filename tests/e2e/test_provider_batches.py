"""A large file at the price of batches, with the command and the workers killed at random.

ASKONCE_TEST_BATCH_LINES=20000 runs it at its full size.
"""

import asyncio
import os
import random
import re
import signal
from collections import Counter

import orjson
import pytest
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from support.batch_command import MODEL, Command, content, request
from support.batch_runs import records
from support.counting import counters
from support.worker_process import all_alive, start_worker, until

LINES = int(os.environ.get("ASKONCE_TEST_BATCH_LINES", "1000"))
SUBJECTS = int(LINES * 0.6)
WORDINGS = ("Tell me of subject {} please", "Please tell me of subject {}", "Of subject {} tell me please")
KILLS = 4


PRICES = {"input": 1000.0, "output": 3000.0, "batch": {"input": 500.0, "output": 1500.0}}
"""Per million tokens."""


@pytest.fixture
def settings(batch_settings, tmp_path):
    (tmp_path / "prices.json").write_bytes(orjson.dumps({"currency": "USD", "models": {MODEL: PRICES}}))
    return batch_settings | {
        "ASKONCE_PRICES": str(tmp_path / "prices.json"),
        "ASKONCE_LEASE": "1",
        "ASKONCE_BULK_TIER": "batch",
        "ASKONCE_BATCH_WAIT": "1",
        "ASKONCE_BATCH_MARGIN": "60",
        "ASKONCE_BATCH_MAX_REQUESTS": str(LINES // 8),
    }


def large_file(path):
    """Two in five lines say again what another one says, some in the same words. Returns the subject of each id."""
    chance = random.Random(7)
    chosen = [*range(SUBJECTS), *(chance.randrange(SUBJECTS) for _ in range(LINES - SUBJECTS))]
    chance.shuffle(chosen)
    lines = [
        request(f"q{i}", chance.choice(WORDINGS).format(f"{subject} [g{subject}]")) for i, subject in enumerate(chosen)
    ]
    path.write_bytes(b"\n".join(lines))
    return {f"q{i}": subject for i, subject in enumerate(chosen)}


async def killed_in_turn(command, settings, directory, running, parked):
    """A worker and the command at once, again and again, at moments that nobody chose."""
    process = await command.start()
    for turn in range(KILLS):
        await until(parked, seconds=120, what="a parked question")
        await asyncio.sleep(random.uniform(0, 2 + LINES / 2500))
        if process.returncode is not None:
            break
        victim = running.pop(random.randrange(len(running)))
        victim.signal(signal.SIGKILL)
        process.send_signal(random.choice([signal.SIGKILL, signal.SIGINT]))
        await victim.process.wait()
        await process.wait()
        running.append(await start_worker(settings, directory / f"worker-{turn}.log"))
        process = await command.start()
    _, errors = await process.communicate()
    return process.returncode, errors.decode()


@pytest.mark.timeout(300 + LINES // 20)
async def test_a_large_file_is_paid_once_and_at_half_price_whoever_is_killed(settings, llm_server, tmp_path, prefix):
    subjects = large_file(tmp_path / "in.jsonl")
    steps = [{"step": step, "status": 503, "done": True} for step in ("create", "upload", "content", "look")]
    await llm_server.control(batches={"seconds": [0.5, 4], "validating": 0.2, "steps": steps})
    command = Command(tmp_path, settings)
    running = [await start_worker(settings, tmp_path / f"worker-{name}.log") for name in ("a", "b", "c")]
    async with Redis.from_url(settings["ASKONCE_REDIS_URL"]) as redis:

        async def parked():
            return int(await redis.hget(Keys(prefix).load, "parked") or 0) > 0

        try:
            await all_alive(settings, running, 3)
            code, errors = await killed_in_turn(command, settings, tmp_path, running, parked)
            left = int(await redis.hget(Keys(prefix).load, "parked") or 0)
            totals = await counters(redis, Keys(prefix))
        finally:
            for worker in running:
                await worker.kill()
    assert code == 0, errors
    assert left == 0

    # Each is answered once, with its own subject's answer.
    out = records(tmp_path / "out.jsonl")
    assert Counter(record["custom_id"] for record in out) == Counter(subjects.keys())
    for record in out:
        assert f"[g{subjects[record['custom_id']]}]" in content(record), record

    # Each distinct one is paid once, and all of it in batches.
    stats = await llm_server.stats()
    asked: Counter[str] = Counter()
    for text, times in stats["batches"]["texts"].items():
        asked[re.search(r"\[g(\d+)\]", text)[1]] += times
    assert stats["chat"]["calls"] == 0
    assert set(asked.values()) == {1}
    assert len(asked) == SUBJECTS == stats["batches"]["billed"]

    # What is counted is what the provider bills.
    names = ("calls", "tokens_in", "tokens_out", "tokens_in:batch", "cost")
    counted = {name: sum(int(n) for key, n in totals.items() if key.startswith(f"{name}|".encode())) for name in names}
    tokens_in, tokens_out = stats["batches"]["prompt_tokens"], stats["batches"]["completion_tokens"]
    assert counted == {
        "calls": SUBJECTS,
        "tokens_in": tokens_in,
        "tokens_out": tokens_out,
        "tokens_in:batch": tokens_in,
        "cost": (tokens_in + 3 * tokens_out) * 500_000,  # billionths: half of the standard price
    }
