"""Expiry, eviction and orphans: Redis and Qdrant lose an entry together, and what stands on one side is mended."""

import asyncio
import contextlib
import time
from dataclasses import replace
from pydoc_data import topics

import orjson
import pytest

from askonce import Client, Question
from askonce.answer import Answer
from askonce.tasks import stop
from askonce_worker.answering.ports import Finished
from askonce_worker.upkeep.fill import Filling, name_of
from askonce_worker.upkeep.housekeeping import Maintenance
from askonce_worker.upkeep.progress import Progress
from support.cache import LONG_AGO, MAX_TOKENS, Cache
from support.valkey_fixture import own_valkey  # noqa: F401
from support.worker_process import until


@pytest.fixture
async def cache(valkey_url, qdrant_url, prefix):
    cache = Cache(valkey_url, qdrant_url, prefix)
    yield cache
    await cache.aclose()


@contextlib.asynccontextmanager
async def draining(cache):
    tasks = [asyncio.create_task(each.run()) for each in (cache.outbox(), cache.refill())]
    try:
        yield
    finally:
        await stop(*tasks)


async def drained(cache):
    await until(lambda: _is_empty(cache), what="an empty outbox, and no orders")


async def _is_empty(cache):
    return await cache.redis.xlen(cache.keys.outbox) + await cache.redis.xlen(cache.keys.refill(cache.model)) == 0


async def test_what_has_expired_leaves_both_sides_and_the_rest_stays(cache):
    gone = await cache.put("a", "b")
    kept = await cache.put("c", "d")
    await cache.set_clock(cache.keys.expiries, gone, LONG_AGO)

    await cache.eviction().run(5)

    assert await cache.holds(kept)


async def test_the_ttl_of_a_question_holds(cache):
    [short] = await cache.put("a", ttl=1)
    [long] = await cache.put("b", ttl=100)

    async def only_the_long_one():
        await cache.eviction().run(5)
        return await cache.holds([long])

    await until(only_the_long_one)
    assert not await cache.redis.exists(cache.keys.entry(short))
    assert 0 < await cache.redis.ttl(cache.keys.entry(long)) <= 100


async def test_a_hit_moves_the_idle_clock_alone(cache, valkey_url):
    [fingerprint] = await cache.put("a")
    await cache.set_clock(cache.keys.touched, [fingerprint], LONG_AGO)
    dies = await cache.redis.pexpiretime(cache.keys.entry(fingerprint))
    expires = await cache.redis.zscore(cache.keys.expiries, fingerprint)

    async with Client(valkey_url, key_prefix=cache.prefix, namespace="n", model="m") as client:
        assert (await client.ask("a")).source == "exact"

    assert await cache.redis.zscore(cache.keys.touched, fingerprint) > LONG_AGO
    assert await cache.redis.pexpiretime(cache.keys.entry(fingerprint)) == dies
    assert await cache.redis.zscore(cache.keys.expiries, fingerprint) == expires


async def test_a_workers_hit_moves_the_idle_clock_alone(cache):
    [fingerprint] = await cache.put("a")
    await cache.set_clock(cache.keys.touched, [fingerprint], LONG_AGO)
    expires = await cache.redis.zscore(cache.keys.expiries, fingerprint)
    question = Question("a", model="m", namespace="n", job_id="j")
    marker = f'{{"fingerprint":"{question.fingerprint}","deadline":9,"at":1,"job":"bulk:x"}}'
    await cache.redis.set(cache.keys.result("n", "j"), marker)

    await cache.publisher.send([Finished(question, Answer("j", "answered", "semantic"), hit=fingerprint)])
    await cache.publisher.aclose()

    assert await cache.redis.zscore(cache.keys.touched, fingerprint) > LONG_AGO
    assert await cache.redis.zscore(cache.keys.expiries, fingerprint) == expires


async def test_what_was_not_hit_for_long_is_evicted(cache):
    idle = await cache.put("a", "b", "c")
    busy = await cache.put("d")
    await cache.set_clock(cache.keys.touched, idle, time.time() - 101)
    await cache.set_clock(cache.keys.touched, busy, time.time() - 90)

    await cache.eviction(max_idle=100).run(5)

    assert await cache.holds(busy)


async def test_less_than_a_second_of_idleness_evicts_nothing_that_was_just_hit(cache):
    second = None
    while second != (await cache.redis.time())[0]:  # once more, where a second ended meanwhile
        entries = await cache.put("a")
        second = (await cache.redis.time())[0]
        await cache.set_clock(cache.keys.touched, entries, second)
        await cache.eviction(max_idle=0.5).run(5)

    assert await cache.holds(entries)


