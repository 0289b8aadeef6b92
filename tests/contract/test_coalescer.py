"""Several workers, one real Redis: one leader for each group of near-duplicates, and an end for every wait."""

import asyncio
import contextlib
import dataclasses

import pytest

from askonce_worker.answering.asking import REUSABLE
from askonce_worker.answering.coalescing import AskYourself, Follow, Freed, Lead, Settlement, Shared, Stale
from askonce_worker.cache.semantic import STORING
from askonce_worker.inflight.leaders import SETTLED_FOR
from askonce_worker.queue.tries import SUSPECT_AFTER, SUSPECTS
from support.inflight import SCOPE, ask, near, settle, unit, worker
from support.jobs import redis_ms
from support.worker_process import until

BODY = {"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}]}


@pytest.fixture
async def two(valkey_url, keys):
    async with worker(valkey_url, keys, "a") as first, worker(valkey_url, keys, "b") as second:
        yield first, second


async def claim(coalescer, question):
    return await coalescer.claim(question, coalescer.position())


async def test_the_same_question_is_led_once_and_the_answer_reaches_the_follower(two, redis):
    first, second = two
    lead = await claim(first, ask("a"))
    follow = await claim(second, ask("a"))
    assert isinstance(lead, Lead)
    assert follow == Follow(lead.leader, "a", 1.0, same=True, scope=SCOPE, fingerprint=ask("a").fingerprint)
    waiting = asyncio.create_task(second.wait(follow))
    assert await settle(redis, first, lead, Settlement.SHARED, BODY) == 1
    assert await waiting == Shared(BODY)


async def test_near_duplicates_follow_with_their_similarity_and_the_leaders_text(two):
    first, second = two
    lead = await claim(first, ask("how do I read a csv", unit(1)))
    follow = await claim(second, ask("how to read a csv file", near(unit(1), 0.95)))
    assert isinstance(follow, Follow)
    assert (follow.leader, follow.text, follow.same) == (lead.leader, "how do I read a csv", False)
    assert follow.similarity == pytest.approx(0.95, abs=2e-3)


async def test_each_question_has_its_own_threshold(two):
    first, second = two
    await claim(first, ask("a", unit(1)))
    assert isinstance(await claim(second, ask("b", near(unit(1), 0.93), threshold=0.97)), Lead)
    assert isinstance(await claim(second, ask("c", near(unit(1), 0.93, seed=7), threshold=0.9)), Follow)


async def test_the_guard_keeps_two_questions_apart(valkey_url, keys):
    def conflict(text, other):
        return "a number" if {text, other} == {"in 2023", "in 2024"} else None

    async with worker(valkey_url, keys, "a", conflict=conflict) as only:
        await claim(only, ask("in 2023", unit(1)))
        assert isinstance(await claim(only, ask("in 2024", near(unit(1), 0.99))), Lead)
        assert isinstance(await claim(only, ask("in the year 2023", near(unit(1), 0.98))), Follow)


async def test_no_answer_crosses_a_scope_nor_an_invalidation(two):
    first, second = two
    await claim(first, ask("a", unit(1)))
    assert isinstance(await claim(second, ask("a", unit(1), scope="t" * 43)), Lead)
    assert isinstance(await claim(second, ask("a", unit(1), epochs="0.0.1.0")), Lead)
    assert isinstance(await claim(second, ask("a", unit(1))), Follow)


async def test_without_a_vector_equal_fingerprints_still_join(two):
    first, second = two
    await claim(first, ask("a", unit(1)))
    assert isinstance(await claim(second, ask("a", None)), Follow)
    assert isinstance(await claim(second, ask("b", None)), Lead)


async def test_what_matches_in_the_view_joins_without_a_claim(two):
    first, _ = two
    lead = await claim(first, ask("a", unit(1)))
    joined = first.join([ask("b", near(unit(1), 0.95)), ask("c", unit(2)), ask("a", may_follow=False)])
    assert [follow and follow.leader for follow in joined] == [lead.leader, None, None]


async def test_a_refresh_never_follows_but_may_be_followed(two):
    first, second = two
    await claim(first, ask("a"))
    assert isinstance(await claim(second, ask("a", may_follow=False)), Lead)
    lead = await claim(first, ask("b", may_follow=False))
    follow = await claim(second, ask("b"))
    assert follow.leader == lead.leader


async def test_concurrent_claims_of_many_workers_have_one_leader_for_each_group(valkey_url, keys):
    async with contextlib.AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(worker(valkey_url, keys, f"w{n}")) for n in range(4)]
        groups = [unit(seed) for seed in range(20)]
        claims = [
            claim(workers[(copy + group) % 4], ask(f"{group} {copy}", near(vector, 0.98, seed=100 + copy)))
            for copy in range(10)
            for group, vector in enumerate(groups)
        ]
        decisions = await asyncio.gather(*claims)
    leads = [decision for decision in decisions if isinstance(decision, Lead)]
    assert len(leads) == 20
    assert {d.leader for d in decisions if isinstance(d, Follow)} == {lead.leader for lead in leads}


