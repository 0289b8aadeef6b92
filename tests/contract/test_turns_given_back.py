"""A slow server is waited for outside of the places at the LLM, and what is new is found meanwhile."""

import asyncio
from functools import partialmethod

import pytest

from askonce import Question
from askonce_worker.cache.semantic import STORING
from askonce_worker.inflight.feed import SHARDS
from askonce_worker.inflight.leaders import View
from support.asking import calls, collected, settings_for, until_asked
from support.qdrant_proxy import slow_qdrant
from support.wired import wired_workers

FIRST = "How tall is the red tower? [g1]"
OTHER = "What height has the red tower? [g1]"


@pytest.fixture
async def proxied(valkey_url, embedded_qdrant_url, llm_server, prefix):
    """Settings by which a worker reaches Qdrant through a proxy, and the proxy."""
    async with slow_qdrant(embedded_qdrant_url) as proxy:
        yield settings_for(valkey_url, proxy.url, llm_server, prefix) | {"ASKONCE_LEASE": "10"}, proxy


async def test_no_place_at_the_llm_is_held_while_a_slow_qdrant_is_waited_for(monkeypatch, proxied, llm_server):
    """A question waits for the only place until it has to look again. Qdrant is slow by then."""
    monkeypatch.setattr(View, "__init__", partialmethod(View.__init__, settled_for=0.0))
    settings, proxy = proxied
    async with wired_workers(2, settings | {"ASKONCE_LLM_CONCURRENCY": "1", "ASKONCE_SEMANTIC_WAIT": "300"}) as [
        one,
        other,
    ]:
        await llm_server.fail("chat", "hang", times=1)
        busy = asyncio.create_task(one.ask("Who keeps the only place? [g2]"))
        await until_asked(llm_server)
        looked_up = asyncio.Event()
        waits = await one.client.submit(OTHER, lane="bulk")
        waiting = asyncio.create_task(one.run_next("bulk", looked_up.set))
        await asyncio.wait_for(looked_up.wait(), 30)
        await other.ask(FIRST)
        await other.vectors_arrived()

        proxy.seconds = 3600.0
        busy.cancel()
        [alone] = await asyncio.wait_for(one.ask(Question("Who is next? [g3]", semantic=False)), 60)
        assert alone.source == "llm"
        assert not waiting.done(), "it did not wait for Qdrant"

        proxy.seconds = 0.0
        await waiting
        [found] = await collected(one.client, [waits])
    assert (found.source, found.matched_question) == ("semantic", FIRST)
    assert await calls(llm_server) == 3


@pytest.mark.parametrize(("cache_ttl", "least", "most"), [("3600", STORING + 1, 3600), ("5", 5, 5)])
async def test_an_answer_is_found_in_flight_until_a_slow_qdrant_has_stored_it(
    proxied, llm_server, cache_ttl, least, most
):
    """At most for as long as it stays in the cache."""
    settings, _ = proxied
    async with wired_workers(1, settings | {"ASKONCE_CACHE_TTL": cache_ttl}) as [worker]:
        await worker.ask(FIRST)
        feeds = [await worker.redis.xrange(worker.keys.feed(shard)) for shard in range(SHARDS)]
    [reusable] = [int(fields[b"reusable"]) for feed in feeds for _, fields in feed if b"ended" in fields]
    assert least * 1000 <= reusable <= most * 1000