async def test_above_the_bound_the_longest_unhit_go_first(cache):
    entries = await cache.put(*map(str, range(12)))
    for age, fingerprint in enumerate(entries):
        await cache.set_clock(cache.keys.touched, [fingerprint], time.time() - age)

    await cache.eviction(max_entries=5).run(5)

    assert await cache.holds(entries[:5])


async def test_a_run_that_ends_early_is_gone_on_with(cache):
    gone = await cache.put(*map(str, range(1200)))
    kept = await cache.put("kept")
    await cache.set_clock(cache.keys.expiries, gone, LONG_AGO)

    left = []
    for _ in range(3):
        await cache.eviction().run(0)
        left.append(await cache.redis.zcard(cache.keys.touched))

    assert left == [701, 201, 1]
    assert await cache.holds(kept)


async def test_an_entry_stored_anew_meanwhile_keeps_its_vector(cache):
    [fingerprint] = await cache.put("a")

    await cache.vectors.delete([fingerprint], before=LONG_AGO)

    assert await cache.holds([fingerprint])


async def test_without_qdrant_entries_go_and_their_vectors_follow_once_it_is_back(cache, valkey_url, qdrant_url):
    gone = await cache.put("a")
    await cache.set_clock(cache.keys.expiries, gone, LONG_AGO)
    away = Cache(valkey_url, "http://127.0.0.1:1", cache.prefix)

    await away.eviction().run(5)

    assert await cache.sides() == [set(), set(), set(), set(gone)]
    await cache.orphans().run(5)
    assert await cache.holds([])
    await away.client.close()
    await away.redis.aclose()


async def test_a_nearly_full_redis_is_relieved_at_once_of_the_longest_unhit(own_valkey, qdrant_url, prefix):  # noqa: F811
    cache = Cache(own_valkey.url, qdrant_url, prefix)
    old = await cache.put(*map(str, range(600)), semantic=False)
    new = await cache.put(*map(str, range(1000, 1600)), semantic=False)
    await cache.set_clock(cache.keys.touched, old, LONG_AGO)
    used = (await cache.redis.info("memory"))["used_memory"]
    await cache.redis.config_set("maxmemory", int(used / 0.81))

    await cache.relief().run(5)

    memory = await cache.redis.info("memory")
    assert memory["used_memory"] <= 0.8 * memory["maxmemory"]
    left = (await cache.sides())[0]
    assert set(new) <= left
    assert len(left) < 1200
    await cache.aclose()


async def test_a_vector_without_an_entry_is_removed(cache):
    kept = await cache.put("a", "b")
    [lost] = await cache.put("c")
    await cache.redis.delete(cache.keys.entry(lost))
    await cache.redis.zrem(cache.keys.touched, lost)
    await cache.redis.zrem(cache.keys.expiries, lost)

    await cache.orphans().run(5)

    assert await cache.holds(kept)


async def test_a_place_in_the_indexes_without_an_entry_is_removed(cache):
    kept = await cache.put("a", "b")
    [lost] = await cache.put("c")
    await cache.redis.delete(cache.keys.entry(lost))

    await cache.stale().run(5)

    assert await cache.holds(kept)


async def test_an_entry_without_a_vector_is_embedded_again(cache):
    whole = await cache.put("a")
    torn = await cache.put("b", "c", vectors=False)
    exact_only = await cache.put("d", semantic=False)

    async with draining(cache):
        await cache.fill().run(5)
        await drained(cache)

    entries, *_, vectors = await cache.sides()
    assert entries == {*whole, *torn, *exact_only}
    assert vectors == {*whole, *torn}


async def test_the_vector_of_a_new_entry_has_time_to_arrive(cache):
    await cache.put("a", vectors=False)
    await cache.put("b")

    await cache.fill(grace=60).run(5)

    assert await cache.redis.xlen(cache.keys.refill(cache.model)) == 0


async def test_a_vector_of_another_embedding_model_gets_into_no_collection_of_this_one(cache):
    [fingerprint] = await cache.put("a", vectors=False)
    facts = {"scope": "s", "epochs": "0.0.0.0", "model": "m", "namespace": "n", "created_at": 1, "expires_at": 2**40}
    fields = {"fingerprint": fingerprint, "vector": bytes(32), "record": orjson.dumps({**facts, "embedding": "e4"})}
    await cache.redis.xadd(cache.keys.outbox, fields)

    async with draining(cache):
        await drained(cache)

    assert cache.embedder.texts == ["a"]
    assert await cache.vectors_of(cache.collection) == {fingerprint}


