"""The scripts that claim, renew and end leased jobs, against a real server."""

import asyncio
import time
import uuid

import orjson
import pytest
from redis.asyncio import Redis

from askonce.contract.keys import ARQ_JOB, Keys
from askonce_worker.local.parts import choose_parts
from askonce_worker.local.stack import Stack
from askonce_worker.queue.flow import Flow
from askonce_worker.queue.job_outcomes import Bury, Done, Return, Split
from askonce_worker.queue.lease_keeper import LeaseKeeper
from askonce_worker.queue.leases import Leases
from askonce_worker.redis.clock import RedisClock
from support.failover import Managed, program  # noqa: F401
from support.jobs import put, record, redis_ms
from support.worker_process import until

LEASE = 1.0


@pytest.fixture
async def redis(valkey_url):
    client = Redis.from_url(valkey_url)
    await until(lambda: _up_for(client, LEASE + 1))
    yield client
    await client.aclose()


async def _up_for(client, seconds):
    """A server that has just started gives every worker the time of a lease."""
    return (await client.info("server"))["uptime_in_seconds"] >= seconds


@pytest.fixture
def keys():
    return Keys(f"test-{uuid.uuid4().hex[:8]}")


class Worker:
    def __init__(self, redis, keys, name="one", lease=LEASE):
        self.leases = Leases(redis, keys, RedisClock(), worker=name, lease=lease)

    async def claim(self, free=10, bulk=None, held_back=(), lapsed=None):
        most = free, free if bulk is None else bulk
        return await self.leases.claim(free=most[0], bulk=most[1], lapsed=lapsed or most, held_back=held_back)

    async def claim_suspect(self):
        return await self.leases.claim_suspect()

    async def claim_lapsed(self, job, **options):
        """Once the lease of this job has lapsed."""

        async def claimed():
            claim = await self.claim(**options)
            return next((item for item in claim.jobs if item.job == job), None)

        return await until(claimed, seconds=LEASE + 5)


@pytest.fixture
def worker(redis, keys):
    return Worker(redis, keys)


@pytest.fixture
def other(redis, keys):
    return Worker(redis, keys, "other")


def names(claim):
    return [job.job for job in claim.jobs]


async def test_a_claim_moves_jobs_from_the_queue_to_the_leases(redis, keys, worker):
    job = await put(redis, keys, ["a", "b"], lane="interactive")
    (claimed,) = (await worker.claim()).jobs
    assert (claimed.job, claimed.lane, claimed.questions, claimed.lapses) == (job, "interactive", 2, 0)
    assert claimed.function == "answer_chunk"
    assert claimed.args[0]["questions"][1]["text"] == "b"
    assert await redis.zcard(keys.queue("interactive")) == 0
    deadline = await redis.zscore(keys.leases("interactive"), job)
    assert 0 < deadline - await redis_ms(redis) <= LEASE * 1000
    assert (await worker.claim()).jobs == []


async def test_interactive_jobs_come_before_bulk_jobs_and_the_lowest_score_first(redis, keys, worker):
    bulk = [await put(redis, keys, score=score) for score in (3, 1, 2)]
    ask = [await put(redis, keys, lane="interactive", score=score) for score in (9, 8)]
    assert names(await worker.claim()) == [ask[1], ask[0], bulk[1], bulk[2], bulk[0]]


async def test_bulk_leaves_the_reserved_slots_free_but_interactive_takes_them_all(redis, keys, worker):
    for _ in range(4):
        await put(redis, keys)
    claim = await worker.claim(free=4, bulk=3)
    assert len(claim.jobs) == 3
    assert claim.behind
    for _ in range(5):
        await put(redis, keys, lane="interactive")
    claim = await worker.claim(free=4, bulk=3)
    assert [job.lane for job in claim.jobs] == ["interactive"] * 4


async def test_a_job_of_the_future_is_not_due(redis, keys, worker):
    for lane in ("interactive", "bulk"):
        await put(redis, keys, lane=lane, score=await redis_ms(redis) + 60_000)
    claim = await worker.claim()
    assert (claim.jobs, claim.behind) == ([], False)


