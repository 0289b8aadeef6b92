"""The whole of it on the real local models: what is the same question is a hit, what only looks like it is not."""

import asyncio

import pytest
from redis.asyncio import Redis

from askonce import Client, Question
from askonce.contract.keys import Keys
from askonce_worker.local.parts import choose_parts
from askonce_worker.local.stack import Stack
from support.worker_process import until, workers

PAIRS = [
    ("Python 读取 CSV", "Python 怎么读取 CSV 文件", "semantic"),
    ("Python 读取文件", "Python 写入文件", "llm"),
    ("FastAPI 如何添加认证", "FastAPI 如何添加鉴权", "semantic"),
    ("如何安装 pandas", "如何卸载 pandas", "llm"),
]


@pytest.fixture(scope="module")
def stack():
    with Stack(choose_parts()) as stack:
        yield stack


@pytest.mark.timeout(240)
async def test_four_pairs_in_two_of_which_one_answer_serves_both(stack, prefix):
    settings = {**stack.environment, "ASKONCE_KEY_PREFIX": prefix}

    def question(text):
        return Question(text, system="Answer in one short sentence.", params={"temperature": 0})

    async with (
        workers(1, settings),
        Client(settings["ASKONCE_REDIS_URL"], model=settings["ASKONCE_MODEL"], key_prefix=prefix) as client,
        Redis.from_url(settings["ASKONCE_REDIS_URL"]) as redis,
    ):
        firsts = await asyncio.gather(*(client.ask(question(first), timeout=180) for first, _, _ in PAIRS))
        assert {answer.source for answer in firsts} == {"llm"}

        async def vectors_arrived():
            return await redis.xlen(Keys(prefix).outbox) == 0

        await until(vectors_arrived, what="an empty outbox")
        for (first, second, source), answer in zip(PAIRS, firsts, strict=True):
            other = await client.ask(question(second), timeout=180)
            assert other.source == source, (first, second, other.matched_question, other.similarity)
            if source == "semantic":
                assert (other.matched_question, other.text) == (first, answer.text)