async def test_a_question_that_missed_just_before_the_answer_was_stored_still_finds_it(two, redis):
    first, second = two
    position = second.position()
    lead = await claim(first, ask("a", unit(1)))
    await settle(redis, first, lead, Settlement.SHARED, BODY)
    follow = await second.claim(ask("b", near(unit(1), 0.95)), position)
    assert follow.leader == lead.leader
    assert await second.wait(follow) == Shared(BODY)


async def test_what_settled_before_the_lookup_serves_later_questions_only_where_it_is_cached(two, redis):
    first, second = two
    for text, reusable in (("truncated", 0.0), ("cached", 20.0)):
        lead = await claim(first, ask(text))
        await settle(redis, first, lead, Settlement.SHARED, BODY, reusable=reusable)
    await claim(second, ask("something else"))  # brings the view up to date
    assert isinstance(await claim(second, ask("cached")), Follow)
    assert isinstance(await claim(second, ask("truncated")), Lead)


async def test_what_has_settled_is_followed_for_longer_than_a_slow_qdrant_takes_to_store_it(valkey_url, keys, redis):
    now = 0.0
    async with worker(valkey_url, keys, "a") as first, worker(valkey_url, keys, "b", clock=lambda: now) as second:
        lead = await claim(first, ask("a", unit(1)))
        await settle(redis, first, lead, Settlement.SHARED, BODY, reusable=REUSABLE)
        await claim(second, ask("something else"))  # brings the view up to date
        now = STORING + 1
        later = ask("b", near(unit(1), 0.95), asked_ms=await redis_ms(redis) + int(1000 * now))
        assert await second.wait(await claim(second, later)) == Shared(BODY)
    assert await redis.pttl(keys.inflight_answer(lead.leader)) > SETTLED_FOR * 1000, "followed, and not found"


async def test_a_question_that_comes_after_an_answer_that_is_not_kept_does_not_get_it_from_a_view_that_lags(two, redis):
    first, second = two
    for reusable, outcome in ((0.0, Freed()), (20.0, Shared(BODY))):
        text = f"reusable for {reusable}"
        lead = await claim(first, ask(text))
        waited = await claim(second, ask(text, asked_ms=await redis_ms(redis) - 1))
        await settle(redis, first, lead, Settlement.SHARED, BODY, reusable=reusable)
        later = dataclasses.replace(waited, asked_ms=await redis_ms(redis) + 1)  # the view had not heard of the end
        assert await asyncio.gather(second.wait(waited), second.wait(later)) == [Shared(BODY), outcome]


async def test_a_dropped_answer_reaches_no_follower_whose_view_has_forgotten_the_leader_by_then(two, redis):
    first, second = two
    lead = await claim(first, ask("a"))
    follow = await claim(second, ask("a"))
    await settle(redis, first, lead, Settlement.SHARED, BODY, reusable=20.0)
    second.drop_answer(ask("a").fingerprint, await redis_ms(redis) + 1)

    async def is_forgotten():
        return isinstance(await claim(second, ask("a")), Lead)

    await until(is_forgotten, what="the end of the leader")
    assert await second.wait(follow) == Freed()


async def test_a_refused_answer_is_for_the_same_fingerprint_only(two, redis):
    first, second = two
    lead = await claim(first, ask("a", unit(1)))
    same = await claim(second, ask("a", unit(1)))
    similar = await claim(second, ask("b", near(unit(1), 0.95)))
    await settle(redis, first, lead, Settlement.SAME_ONLY, BODY)
    assert await second.wait(same) == Shared(BODY)
    assert await second.wait(similar) == AskYourself()


async def test_a_failure_frees_the_followers_and_one_of_them_leads(two, redis):
    first, second = two
    lead = await claim(first, ask("a"))
    follows = [await claim(second, ask("a")) for _ in range(3)]
    await settle(redis, first, lead, Settlement.TRANSIENT)
    assert await asyncio.gather(*map(second.wait, follows)) == [Freed()] * 3
    again = await asyncio.gather(*(claim(second, ask("a")) for _ in follows))
    assert sorted(type(decision).__name__ for decision in again) == ["Follow", "Follow", "Lead"]


