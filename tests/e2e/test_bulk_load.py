"""Much at once: what waits in bulk neither delays an `ask` for good nor costs a batch memory."""

import asyncio
import os

import orjson
import pytest

from askonce import Client, Question
from support.peak import peak_of
from support.worker_process import until, workers

MODEL = "test-model"
BACKLOG = int(os.environ.get("ASKONCE_TEST_BACKLOG", "5000"))
FEW, MANY = 20_000, 80_000
BOUND = 8 * 1024
"""KiB. 140 bytes for each line that is more: one Python object of a line would be seen."""


@pytest.fixture
def settings(valkey_url, llm_server, prefix):
    return {
        "ASKONCE_REDIS_URL": valkey_url,
        "ASKONCE_KEY_PREFIX": prefix,
        "ASKONCE_LLM_CONCURRENCY": "8",
        "ASKONCE_MODEL": MODEL,
        "OPENAI_BASE_URL": llm_server.base_url,
        "OPENAI_API_KEY": "test",
    }


@pytest.mark.timeout(300)
@pytest.mark.parametrize("limits", [{}, {"ASKONCE_TPM": "60000"}], ids=["free", "tokens are short"])
async def test_asks_are_answered_while_a_backlog_waits(settings, llm_server, limits):
    """Each ask dearer than what is kept of the tokens for its lane, and a bulk call."""
    await llm_server.control(chat={"latency_ms": 300, "completion_tokens": 50})
    async with (
        workers(2, {**settings, **limits}),
        Client(settings["ASKONCE_REDIS_URL"], key_prefix=settings["ASKONCE_KEY_PREFIX"], model=MODEL) as client,
    ):
        ids = await client.submit_many(Question(f"Bulk {n} [b{n}]", params={"max_tokens": 50}) for n in range(BACKLOG))

        async def busy():
            return (await llm_server.stats(brief=True))["chat"]["calls"] > 60

        await until(busy, seconds=120, what="more bulk calls than go at once")
        for n in range(3):
            answer = await client.ask(f"Urgent {n} [u{n}]", params={"max_tokens": 1500}, timeout=60)
            assert answer.source == "llm"
        states = list((await client.status(ids)).values())
        assert states.count("queued") > BACKLOG / 4, "the backlog was none"
        await client.cancel(ids)


@pytest.mark.timeout(300)
async def test_a_batch_of_many_lines_needs_no_more_memory_than_one_of_few(settings, llm_server, tmp_path):
    peaks = {}
    async with workers(1, settings):
        for lines in (FEW, MANY):
            (tmp_path / f"{lines}.jsonl").write_bytes(
                b"".join(orjson.dumps({"question": f"Thing {n % 40}?"}) + b"\n" for n in range(lines))
            )
            files = (f"{lines}.jsonl", f"{lines}.out.jsonl")
            peaks[lines] = await peak_of(settings, tmp_path, "batch", *files, "--in-flight", "1000")
            written = await asyncio.to_thread((tmp_path / files[1]).read_bytes)
            assert written.count(b"\n") == lines
    assert peaks[MANY] - peaks[FEW] < BOUND, peaks
