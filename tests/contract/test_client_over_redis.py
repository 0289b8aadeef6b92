"""What only a client over a real Redis can show: what it leaves there, and how it bears a Redis that goes away."""

import asyncio
import gc
import os
import time

import pytest
from redis.asyncio import Redis

from askonce import Client, InvalidQuestion, Question, QueueFull, StoreUnreachable, UnknownJob
from askonce.answer import Answer
from askonce.contract.completion import text_body
from askonce.contract.result import result_record
from askonce.session import listener
from askonce.session.exact_lookup import ExactLookup
from askonce.store.connection import Store
from support.services import MODEL, RealService
from support.valkey_fixture import own_valkey  # noqa: F401


@pytest.fixture
async def service(valkey_url, prefix):
    async with RealService(valkey_url, prefix) as service:
        yield service


@pytest.fixture
async def client(service):
    return await service.client()


async def until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not (value := await condition()):
        assert time.monotonic() < deadline, "it did not come"
        await asyncio.sleep(0.01)
    return value


async def test_an_exact_hit_takes_one_round_trip_and_writes_no_result(client, service):
    await client.store("q", "a")
    await client.ask("q")
    before = await service.redis.info("commandstats")
    service.pause()
    assert (await client.ask("q")).source == "exact"
    after = await service.redis.info("commandstats")
    calls = {
        name.removeprefix("cmdstat_"): after[name]["calls"] - before.get(name, {"calls": 0})["calls"] for name in after
    }
    assert {name: n for name, n in calls.items() if n and name in ("hmget", "mget", "evalsha", "set")} == {
        "hmget": 1,
        "mget": 1,
    }
    assert [key async for key in service.redis.scan_iter(f"{service.prefix}:result:*")] == []


async def test_exact_hits_are_counted_and_keep_their_entry_young(client, service):
    question = Question("q", model=MODEL, namespace="default")
    await client.store(question, "a")
    touched = service.keys.touched
    await service.redis.zadd(touched, {question.fingerprint: 5})
    await asyncio.gather(*(client.ask("q") for _ in range(3)))

    async def counted():
        return await service.redis.hget(service.keys.stats("total"), f"exact|default|{MODEL}") == b"3"

    await until(counted)
    assert await service.redis.zscore(touched, question.fingerprint) > 5
    hour = int((await service.redis.time())[0]) // 3600
    hourly = [await service.redis.hgetall(service.keys.stats(f"hour:{hour - n}")) for n in (0, 1)]
    assert [counts[field] for counts in hourly if (field := f"exact|default|{MODEL}".encode()) in counts] == [b"3"]


async def test_what_map_answers_from_the_cache_is_counted_and_leaves_nothing_behind(client, service):
    await client.store("q", "a")
    question = Question("q", model=MODEL, namespace="default")
    await service.redis.zadd(service.keys.touched, {question.fingerprint: 1})
    assert [answer.source async for _, answer in client.map(["q"] * 300 + ["new"])] == ["exact"] * 300 + ["llm"]
    await client.aclose()
    assert await service.redis.hget(service.keys.stats("total"), f"exact|default|{MODEL}") == b"300"
    assert await service.redis.zscore(service.keys.touched, question.fingerprint) > 1
    results = [key async for key in service.redis.scan_iter(f"{service.prefix}:result:*")]
    assert len(results) == 1, "that of the new one"


async def test_of_a_map_that_is_left_only_what_was_handed_out_is_counted(client, service):
    await client.store("q", "a")
    answers = client.map(["q"] * 300, in_flight=100)
    for _ in range(10):
        await anext(answers)
    await answers.aclose()
    await client.aclose()
    assert await service.redis.hget(service.keys.stats("total"), f"exact|default|{MODEL}") == b"10"


async def test_a_job_that_waits_already_is_no_hit(client, service):
    service.pause()
    mine, other = (Question("q", model=MODEL, namespace="default", job_id=name) for name in ("mine", "other"))
    await client.submit(mine)
    await client.store("q", "a")
    store = Store(service.url)
    found = await ExactLookup(store, service.keys).find_new([mine, other, other.with_fields(job_id=None)])
    await store.aclose()
    assert [answer and answer.text for answer in found] == [None, "a", "a"]


async def test_a_client_that_is_closed_during_the_lookup_of_a_map_says_so(own_valkey, prefix):  # noqa: F811
    async with RealService(own_valkey.url, prefix) as service:
        client = await service.client()
        await client.lookup("connected")
        await service.redis.client_pause(800)
        streams = asyncio.create_task(collect(client.map(["x", "y"])))
        await asyncio.sleep(0.1)
        await client.aclose()
        with pytest.raises(StoreUnreachable, match="closed"):
            await asyncio.wait_for(streams, 20)
        assert await service.redis.hget(service.keys.load, "bulk") is None, "nobody waits for it: nobody pays for it"


