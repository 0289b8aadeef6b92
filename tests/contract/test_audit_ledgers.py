"""Many workers add to one ledger while it is decided about and compacted: nothing is lost, nothing counted twice."""

import asyncio
import itertools
from dataclasses import replace

import numpy as np
from redis.exceptions import ConnectionError as RedisConnectionError

from askonce import Question
from askonce.contract.audit import Label, group_id
from askonce_worker.answering.ports import SemanticCacheDown
from askonce_worker.audit.deciding import PERIOD, Terms, first_policy
from askonce_worker.audit.ledger import slices_of
from askonce_worker.audit.policy import Policy, decode_policy, encode_policy
from askonce_worker.audit.scale import COSINE, bins_of
from askonce_worker.auditing.deciding import Decisions
from askonce_worker.auditing.policies import DecidedPolicies
from askonce_worker.auditing.recorder import Recorder
from askonce_worker.auditing.records import StoredRecords
from askonce_worker.logs.unreadable import Refusals

QUESTION = Question("q", model="m", namespace="n", job_id="j")
GROUP = group_id("n", "m", None)
TERMS = Terms(0.01, 0.99)


class Vectors:
    """Of each question a vector that says whether a match is right; away where it is told to be."""

    def __init__(self):
        self.away = False

    async def vectors(self, fingerprints):
        if self.away:
            raise SemanticCacheDown("away")
        return {name: vector(name) for name in fingerprints}


def vector(name):
    kind = -1.0 if name.startswith("bad") and not name.endswith("e") else 1.0
    noise = np.random.default_rng([*name.encode()]).standard_normal(6)
    found = np.array([kind, 1, *noise], np.float32)
    return found / np.linalg.norm(found)


def label(right, *, version=0, similarity=0.97, weight=1.0, asked="q", entry="e"):
    place = int(bins_of([similarity], COSINE)[0])
    numbers = (similarity, 0.01, 0.9, similarity)
    return Label(GROUP, asked, entry, "q", "e", *numbers, version, place, "miss", right, "answers", weight)


def decisions(redis, keys, vectors=None, **clock):
    refusals = Refusals()
    stored = StoredRecords(redis, keys, vectors or Vectors(), refusals)
    return Decisions(redis, keys, stored, refusals, terms=TERMS, **clock)


def policies(redis, keys, clock=None):
    """Without a clock they are never fresh."""
    clock = clock or itertools.count(0, 10).__next__
    return DecidedPolicies(redis, keys, Refusals(), first=first_policy(TERMS), clock=clock)


async def work(recorder, known, requests, *, wrong_of=10**6):
    """So many requests, each with a label; every so manieth is wrong."""
    for number in range(requests):
        if number % 50 == 0:
            await known.refresh([GROUP])
        version = known.of(GROUP).version
        recorder.answered(QUESTION, version)
        right = (number + 1) % wrong_of != 0
        name = f"{'good' if right else 'bad'}{number}"
        recorder.label(QUESTION, label(right, version=version, asked=name, entry=f"{name}e"))
        if number % 20 == 0:
            await recorder._flush()
    await recorder._flush()


async def ledger(redis, keys):
    fields = {name.decode(): float(value) for name, value in (await redis.hgetall(keys.audit.ledger(GROUP))).items()}
    slices = slices_of(fields)
    return (
        fields["since"],
        slices,
        sum(part.requests for part in slices),
        sum(part.sums[:, :, 0].sum() for part in slices),
    )


async def test_increments_of_all_workers_stay_while_the_ledger_is_compacted(redis, keys, monkeypatch):
    monkeypatch.setattr("askonce_worker.auditing.deciding.RESTS", 0)  # as many decisions as can be
    workers = [Recorder(redis, keys, worker=f"w{number}", period=PERIOD) for number in range(4)]
    job = decisions(redis, keys)
    done = asyncio.Event()

    async def decide():
        while not done.is_set():
            await asyncio.gather(job.run(), job.run())

    deciding = asyncio.create_task(decide())
    await asyncio.gather(*(work(worker, policies(redis, keys), 1000) for worker in workers))
    done.set()
    await deciding
    await job.run()
    since, slices, requests, labels = await ledger(redis, keys)
    assert (requests, labels) == (4000, 4000)
    assert len(slices) <= 9
    assert since < PERIOD
    policy = decode_policy("p", await redis.get(keys.audit.policy(GROUP)))
    assert policy.version > 4
    assert policy.threshold < 0.99
    assert await redis.xlen(keys.audit.records(GROUP)) + 4000 >= 7500  # trimmed in whole nodes
    assert await redis.zcard(keys.audit.due) == 0


async def test_a_call_whose_reply_was_lost_counts_once(redis, keys):
    class Lossy:
        """Redis, whose first replies are lost."""

        def __init__(self):
            self.left = 3

        async def evalsha(self, *args):
            reply = await redis.evalsha(*args)
            self.left -= 1
            if self.left >= 0:
                raise RedisConnectionError("lost")
            return reply

        async def eval(self, *args):
            return await redis.eval(*args)

    recorder = Recorder(Lossy(), keys, worker="w", period=PERIOD)
    recorder.answered(QUESTION, 0, 7)
    recorder.label(QUESTION, label(True))
    for _ in range(5):
        try:
            await recorder._flush()
        except RedisConnectionError:
            recorder.answered(QUESTION, 0)  # meanwhile
    _, _, requests, labels = await ledger(redis, keys)
    assert (requests, labels) == (10, 1)
    assert await redis.xlen(keys.audit.labels) == 1