def of(namespace, model="m"):
    chunk = {"v": 1, "namespace": namespace, "scopes": [{"model": model}], "questions": [{"id": "q", "text": "t"}]}
    return orjson.dumps({"t": None, "f": "answer_chunk", "a": [chunk], "k": {}, "et": 1})


@pytest.mark.parametrize("lane", ["interactive", "bulk"])
async def test_a_flow_that_is_held_back_hides_no_other_behind_it(redis, keys, worker, lane):
    for number in range(100):
        await put(redis, keys, lane=lane, score=number, raw=of("slow"))
    other = await put(redis, keys, lane=lane, score=1000, raw=of("quick"))
    model = await put(redis, keys, lane=lane, score=1001, raw=of("slow", "another"))
    claim = await worker.claim(free=20, held_back=[Flow(lane, "slow", "m")])
    assert names(claim) == [other, model]
    assert len((await worker.claim(free=200)).jobs) == 100


async def test_what_one_worker_holds_back_another_may_claim_at_once(redis, keys, worker, other):
    job = await put(redis, keys, lane="interactive", score=1, raw=of("slow"))
    assert names(await worker.claim(held_back=[Flow("interactive", "slow", "m")])) == []
    assert names(await other.claim()) == [job]


async def test_a_wake_up_goes_on_to_those_who_have_not_seen_what_it_is_for(redis, keys, worker, other):
    await put(redis, keys, lane="interactive", raw=of("slow"))
    await redis.delete(keys.wake)
    await worker.leases.claim(free=9, bulk=9, lapsed=(9, 9), held_back=[Flow("interactive", "slow", "m")], token="1")
    token = await other.leases.wake_ups.next()
    assert [each.leases.wake_ups.passed_by(token) for each in (worker, other)] == [1, 0]
    assert await redis.llen(keys.wake) == 0


async def test_a_wake_up_for_a_bulk_job_calls_on_no_further_worker(redis, keys, worker):
    """Beside a backlog each claim of each full worker would."""
    await put(redis, keys, lane="bulk")
    await redis.delete(keys.wake)
    await worker.leases.claim(free=9, bulk=0, lapsed=(9, 9), token="1")
    assert await redis.llen(keys.wake) == 0


async def test_jobs_that_are_held_back_let_others_pass_and_none_is_lost(redis, keys):
    """Many more of them than one claim looks at."""
    worker = Worker(redis, keys, lease=60)
    slow = [await put(redis, keys, score=number, raw=of("slow")) for number in range(600)]
    quick = [await put(redis, keys, score=number, raw=of("quick")) for number in range(0, 20_000, 50)]
    taken = []
    while len(taken) < len(quick):
        taken += names(await worker.claim(free=10, held_back=[Flow("bulk", "slow", "m")]))
    assert taken == quick
    found = [name for _ in range(6) for name in names(await worker.claim(free=100))]
    assert sorted(found) == sorted(slow)


async def test_a_job_far_behind_others_that_are_held_back_is_found(redis, keys):
    worker = Worker(redis, keys, lease=60)
    slow = [await put(redis, keys, score=64 * number, raw=of("slow")) for number in range(1500)]
    held_back = [Flow("bulk", "slow", "m")]
    for place in (1400, 1450, 1300, 20):
        quick = await put(redis, keys, score=64 * place, raw=of("quick"))
        taken = [name for _ in range(6) for name in names(await worker.claim(held_back=held_back))]
        assert taken == [quick]
    found = [name for _ in range(15) for name in names(await worker.claim(free=100))]
    assert sorted(found) == sorted(slow)


async def test_lapsed_leases_come_before_the_whole_backlog(redis, keys, worker, other):
    job = await put(redis, keys, score=5)
    await other.claim()
    for score in range(40):
        await put(redis, keys, score=score)
    claimed = await worker.claim_lapsed(job, free=1)
    assert claimed.lapses == 1


