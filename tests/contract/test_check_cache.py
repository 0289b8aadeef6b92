"""What `askonce-worker check` says of the cache: lifetimes that contradict each other, and how far its vectors are."""

import pytest

from askonce_worker.check.cache_state import lifetimes
from askonce_worker.check.findings import findings
from askonce_worker.settings import Settings
from support.cache import Cache


@pytest.mark.parametrize(("max_idle", "never"), [(99, False), (100, True), (200, True)])
def test_it_says_when_max_idle_can_never_fire(max_idle, never):
    finding = lifetimes(Settings(cache_ttl=100, max_idle=max_idle))
    assert ("no effect" in finding.state) is never
    assert ("ASKONCE_MAX_IDLE" in finding.advice) is never


@pytest.fixture
async def cache(valkey_url, embedded_qdrant_url, prefix):
    cache = Cache(valkey_url, embedded_qdrant_url, prefix)
    yield cache
    await cache.aclose()


async def test_it_says_where_the_filling_stands(cache, valkey_url, embedded_qdrant_url, llm_server):
    settings = Settings(
        redis_url=valkey_url,
        qdrant_url=embedded_qdrant_url,
        key_prefix=cache.prefix,
        embedding_model=cache.model,
        embedding_base_url=llm_server.base_url,
        embedding_api_key="test",
        OPENAI_BASE_URL=llm_server.base_url,
        OPENAI_API_KEY="test",
    )

    async def said():
        found = {finding.part: finding for finding in await findings(settings)}
        assert found["qdrant"].ok, found["qdrant"]
        return found["vectors"].state

    await cache.put("a", "b")
    await cache.put("c", vectors=False)
    assert await said() == "no worker has used one yet"
    await cache.vectors.note([cache.collection, "an-earlier-one"])
    await cache.fill().run(5)
    state = await said()
    assert "1 of 3 entries" in state
    assert "1 of earlier models" in state
    await cache.semantic.upsert(await cache.stored("c"))
    await cache.redis.delete(cache.keys.refill(cache.model))
    await cache.fill().run(5)
    assert (await said()).startswith("filled")