async def test_a_decision_that_comes_second_changes_nothing(redis, keys):
    await work(Recorder(redis, keys, worker="w", period=PERIOD), policies(redis, keys), 300)
    first, second = decisions(redis, keys), decisions(redis, keys)
    await asyncio.gather(first.run(), second.run())
    _, _, requests, _ = await ledger(redis, keys)
    assert requests == 300
    assert decode_policy("p", await redis.get(keys.audit.policy(GROUP))).version == 1


async def test_a_scorer_is_learnt_from_the_stored_records_and_not_while_qdrant_is_away(redis, keys):
    vectors = Vectors()
    await work(Recorder(redis, keys, worker="w", period=PERIOD), policies(redis, keys), 2000, wrong_of=3)
    vectors.away = True
    await decisions(redis, keys, vectors).run()
    assert decode_policy("p", await redis.get(keys.audit.policy(GROUP))).weights is None
    vectors.away = False
    await work(Recorder(redis, keys, worker="w2", period=PERIOD), policies(redis, keys), PERIOD, wrong_of=3)
    await decisions(redis, keys, vectors).run()
    assert decode_policy("p", await redis.get(keys.audit.policy(GROUP))).weights is not None
    assert await redis.pttl(keys.audit.deciding(GROUP)) > 0, "it is left alone for a while"


async def test_policies_are_read_in_one_command_and_not_again_while_they_are_fresh(redis, keys):
    now = [0.0]
    calls = []

    class Counted:
        async def mget(self, names):
            calls.append(len(names))
            return await redis.mget(names)

    known = policies(Counted(), keys, lambda: now[0])
    await known.refresh(["a", "b", "a"])
    await known.refresh(["a", "b"])
    assert calls == [2]
    assert known.of("a").version == 0
    await redis.set(keys.audit.policy("a"), encode_policy(Policy(5, 0.9, 0.1)))
    await redis.set(keys.audit.policy("b"), b"of a later release")
    now[0] = 0.5
    await known.refresh(["a", "b", "c"])
    assert calls == [2, 3]
    assert (known.of("a").version, known.of("b").version) == (5, 0)


async def test_one_of_a_later_release_is_left_to_that(redis, keys):
    await work(Recorder(redis, keys, worker="w", period=PERIOD), policies(redis, keys), 300)
    await redis.set(keys.audit.policy(GROUP), b'{"format":2}')
    await decisions(redis, keys).run()
    assert await redis.get(keys.audit.policy(GROUP)) == b'{"format":2}'
    assert (await ledger(redis, keys))[2] == 300


async def test_groups_whose_ledgers_have_passed_make_room(redis, keys):
    await work(Recorder(redis, keys, worker="w", period=PERIOD), policies(redis, keys), 10)
    await redis.hset(keys.audit.groups, "gone", b"{}")
    await decisions(redis, keys).forget()
    assert await redis.hkeys(keys.audit.groups) == [GROUP.encode()]


async def test_however_many_groups_learn_they_share_a_part_of_one_core(redis, keys):
    """Each takes two seconds. What is due then waits, whichever worker looks at it."""
    groups = {(name := f"m{number}"): group_id("n", name, None) for number in range(2)}
    recorder = Recorder(redis, keys, worker="w", period=PERIOD)
    for model, group in groups.items():
        for number in range(1200):
            question, name = Question("q", model=model, namespace="n"), f"{'good' if number % 3 else 'bad'}{number}"
            recorder.answered(question, 0)
            recorder.label(question, replace(label(number % 3 > 0, asked=name, entry=f"{name}e"), group=group))
        await recorder._flush()

    async def decided():
        return sum([await redis.exists(keys.audit.policy(group)) for group in groups.values()])

    await decisions(redis, keys, clock=itertools.count(0, 2).__next__).run()
    assert await decided() == 1
    rest = await redis.pttl(keys.audit.deciding(""))
    assert 1000 < rest <= 1000 * 2 * 3
    await redis.persist(keys.audit.deciding(""))
    await decisions(redis, keys).run()
    assert await decided() == 1
    await redis.delete(keys.audit.deciding(""))
    await decisions(redis, keys).run()
    assert await decided() == 2


async def test_a_group_that_cannot_be_decided_about_keeps_no_other_waiting_and_one_worker_at_a_time_decides(
    redis, keys
):
    await work(Recorder(redis, keys, worker="w", period=PERIOD), policies(redis, keys), 300)
    await redis.hset(keys.audit.ledger("broken"), "since", "no number")
    await redis.set(keys.audit.ledger("no ledger"), "")
    await redis.zadd(keys.audit.due, {"broken": 0, "no ledger": 0})
    await redis.set(keys.audit.deciding(GROUP), b"")
    await decisions(redis, keys).run()
    assert await redis.get(keys.audit.policy(GROUP)) is None
    await redis.delete(keys.audit.deciding(GROUP))
    await decisions(redis, keys).run()
    assert await redis.get(keys.audit.policy(GROUP)) is not None


async def test_a_policy_that_was_lost_is_followed_by_one_that_comes_after_its_ledger(redis, keys):
    recorder = Recorder(redis, keys, worker="w", period=PERIOD)
    recorder.answered(QUESTION, 7, 300)
    recorder.label(QUESTION, label(True, version=7), waits=True)
    await recorder._flush()
    assert min(await redis.ttl(keys.audit.labels), await redis.ttl(keys.audit.waiting)) > 0
    await decisions(redis, keys).run()
    assert decode_policy("p", await redis.get(keys.audit.policy(GROUP))).version == 8