async def test_lapsed_leases_are_claimed_where_nothing_that_is_due_is(redis, keys, worker, other):
    job = await put(redis, keys)
    await other.claim()
    for lane in ("interactive", "bulk"):
        await put(redis, keys, lane=lane)
    await worker.claim_lapsed(job, free=0, lapsed=(1, 1))
    assert (await worker.claim(free=0, lapsed=(5, 5))).jobs == []
    assert len((await worker.claim(free=5)).jobs) == 2


async def test_bulk_claims_move_virtual_time_and_drop_what_it_has_passed(redis, keys, worker):
    await redis.hset(keys.fair, mapping={**{f"old-{n}": 5 for n in range(100)}, "new": 1000})
    await put(redis, keys, score=500)
    await worker.claim()
    assert await redis.hget(keys.fair, "") == b"500"
    assert 0 < await redis.hlen(keys.fair) < 102
    assert await redis.hexists(keys.fair, "new")


async def test_a_retry_does_not_move_virtual_time_and_comes_before_the_backlog(redis, keys, worker):
    await put(redis, keys, score=7)
    retry = await put(redis, keys, score=await redis_ms(redis) - 10)
    assert names(await worker.claim(free=1)) == [retry]
    assert await redis.hget(keys.fair, "") is None


async def test_a_small_namespace_is_served_beside_a_large_one(redis, keys, worker):
    """Scores as submit.lua gives them: 100 chunks of one namespace, then one of another."""
    large = [await put(redis, keys, score=1 + 64 * n) for n in range(100)]
    assert names(await worker.claim(free=10)) == large[:10]
    virtual = int(await redis.hget(keys.fair, ""))
    small = await put(redis, keys, score=virtual)
    assert small in names(await worker.claim(free=2))


async def test_a_claim_that_leaves_jobs_behind_wakes_another_worker(redis, keys, worker):
    for _ in range(3):
        await put(redis, keys)
    await redis.delete(keys.wake)
    assert (await worker.claim(free=2)).behind
    assert await redis.llen(keys.wake) == 1
    assert not (await worker.claim(free=2)).behind
    assert await redis.llen(keys.wake) == 1


async def test_a_claim_that_can_take_nothing_wakes_nobody(redis, keys, worker):
    await put(redis, keys)
    await redis.delete(keys.wake)
    assert (await worker.claim(free=1, bulk=0)).behind
    assert await redis.llen(keys.wake) == 0


async def test_finishing_removes_every_trace(redis, keys, worker):
    job = await put(redis, keys, ["a", "b"])
    await redis.set(f"arq:retry:{job}", 1)
    (claimed,) = (await worker.claim()).jobs
    assert await worker.leases.finish([Done(claimed)]) == [True]
    assert await redis.exists(keys.leases("bulk"), keys.tokens("bulk"), ARQ_JOB + job, f"arq:retry:{job}") == 0
    assert await redis.hget(keys.load, "bulk") == b"0"
    assert await worker.leases.finish([Done(claimed)]) == [False]


async def test_dead_letters_are_bounded_in_bytes_and_a_replay_makes_room(redis, keys, worker):
    size, made = 3_000_000, []

    async def buried(count):
        for _ in range(count):
            job = await put(redis, keys, ["q" * size])
            (claimed,) = (await worker.claim()).jobs
            assert await worker.leases.bury(Bury(claimed, "crashed"))
            made.append(job)

    async def kept():
        return {job.decode() for job in await redis.hkeys(keys.dead)}

    await buried(22)
    assert await kept() == set(made), "they fit in"
    await redis.hdel(keys.dead, *made[:10])
    await buried(10)
    assert await kept() == set(made[10:]), "ten were replayed: no letter has to go"
    await buried(20)
    left = await kept()
    assert 15 <= len(left) <= 22
    assert made[-1] in left
    assert sum(len(letter) for letter in await redis.hvals(keys.dead)) <= 67_108_864
    await redis.delete(keys.dead)


