"""What is learnt of the hits has bounds: groups that are too many, and a Redis that is nearly full."""

import contextlib

from askonce import Question
from askonce.contract.audit import Label, group_id
from askonce_worker.audit.deciding import PERIOD, Terms, first_policy
from askonce_worker.auditing.judge_ledger import JudgeLedger
from askonce_worker.auditing.policies import DecidedPolicies
from askonce_worker.auditing.recorder import Recorder
from askonce_worker.logs.unreadable import Refusals

QUESTION = Question("q", model="m", namespace="n", job_id="j")
GROUP = group_id("n", "m", None)
LABEL = Label(GROUP, "q", "e", "q", "e", 0.97, 0.01, 0.9, 0.97, 0, 20, "miss", None, "answers", 1.0)


async def test_the_sums_of_groups_that_are_too_many_stand_under_no_name(redis, keys, monkeypatch):
    monkeypatch.setattr("askonce_worker.auditing.recorder.MOST_SUMS", 3)
    recorder = Recorder(redis, keys, worker="w", period=PERIOD)
    for number in [*range(10), *range(10)]:
        recorder.answered(Question("q", model=f"m{number}", namespace="n"), 0)
        await recorder._flush()
    found = await sums_of_hours(redis, keys)
    assert (sum(found.values()), found["|answered"]) == (20, 14)
    assert await redis.hlen(keys.audit.groups) == 10


async def test_hits_of_groups_that_are_too_many_are_checked_as_seldom_as_can_be(redis, keys, monkeypatch):
    monkeypatch.setattr("askonce_worker.auditing.recorder.MOST_GROUPS", 1)
    policies = DecidedPolicies(redis, keys, Refusals(), first=first_policy(Terms(0.01, 0.99)))
    recorder = Recorder(redis, keys, worker="w", period=PERIOD, on_groups=policies.note)
    groups = [group_id("n", name, None) for name in ("m0", "m1")]

    async def chances():
        for name in ("m0", "m1"):
            recorder.answered(Question("q", model=name, namespace="n"), 0)
        await recorder._flush()
        await policies.refresh(groups)
        return [policies.of(group).chance for group in groups]

    assert await chances() == [0.5, 0.01]
    await redis.hdel(keys.audit.groups, groups[0])
    recorder.answered(Question("q", model="m1", namespace="n"), 0)
    await recorder._flush()
    assert await chances() == [0.01, 0.5], "there is a place again, and the other one got it"


async def test_a_redis_that_is_nearly_full_gets_sums_and_no_labels(redis, keys):
    recorder = Recorder(redis, keys, worker="w", period=PERIOD)
    recorder.answered(QUESTION, 0)
    await recorder._flush()
    async with nearly_full(redis):
        recorder.answered(QUESTION, 0)
        recorder.label(QUESTION, LABEL, waits=True)
        await recorder._flush()
    assert await redis.exists(keys.audit.labels, keys.audit.waiting) == 0
    assert (await sums_of_hours(redis, keys))[f"{GROUP}|answered"] == 2


async def test_a_redis_that_is_nearly_full_remembers_no_more_verdicts_and_counts_the_judges_bill(redis, keys):
    ledger = JudgeLedger(redis, keys, budget=1.0, remembered=keys.audit.verdicts)
    day = await ledger.reserve(0.25)
    async with nearly_full(redis):
        await ledger.settle({"cost": 0.25}, {"pair": True}, day=day)
    assert await ledger.verdicts(["pair"]) == [None]
    assert float(await redis.hget(keys.audit.judge(day), "cost")) == 0.5


async def test_what_a_judge_costs_counts_on_the_day_it_was_asked(redis, keys):
    """Its reply comes after midnight."""
    ledger = JudgeLedger(redis, keys, budget=1.0, remembered=keys.audit.verdicts)
    yesterday = await ledger.reserve(0.25) - 1
    await ledger.settle({"cost": 0.5}, {}, day=yesterday)
    costs = [float(await redis.hget(keys.audit.judge(day), "cost")) for day in (yesterday, yesterday + 1)]
    assert costs == [0.5, 0.25]


@contextlib.asynccontextmanager
async def nearly_full(redis):
    await redis.config_set("maxmemory", int((await redis.info("memory"))["used_memory"] * 1.1))
    try:
        yield
    finally:
        await redis.config_set("maxmemory", 0)


async def sums_of_hours(redis, keys):
    found = {}
    async for key in redis.scan_iter(keys.audit.seen("*")):
        for name, value in (await redis.hgetall(key)).items():
            found[name.decode()] = found.get(name.decode(), 0) + float(value)
    return found
