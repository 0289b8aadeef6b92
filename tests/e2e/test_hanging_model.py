"""A model that hangs holds up its own questions alone: other namespaces are answered meanwhile."""

import asyncio

import pytest

from support.asking import calls, client_for, settings_for, until_asked
from support.worker_process import until, workers

HANGS = {"kind": "hang", "contains": "never"}


@pytest.fixture
def settings(valkey_url, qdrant_url, llm_server, prefix):
    return settings_for(valkey_url, qdrant_url, llm_server, prefix)


async def hits_and_calls_go_on(client, number):
    """Each within a few seconds, where it took as long as the other questions hung."""
    hit = await client.ask("please how tall is the red tower? [g1]", timeout=10)
    assert hit.source == "semantic"
    new = await client.ask(f"how deep is lake {number}? [n{number}]", timeout=10)
    assert new.source == "llm"


async def test_asks_that_hang_keep_neither_hits_nor_calls_of_another_namespace_waiting(settings, llm_server):
    async with (
        client_for(settings, namespace="slow", chunk_size=1) as slow,
        client_for(settings, namespace="quick") as quick,
        workers(1, settings),
    ):
        await quick.ask("how tall is the red tower? [g1]", timeout=30)
        await until_vectors_are_stored(quick)
        await llm_server.control(chat={"failures": [HANGS]})
        await slow.submit_many([f"never {n} [s{n}]" for n in range(100)], lane="interactive")
        await until_asked(llm_server, 55)
        for number in range(5):
            await hits_and_calls_go_on(quick, number)


async def test_chunks_that_hang_keep_no_other_namespace_waiting_in_bulk(settings, llm_server):
    async with (
        client_for(settings, namespace="slow") as slow,
        client_for(settings, namespace="quick") as quick,
        workers(1, settings),
    ):
        await llm_server.control(chat={"failures": [HANGS]})
        await slow.submit_many([f"never {n} [s{n}]" for n in range(5000)])
        await until_asked(llm_server, 45)
        ids = await quick.submit_many([f"how deep is lake {n}? [n{n}]" for n in range(500)])
        answers = [answer async for answer in quick.as_completed(ids, timeout=30)]
        assert {answer.status for answer in answers} == {"answered"}


async def test_another_model_of_the_same_namespace_is_not_held_up(settings, llm_server):
    """Its chunks wait behind those of the model that hangs, in the same queue."""
    async with client_for(settings, model="hanging") as slow, client_for(settings) as quick, workers(1, settings):
        await llm_server.control(chat={"failures": [HANGS]})
        await slow.submit_many([f"never {n} [s{n}]" for n in range(5000)])
        await until_asked(llm_server, 45)
        ids = await quick.submit_many([f"how deep is lake {n}? [n{n}]" for n in range(200)])
        answers = [answer async for answer in quick.as_completed(ids, timeout=30)]
        assert {answer.status for answer in answers} == {"answered"}


async def test_separate_asks_use_every_slot_but_those_kept_for_another_model(settings, llm_server):
    async with client_for(settings, chunk_size=1) as client, workers(1, settings):
        await llm_server.control(chat={"failures": [HANGS]})
        ids = await client.submit_many([f"never {n} [s{n}]" for n in range(64)], lane="interactive")
        await until_asked(llm_server, 60)
        assert await calls(llm_server) == 60
        async with client_for(settings, model="healthy") as another:
            await llm_server.control(chat={"failures": []})
            assert (await another.ask("how deep is the lake? [n1]", timeout=10)).source == "llm"
        assert set((await client.status(ids)).values()) == {"running"}


async def until_vectors_are_stored(client):
    number = 0

    async def hit():
        nonlocal number
        number += 1
        endings = ("please", "kindly", "now", "again", "ok", "really", "actually")
        answer = await client.ask(f"how tall is the red tower? [g1] {' '.join(endings[: number % 7])}", timeout=60)
        await asyncio.sleep(0.1)
        return answer.source == "semantic"

    await until(hit, what="a semantic hit")