async def test_a_map_that_redis_refuses_raises_once_and_says_no_more(own_valkey, prefix):  # noqa: F811
    reported = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["message"]))
    async with Client(f"redis://:wrong@127.0.0.1:{own_valkey.port}/0", key_prefix=prefix, model=MODEL) as client:
        with pytest.raises(StoreUnreachable, match="credentials"):
            await collect(client.map([Question(f"q{n}", job_id=f"j{n}") for n in range(100)]))
    gc.collect()
    assert reported == []


async def test_closing_does_not_wait_long_for_a_redis_that_hangs(own_valkey, prefix):  # noqa: F811
    async with RealService(own_valkey.url, prefix) as service:
        client = await service.client()
        await client.store("q", "a")
        await client.ask("asked")
        await client.ask("q")
        await service.redis.client_pause(60_000)
        await asyncio.wait_for(client.aclose(), 15)
        own_valkey.stop()


async def test_map_waits_for_a_redis_that_is_away_while_it_looks_into_the_cache(own_valkey, prefix):  # noqa: F811
    async with RealService(own_valkey.url, prefix) as service:
        client = await service.client()
        await client.store("known", "a")
        await asyncio.to_thread(own_valkey.stop)
        streams = asyncio.create_task(collect(client.map(["known", "new"])))
        await asyncio.sleep(0.1)
        await asyncio.to_thread(own_valkey.start)
        assert (await asyncio.wait_for(streams, 60))[1] == "answer to: new"


async def test_closing_writes_the_hits_that_were_not_written_yet(client, service):
    await client.store("q", "a")
    await client.ask("q")
    await client.aclose()
    assert await service.redis.hget(service.keys.stats("total"), f"exact|default|{MODEL}") == b"1"


async def test_an_entry_of_older_epochs_is_no_hit(client, service):
    await client.store("q", "a")
    await service.redis.hincrby(service.keys.epochs, f"model:{MODEL}", 1)
    assert await client.lookup("q") is None
    await client.store("q", "b")
    assert (await client.lookup("q")).text == "b"


async def test_an_entry_that_cannot_be_read_is_no_hit(client, service):
    question = Question("q", model=MODEL, namespace="default")
    for junk in (b"", b"junk", b"[]", b'{"epochs":"0.0.0.0"}', b"\xff"):
        await service.redis.set(service.keys.entry(question.fingerprint), junk)
        assert await client.lookup("q") is None


async def test_results_of_own_ids_are_forgotten_once_they_are_here(client, service):
    await client.ask("q")
    [_ async for _ in client.map([f"m{n}" for n in range(10)])]
    kept = await client.submit("kept")
    await client.result(kept)
    await client.aclose()
    ttls = {}
    async for key in service.redis.scan_iter(f"{service.prefix}:result:*"):
        ttls[key] = await service.redis.pttl(key)
    assert len(ttls) == 12
    assert ttls.pop(service.keys.result("default", kept).encode()) > 60_000
    assert max(ttls.values()) <= 60_000


async def test_as_completed_forgets_where_it_is_told_to(service):
    client = await service.client(result_ttl=3)
    job_id = await client.submit("q")
    [_ async for _ in client.as_completed([job_id], forget=True)]
    await client.aclose()
    assert await service.redis.pttl(service.keys.result("default", job_id)) <= 3000


async def test_a_stored_answer_waits_for_its_vector(client, service):
    question = Question("q", model=MODEL, namespace="default")
    await client.store(question, "a")
    await client.store(question.with_fields(text="exact", semantic=False), "a")
    ((_, fields),) = await service.redis.xrange(service.keys.outbox)
    assert fields[b"fingerprint"].decode() == question.fingerprint
    assert fields[b"vector"] == b""


async def test_a_lost_notification_costs_a_second_and_no_answer(client, service):
    service.pause()
    asks = asyncio.create_task(client.ask(Question("q", job_id="row"), timeout=60))
    key = service.keys.result("default", "row")

    async def submitted():
        return await service.redis.get(key)

    marker = await until(submitted)
    record = result_record(Answer(None, "answered", source="llm", body=text_body("late", model=MODEL)))
    await service.redis.set(key, marker[: len('{"fingerprint":"') + 43 + 2] + record)
    assert (await asks).text == "late"


async def test_who_waits_for_a_job_that_vanishes_is_told(client, service):
    service.pause()
    job_id = await client.submit("q")
    waits = asyncio.create_task(client.result(job_id, timeout=60))
    await asyncio.sleep(0.1)
    await service.redis.delete(service.keys.result("default", job_id))
    with pytest.raises(UnknownJob):
        await waits


async def test_waiting_outlives_a_restart_of_redis(own_valkey, prefix):  # noqa: F811
    async with RealService(own_valkey.url, prefix) as service:
        client = await service.client()
        await client.ask("before")
        service.pause()
        asks = [asyncio.create_task(client.ask(f"q{n}", timeout=60)) for n in range(20)]
        streams = asyncio.create_task(collect(client.map([f"m{n}" for n in range(20)])))

        async def all_submitted():
            return int(await service.redis.hget(service.keys.load, "bulk") or 0) == 20

        await until(all_submitted)
        await asyncio.to_thread(own_valkey.stop)
        await asyncio.to_thread(own_valkey.start)
        service.resume()
        assert [answer.text for answer in await asyncio.gather(*asks)] == [f"answer to: q{n}" for n in range(20)]
        assert await streams == [f"answer to: m{n}" for n in range(20)]
        assert (await client.ask("after")).text == "answer to: after"


