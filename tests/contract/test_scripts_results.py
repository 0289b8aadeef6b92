"""listen, cancel, status, touch and store_answer: what they say, what they write, and what they leave alone."""

import asyncio

import orjson
import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from askonce.answer import Answer
from askonce.contract.completion import text_body
from askonce.contract.keys import Keys
from askonce.contract.pending import read_pending
from askonce.contract.result import result_record
from askonce.store.scripts import Script
from support.delivering import deliver
from support.scripts_fixture import DONE, FAILED, OTHER, PRINT, RESULT_MS, Scripts, scripts  # noqa: F401
from support.valkey_fixture import own_valkey  # noqa: F401

HEAD = b'{"fingerprint":"' + PRINT.encode() + b'",'


async def test_listen_tells_answers_from_pending_and_unknown_ones(scripts):  # noqa: F811
    await scripts.submit("a", "b")
    await scripts.publish("a")
    answered, pending, unknown = await scripts.listen("a", "b", "c")
    assert answered == await scripts.marker("a")
    assert (pending, unknown) == (b"", None)


async def test_who_listens_is_told_once_and_each_of_them(scripts):  # noqa: F811
    await scripts.submit("a", listener="first")
    for listener in ("second", "third", "second", "first"):
        assert await scripts.listen("a", listener=listener) == [b""]
    assert read_pending(await scripts.marker("a")).listeners == ("first", "second", "third")
    assert await scripts.publish("a") == 1
    for listener in ("first", "second", "third"):
        assert await scripts.told(listener) == ["default:a"]
        assert 0 < await scripts.redis.ttl(scripts.keys.answered(listener)) <= 3600


async def test_who_asks_for_it_gets_a_small_answer_at_once(scripts):  # noqa: F811
    """Only if it waits in the interactive lane: bulk answers would fill the stream."""
    for job, lane, listener in (("a", "interactive", "+new"), ("b", "interactive", "old"), ("c", "bulk", "+bulk")):
        await scripts.submit(job, job=f"job-{job}", lane=lane, listener=listener)
        await scripts.publish(job)
    streams = [await scripts.redis.xrange(scripts.keys.answered(name)) for name in ("+new", "old", "+bulk")]
    [(_, new)], [(_, old)], [(_, bulk)] = streams
    assert new == {b"ids": b"default:a", b"record": await scripts.marker("a")}
    assert old == {b"ids": b"default:b"}
    assert bulk == {b"ids": b"default:c"}
    assert await scripts.redis.ttl(scripts.keys.answered("+new")) <= 60, "answers of one that is gone do not pile up"


async def test_what_is_published_twice_at_once_is_the_first(scripts):  # noqa: F811
    await scripts.submit("a", "b", listener="me")
    first, second = (result_record(Answer(None, "answered", body=text_body(text, model="m"))) for text in ("1", "2"))
    each = [(job_id, record) for job_id in ("a", "b") for record in (first, second)]
    args = [value for job_id, record in each for value in (f"default:{job_id}", PRINT, record, "exact|n|m", "", 3, 0)]
    assert (await deliver(scripts.redis, scripts.keys, published=args))[2] == [1, 0, 1, 0]
    assert await scripts.marker("a") == await scripts.marker("b") == HEAD + first
    assert await scripts.told("me") == ["default:a", "default:b"]
    counts = await scripts.counted()
    assert (counts.pop(b"exact|n|m"), counts.pop(b"saved_in|n|m")) == (b"2", b"6")
    assert list(counts.values()) == [b"2"], "both took equally long"


async def test_an_error_of_one_part_of_a_delivery_keeps_the_others_from_nothing(scripts):  # noqa: F811
    await scripts.submit("a")
    await scripts.redis.set(scripts.keys.outbox, "a key of another type")
    stored = [OTHER, '"body":{}}', 5000, "0.0.0.0", "all\nmodel:m\nnamespace:n\nboth:n:m", b"", b"", "", 0]
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await deliver(scripts.redis, scripts.keys, stored=stored, published=["default:a", PRINT, DONE, "", "", 0, 0])
    assert await scripts.marker("a") == HEAD + DONE


