"""Which answer stays in the cache when two calls for the same question cross."""

import asyncio

import pytest

from askonce import Question
from support.asking import until_asked
from support.wired import MODEL, wired_workers

TEXT = "What has the red tower?"


@pytest.fixture
def settings(settings):
    return {name: value for name, value in settings.items() if name != "ASKONCE_QDRANT_URL"}


async def kept(worker):
    return (await worker.client.lookup(TEXT)).text


async def test_a_call_that_began_before_an_answer_was_stored_by_hand_does_not_overwrite_it(settings, llm_server):
    await llm_server.control(chat={"answer": "old", "latency_ms": 500})
    async with wired_workers(1, settings) as [worker]:
        asking = asyncio.create_task(worker.ask(TEXT))
        await until_asked(llm_server)
        await worker.client.store(Question(TEXT, model=MODEL), "by hand")
        [answer] = await asking
        assert (answer.text, await kept(worker)) == ("old", "by hand")


async def test_of_two_refreshes_that_which_was_asked_later_stays(settings, llm_server):
    refresh = Question(TEXT, model=MODEL, cache="refresh")
    async with wired_workers(1, settings) as [worker]:
        await llm_server.control(chat={"answer": "older", "latency_ms": 1000})
        first = await worker.client.submit(refresh)
        older = asyncio.create_task(worker.run_next())
        await until_asked(llm_server)
        await llm_server.control(chat={"answer": "newer", "latency_ms": 0})
        [answer] = await worker.ask(refresh)
        assert (answer.text, await kept(worker)) == ("newer", "newer")
        await older
        assert (await worker.client.result(first, timeout=0)).status == "answered"
        assert await kept(worker) == "newer"


async def test_a_later_refresh_and_a_later_store_do_overwrite(settings, llm_server):
    refresh = Question(TEXT, model=MODEL, cache="refresh")
    async with wired_workers(1, settings) as [worker]:
        for text in ("one", "two"):
            await llm_server.control(chat={"answer": text})
            await worker.ask(refresh)
            assert await kept(worker) == text
        await worker.client.store(refresh, "three")
        assert await kept(worker) == "three"


async def test_an_invalid_answer_makes_room_for_an_older_call(settings, llm_server):
    await llm_server.control(chat={"answer": "asked", "latency_ms": 500})
    async with wired_workers(1, settings) as [worker]:
        await worker.client.store(Question(TEXT, model=MODEL), "by hand")
        await worker.client.invalidate(model=MODEL)
        asking = asyncio.create_task(worker.ask(TEXT))
        await until_asked(llm_server)
        key = worker.keys.entry(Question(TEXT, model=MODEL, namespace="default").fingerprint)
        record = await worker.redis.get(key)
        await worker.redis.set(key, record.replace(b'"asked_ms":', b'"asked_ms":9'))  # by far the later one
        await asking
        assert await kept(worker) == "asked"
