"""A question that kills every worker that asks it, in many other words: few workers die, and the rest goes on."""

import asyncio
import os
import signal
from collections import Counter
from pathlib import Path

import pytest
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce.tasks import stop
from askonce_worker.inflight.feed import SHARDS
from support.asking import client_for, paraphrases, settings_for
from support.worker_process import until, workers

POISON = "how tall is the poisoned tower? [g1]"


@pytest.fixture
def settings(valkey_url, qdrant_url, llm_server, prefix):
    return settings_for(valkey_url, qdrant_url, llm_server, prefix) | {"ASKONCE_MAX_TRIES": "4"}


class Killer:
    """SIGKILLs each process that leads the question, once its call hangs."""

    def __init__(self, settings):
        self.redis = Redis.from_url(settings["ASKONCE_REDIS_URL"])
        self.keys = Keys(settings["ASKONCE_KEY_PREFIX"])
        self.killed = []

    async def run(self):
        while True:
            for shard in range(SHARDS):
                for leader, record in (await self.redis.hgetall(self.keys.leaders(shard))).items():
                    self.kill(int(leader.decode().partition("/")[0].rsplit("-", 2)[1]), b"poisoned" in record)
            await asyncio.sleep(0.05)

    async def killed_a_suspect(self):
        return any(is_suspect for _, is_suspect in self.killed)

    def kill(self, pid, poisoned):
        if not poisoned or pid in dict(self.killed):
            return
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            os.kill(pid, signal.SIGKILL)
        except OSError:
            return
        self.killed.append((pid, b"--suspects" in command))


@pytest.mark.timeout(300)
async def test_few_workers_die_of_a_poisoned_question_and_others_are_answered_meanwhile(settings, llm_server):
    await llm_server.fail("chat", "hang", contains="poisoned")
    killer = Killer(settings)
    async with client_for(settings, chunk_size=1) as client, workers(1, settings, "--processes", "2"):
        killing = asyncio.create_task(killer.run())
        ids = await client.submit_many(paraphrases(POISON, 50), lane="interactive")
        answers = asyncio.create_task(collect(client, ids))
        await until(killer.killed_a_suspect, seconds=120, what="the end of a process for suspects")
        number = 0
        while not answers.done():
            number += 1
            assert (await client.ask(f"how deep is lake {number}? [g{100 + number}]", timeout=15)).text
            await asyncio.sleep(0.2)
        await stop(killing)
        await killer.redis.aclose()
    assert {answer.error.kind for answer in answers.result()} == {"crashed"}
    deaths = Counter(is_suspect for _, is_suspect in killer.killed)
    assert deaths[False] <= 4, "workers"
    assert deaths[True] <= 6, "processes for suspects"


async def collect(client, ids):
    return [answer async for answer in client.as_completed(ids, timeout=200)]