async def test_what_a_listener_reads_at_once_lives_for_a_minute_however_many_come(scripts):  # noqa: F811
    names = [f"a{number}" for number in range(3)]
    await scripts.submit(*names, lane="interactive", listener="+me")
    args = [value for name in names for value in (f"default:{name}", PRINT, DONE, "", "", 0, 0)]
    await deliver(scripts.redis, scripts.keys, published=args)
    items = await scripts.redis.xrange(scripts.keys.answered("+me"))
    assert [fields[b"ids"] for _, fields in items] == [f"default:{name}".encode() for name in names]
    assert all(fields[b"record"] == HEAD + DONE for _, fields in items)
    assert 0 < await scripts.redis.ttl(scripts.keys.answered("+me")) <= 60


async def test_a_listener_whose_name_begins_another_is_another(scripts):  # noqa: F811
    await scripts.submit("a", listener="abc")
    await scripts.listen("a", listener="ab")
    assert read_pending(await scripts.marker("a")).listeners == ("abc", "ab")


async def test_only_looking_changes_nothing_and_a_life_is_never_prolonged(scripts):  # noqa: F811
    await scripts.submit("a")
    before = await scripts.marker("a")
    assert await scripts.listen("a", listener="") == [b""]
    assert await scripts.marker("a") == before
    await scripts.redis.pexpire(scripts.keys.result("default", "a"), 3000)
    await scripts.listen("a")
    assert 0 < await scripts.redis.pttl(scripts.keys.result("default", "a")) <= 3000


async def test_listening_and_publishing_at_once_never_lose_the_answer(scripts):  # noqa: F811
    """Whoever listens has the answer in the reply, or is told of it."""
    for n in range(100):
        await scripts.submit(f"a{n}", job=f"job{n}")
        (reply,), _ = await asyncio.gather(scripts.listen(f"a{n}", listener=f"l{n}"), scripts.publish(f"a{n}"))
        assert reply or await scripts.told(f"l{n}") == [f"default:a{n}"]


async def test_publishing_twice_changes_nothing(scripts):  # noqa: F811
    await scripts.submit("a", listener="me")
    assert await scripts.publish("a", counter="llm|default|m") == 1
    before = await scripts.marker("a")
    assert await scripts.publish("a", record=FAILED, counter="llm|default|m") == 0
    assert await scripts.marker("a") == before
    assert await scripts.told("me") == ["default:a"]
    assert (await scripts.counted())[b"llm|default|m"] == b"1"


async def test_cancel_ends_what_waits_and_tells_who_listens(scripts):  # noqa: F811
    await scripts.submit("a", "b", listener="me")
    assert await scripts.cancel("a", "b", "a", "nowhere") == [1, 1, 0, -1]
    assert await scripts.marker("a") == HEAD + FAILED
    assert sorted(await scripts.told("me")) == ["default:a", "default:b"]
    assert await scripts.publish("a") == 0
    assert await scripts.redis.hget(scripts.keys.stats("total"), "cancelled|default|") == b"2"
    assert 0 < await scripts.redis.pttl(scripts.keys.result("default", "a")) <= RESULT_MS


async def test_cancel_leaves_alone_what_runs_or_is_answered(scripts):  # noqa: F811
    await scripts.submit("a", "b")
    await scripts.publish("b")
    await scripts.redis.zadd(scripts.keys.leases("bulk"), {"job1": 1})
    before = await scripts.marker("a"), await scripts.marker("b")
    assert await scripts.cancel("a", "b") == [2, 0]
    assert (await scripts.marker("a"), await scripts.marker("b")) == before
    await scripts.redis.zrem(scripts.keys.leases("bulk"), "job1")
    assert await scripts.cancel("a") == [1]


async def test_a_part_of_a_chunk_that_was_split_runs_by_itself(scripts):  # noqa: F811
    await scripts.submit("a", "b")
    await scripts.redis.zadd(scripts.keys.leases("bulk"), {"job1.a": 1})
    assert await scripts.status("a", "b") == [2, 1]
    assert await scripts.cancel("a", "b") == [2, 1]