async def test_the_collection_of_a_new_embedding_model_is_filled_and_the_old_one_dropped(cache, valkey_url, qdrant_url):
    entries = await cache.put(*map(str, range(300)))
    await cache.vectors.note([cache.collection])
    new = Cache(valkey_url, qdrant_url, cache.prefix, model="e6")

    async with draining(new):

        async def filled():
            await new.fill().run(5)
            return await new.vectors_of(new.collection) == set(entries)

        await until(filled, what="the new collection to be filled")
        await new.fill().run(5)
    assert set(new.embedder.texts) == set(map(str, range(300)))
    assert await new.collections() == sorted([cache.collection, new.collection]), "dropped while it was in use"

    await new.redis.hset(new.keys.collections, cache.collection, LONG_AGO)
    await new.fill().run(5)
    assert await new.collections() == [new.collection]
    await new.client.close()
    await new.redis.aclose()


async def test_what_can_have_no_vector_keeps_no_collection_from_being_full(cache, valkey_url, qdrant_url):
    entries = await cache.put("a", "b", "refused", "x" * MAX_TOKENS, "y\n" * 600)
    await cache.vectors.note([cache.collection])
    await cache.redis.hset(cache.keys.collections, cache.collection, LONG_AGO)
    new = Cache(valkey_url, qdrant_url, cache.prefix, model="e6")

    async with draining(new):
        for _ in range(2):
            await new.fill().run(5)
            await drained(new)
        assert await new.collections() == sorted([cache.collection, new.collection]), "dropped too early"
        for _ in range(2):
            await new.fill().run(5)
            await drained(new)

    assert await new.vectors_of(new.collection) == set(entries[:2])
    assert await new.collections() == [new.collection]
    assert set(new.embedder.texts) == {"a", "b", "refused"}, "the long ones were ordered"
    await new.client.close()
    await new.redis.aclose()


async def test_a_compressed_question_gets_a_vector_unless_it_is_too_long(cache):
    text = topics.topics["specialnames"][:2500]
    entries = await cache.put(text, 2 * text, vectors=False)
    for fingerprint in entries:
        assert b'"question":null' in await cache.redis.get(cache.keys.entry(fingerprint))

    async with draining(cache):
        for _ in range(2):
            await cache.fill(max_tokens=3000).run(5)
            await drained(cache)

    assert await cache.vectors_of(cache.collection) == set(entries[:1])
    assert cache.embedder.texts == [text]


async def test_while_the_embedding_model_is_away_no_collection_is_full(cache, valkey_url, qdrant_url):
    await cache.put("refused 1", "refused 2")
    await cache.semantic.upsert(await cache.stored("a"))

    async with draining(cache):
        for _ in range(4):
            await cache.fill().run(5)
            await drained(cache)

    filling = await Progress(cache.redis, cache.keys).load(name_of(cache.collection), Filling)
    assert (filling.missing, filling.filled) == (2, False)


async def test_the_vector_of_an_entry_that_was_renewed_without_one_is_renewed_too(cache):
    await cache.put("a", ttl=100)
    [vector] = await cache.stored("a")
    await cache.semantic.upsert([replace(vector, expires_at=int(time.time()) + 50)])

    async with draining(cache):
        await cache.fill().run(5)
        await drained(cache)

    [point], _ = await cache.client.scroll(cache.collection, with_payload=["expires_at"])
    [expires] = [score for _, score in await cache.redis.zrange(cache.keys.expiries, 0, -1, withscores=True)]
    assert point.payload["expires_at"] == expires


async def test_a_neighbours_collection_is_never_dropped(cache, valkey_url, qdrant_url):
    neighbour = Cache(valkey_url, qdrant_url, f"{cache.prefix}-2")
    await neighbour.put("theirs")
    await cache.put("ours")

    for _ in range(2):
        await cache.fill().run(5)

    assert neighbour.collection in await cache.collections()
    await neighbour.client.close()
    await neighbour.redis.aclose()


class Busy:
    def __init__(self):
        self.runs = 0
        self.go_on = asyncio.Event()

    async def run(self, seconds):
        self.runs += 1
        await self.go_on.wait()
        return False


class Broken:
    async def run(self, seconds):
        raise TypeError("an entry that nobody thought of")


async def test_a_part_that_fails_keeps_no_other_from_its_turn(cache):
    other = Busy()
    other.go_on.set()

    await Maintenance(cache.redis, cache.keys, [Broken(), other], None, None).keep_house()

    assert other.runs == 1


async def test_a_run_is_not_joined_by_another(cache):
    first, second = Busy(), Busy()
    second.go_on.set()
    houses = [Maintenance(cache.redis, cache.keys, [part], None, None) for part in (first, second)]
    running = asyncio.create_task(houses[0].keep_house())

    async def begun():
        return first.runs == 1

    await until(begun)
    await houses[1].keep_house()
    assert second.runs == 0
    first.go_on.set()
    await running
    await houses[1].keep_house()
    assert second.runs == 1
