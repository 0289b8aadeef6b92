"""submit.lua: a chunk is accepted whole or not at all."""

import asyncio

import orjson
import pytest
from redis.asyncio import Redis

from askonce.contract.keys import ARQ_JOB, Keys
from askonce.contract.pending import read_pending
from support.scripts_fixture import OTHER, PRINT, RESULT_MS, Scripts, scripts  # noqa: F401
from support.valkey_fixture import own_valkey  # noqa: F401


async def test_a_chunk_leaves_markers_a_job_and_a_token(scripts):  # noqa: F811
    assert await scripts.submit("a", "b", listener="me") == [b"ok", 2]
    seconds, micros = await scripts.redis.time()
    marker = read_pending(await scripts.marker("a"))
    assert (marker.fingerprint, marker.lane, marker.job, marker.listeners) == (PRINT, "bulk", "job1", ("me",))
    assert abs(marker.deadline - 5000 - (seconds * 1000 + micros // 1000)) < 2000
    assert 5000 < await scripts.redis.pttl(scripts.keys.result("default", "a")) <= 5000 + RESULT_MS
    record = orjson.loads(await scripts.redis.get(f"{ARQ_JOB}{scripts.keys.prefix}job1"))
    assert (record["f"], record["a"], record["k"], record["t"]) == ("answer_chunk", [{"v": 1}], {}, None)
    assert await scripts.redis.zrange(scripts.keys.queue("bulk"), 0, -1) == [b"job1"]
    assert await scripts.redis.hget(scripts.keys.load, "bulk") == b"2"
    assert await scripts.redis.llen(scripts.keys.wake) == 1


async def test_the_same_chunk_again_changes_nothing(scripts):  # noqa: F811
    await scripts.submit("a", "b", listener="me")
    before = await scripts.marker("a")
    assert await scripts.submit("a", "b", job="job2", listener="you") == [b"ok", 0]
    assert await scripts.marker("a") == before
    assert await scripts.redis.zcard(scripts.keys.queue("bulk")) == 1
    assert await scripts.redis.hget(scripts.keys.load, "bulk") == b"2"


async def test_an_answer_is_never_overwritten_by_a_marker(scripts):  # noqa: F811
    await scripts.submit("a")
    await scripts.publish("a")
    before = await scripts.marker("a")
    assert await scripts.submit("a", "b", job="job2") == [b"ok", 1]
    assert await scripts.marker("a") == before


async def test_what_is_in_the_queue_is_not_answered_from_the_cache_when_it_is_sent_again(scripts):  # noqa: F811
    """Its reply was lost, and its own answer may be cached by now."""
    entry = scripts.keys.entry(PRINT)
    look = "\n".join((entry, scripts.keys.epochs, *"abcd"))
    await scripts.submit("a", look=look)
    await scripts.redis.set(entry, "cached")
    assert await scripts.submit("a", look=look) == [b"ok", 0]
    assert await scripts.submit("b", look=look) == [b"cached", b"cached", None, None, None, None]
    assert await scripts.marker("b") is None


async def test_where_there_was_room_just_before_the_lanes_bound_holds_and_wake_ups_are_told(scripts):  # noqa: F811
    keys = scripts.keys
    look = "\n".join((keys.entry(PRINT), keys.epochs, *"abcd", "1"))
    assert await scripts.submit("a", look=look, most=1) == [b"ok", 1, 1]
    assert await scripts.submit("b", job="job2", look=look, most=1) == [b"full", b"lane"]
    assert await scripts.marker("b") is None
    assert (await scripts.redis.hget(keys.load, "bulk"), await scripts.redis.llen(keys.wake)) == (b"1", 1)
    await scripts.redis.lpush(keys.wake, *["1"] * 40)
    assert await scripts.submit("b", job="job2", look=look) == [b"ok", 1, 42]


async def test_a_conflict_writes_nothing(scripts):  # noqa: F811
    await scripts.submit("a")
    before = await scripts.everything()
    reply = await scripts.submit("x", "a", "y", job="job2", prints=[PRINT, OTHER, PRINT])
    assert reply == [b"conflict", 1]
    assert await scripts.everything() == before


async def test_a_conflict_inside_one_chunk_writes_nothing(scripts):  # noqa: F811
    assert await scripts.submit("a", "b", "a", prints=[PRINT, PRINT, OTHER]) == [b"conflict", 2]
    assert await scripts.everything() == set()


async def test_ten_thousand_conflicts_are_no_error_of_the_script(scripts):  # noqa: F811
    ids = [f"id-{n}" for n in range(10_000)]
    await scripts.submit(*ids)
    reply = await scripts.submit(*ids, job="job2", prints=[OTHER] * len(ids))
    assert reply[0] == b"conflict"
    assert len(reply) == 4001


async def test_the_bound_holds_for_each_lane(scripts):  # noqa: F811
    assert await scripts.submit("a", "b", most=3) == [b"ok", 2]
    before = await scripts.everything()
    assert await scripts.submit("c", "d", job="job2", most=3) == [b"full", b"lane"]
    assert await scripts.everything() == before
    assert await scripts.submit("a", "b", job="job2", most=3) == [b"ok", 0]
    assert await scripts.submit("c", job="job2", most=3) == [b"ok", 1]
    assert await scripts.submit("d", job="job3", lane="interactive", most=3) == [b"ok", 1]


async def test_the_bound_holds_under_a_rush(scripts):  # noqa: F811
    replies = await asyncio.gather(*(scripts.submit(f"id{n}", job=f"job{n}", most=20) for n in range(60)))
    assert sum(reply[0] == b"ok" for reply in replies) == 20
    assert await scripts.redis.hget(scripts.keys.load, "bulk") == b"20"


async def test_job_ids_belong_to_their_namespace(scripts):  # noqa: F811
    await scripts.submit("a", namespace="one")
    assert await scripts.submit("a", job="job2", namespace="two", prints=[OTHER]) == [b"ok", 1]


async def test_tenants_take_turns_in_the_bulk_lane(scripts):  # noqa: F811
    for n in range(3):
        await scripts.submit(*(f"big{n}-{i}" for i in range(10)), job=f"big{n}", namespace="big")
    await scripts.submit("small-1", job="small", namespace="small")
    order = await scripts.redis.zrange(scripts.keys.queue("bulk"), 0, -1)
    assert order.index(b"small") <= 1


async def test_the_tokens_are_bounded(scripts):  # noqa: F811
    for n in range(80):
        await scripts.submit(f"id{n}", job=f"job{n}")
    assert await scripts.redis.llen(scripts.keys.wake) == 64


async def test_job_ids_of_all_visible_characters(scripts):  # noqa: F811
    job_id = "".join(map(chr, range(33, 127)))
    assert await scripts.submit(job_id, listener="me") == [b"ok", 1]
    assert await scripts.publish(job_id) == 1
    assert await scripts.told("me") == [f"default:{job_id}"]


async def test_a_nearly_full_redis_refuses_and_writes_nothing(own_valkey, prefix):  # noqa: F811
    redis = Redis.from_url(own_valkey.url, protocol=2)
    own = Scripts(redis, Keys(prefix))
    used = (await redis.info("memory"))["used_memory"]
    await redis.config_set("maxmemory", int(used * 1.2))
    assert await own.submit("a") == [b"full", b"memory"]
    assert await own.everything() == set()
    await redis.config_set("maxmemory", int(used * 10))
    assert await own.submit("a") == [b"ok", 1]
    await redis.aclose()


@pytest.mark.parametrize("listener", ["", "me"])
async def test_the_marker_names_who_listens(scripts, listener):  # noqa: F811
    await scripts.submit("a", listener=listener)
    await scripts.publish("a")
    assert await scripts.told("me") == (["default:a"] if listener else [])
