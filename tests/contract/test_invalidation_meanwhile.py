"""A question that is on its way while something is invalidated: what it matches afterwards is matched anew."""

import asyncio

from support.asking import until_asked, until_embedded
from support.wired import MODEL, wired_workers

FIRST = "How tall is the red tower? [g1]"
OTHER = "What height has the red tower? [g1]"
SLOW = 700


async def ask_and_invalidate_meanwhile(worker, llm_server, text):
    await llm_server.control(chat={"answer": "new"}, embeddings={"latency_ms": SLOW})
    asked = asyncio.create_task(worker.ask(text))
    await until_embedded(llm_server, text)
    await worker.client.invalidate(model=MODEL)
    [answer] = await asked
    return answer


async def test_an_entry_is_no_semantic_hit_any_more(settings, llm_server):
    await llm_server.control(chat={"answer": "old"})
    async with wired_workers(1, settings) as [worker]:
        await worker.ask(FIRST)
        await worker.vectors_arrived()
        answer = await ask_and_invalidate_meanwhile(worker, llm_server, OTHER)
        assert (answer.source, answer.text) == ("llm", "new")
        assert await worker.client.lookup(OTHER) is None, "kept, though it was asked before"


async def test_a_leader_that_has_just_settled_is_not_joined_any_more(settings, llm_server):
    del settings["ASKONCE_QDRANT_URL"]
    await llm_server.control(chat={"answer": "old"})
    async with wired_workers(1, settings) as [worker]:
        await worker.ask(FIRST)
        answer = await ask_and_invalidate_meanwhile(worker, llm_server, OTHER)
    assert (answer.source, answer.text) == ("llm", "new")


async def test_nor_is_it_by_who_waited_for_a_place_at_the_llm(settings, llm_server):
    await llm_server.control(chat={"answer": "old"})
    async with wired_workers(2, settings | {"ASKONCE_LLM_CONCURRENCY": "1"}) as [one, other]:
        await llm_server.control(chat={"latency_ms": SLOW})
        busy = asyncio.create_task(other.ask("Who keeps the only place? [g2]"))
        await until_asked(llm_server)
        waiting = asyncio.create_task(other.ask(OTHER))
        await until_embedded(llm_server, OTHER)
        await llm_server.control(chat={"latency_ms": 0})
        [first] = await one.ask(FIRST)
        assert (first.source, first.text) == ("llm", "old")
        await llm_server.control(chat={"answer": "new"})
        await one.client.invalidate(all=True)
        assert not waiting.done(), "no place was waited for"
        [answer] = await waiting
        await busy
    assert (answer.source, answer.text) == ("llm", "new")


async def test_who_matches_nothing_invalid_still_joins(settings, llm_server):
    async with wired_workers(1, settings) as [worker]:
        await llm_server.control(chat={"latency_ms": SLOW})
        leading = asyncio.create_task(worker.ask(FIRST))
        await until_asked(llm_server)
        await worker.client.invalidate(namespace="another")
        [answer] = await worker.ask(OTHER)
        await leading
    assert answer.source == "inflight"
