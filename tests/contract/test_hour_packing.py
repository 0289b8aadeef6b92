"""Counters of hours that are over are packed, and `askonce stats` says the same before and after."""

import asyncio
import random
import time
from collections import Counter

import pytest

from askonce.contract.packed_counters import live_hour, packed_day, packed_hour, unpacked
from askonce.operator.admin import Admin
from askonce.prices.price_file import FilePrices
from askonce_worker.upkeep.hour_packing import HourPacking

PRICES = FilePrices({"m": {"input": 2.0, "output": 8.0}})
NAMES = ("exact", "semantic", "inflight", "llm", "calls", "tokens_in", "tokens_out", "saved_in", "saved_out")


@pytest.fixture
async def admin(valkey_url, prefix):
    async with Admin(valkey_url, key_prefix=prefix) as admin:
        yield admin


async def hour_now(redis):
    return int((await redis.time())[0]) // 3600


async def until_the_hour_has_just_begun(redis):
    """Nothing here may be read on both sides of a full hour: within its last seconds this waits for the next one."""
    left = 3600 - int((await redis.time())[0]) % 3600
    if left < 60:
        await asyncio.sleep(left + 1)


def busy_hour(chance, owners):
    """About 35 counters for each namespace and model, as real traffic leaves them."""
    counts = {}
    for owner in owners:
        counts |= {f"{name}|{owner}": chance.randrange(1, 90_000) for name in NAMES}
        waits = [f"{kind}:{bucket}" for kind in ("hit", "miss") for bucket in chance.sample(range(30, 80), 13)]
        counts |= {f"{name}|{owner}": chance.randrange(1, 500) for name in waits}
    return counts


async def live_hours(redis, keys, back, owners=("n|m", "n|other", "o|m")):
    chance, now = random.Random(3), await hour_now(redis)
    for hour in range(now - back, now + 1):
        counts = busy_hour(chance, owners)
        await redis.hset(keys.stats(live_hour(hour)), mapping=counts)
        for field, count in counts.items():
            await redis.hincrby(keys.stats("total"), field, count)
    return now


async def pack(redis, keys):
    packing = HourPacking(redis, keys, clock=time.monotonic)
    while await packing.run(1.0):
        pass


async def figures(admin, **only):
    report = await admin.stats(PRICES, **only)
    return {period: report[period] for period in ("hour", "day", "month", "total")}


async def test_the_figures_are_the_same_before_and_after(redis, keys, admin):
    await until_the_hour_has_just_begun(redis)
    now = await live_hours(redis, keys, back=33 * 24)
    before, tenant = await figures(admin), await figures(admin, namespace="n", model="m")
    assert before["hour"] != before["day"] != before["month"] != before["total"]
    await pack(redis, keys)
    assert [key async for key in redis.scan_iter(keys.stats("hour:*"))] == [keys.stats(live_hour(now)).encode()]
    assert await figures(admin) == before
    assert await figures(admin, namespace="n", model="m") == tenant


async def test_hours_and_days_add_up_to_their_periods(redis, keys, admin):
    await until_the_hour_has_just_begun(redis)
    now = await live_hours(redis, keys, back=30)
    for _ in range(2):
        history = await admin.history()
        assert max(history.hours) == now * 3600
        assert sum(history.hours.values(), Counter()) == history.periods["day"]
        assert sum(history.days.values(), Counter()) == history.periods["month"] == history.periods["total"]
        await pack(redis, keys)


async def test_the_figures_are_the_same_while_hours_are_being_packed(redis, keys, admin):
    await until_the_hour_has_just_begun(redis)
    await live_hours(redis, keys, back=30)
    before = await figures(admin)
    packing = asyncio.create_task(pack(redis, keys))
    while not packing.done():
        assert await figures(admin) == before
    await packing


async def test_an_hour_with_many_counters_is_packed_some_at_a_time(redis, keys, admin):
    await until_the_hour_has_just_begun(redis)
    await live_hours(redis, keys, back=1, owners=[f"tenant-{number}|m" for number in range(100)])
    before = await figures(admin)
    await pack(redis, keys)
    assert await figures(admin) == before


async def test_counters_that_come_late_are_added(redis, keys, admin):
    """After a failover to a replica whose clock is behind."""
    await until_the_hour_has_just_begun(redis)
    now = await hour_now(redis)
    for _ in range(2):
        await redis.hset(keys.stats(live_hour(now - 1)), "exact|n|a|b:c", 5)
        await pack(redis, keys)
    packed = await redis.hgetall(keys.stats(packed_hour(now - 1)))
    assert unpacked(packed) == {b"exact|n|a|b:c": 10}
    assert (await figures(admin))["day"]["hits"]["exact"] == 10


async def test_the_present_hour_stays_as_it_is(redis, keys):
    await until_the_hour_has_just_begun(redis)
    now = await live_hours(redis, keys, back=0)
    await pack(redis, keys)
    assert await redis.exists(keys.stats(live_hour(now)))
    assert not await redis.exists(keys.stats(packed_hour(now)), keys.stats(packed_day(now // 24)))


async def test_packed_hours_live_two_days_and_packed_days_forty(redis, keys):
    await until_the_hour_has_just_begun(redis)
    now = await live_hours(redis, keys, back=1)
    await pack(redis, keys)
    assert 48 * 3600 < await redis.ttl(keys.stats(packed_hour(now - 1))) <= 49 * 3600
    assert 40 * 86_400 < await redis.ttl(keys.stats(packed_day((now - 1) // 24))) <= 41 * 86_400


async def test_forty_days_take_a_twentieth_of_the_memory(redis, keys):
    """40 days in which one namespace and model is busy in each hour."""
    await until_the_hour_has_just_begun(redis)
    owners = [f"tenant-{number}|gpt-4o-mini" for number in range(10)]
    await live_hours(redis, keys, back=4, owners=owners)

    async def used(pattern):
        return sum([await redis.memory_usage(key, samples=0) async for key in redis.scan_iter(keys.stats(pattern))])

    an_hour = await used("hour:*") / 5 / len(owners)
    await pack(redis, keys)
    packed = await used("packed:hour:*") / 4 / len(owners)
    before, after = 960 * an_hour, an_hour + (48 + 40) * packed
    print(f"an hour {an_hour:.0f} B, packed {packed:.0f} B; 40 days {before:.0f} B, packed {after:.0f} B")
    assert after < before / 20
