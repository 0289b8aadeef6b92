"""A job that kills its workers, its dead letter, and `askonce dead-letters`."""

import asyncio
import signal

import orjson
import pytest

from askonce import Client, Question
from askonce.cli import main
from support.worker_process import start_worker, until, workers


@pytest.fixture
def settings(valkey_url, llm_server, prefix, monkeypatch):
    client = {"ASKONCE_REDIS_URL": valkey_url, "ASKONCE_KEY_PREFIX": prefix, "ASKONCE_MODEL": "test-model"}
    for name, value in client.items():
        monkeypatch.setenv(name, value)
    provider = {"OPENAI_BASE_URL": llm_server.base_url, "OPENAI_API_KEY": "test"}
    return {**client, **provider, "ASKONCE_LEASE": "0.5", "ASKONCE_MAX_TRIES": "1"}


@pytest.fixture
def askonce(settings, capsys):
    async def ran(*words):
        code = await asyncio.to_thread(main, [*words, "--json"])
        out = capsys.readouterr().out
        return code, orjson.loads(out) if out else None

    return ran


async def test_what_was_given_up_is_listed_and_lives_again(settings, llm_server, askonce, tmp_path):
    await llm_server.fail("chat", "hang", times=1)
    async with Client() as client, workers(1, settings) as [first]:
        job_id = await client.submit(Question("Deadly? [g1]", metadata={"row": 1}, namespace="tenant"), lane="bulk")

        async def is_asked():
            return (await llm_server.stats(brief=True))["chat"]["in_flight"] == 1

        await until(is_asked, what="the call")
        first.signal(signal.SIGKILL)
        await first.process.wait()
        second = await start_worker(settings, tmp_path / "second.log")
        try:
            [given_up] = [answer async for answer in client.as_completed([job_id], namespace="tenant", timeout=30)]
            assert (given_up.status, given_up.error.kind) == ("failed", "crashed")

            async def listed():
                return (await askonce("dead-letters", "list"))[1]

            [letter] = await until(listed, what="the dead letter")
            assert (letter["namespace"], letter["lane"], letter["questions"]) == ("tenant", "bulk", 1)
            assert "record" not in letter
            code, [shown] = await askonce("dead-letters", "show", letter["job"])
            assert (code, shown["record"]["a"][0]["questions"][0]["text"]) == (0, "Deadly? [g1]")
            assert (await askonce("dead-letters", "list", "--namespace", "another"))[1] == []

            code, [replay] = await askonce("dead-letters", "replay", "--all")
            assert code == 0
            answer = await client.result(replay["job_ids"][job_id], namespace="tenant", timeout=30)
            assert (answer.text, answer.metadata) == ("answer to: Deadly? [g1]", {"row": 1})
            assert (await client.status([job_id], namespace="tenant"))[job_id] == "failed"
            assert (await askonce("dead-letters", "list"))[1] == []
        finally:
            await second.kill()
