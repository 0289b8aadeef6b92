"""Records as earlier releases wrote them: today's client and worker understand every one of them."""

import asyncio
import base64
from pathlib import Path

import orjson
import pytest

from askonce import Client, Question
from askonce.contract.chunk import unpack
from askonce.contract.pending import read_pending
from askonce.contract.result import read_result
from askonce.operator.dead_letters import DeadLetters
from askonce.tasks import stop
from askonce_worker.cache.exact import ExactCache
from askonce_worker.inflight.leaders import Ended, Led
from askonce_worker.inflight.records import decode_record, decode_settled
from askonce_worker.queue.leased_job import leased_job
from support.cache import Cache
from support.worker_process import until

RECORDS = Path(__file__).parents[1] / "golden"
GOLDEN = orjson.loads((RECORDS / "records-0.1.0.json").read_bytes())
COMPRESSED = orjson.loads((RECORDS / "records-zstd-1.json").read_bytes())
FIRST, SECOND, THIRD = GOLDEN["scopes"]
JOBS = ["golden-1", "golden-2", "golden-3"]


def raw(value):
    return base64.b64decode(value["base64"]) if "base64" in value else value["text"].encode()


def question(golden, **fields):
    return Question(**golden["question"], **fields)


@pytest.fixture
async def client(valkey_url, prefix):
    async with Client(valkey_url, key_prefix=prefix, model="test-model") as made:
        yield made


@pytest.mark.parametrize("golden", GOLDEN["scopes"], ids=["all fields", "another text", "template"])
def test_a_question_has_the_scope_and_the_fingerprint_that_it_had(golden):
    asked = question(golden)
    assert (asked.scope, asked.fingerprint) == (golden["scope"], golden["fingerprint"])


def test_a_chunk_gives_the_worker_the_questions_that_were_submitted():
    job = leased_job("job", "interactive", "token", 0, 0, raw(GOLDEN["job"]))
    chunk = unpack(job.args[0])
    assert (chunk.namespace, chunk.timeout_ms, chunk.bad, job.questions) == ("default", 3_600_000, (), 3)
    assert [each.job_id for each in chunk.questions] == JOBS
    assert [each.fingerprint for each in chunk.questions] == [each["fingerprint"] for each in GOLDEN["scopes"]]
    first, second, third = chunk.questions
    assert (first.metadata, first.ttl, second.threshold) == ({"row": 1}, 315360000.0, 0.96)
    assert (third.cache, third.semantic, third.prompt()) == ("bypass", False, "Answer in one word: 天空是什么颜色?")
    assert [first.request()["user"], second.request()["user"]] == ["u", "v"]


def test_a_pending_marker_says_where_its_question_waits_and_who_listens():
    alone, heard = (read_pending(raw(GOLDEN["pending"][name])) for name in ("golden-2", "golden-1"))
    assert (alone.fingerprint, alone.listeners) == (SECOND["fingerprint"], ())
    assert (heard.fingerprint, heard.listeners) == (FIRST["fingerprint"], ("8cadce7add805f65",))
    assert (heard.lane, heard.job) == ("interactive", "9e5fd93037a6f454d6e9-3")
    assert heard.deadline == 1_795_962_021_684
    assert read_result("golden-1", raw(GOLDEN["pending"]["golden-1"])) is None


async def test_the_client_reads_results_and_reports_the_wrong_ones(client, redis, keys):
    for name, record in GOLDEN["results"].items():
        await redis.set(keys.result("default", name), raw(record))
    first, second, third = [await client.result(name, timeout=0) for name in JOBS]
    assert (first.source, first.text, first.metadata) == (
        "llm",
        "answer to: How tall is the red tower? [g1]",
        {"row": 1},
    )
    assert (second.source, second.matched_question) == ("inflight", FIRST["question"]["text"])
    assert second.similarity == pytest.approx(0.9794, abs=1e-4)
    assert third.status == "answered"
    assert await client.status(["golden-4"]) == {"golden-4": "failed"}
    assert await client.report_wrong("golden-2", drop_entry=True)


