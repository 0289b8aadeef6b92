"""The leaders of a worker that is no more go, followed or not; and one that was stopped hears of endings late."""

from askonce_worker.answering.coalescing import Follow, Lead, Settlement
from askonce_worker.inflight.feed import Feed, shard_of
from askonce_worker.upkeep.lapsed import LapsedLeaders
from support.inflight import SCOPE, ask, settle, worker
from support.jobs import redis_ms
from support.worker_process import until


async def claim(coalescer, question):
    return await coalescer.claim(question, coalescer.position())


async def test_a_dead_workers_leader_that_nobody_follows_is_removed_and_a_live_ones_stays(valkey_url, redis, keys):
    house = LapsedLeaders(redis, keys, Feed(redis, keys, worker_id="", embedding_id="model", lease=1))
    leaders = keys.leaders(shard_of(SCOPE))
    async with worker(valkey_url, keys, "a") as first, worker(valkey_url, keys, "b") as second:
        await claim(first, ask("asked by the dead"))
        living = await claim(second, ask("asked by the living"))
        await house.run(1.0)
        assert await redis.hlen(leaders) == 2
        await redis.zrem(keys.workers, "a")

        async def only_the_living():
            await house.run(1.0)
            return await redis.hkeys(leaders) == [living.leader.encode()]

        await until(only_the_living, what="the end of the dead leader")

        async def is_known():
            return isinstance(await claim(second, ask("asked by the dead")), Lead)

        await until(is_known, what="its end in another worker's view")
        assert isinstance(await claim(first, ask("asked by the living")), Follow)


async def test_a_worker_whose_clock_stood_still_offers_no_answer_that_is_not_kept_any_more(valkey_url, redis, keys):
    """It would follow, be refused, and after a few rounds ask without looking who else asks."""
    async with (
        worker(valkey_url, keys, "a") as first,
        worker(valkey_url, keys, "b", clock=lambda: 0.0) as stopped,
    ):
        lead = await claim(first, ask("a"))
        await settle(redis, first, lead, Settlement.SHARED, {"choices": []}, reusable=0.2)
        settled = await redis_ms(redis)
        in_time = await claim(stopped, ask("a", asked_ms=settled))
        assert isinstance(in_time, Follow)

        async def leads():
            return isinstance(await claim(stopped, ask("a", asked_ms=await redis_ms(redis))), Lead)

        await until(leads, what="the end of the answer's life in the view of the worker")
