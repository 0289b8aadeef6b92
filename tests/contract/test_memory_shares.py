"""Redis's memory, shared between the cache and what passes through."""

import contextlib

import pytest

from askonce import Client, QueueFull
from askonce_worker.upkeep.memory import ENTRY_OVERHEAD, SLACK, Memory
from support.cache import LONG_AGO, Cache
from support.failover import Managed, program  # noqa: F401
from support.valkey_fixture import own_valkey  # noqa: F401

MIB = 1_048_576


@pytest.fixture
async def cache(own_valkey, qdrant_url, prefix):  # noqa: F811
    cache = Cache(own_valkey.url, qdrant_url, prefix)
    yield cache
    await cache.aclose()


async def bounded(cache, share):
    """Redis's bound, of which this share is in use."""
    used = (await cache.redis.info("memory"))["used_memory"]
    await cache.redis.config_set("maxmemory", int(used / share))


async def test_a_backlog_is_refused_before_it_takes_what_the_cache_holds(cache, own_valkey):  # noqa: F811
    entries = await cache.put(*(f"{number} {'x' * 400}" for number in range(8000)), namespace="paid", semantic=False)
    await bounded(cache, 0.6)
    relief, accepted = cache.relief(), 0
    await relief.run(1)
    async with Client(own_valkey.url, key_prefix=cache.prefix, namespace="other", model="m") as client:
        with pytest.raises(QueueFull) as raised:
            for start in range(0, 200_000, 2000):
                await client.submit_many([f"{number}" for number in range(start, start + 2000)])
                accepted += 2000
                await relief.run(1)
        accepted += len(raised.value.accepted)
        assert accepted > 100, "what is free may be used"
        memory = await cache.redis.info("memory")
        assert memory["used_memory"] < 0.8 * memory["maxmemory"]
        await relief.run(1)
        assert len((await cache.sides())[0]) == len(entries), "no entry had to go"


async def test_the_queue_is_bounded_only_where_memory_is(cache):
    await cache.put("a", semantic=False)
    await bounded(cache, 0.1)
    await cache.relief().run(1)
    bound = int(await cache.redis.hget(cache.keys.load, "most"))
    assert bound > 1000
    await cache.redis.config_set("maxmemory", 0)
    await cache.relief().run(1)
    assert int(await cache.redis.hget(cache.keys.load, "most")) == 0


async def test_data_of_others_does_not_close_the_queue(cache, own_valkey):  # noqa: F811
    await cache.put(*(f"{number} {'x' * 400}" for number in range(4000)), semantic=False)
    memory = await cache.redis.info("memory")
    await cache.redis.set("another:application", bytes(memory["used_memory"] - memory["used_memory_startup"]))
    await bounded(cache, 0.85)
    await cache.relief().run(20)
    await cache.relief().run(1)
    async with Client(own_valkey.url, key_prefix=cache.prefix, namespace="n", model="m") as client:
        assert await client.submit("a question")


async def test_a_redis_without_info_is_left_alone(program, tmp_path, qdrant_url, prefix):  # noqa: F811
    async with (
        Managed(program, tmp_path).alone("--rename-command", "INFO", "") as server,
        contextlib.aclosing(Cache(server.url, qdrant_url, prefix)) as cache,
    ):
        await cache.put("a", semantic=False)
        await cache.relief().run(1)
        assert int(await cache.redis.hget(cache.keys.load, "most")) == 0
        assert len((await cache.sides())[0]) == 1


async def test_entries_go_from_the_namespace_that_has_most(cache):
    small = await cache.put(*map(str, range(200)), namespace="small", semantic=False)
    await cache.set_clock(cache.keys.touched, small, LONG_AGO)
    await cache.put(*map(str, range(4000)), namespace="large", semantic=False)
    await bounded(cache, 0.85)
    await cache.relief().run(20)
    memory = await cache.redis.info("memory")
    assert memory["used_memory"] <= 0.8 * memory["maxmemory"]
    left = (await cache.sides())[0]
    assert set(small) <= left, "a flood of another namespace costs none of these"
    assert len(left) < 4200


def shared(cached, other, *, waiting=0):
    """A Redis of 2 GB with so many percent of entries, and of all else."""
    most = 2 * 1024 * MIB
    answer = (cached * most / 100 / 1_000_000 - ENTRY_OVERHEAD) / SLACK
    return Memory((cached + other) * most // 100, most, 0, 1_000_000, answer, waiting, nearly_full=cached + other > 80)


@pytest.mark.parametrize(
    ("cached", "other", "waiting", "is_full"),
    [
        (30, 55, 200_000, False),
        (60, 25, 200_000, False),
        (70, 15, 200_000, True),
        (30, 66, 200_000, True),
        (60, 10, 0, False),
    ],
)
def test_the_cache_keeps_its_share_beside_a_backlog_until_redis_is_about_to_refuse_writes(
    cached, other, waiting, is_full
):
    assert shared(cached, other, waiting=waiting).is_full is is_full


@pytest.mark.parametrize(("cached", "other"), [(50, 26), (60, 18), (62, 16), (30, 46)])
def test_other_data_does_not_close_the_queue(cached, other):
    assert shared(cached, other).most_waiting > 50_000


@pytest.mark.parametrize(("cached", "other"), [(30, 55), (60, 25), (62, 20), (50, 31)])
def test_entries_go_where_questions_are_refused_and_few_wait(cached, other):
    assert shared(cached, other).is_full
    assert shared(cached, other, waiting=1000).is_full


def test_the_queue_may_fill_what_is_free_and_in_any_case_its_share():
    alone = Memory(2 * MIB, 64 * MIB, MIB, entries=0, answer=0.0, waiting=0)
    beside = Memory(40 * MIB, 64 * MIB, MIB, entries=25_000, answer=1000.0, waiting=0)
    assert alone.most_waiting > 10_000
    assert 0 < beside.most_waiting < alone.most_waiting
    full = Memory(64 * MIB, 64 * MIB, MIB, entries=25_000, answer=1000.0, waiting=9_000)
    assert full.most_waiting == 9_000, "no further ones"