async def test_status_of_each_kind(scripts):  # noqa: F811
    await scripts.submit("queued", job="j1")
    await scripts.submit("running", job="j2", lane="interactive")
    await scripts.submit("answered", "failed", job="j3")
    await scripts.redis.zadd(scripts.keys.leases("interactive"), {"j2": 1})
    await scripts.publish("answered")
    await scripts.publish("failed", record=FAILED)
    assert await scripts.status("nowhere", "queued", "running", "answered", "failed") == [0, 1, 2, 3, 4]


async def touch(scripts, counts, *prints, number):  # noqa: F811
    keys = scripts.keys
    flat = [part for pair in counts.items() for part in pair]
    args = [keys.stats("hour:"), number, len(counts), *flat, *prints]
    names = [keys.stats("total"), keys.touched, keys.tally("client")]
    return await Script("askonce", "touch")(scripts.redis, names, args)


async def test_touch_counts_and_moves_the_clock_of_known_entries_alone(scripts):  # noqa: F811
    await scripts.redis.zadd(scripts.keys.touched, {"known": 5})
    for number in (1, 2, 2):
        await touch(scripts, {"exact|default|m": 3, "exact|other|m": 1}, "known", "evicted", number=number)
    totals = await scripts.redis.hgetall(scripts.keys.stats("total"))
    assert totals == {b"exact|default|m": b"6", b"exact|other|m": b"2"}
    ((member, score),) = await scripts.redis.zrange(scripts.keys.touched, 0, -1, withscores=True)
    assert member == b"known"
    assert abs(score - (await scripts.redis.time())[0]) <= 2


async def test_touch_without_counts_makes_no_counters(scripts):  # noqa: F811
    await touch(scripts, {}, "evicted", number=1)
    assert await scripts.everything() == set()


async def store(scripts, fingerprint, *, ttl_ms=5000, vectors=10):  # noqa: F811
    keys = scripts.keys
    return await Script("askonce", "store_answer")(
        scripts.redis,
        [keys.epochs, keys.touched, keys.outbox, keys.entry(fingerprint), keys.expiries],
        [fingerprint, ttl_ms, vectors, '"body":{}}', '"scope":"s"}', "all", "model:m", "namespace:n", "both:n:m"],
    )


async def test_store_writes_entry_clock_and_outbox_under_the_present_epochs(scripts):  # noqa: F811
    await scripts.redis.hincrby(scripts.keys.epochs, "model:m", 3)
    assert await store(scripts, PRINT) == 1
    entry = orjson.loads(await scripts.redis.get(scripts.keys.entry(PRINT)))
    assert entry["epochs"] == "0.3.0.0"
    assert entry["expires_at"] - entry["created_at"] == 5
    assert 0 < await scripts.redis.pttl(scripts.keys.entry(PRINT)) <= 5000
    assert await scripts.redis.zscore(scripts.keys.touched, PRINT) == entry["created_at"]
    ((_, fields),) = await scripts.redis.xrange(scripts.keys.outbox)
    record = orjson.loads(fields[b"record"])
    assert (fields[b"vector"], record["scope"], record["epochs"]) == (b"", "s", "0.3.0.0")


@pytest.mark.parametrize(("vectors", "expected"), [(0, 0), (1, 1), (2, 2)])
async def test_the_outbox_is_bounded(scripts, vectors, expected):  # noqa: F811
    for n in range(2):
        has_room = vectors == 0 or n < vectors  # 0: no vector is wanted
        assert await store(scripts, f"{n}" * 43, vectors=vectors) == has_room
    assert await scripts.redis.xlen(scripts.keys.outbox) == expected


async def test_nothing_is_stored_in_a_nearly_full_redis(own_valkey, prefix):  # noqa: F811
    redis = Redis.from_url(own_valkey.url, protocol=2)
    own = Scripts(redis, Keys(prefix))
    await redis.config_set("maxmemory", int((await redis.info("memory"))["used_memory"] * 1.2))
    assert await store(own, PRINT) == -1
    assert await own.everything() == set()
    await redis.aclose()