async def test_a_zombie_can_neither_finish_nor_return_nor_bury_nor_split_nor_renew(redis, keys, worker, other):
    job = await put(redis, keys, ["a", "b"])
    (zombie,) = (await worker.claim()).jobs
    owned = await other.claim_lapsed(job)
    leases = worker.leases
    assert await leases.finish([Done(zombie)]) == [False]
    assert await leases.give_back([Return(zombie), Return(zombie, 1000, 1)]) == [False, False]
    assert not await leases.bury(Bury(zombie, "crashed"))
    assert not await leases.split(Split(zombie, {"part": b"{}"}, 2, 0))
    assert await leases.renew([zombie]) == [zombie]
    assert await redis.exists(keys.dead, keys.queue("bulk")) == 0
    assert await redis.hget(keys.load, "bulk") == b"2"
    assert await other.leases.finish([Done(owned)]) == [True]


async def test_a_renewed_lease_does_not_lapse_and_its_worker_is_seen_alive(redis, keys, worker, other):
    await put(redis, keys)
    (job,) = (await worker.claim()).jobs
    first = await redis.zscore(keys.leases("bulk"), job.job)
    for _ in range(6):
        assert await worker.leases.renew([job]) == []
        assert (await other.claim()).jobs == []
        assert await redis.zscore(keys.workers, "one") >= await redis_ms(redis)
        await asyncio.sleep(LEASE / 4)
    assert await redis.zscore(keys.leases("bulk"), job.job) > first + LEASE * 1000


async def test_a_worker_without_jobs_shows_life_until_it_signs_off(redis, keys, worker):
    await worker.leases.renew([])
    assert await redis.zscore(keys.workers, "one") > await redis_ms(redis)
    await worker.leases.sign_off()
    assert await redis.zscore(keys.workers, "one") is None


async def test_a_lapsed_lease_that_nobody_claimed_is_renewed(redis, keys, worker, other):
    await put(redis, keys)
    (job,) = (await worker.claim()).jobs

    async def lapsed():
        return await redis.zscore(keys.leases("bulk"), job.job) < await redis_ms(redis)

    await until(lapsed)
    assert await worker.leases.renew([job]) == []
    assert (await other.claim()).jobs == []


@pytest.mark.parametrize("lane", ["interactive", "bulk"])
async def test_a_retry_comes_back_at_its_time_and_remembers_its_failures(redis, keys, worker, lane):
    job = await put(redis, keys, lane=lane)
    (claimed,) = (await worker.claim()).jobs
    before = await redis_ms(redis)
    assert await worker.leases.give_back([Return(claimed, 300, failures=1)]) == [True]
    assert (await worker.claim()).jobs == []
    again = await worker.claim_lapsed(job)
    assert await redis_ms(redis) >= before + 300
    assert (again.failures, again.lapses) == (1, 0)


@pytest.mark.parametrize("lane", ["interactive", "bulk"])
async def test_what_is_handed_back_is_claimed_next_and_no_try_is_counted(redis, keys, worker, other, lane):
    first = await put(redis, keys, lane=lane, score=4)
    later = await put(redis, keys, lane=lane, score=9)
    (claimed,) = (await worker.claim(free=1)).jobs
    await redis.delete(keys.wake)
    assert await worker.leases.give_back([Return(claimed)]) == [True]
    assert await redis.llen(keys.wake) == 1
    claim = await other.claim()
    assert names(claim) == [first, later]
    assert (claim.jobs[0].failures, claim.jobs[0].lapses) == (0, 0)


async def test_a_buried_job_becomes_a_dead_letter(redis, keys, worker):
    job = await put(redis, keys, ["a"])
    (claimed,) = (await worker.claim()).jobs
    assert await worker.leases.bury(Bury(claimed, "crashed"))
    letter = orjson.loads(await redis.hget(keys.dead, job))
    assert (letter["job"], letter["lane"], letter["cause"], letter["tries"]) == (job, "bulk", "crashed", 0)
    assert letter["record"]["a"][0]["questions"][0]["text"] == "a"
    assert abs(letter["at"] - await redis_ms(redis)) < 5000
    assert await redis.hget(keys.load, "bulk") == b"0"
    assert await redis.exists(keys.leases("bulk"), keys.tokens("bulk"), ARQ_JOB + job) == 0


