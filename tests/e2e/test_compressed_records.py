"""Large answers are compressed in Redis: by workers and clients, for those who read that, on every way to an answer."""

from pydoc_data import topics

import orjson
import pytest

from askonce import Client, Question
from askonce.contract.keys import Keys
from askonce.contract.records import open_record
from support.asking import patient_settings
from support.worker_process import until, workers

MODEL = "test-model"
LONG = topics.topics["specialnames"][:3000]
RED = "How tall is the red tower? [g1]"
HIGH = "What height has the red tower? [g1]"


@pytest.fixture
def settings(valkey_url, qdrant_url, llm_server, prefix):
    return patient_settings(valkey_url, qdrant_url, llm_server, prefix)


@pytest.fixture
async def client(valkey_url, prefix):
    async with Client(valkey_url, key_prefix=prefix, model=MODEL) as made:
        yield made


@pytest.fixture
async def older(valkey_url, prefix, monkeypatch):
    """A client that submits as one does that reads no compressed results."""
    with monkeypatch.context() as patch:
        patch.setenv("ASKONCE_COMPRESS", "0")
        made = Client(valkey_url, key_prefix=prefix, model=MODEL)
    async with made:
        yield made


@pytest.fixture(autouse=True)
async def long_answers(llm_server):
    await llm_server.control(chat={"answer": LONG})


def is_compressed(raw):
    return bool(open_record(raw)[1])


def entry_of(prefix, text):
    return Keys(prefix).entry(Question(text, model=MODEL, namespace="default").fingerprint)


async def answered(client, text, job_id):
    return await client.result(await client.submit(text, job_id=job_id), timeout=60)


async def test_each_way_to_a_large_answer(client, settings, redis, prefix, llm_server):
    keys = Keys(prefix)
    async with workers(1, settings):
        answers = [await answered(client, RED, name) for name in ("a", "b")]

        async def drained():
            return await redis.xlen(keys.outbox) == 0

        await until(drained, what="an empty outbox")
        answers += [await answered(client, HIGH, "c"), await client.lookup(RED)]
        assert await client.report_wrong("c")
    assert [answer.source for answer in answers] == ["llm", "exact", "semantic", "exact"]
    assert {answer.text for answer in answers} == {LONG}
    records = [await redis.get(keys.result("default", name)) for name in ("a", "b", "c")]
    records.append(await redis.get(entry_of(prefix, RED)))
    assert all(map(is_compressed, records))
    assert all(3 * len(record) < 2 * len(LONG) for record in records)
    assert await client.status(["a", "c"]) == {"a": "answered", "c": "answered"}
    assert (await llm_server.stats())["chat"]["calls"] == 1


async def test_a_follower_gets_a_large_answer(client, settings, redis, prefix, llm_server):
    await llm_server.control(chat={"latency_ms": 500})
    async with workers(2, settings):
        ids = [await client.submit(text) for text in (RED, HIGH)]
        answers = [await client.result(job_id, timeout=60) for job_id in ids]
    assert {answer.text for answer in answers} == {LONG}
    assert sorted(answer.source for answer in answers) == ["inflight", "llm"]
    assert all([is_compressed(await redis.get(Keys(prefix).result("default", job_id))) for job_id in ids])


async def test_who_does_not_read_compressed_results_gets_plain_ones(older, client, settings, redis, prefix):
    keys = Keys(prefix)
    async with workers(1, settings):
        await answered(client, RED, "new")
        answer = await answered(older, RED, "old")
    assert (answer.source, answer.text) == ("exact", LONG)
    raw = await redis.get(keys.result("default", "old"))
    assert orjson.loads(raw)["body"]["choices"][0]["message"]["content"] == LONG
    assert is_compressed(await redis.get(keys.result("default", "new")))


async def test_a_worker_that_is_told_so_writes_plain_entries_and_reads_both(client, settings, redis, prefix):
    await client.store("stored", LONG)
    async with workers(1, {**settings, "ASKONCE_COMPRESS": "0"}):
        await answered(client, RED, "a")
        answer = await answered(client, "stored", "b")
    assert (answer.source, answer.text) == ("exact", LONG)
    assert not is_compressed(await redis.get(entry_of(prefix, RED)))
    assert is_compressed(await redis.get(entry_of(prefix, "stored")))


async def test_a_damaged_entry_is_a_miss_and_a_damaged_result_fails_by_name(client, settings, redis, prefix):
    async with workers(1, settings):
        await client.store(RED, LONG)
        await answered(client, RED, "a")
        for key in (entry_of(prefix, RED), Keys(prefix).result("default", "a")):
            raw = await redis.get(key)
            await redis.set(key, raw[:-50] + bytes(50))
        assert await client.lookup(RED) is None
        again = await client.ask(RED, timeout=60)
        assert (again.source, again.text) == ("llm", LONG)
        assert (await client.lookup(RED)).text == LONG, "it was replaced"
    failed = [answer async for answer in client.as_completed(["a"], timeout=60)]
    assert [answer.error.kind for answer in failed] == ["invalid_response"]
