"""The claim of an ask reads what its answering begins with."""
# ruff: noqa: F811

import dataclasses

import pytest
from redis.asyncio import Redis

from askonce import Question
from askonce.contract.chunk import FUNCTION, pack
from askonce.contract.keys import ARQ_JOB
from askonce.store.scripts import Script
from askonce_worker.answering.chunk_end import answers_of
from askonce_worker.cache.exact import ExactCache
from askonce_worker.cache.wrong_pairs import ReportedPairs
from askonce_worker.queue.leases import Leases
from askonce_worker.redis.clock import RedisClock
from support.cache import Cache
from support.ports import free_port
from support.scripts_fixture import scripts  # noqa: F401

QUESTION = Question("What is asked?", model="m", namespace="n", job_id="ask-1")


@pytest.fixture
def nowhere():
    return Redis(port=free_port())


@pytest.fixture
def note():
    """What a claim is to keep."""
    return lambda: "noted before"


@pytest.fixture
def ask(scripts, note):
    """Submits a question and claims it."""

    async def submit_and_claim(question=QUESTION, lane="interactive"):
        keys = scripts.keys
        job = f"{keys.prefix.encode().hex()}-1"
        args = [keys.result("n", ""), f"{ARQ_JOB}{job}", job, lane, "n", 0, 60_000, 60_000, "", FUNCTION]
        args += [pack("n", 60_000, [question]), question.job_id, question.fingerprint]
        names = [keys.queue(lane), keys.wake, keys.fair, keys.load]
        assert (await Script("askonce", "submit")(scripts.redis, names, args))[0] == b"ok"
        leases = Leases(scripts.redis, keys, RedisClock(), worker="w", lease=60, note=note)
        [claimed] = (await leases.claim(free=9, bulk=9, lapsed=(9, 9))).jobs
        return claimed

    return submit_and_claim


async def looked_up(redis, keys, job, question=QUESTION, reported=None):
    with answers_of(job, [question.job_id]):
        [state] = await ExactCache(redis, keys, reported).look_up([question], f"{job.lane}:{job.job}")
    return state


@pytest.fixture
async def entries(valkey_url, qdrant_url, prefix):
    cache = Cache(valkey_url, qdrant_url, prefix)
    yield cache
    await cache.redis.aclose()


async def test_a_claimed_ask_is_looked_up_without_redis(scripts, nowhere, ask):
    job = await ask()
    state = await looked_up(nowhere, scripts.keys, job)
    assert (state.pending, state.epochs, state.entry) == (True, "0.0.0.0", None)
    assert job.seen.position == "noted before"


async def test_its_entry_comes_with_the_claim(scripts, nowhere, ask, entries):
    await entries.put(QUESTION.text, model="m", namespace="n", vectors=False)
    state = await looked_up(nowhere, scripts.keys, await ask())
    assert state.entry.question == QUESTION.text


async def test_an_entry_of_older_epochs_is_none(scripts, nowhere, ask, entries):
    await entries.put(QUESTION.text, model="m", namespace="n", vectors=False)
    await entries.raise_epoch("namespace:n")
    state = await looked_up(nowhere, scripts.keys, await ask())
    assert (state.epochs, state.entry) == ("0.0.1.0", None)


async def test_a_question_that_was_cancelled_before_is_not_pending(scripts, nowhere, ask):
    job = await ask()
    answered = dataclasses.replace(job.seen, marker=b'{"fingerprint":"' + b"f" * 43 + b'","status":"failed"}')
    state = await looked_up(nowhere, scripts.keys, dataclasses.replace(job, seen=answered))
    assert not state.pending
    assert job.end.left == set()


async def test_a_report_of_a_wrong_match_is_read_before_its_pair_is_matched(scripts, ask):
    reported = ReportedPairs(scripts.keys)
    await scripts.redis.zadd(scripts.keys.wrong, {b'{"pair":["a","b"]}': 7})
    assert (await looked_up(scripts.redis, scripts.keys, await ask(), reported=reported)).pending
    assert reported("a", "b")


async def test_what_stands_under_a_name_of_ours_and_is_none_of_ours_harms_nothing(scripts, ask):
    await scripts.redis.lpush(scripts.keys.entry(QUESTION.fingerprint), "no string")
    assert (await looked_up(scripts.redis, scripts.keys, await ask())).entry is None


async def test_an_ask_whose_record_is_gone_leaves_nothing_behind(scripts, ask):
    keys = scripts.keys
    await scripts.redis.zadd(keys.queue("interactive"), {"ab-1": 1, "later-1": 9_999_999_999_999})
    claimed = await ask()
    assert claimed.seen is not None
    assert await scripts.redis.zrange(keys.leases("interactive"), 0, -1) == [claimed.job.encode()]
    assert await scripts.redis.hkeys(keys.tokens("interactive")) == [claimed.job.encode()]
    assert await scripts.redis.zrange(keys.queue("interactive"), 0, -1) == [b"later-1"]


async def test_bulk_jobs_are_claimed_without(ask):
    assert (await ask(lane="bulk")).seen is None
