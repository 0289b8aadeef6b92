"""What goes wrong between the coalescer and Redis: gaps, records of others, lost replies, a Redis that forgets."""

import asyncio

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisAway

from askonce_worker.answering.coalescing import Follow, Freed, Lead, Settlement, Shared, Stale
from askonce_worker.inflight.feed import KEPT, SHARDS, SNAPSHOT, WATCH, Feed, shard_of
from askonce_worker.inflight.records import encode_leader
from askonce_worker.queue.leases import Leases
from askonce_worker.redis.clock import RedisClock
from support.inflight import SCOPE, alive, ask, near, settle, unit, worker
from support.valkey_fixture import own_valkey  # noqa: F401

BODY = {"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}]}
SHARD = shard_of(SCOPE)


@pytest.fixture
async def two(valkey_url, keys):
    async with worker(valkey_url, keys, "a") as first, worker(valkey_url, keys, "b") as second:
        yield first, second


async def claim(coalescer, question):
    """Stale: as the pipeline does, look (where nothing is found) and claim again."""
    while (decision := await coalescer.claim(question, coalescer.position())) == Stale():
        pass
    return decision


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


class LosesReplies(Redis):
    """Runs the next script and then loses the connection, `losses` times."""

    losses = 0

    async def evalsha(self, *args, **kwargs):
        reply = await super().evalsha(*args, **kwargs)
        if self.losses:
            self.losses -= 1
            raise RedisAway("the reply is lost")
        return reply


async def test_a_lost_reply_does_not_make_a_leader_follow_itself(valkey_url, keys):
    redis = LosesReplies.from_url(valkey_url)
    async with worker(valkey_url, keys, "a", redis=redis) as first, worker(valkey_url, keys, "b") as second:
        await claim(first, ask("something"))
        redis.losses = 1
        lead = await claim(first, ask("a", unit(1)))
        assert isinstance(lead, Lead)
        assert (await claim(second, ask("b", near(unit(1), 0.95)))).leader == lead.leader
        assert first.counters["orphans"] == 0


async def test_a_view_that_fell_behind_a_trimmed_feed_reads_anew(two, redis, keys):
    first, second = two
    lead = await claim(first, ask("a"))
    await redis.xtrim(keys.feed(SHARD), maxlen=0, approximate=False)
    for n in range(3):
        await claim(first, ask(f"{n}"))
    await redis.xtrim(keys.feed(SHARD), maxlen=1, approximate=False)
    assert (await claim(second, ask("a"))).leader == lead.leader
    for n in range(3):
        assert isinstance(await claim(second, ask(f"{n}")), Follow)


async def test_leaders_of_another_scope_do_not_hold_a_claim_up(two, redis, keys):
    other = next(scope for n in range(1000) if shard_of(scope := f"{n:043d}") == SHARD)
    first, second = two
    for text in ("a", "b"):
        claims = [claim(first, ask(text, unit(1), scope=SCOPE)), claim(second, ask(text, unit(1), scope=other))]
        assert len({decision.leader for decision in await asyncio.gather(*claims)}) == 2
    assert len(first.join([ask("a", scope=SCOPE), ask("b", scope=other)])) == 2


async def test_the_feed_is_trimmed(two, redis, keys):
    first, _ = two
    for _ in range(KEPT // 64 + 20):
        await asyncio.gather(*(claim(first, ask("a", may_follow=False)) for _ in range(64)))
    assert await redis.xlen(keys.feed(SHARD)) < KEPT + 500


async def test_records_that_cannot_be_read_are_skipped_and_counted(two, redis, keys, valkey_url):
    first, second = two
    last = (await redis.xrevrange(keys.feed(SHARD), count=1) or [(b"0-0", {})])[0][0]
    await redis.hset(keys.leaders(SHARD), "x/1", b"\xff")
    await redis.xadd(keys.feed(SHARD), {"after": last, "led": "x/1", "scope": SCOPE, "record": b"\xff"})
    lead = await claim(first, ask("a"))
    assert (await claim(second, ask("a"))).leader == lead.leader
    async with worker(valkey_url, keys, "c") as late:
        assert (await claim(late, ask("a"))).leader == lead.leader
        assert late.counters["unreadable"] == 1
    assert first.counters["unreadable"] >= 1


async def test_another_embedding_model_joins_by_fingerprint_alone(valkey_url, keys):
    async with (
        worker(valkey_url, keys, "a", embedding="old") as first,
        worker(valkey_url, keys, "b", embedding="new") as second,
    ):
        lead = await claim(first, ask("a", unit(1)))
        assert isinstance(await claim(second, ask("b", near(unit(1), 0.99))), Lead)
        assert (await claim(second, ask("a", unit(1)))).leader == lead.leader
        assert second.counters["other_embedding"] >= 1


async def test_vectors_of_other_dimensions_are_not_compared(two):
    first, second = two
    await claim(first, ask("a", unit(1, 64)))
    assert isinstance(await claim(second, ask("b", unit(1, 128))), Lead)


async def test_a_redis_that_forgets_everything_gets_the_live_leaders_back(two, redis, keys):
    first, second = two
    lead = await claim(first, ask("a"))
    await redis.delete(keys.workers, *(key(shard) for shard in range(SHARDS) for key in (keys.leaders, keys.feed)))
    await until(lambda: first.counters["restored"] == 1)
    assert (await claim(second, ask("a"))).leader == lead.leader
    assert await settle(redis, first, lead, Settlement.SHARED, BODY) == 1


async def test_no_leader_lapses_when_all_signs_of_life_ran_out_while_redis_was_away(two, redis, keys):
    first, second = two
    lead = await claim(first, ask("a"))
    waiting = asyncio.create_task(second.wait(await claim(second, ask("a"))))
    await redis.zadd(keys.workers, {"a": 1, "b": 1})
    async with asyncio.timeout(10):
        while not await redis.hexists(keys.doubted, "a"):
            await asyncio.sleep(0.01)
    await Leases(redis, keys, RedisClock(), worker="a", lease=60).renew([])
    assert not await redis.hexists(keys.doubted, "a")
    assert await settle(redis, first, lead, Settlement.SHARED, BODY) == 1
    assert await waiting == Shared(BODY)


async def test_what_is_due_is_settled_and_what_was_lost_put_back_in_a_full_redis(own_valkey, keys):  # noqa: F811
    redis = Redis.from_url(own_valkey.url)
    async with worker(own_valkey.url, keys, "a") as first:
        lead = await claim(first, ask("a"))
        await redis.delete(keys.leaders(SHARD), keys.feed(SHARD))
        await redis.config_set("maxmemory", 1)
        await until(lambda: first.counters["restored"] == 1)
        first.abandon(lead)
        async with asyncio.timeout(10):
            while await redis.exists(keys.leaders(SHARD)):
                await asyncio.sleep(0.01)
        await redis.config_set("maxmemory", 0)
    await redis.aclose()


class Garbles(Redis):
    """The next replies to these make no sense."""

    faults: tuple[str, ...] = ()

    def fault(self, name):
        if name in self.faults:
            self.faults = tuple(fault for fault in self.faults if fault != name)
            raise ValueError("garbled")

    async def xread(self, *args, **kwargs):
        self.fault("xread")
        return await super().xread(*args, **kwargs)

    async def evalsha(self, sha, *args, **kwargs):
        self.fault(sha)
        return await super().evalsha(sha, *args, **kwargs)


async def test_whatever_goes_wrong_the_view_is_kept_up_and_followers_are_answered(valkey_url, redis, keys):
    garbled = Garbles.from_url(valkey_url)
    async with worker(valkey_url, keys, "a") as first, worker(valkey_url, keys, "b", redis=garbled) as second:
        lead = await claim(first, ask("a"))
        waiting = asyncio.create_task(second.wait(await claim(second, ask("a"))))
        garbled.faults = ("xread", WATCH.sha, SNAPSHOT.sha)
        await until(lambda: not garbled.faults)
        assert await settle(redis, first, lead, Settlement.SHARED, BODY) == 1
        assert await asyncio.wait_for(waiting, 10) == Shared(BODY)
        assert not any(task.done() for task in second._tasks)
        await claim(first, ask("b"))
        await until(lambda: second.join([ask("b")])[0] is not None)


async def test_a_name_that_is_no_text_harms_nobody(two, redis, keys, valkey_url):
    first, _ = two
    await redis.hset(keys.leaders(SHARD), b"\xff/1", b"x")
    lead = await claim(first, ask("a"))
    async with worker(valkey_url, keys, "c") as late:
        assert (await claim(late, ask("a"))).leader == lead.leader
        assert late.counters["unreadable"] >= 1


async def test_followers_do_not_need_the_feed(two, redis, keys):
    first, second = two
    lead = await claim(first, ask("a"))
    follow = await claim(second, ask("a"))
    waiting = asyncio.create_task(second.wait(follow))
    await settle(redis, first, lead, Settlement.SHARED, BODY)
    await redis.delete(keys.feed(SHARD))
    assert await waiting == Shared(BODY)


async def test_large_answers_reach_their_followers_in_replies_of_bounded_size(two, redis, keys):
    first, second = two
    body = {"choices": [{"message": {"content": "y" * 1_500_000}, "finish_reason": "stop"}]}
    questions = [ask(f"question {number}") for number in range(7)]
    leads = [await claim(first, question) for question in questions]
    waiting = [asyncio.create_task(second.wait(await claim(second, question))) for question in questions]
    for lead in leads:
        await settle(redis, first, lead, Settlement.SHARED, body)
    feed = Feed(redis, keys, worker_id="b", embedding_id="model", lease=60)
    assert len(await feed.watch([(SHARD, lead.leader) for lead in leads])) == 3
    async with asyncio.timeout(20):
        assert await asyncio.gather(*waiting) == [Shared(body)] * 7


async def test_a_leader_of_this_worker_that_nobody_here_knows_is_released(two, redis, keys):
    first, second = two
    record = await _record_of(first, redis, keys)
    last = (await redis.xrevrange(keys.feed(SHARD), count=1))[0][0]
    await redis.hset(keys.leaders(SHARD), "a/gone.1", record)
    await redis.xadd(keys.feed(SHARD), {"after": last, "led": "a/gone.1", "scope": SCOPE, "record": record})
    await until(lambda: first.counters["orphans"] == 1)
    await until(lambda: second.join([ask("template")])[0] is None)
    assert not await redis.hexists(keys.leaders(SHARD), "a/gone.1")


async def _record_of(coalescer, redis, keys):
    lead = await claim(coalescer, ask("template"))
    record = await redis.hget(keys.leaders(SHARD), lead.leader)
    await settle(redis, coalescer, lead, Settlement.TRANSIENT)
    return record


async def test_a_leader_that_lapsed_while_its_worker_slept_is_not_put_back(two, redis, keys):
    first, second = two
    await claim(first, ask("a"))
    follow = await claim(second, ask("a"))
    await redis.zadd(keys.workers, {"a": 1})
    assert await second.wait(follow) == Freed(lapses=1)
    await alive(redis, keys, "a")
    await redis.delete(keys.feed(SHARD))
    heir = await claim(second, ask("a"))
    assert isinstance(heir, Lead)
    while (await claim(first, ask("a"))).leader != heir.leader:  # until it has read that its own has lapsed
        await asyncio.sleep(0.01)
    assert first.counters["restored"] == 0


async def test_a_claim_fails_where_redis_stays_away(valkey_url, keys, monkeypatch):
    monkeypatch.setattr("askonce_worker.inflight.claim_batches.RETRIED_FOR", 0.1)
    redis = LosesReplies.from_url(valkey_url)
    async with worker(valkey_url, keys, "a", redis=redis) as first, worker(valkey_url, keys, "b") as second:
        redis.losses = 1000
        with pytest.raises(RedisAway):
            await claim(first, ask("a"))
        redis.losses = 0
        while isinstance(decision := await claim(second, ask("a")), Follow):
            assert await second.wait(decision) == Freed()


def test_a_record_is_a_line_of_json_and_one_byte_a_component():
    from askonce_worker.inflight.leader import Leader
    from askonce_worker.inflight.records import decode_leader
    from askonce_worker.inflight.vectors import quantised

    leader = Leader("a/1", "f", "s", "0.0.0.0", "line\nbreak", "model", quantised(unit(1)))
    data = encode_leader(leader)
    head, vector = data.split(b"\n", 1)
    assert head == b'{"fingerprint":"f","scope":"s","epochs":"0.0.0.0","text":"line\\nbreak","embedding":"model"}'
    assert len(vector) == 64
    assert (decode_leader("a/1", data).vector == leader.vector).all()