async def test_a_job_whose_record_expired_is_removed_and_reported_and_the_load_is_put_right(redis, keys, worker):
    job = await put(redis, keys)
    await redis.delete(ARQ_JOB + job)
    claim = await worker.claim()
    assert (claim.jobs, claim.gone) == ([], [job])
    assert await redis.exists(keys.queue("bulk"), keys.leases("bulk"), keys.tokens("bulk")) == 0
    await worker.claim()
    assert await redis.hget(keys.load, "bulk") is None


async def test_the_load_is_put_right_under_traffic_too(redis, keys, worker):
    for job, texts in (("ab12-3", "abc"), ("ab13-9.an-7", "a"), ("another's", "ab")):
        await put(redis, keys, texts, job=keys.prefix.encode().hex() + job)
        await redis.delete(ARQ_JOB + keys.prefix.encode().hex() + job)
    await put(redis, keys, ["a", "b"])
    claim = await worker.claim()
    assert (len(claim.gone), len(claim.jobs)) == (3, 1)
    assert await redis.hget(keys.load, "bulk") == b"4", "of the third nobody knows how many they were"


async def test_a_job_that_lapsed_twice_is_a_suspect_and_claimed_as_one_only(redis, keys, worker):
    job = await put(redis, keys)
    await worker.claim()
    await worker.claim_lapsed(job)
    rest = {await put(redis, keys) for _ in range(3)}

    async def lapsed():
        return await redis.zscore(keys.leases("bulk"), job) < await redis_ms(redis)

    await until(lapsed)
    claim = await worker.claim()
    assert (set(names(claim)), claim.suspects, claim.behind) == (rest, True, False)
    claim = await worker.claim_suspect()
    assert [(found.job, found.lapses) for found in claim.jobs] == [(job, 2)]
    assert not (await worker.claim_suspect()).jobs
    assert not (await worker.claim()).suspects


async def test_the_parts_of_a_split_job_take_its_place_as_suspects(redis, keys, worker):
    job = await put(redis, keys, ["a", "b"], score=40)
    (claimed,) = (await worker.claim()).jobs
    parts = {f"{job}.x": record([("x", "a")]), f"{job}.y": record([("y", "b")])}
    assert await worker.leases.split(Split(claimed, parts, 2, 0))
    assert await redis.zrange(keys.alone("bulk"), 0, -1, withscores=True) == [(name.encode(), 40.0) for name in parts]
    assert await redis.hget(keys.load, "bulk") == b"2"
    assert 0 < await redis.pttl(f"{ARQ_JOB}{job}.x") <= 600_000
    (part,) = (await worker.claim_suspect()).jobs
    assert (part.job, part.questions, part.lapses) == (f"{job}.x", 1, 2)
    assert await worker.leases.give_back([Return(part)]) == [True]
    assert await redis.zcard(keys.alone("bulk")) == 2
    for _ in parts:
        (part,) = (await worker.claim_suspect()).jobs
        assert await worker.leases.finish([Done(part)]) == [True]
    assert await redis.exists(keys.alone("bulk"), keys.queue("bulk"), keys.tokens("bulk")) == 0


async def test_a_job_may_be_handed_back_as_a_suspect(redis, keys, worker):
    job = await put(redis, keys)
    (claimed,) = (await worker.claim()).jobs
    assert await worker.leases.give_back([Return(claimed, lapses=2)]) == [True]
    assert names(await worker.claim()) == []
    (claimed,) = (await worker.claim_suspect()).jobs
    assert (claimed.job, claimed.lapses) == (job, 2)