async def test_a_permanent_failure_sends_nobody_into_a_queue(two, redis):
    first, second = two
    lead = await claim(first, ask("a", unit(1)))
    similar = await claim(second, ask("b", near(unit(1), 0.95)))
    await settle(redis, first, lead, Settlement.PERMANENT)
    assert await second.wait(similar) == AskYourself()


async def test_an_abandoned_leader_frees_its_followers(two):
    first, second = two
    lead = await claim(first, ask("a"))
    follow = await claim(second, ask("a"))
    waiting = asyncio.create_task(second.wait(follow))
    first.abandon(lead)
    assert await waiting == Freed()


async def test_a_claim_that_is_cancelled_leaves_no_leader_behind(two, redis, keys):
    first, second = two
    claims = [asyncio.create_task(claim(first, ask(f"{n}"))) for n in range(20)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for task in claims:
        task.cancel()
    await asyncio.gather(*claims, return_exceptions=True)

    async def freed(text):
        while isinstance(decision := await claim(second, ask(text)), Follow):
            assert await second.wait(decision) == Freed()

    await asyncio.gather(*(freed(f"{n}") for n in range(20)))


async def test_a_follower_that_leaves_disturbs_nobody(two, redis):
    first, second = two
    lead = await claim(first, ask("a"))
    follows = [await claim(second, ask("a")) for _ in range(2)]
    leaving, staying = (asyncio.create_task(second.wait(follow)) for follow in follows)
    await asyncio.sleep(0)
    leaving.cancel()
    await settle(redis, first, lead, Settlement.SHARED, BODY)
    assert await staying == Shared(BODY)
    assert leaving.cancelled()


async def test_the_leader_of_a_dead_worker_lapses_and_its_settling_is_refused(two, redis, keys):
    first, second = two
    lead = await claim(first, ask("a"))
    follow = await claim(second, ask("a"))
    await redis.zadd(keys.workers, {"a": 1})
    assert await second.wait(follow) == Freed(lapses=1)
    heir = await claim(second, ask("a"))
    assert isinstance(heir, Lead)
    assert await settle(redis, first, lead, Settlement.SHARED, {"late": True}) == 0
    while (await claim(first, ask("a"))).leader != heir.leader:  # until it has read that its own has lapsed
        await asyncio.sleep(0.01)


async def test_the_leader_of_a_process_for_suspects_lapses_as_often_as_makes_a_suspect(valkey_url, redis, keys):
    name = f"{SUSPECTS}c"
    async with worker(valkey_url, keys, name) as suspects, worker(valkey_url, keys, "d") as second:
        await claim(suspects, ask("a"))
        follow = await claim(second, ask("a"))
        await redis.zadd(keys.workers, {name: 1})
        assert await second.wait(follow) == Freed(lapses=SUSPECT_AFTER)


async def test_a_worker_that_stops_in_order_frees_its_followers_at_once(valkey_url, keys):
    async with worker(valkey_url, keys, "b") as second:
        async with worker(valkey_url, keys, "a") as first:
            await claim(first, ask("a"))
            follow = await claim(second, ask("a"))
        assert await second.wait(follow) == Freed()


async def test_a_leader_whose_pipeline_failed_is_settled_all_the_same(two):
    first, second = two
    lead = await claim(first, ask("a"))
    follow = await claim(second, ask("a"))
    first.settling(lead, Settlement.SHARED, BODY)
    assert await second.wait(follow) == Shared(BODY)


async def test_an_older_position_than_what_is_kept_repeats_the_lookup(two, redis, keys):
    first, second = two
    position = second.position()
    await redis.delete(*(keys.feed(shard) for shard in range(16)))
    await claim(first, ask("something"))
    lead = await claim(first, ask("a"))
    await settle(redis, first, lead, Settlement.SHARED, BODY)
    await redis.delete(*(keys.feed(shard) for shard in range(16)))
    await claim(first, ask("something else"))
    await claim(second, ask("another"))
    assert await second.claim(ask("a"), position) == Stale()
    assert isinstance(await claim(second, ask("a")), Lead)


async def test_a_late_worker_knows_the_live_leaders(two, valkey_url, keys):
    lead = await claim(two[0], ask("a"))
    async with worker(valkey_url, keys, "c") as late:
        assert [follow.leader for follow in late.join([ask("a")])] == [lead.leader]
        assert (await claim(late, ask("a"))).leader == lead.leader