async def test_an_entry_is_a_hit_for_client_and_worker(client, redis, keys):
    stored = Question("stored by hand", namespace="default", model="test-model")
    await redis.set(keys.entry(FIRST["fingerprint"]), raw(GOLDEN["entry"]))
    await redis.set(keys.entry(stored.fingerprint), raw(GOLDEN["stored_entry"]))
    assert (await client.lookup(question(FIRST))).text == "answer to: How tall is the red tower? [g1]"
    assert (await client.lookup(stored)).text == "by hand"
    entries = await ExactCache(redis, keys).entries([FIRST["fingerprint"], stored.fingerprint])
    assert [entry.question for entry in entries.values()] == [FIRST["question"]["text"], "stored by hand"]


async def test_compressed_records_of_version_1_are_read_by_client_and_worker(client, redis, keys):
    asked = question(COMPRESSED)
    await redis.set(keys.entry(asked.fingerprint), raw(COMPRESSED["entry"]))
    await redis.set(keys.result("default", "golden-5"), raw(COMPRESSED["result"]))
    assert (await client.lookup(asked)).body == COMPRESSED["body"]
    assert (await client.result("golden-5", timeout=0)).body == COMPRESSED["body"]
    entries = await ExactCache(redis, keys).entries([asked.fingerprint])
    assert entries[asked.fingerprint].question == asked.text


def test_the_records_of_a_leader_are_read_from_the_feed():
    led, ended = (
        decode_record(record["id"].encode(), {name.encode(): raw(value) for name, value in record["fields"].items()})
        for record in GOLDEN["feed"]
    )
    assert isinstance(led.change, Led)
    assert isinstance(ended.change, Ended)
    leader = led.change.leader
    assert (leader.fingerprint, leader.scope, leader.text) == (*_identity(FIRST), FIRST["question"]["text"])
    assert (leader.embedding, leader.epochs, len(leader.vector)) == ("golden-embedding", "0.0.0.0", 384)
    assert (ended.change.leader, ended.change.share, ended.change.reusable) == (leader.id, "any", 30.0)
    assert ended.after == "1795958421802-0"


def _identity(golden):
    return golden["fingerprint"], golden["scope"]


def test_a_follower_reads_what_its_leader_settled():
    [answer] = GOLDEN["inflight_answers"]
    settled = decode_settled(raw(answer))
    assert (settled.share, settled.reusable, settled.at) == ("any", 30.0, 1_795_958_421_807)
    assert settled.body["choices"][0]["message"]["content"] == "answer to: How tall is the red tower? [g1]"


async def test_the_outbox_is_drained_into_qdrant(valkey_url, embedded_qdrant_url, prefix):
    cache = Cache(valkey_url, embedded_qdrant_url, prefix, model="golden-embedding", dimension=384)
    draining = asyncio.create_task(cache.outbox().run())
    try:
        for record in GOLDEN["outbox"]:
            await cache.redis.xadd(cache.keys.outbox, {name: raw(value) for name, value in record.items()})

        async def drained():
            return await cache.redis.xlen(cache.keys.outbox) == 0

        await until(drained, what="an empty outbox")
        assert FIRST["fingerprint"] in await cache.vectors_of(cache.collection)
    finally:
        await stop(draining)
        await cache.aclose()


async def test_a_dead_letter_still_has_its_questions(client, redis, keys, valkey_url, prefix):
    await redis.hset(keys.dead, "job", raw(GOLDEN["dead_letter"]))
    async with DeadLetters(client, valkey_url, key_prefix=prefix) as letters:
        [letter] = await letters.get(["job"])
    assert (letter.cause, letter.tries, letter.lane) == ("crashed", 3, "interactive")
    assert [each.fingerprint for each in letter.chunk().questions] == [each["fingerprint"] for each in GOLDEN["scopes"]]