async def test_however_many_suspects_wait_they_hide_no_other_job(redis, keys, worker):
    await put(redis, keys, ["a", "b"])
    (claimed,) = (await worker.claim()).jobs
    parts = {f"part-{number}": record([(f"{number}", "a")]) for number in range(100)}
    assert await worker.leases.split(Split(claimed, parts, 2, 0))
    others = {await put(redis, keys, score=2) for _ in range(20)}
    assert set(names(await worker.claim(free=28))) == others


async def test_a_claim_that_redis_gets_late_takes_nothing_and_corrects_the_clock(redis, keys):
    """Whoever sent it may have given it up, and those whose leases have lapsed may be about to renew."""
    job = await put(redis, keys)
    clock, now = RedisClock(), time.monotonic()
    clock.observe(await redis_ms(redis) - 3000, sent=now, received=now)
    leases = Leases(redis, keys, clock, worker="late", lease=LEASE)
    with pytest.raises(TimeoutError):
        await leases.claim(free=1, bulk=1, lapsed=(1, 1))
    assert await redis.zcard(keys.leases("bulk")) == 0
    assert names(await leases.claim(free=1, bulk=1, lapsed=(1, 1))) == [job]


class Counted(Leases):
    renewals = 0

    async def renew(self, jobs):
        lost = await super().renew(jobs)
        self.renewals += 1
        return lost


async def test_after_redis_stood_still_all_renew_before_anyone_claims(fresh_redis, keys):
    leases = Counted(fresh_redis, keys, RedisClock(), worker="one", lease=0.6)
    keeper = LeaseKeeper(leases, away_limit=60, on_lost=lambda job: None)
    task = asyncio.create_task(keeper.run())
    await keeper.fresh()
    await fresh_redis.client_pause(1000)
    await until(lambda: _is_stale(keeper))
    before = leases.renewals
    await keeper.fresh()
    assert leases.renewals - before > 2
    task.cancel()
    await asyncio.wait([task])


async def _is_stale(keeper):
    return not keeper.is_fresh


@pytest.fixture
async def fresh_redis():
    """A server of our own, just started."""
    with Stack(choose_parts(["redis"])) as stack:
        client = Redis.from_url(stack.environment["ASKONCE_REDIS_URL"])
        yield client
        await client.aclose()


async def test_claiming_renewing_and_finishing_go_on_when_the_memory_is_full(fresh_redis, keys):
    worker = Worker(fresh_redis, keys)
    await put(fresh_redis, keys)
    await put(fresh_redis, keys)
    await fresh_redis.config_set("maxmemory", 1)
    first, second = (await worker.claim()).jobs
    assert await worker.leases.renew([first, second]) == []
    assert await worker.leases.finish([Done(first)]) == [True]
    assert await worker.leases.give_back([Return(second)]) == [True]


async def test_after_a_restart_of_redis_nothing_lapses_for_the_time_of_a_lease(fresh_redis, keys):
    """While it was away, nobody could renew."""
    job = await put(fresh_redis, keys)
    await Worker(fresh_redis, keys).claim()
    await fresh_redis.zadd(keys.leases("bulk"), {job: 1})
    other = Worker(fresh_redis, keys, "other", lease=3.0)
    assert (await other.claim()).jobs == []
    again = await until(lambda: _only_job(other))
    assert (again.job, again.lapses) == (job, 1)
    assert (await fresh_redis.info("server"))["uptime_in_seconds"] >= 3


async def test_lapsed_jobs_are_claimed_from_a_server_without_info(program, tmp_path, keys):  # noqa: F811
    async with (
        Managed(program, tmp_path).alone("--rename-command", "INFO", "") as server,
        Redis.from_url(server.url) as redis,
    ):
        job = await put(redis, keys)
        await Worker(redis, keys).claim()
        other = Worker(redis, keys, "other")
        again = await other.claim_lapsed(job)
        assert again.lapses == 1
        later = await put(redis, keys)
        assert names(await other.claim()) == [later]


async def _only_job(worker):
    jobs = (await worker.claim()).jobs
    return jobs[0] if jobs else None