async def test_who_waits_is_told_that_redis_stays_away(own_valkey, prefix, monkeypatch):  # noqa: F811
    monkeypatch.setattr(listener, "PATIENCE", 1.0)
    async with RealService(own_valkey.url, prefix) as service:
        client = await service.client()
        service.pause()
        job_id = await client.submit("q")
        waits = [
            asyncio.create_task(client.result(job_id, timeout=300)),
            asyncio.create_task(collect(client.map(["m"], in_flight=1))),
        ]

        async def submitted():
            return int(await service.redis.hget(service.keys.load, "bulk") or 0) == 1

        await until(submitted)
        await asyncio.to_thread(own_valkey.stop)
        for wait in waits:
            with pytest.raises(StoreUnreachable):
                await asyncio.wait_for(wait, 60)


async def collect(pairs):
    return [answer.text async for _, answer in pairs]


async def test_a_redis_that_is_away_is_named_with_its_cause():
    async with Client("redis://127.0.0.1:1/0", model=MODEL) as client:
        for call in (client.ask("q"), client.submit("q"), client.status(["a"]), client.submit_many(["q"])):
            with pytest.raises(StoreUnreachable) as caught:
                await call
            assert caught.value.__cause__ is not None


async def test_a_redis_that_hangs_is_given_up_at_the_timeout():
    async def silent(reader, writer):
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with Client(f"redis://127.0.0.1:{port}/0", model=MODEL) as client:
        started = time.monotonic()
        with pytest.raises(StoreUnreachable):
            await client.ask("q", timeout=0.2)
        assert time.monotonic() - started < 3
    server.close()


async def test_a_full_redis_refuses_new_questions(own_valkey, prefix):  # noqa: F811
    async with RealService(own_valkey.url, prefix) as service:
        client = await service.client()
        await client.store("known", "a")
        used = (await service.redis.info("memory"))["used_memory"]
        await service.redis.config_set("maxmemory", int(used * 1.1))
        with pytest.raises(QueueFull, match="nearly full"):
            await client.ask("q")
        with pytest.raises(QueueFull):
            await client.store("q", "a")
        assert (await client.ask("known")).text == "a"


@pytest.mark.parametrize(
    ("url", "said"),
    [("redis+cluster://h:1", "Cluster"), ("http://h:1", "begins with"), ("h:1", "begins with")],
)
def test_a_url_of_another_kind_is_refused(url, said):
    with pytest.raises(ValueError, match=said):
        Client(url)


def test_one_client_serves_one_loop_after_another(valkey_url, prefix):
    client = Client(valkey_url, key_prefix=prefix, model=MODEL)

    async def use(n):
        await client.store(f"q{n}", "a")
        answer = await client.ask(f"q{n}")
        await client.aclose()
        return answer.text

    assert [asyncio.run(use(n)) for n in range(3)] == ["a"] * 3


def test_a_client_works_on_both_sides_of_a_fork(valkey_url, prefix):
    client = Client(valkey_url, key_prefix=prefix, model=MODEL)

    async def use():
        await client.store("q", "a")
        answer = await client.ask("q")
        await client.aclose()
        return answer.text

    assert asyncio.run(use()) == "a"
    child = os.fork()
    if child == 0:
        os._exit(0 if asyncio.run(use()) == "a" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert asyncio.run(use()) == "a"


async def test_nothing_is_left_behind_after_close(valkey_url, prefix):
    before = len(asyncio.all_tasks())
    async with RealService(valkey_url, prefix) as service:
        client = await service.client()
        await client.ask("q")
        [_ async for _ in client.map(["a", "b"])]
    gc.collect()
    assert len(asyncio.all_tasks()) == before
    redis = Redis.from_url(valkey_url)
    await redis.aclose()


async def test_a_job_that_an_older_client_has_submitted_is_known(client, service):
    """A batch that was killed before an upgrade goes on."""
    service.pause()
    params = {"temperature": None, "response_format": {"type": "text"}}
    asked = [Question(f"q{number}", job_id=f"j{number}", params=params) for number in range(4)]
    for question in asked[:2]:
        await client.submit(question.with_fields(rule=1))
    service.resume()
    assert asked[0].with_fields(model="m").scope != asked[0].with_fields(model="m", rule=1).scope
    answers = [answer async for _, answer in client.map(asked)]
    assert [answer.text for answer in answers] == [f"answer to: q{number}" for number in range(4)]
    assert await client.submit(asked[0]) == "j0"
    with pytest.raises(InvalidQuestion, match="another question"):
        await client.submit(asked[0].with_fields(text="another"))
