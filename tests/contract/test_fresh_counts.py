"""What publishing notes is counted once, whoever counts it, and a kill loses nothing of it."""

import asyncio

import orjson
import pytest
from redis.asyncio import Redis

from askonce import Client, Question
from askonce.answer import Answer
from askonce.contract.completion import text_body
from askonce.contract.keys import Keys
from askonce.errors import QueueFull
from askonce.operator.admin import Admin
from askonce_worker.answering.ports import Finished
from askonce_worker.cache import fresh_counts
from askonce_worker.cache.publisher import Publisher
from askonce_worker.providers.call_counts import CallCounts
from support.delivering import deliver
from support.scripts_fixture import RESULT_MS, Scripts, scripts  # noqa: F401
from support.valkey_fixture import own_valkey  # noqa: F401

HITS = 40


@pytest.fixture
async def admin(scripts, valkey_url):  # noqa: F811
    admin = Admin(valkey_url, key_prefix=scripts.keys.prefix)
    yield admin
    await admin.aclose()


async def call_report(scripts, worker, number, counts):  # noqa: F811
    tally = f"calls {worker} {number}", orjson.dumps({"counts": counts})
    await deliver(scripts.redis, scripts.keys, tally=tally)


def publisher_of(scripts, counts):  # noqa: F811
    return Publisher(
        scripts.redis,
        scripts.keys,
        worker="killed",
        counts=counts,
        embedding="e",
        cache_ttl=9,
        result_ttl=9,
        outbox_max=0,
        compress=True,
    )


async def test_a_worker_that_is_killed_at_once_has_counted_what_it_published(scripts, admin):  # noqa: F811
    counts, question = CallCounts(), Question("?", model="m", namespace="n", job_id="a")
    publisher = publisher_of(scripts, counts)
    await scripts.submit("a", namespace="n", prints=[question.fingerprint])
    counts.called(question)
    body = text_body("said", model="m", usage={"prompt_tokens": 5, "completion_tokens": 2})
    await publisher.send([Finished(question, Answer("a", "answered", "semantic", body=body))])
    totals = await admin.totals()
    assert (totals[b"semantic|n|m"], totals[b"saved_in|n|m"], totals[b"calls|n|m"]) == (1, 5, 1)
    await publisher.aclose()
    assert await admin.totals() == totals


async def test_many_answers_are_counted_before_the_second_is_over(scripts, monkeypatch):  # noqa: F811
    monkeypatch.setattr(fresh_counts, "PERIOD", 3600)
    monkeypatch.setattr(fresh_counts, "MANY", 3)
    publisher, total = publisher_of(scripts, CallCounts()), scripts.keys.stats("total")
    for name in "abc":
        assert not await scripts.redis.exists(total)
        question = Question("?", model="m", namespace="n", job_id=name)
        await scripts.submit(name, namespace="n", prints=[question.fingerprint])
        await publisher.send([Finished(question, Answer(name, "answered", "exact", body=text_body("said", model="m")))])
    while not await scripts.redis.exists(total):
        await asyncio.sleep(0.01)
    assert await scripts.redis.hget(total, "exact|n|m") == b"3"
    await publisher.aclose()


async def test_a_report_that_comes_again_after_it_was_counted_counts_once(scripts):  # noqa: F811
    await call_report(scripts, "w 1", 1, {"calls|n|m": 2})
    assert await scripts.counted() == {b"calls|n|m": b"2"}
    await call_report(scripts, "w 1", 1, {"calls|n|m": 2})
    await call_report(scripts, "w 1", 2, {"calls|n|m": 3, "tokens_in|n|m": 70})
    await call_report(scripts, "w", 1, {"calls|n|m": 10})
    for _ in range(2):
        assert await scripts.counted() == {b"calls|n|m": b"15", b"tokens_in|n|m": b"70"}


async def test_many_who_count_at_once_count_each_once(scripts):  # noqa: F811
    names = [f"j{number}" for number in range(HITS)]
    await scripts.submit(*names)
    publishing = [scripts.publish(name, counter="exact|default|m", hit="gone") for name in names]
    await asyncio.gather(*publishing, *(scripts.counted() for _ in range(10)))
    assert (await scripts.counted())[b"exact|default|m"] == str(HITS).encode()
    assert not await scripts.redis.exists(scripts.keys.stats("fresh"), scripts.keys.touched)


async def test_a_job_that_comes_again_before_anybody_counts_is_counted_again(scripts):  # noqa: F811
    for _ in range(2):
        await scripts.submit("a")
        assert await scripts.publish("a", counter="llm|default|m") == 1
        await scripts.redis.delete(scripts.keys.result("default", "a"))
    assert (await scripts.counted())[b"llm|default|m"] == b"2"


async def test_in_a_full_redis_answers_are_published_and_counted_and_nothing_new_is_accepted(own_valkey, prefix):  # noqa: F811
    redis = Redis.from_url(own_valkey.url, protocol=2)
    full = Scripts(redis, Keys(prefix))
    await full.submit("a", "b")
    assert await full.publish("b", counter="exact|default|m") == 1
    await redis.config_set("maxmemory", 1)
    assert await full.publish("a", counter="exact|default|m", hit="gone") == 1
    assert (await full.counted())[b"exact|default|m"] == b"2"
    async with Client(own_valkey.url, key_prefix=prefix, model="m") as client:
        with pytest.raises(QueueFull):
            await client.ask("q")
    await redis.aclose()


async def test_a_note_that_nobody_can_read_holds_no_other_up(scripts):  # noqa: F811
    await scripts.redis.hset(
        scripts.keys.stats("fresh"),
        mapping={"answers x": b"{", "answers y": b"7", "calls w 0": b'{"counts":{"a":"?"}}'},
    )
    await call_report(scripts, "w", 1, {"calls|n|m": 1})
    assert await scripts.counted() == {b"calls|n|m": b"1"}
