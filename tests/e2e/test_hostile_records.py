"""A worker among records that nobody of ours has written: it refuses them, counts them and goes on with its work."""

import asyncio
import re
import urllib.request

import orjson
import pytest
from redis.asyncio import Redis

from askonce import Question
from askonce.contract.chunk import pack
from askonce.contract.keys import ARQ_JOB, Keys
from askonce.errors import UnknownJob
from askonce_worker.inflight.feed import SHARDS
from support.asking import client_for, settings_for
from support.jobs import job_record
from support.worker_process import until, workers

FRESH = ("llm", "inflight")
"""Not from the entry; one that was asked a moment ago still has its leader's answer."""
DEEP = b"[" * 5000 + b"]" * 5000
JOBS = {
    "truncated": b'{"t":null,"f":"answer_chunk","a":[{"v":1,',
    "nothing": b"",
    "a-pickle": b"\x80\x04\x95\x1a\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
    "another-function": b'{"t":null,"f":"os.system","a":["true"],"k":{},"et":1}',
    "deep": b'{"t":null,"f":"answer_chunk","a":[' + DEEP + b'],"k":{},"et":1}',
    "less-deep": b'{"t":null,"f":"answer_chunk","a":[' + b"[" * 900 + b"]" * 900 + b'],"k":{},"et":1}',
    "late": b'{"t":null,"f":"answer_chunk","a":[{}],"k":{},"et":1e300}',
    "keywords": b'{"t":null,"f":"answer_chunk","a":[{}],"k":{"ctx":1},"et":1}',
    "no-chunk": b'{"t":null,"f":"answer_chunk","a":["chunk"],"k":{},"et":1}',
    "no-questions": b'{"f":"answer_chunk","a":[{"v":1,"namespace":"n","timeout_ms":1,"scopes":[],"questions":[]}],'
    b'"k":{},"et":1}',
    "another-version": b'{"t":null,"f":"answer_chunk","a":[{"v":2}],"k":{},"et":1}',
    "huge": b'{"t":null,"f":"answer_chunk","a":[' + b" " * (1 << 26) + b'],"k":{},"et":1}',
}


@pytest.fixture
def settings(valkey_url, embedded_qdrant_url, llm_server, prefix, unused_tcp_port):
    return {
        **settings_for(valkey_url, embedded_qdrant_url, llm_server, prefix),
        "ASKONCE_METRICS_PORT": str(unused_tcp_port),
    }


@pytest.fixture
async def redis(valkey_url):
    client = Redis.from_url(valkey_url)
    yield client
    await client.aclose()


def refused(settings):
    with urllib.request.urlopen(f"http://127.0.0.1:{settings['ASKONCE_METRICS_PORT']}/metrics", timeout=60) as reply:
        text = reply.read().decode()
    found = re.findall(r'^askonce_refused_total\{kind="(\w+)"\} (\S+)', text, re.MULTILINE)
    return {kind: int(float(count)) for kind, count in found}


async def test_hostile_jobs_are_buried_and_the_others_answered(settings, redis, prefix):
    keys = Keys(prefix)
    async with workers(1, settings) as [worker], client_for(settings) as client:
        for name, record in JOBS.items():
            await redis.set(ARQ_JOB + name + prefix, record, px=600_000)
            await redis.zadd(keys.queue("bulk"), {name + prefix: 1})
        await redis.set(ARQ_JOB.encode() + b"\xff\xfe", b"{}", px=600_000)
        await redis.zadd(keys.queue("interactive"), {b"\xff\xfe": 1})
        ids = await client.submit_many([f"and this one? [g{n}]" for n in range(10)])
        answers = [answer async for answer in client.as_completed(ids, timeout=30)]
        assert {answer.status for answer in answers} == {"answered"}

        async def buried():
            return {name.decode().removesuffix(prefix) for name in await redis.hkeys(keys.dead)} == set(JOBS)

        await until(buried, what="the burial of all of them")

        async def nothing_left():
            left = [key(lane) for lane in ("interactive", "bulk") for key in (keys.queue, keys.leases, keys.tokens)]
            return await redis.exists(*left) == 0

        await until(nothing_left, what="an empty queue")
        counts = await asyncio.to_thread(refused, settings)
        assert counts["job"] == len(JOBS)
        assert worker.process.returncode is None


async def test_one_hostile_question_harms_no_neighbour(settings, redis, prefix):
    keys = Keys(prefix)
    async with workers(1, settings), client_for(settings) as client:
        questions = [Question(f"question {name}? [g{name}]", "test-model", job_id=name) for name in "abc"]
        questions = [question.filled(namespace="default", model=None) for question in questions]
        chunk = orjson.loads(pack("default", 60_000, questions))
        chunk["questions"][1] |= {"metadata": "HERE", "ttl": True, "threshold": "x", "cache": 5, "scope": 1 << 60}
        seconds, _ = await redis.time()
        record = job_record(orjson.dumps(chunk).replace(b'"HERE"', b"[" * 90 + b"]" * 90), seconds * 1000)
        for question in questions:
            marker = {"fingerprint": question.fingerprint, "deadline": (seconds + 60) * 1000, "at": seconds * 1_000_000}
            await redis.set(keys.result("default", question.job_id), orjson.dumps({**marker, "job": "bulk:hand"}))
        await redis.set(f"{ARQ_JOB}hand{prefix}", record, px=600_000)
        await redis.zadd(keys.queue("bulk"), {f"hand{prefix}": 1})
        first, third = [await client.result(name, timeout=30) for name in ("a", "c")]
        assert (first.text, third.text) == ("answer to: question a? [ga]", "answer to: question c? [gc]")
        [second] = [answer async for answer in client.as_completed(["b"], timeout=60)]
        assert (second.status, second.error.kind) == ("failed", "invalid_question")
        assert (await asyncio.to_thread(refused, settings))["question"] == 1


async def test_hostile_entries_streams_and_reports_are_left_out(settings, redis, prefix, llm_server):
    keys = Keys(prefix)
    async with workers(1, settings) as [worker], client_for(settings) as client:
        question = Question("how is it cached? [g1]", "test-model", namespace="default")
        assert (await client.ask(question)).source in FRESH
        entry = keys.entry(question.fingerprint)
        whole = await redis.get(entry)
        for record in (
            whole[:100],
            b"[]",
            b'{"body":' + DEEP + b"}",
            whole.replace(b'"choices":[{', b'"choices":[[{}],{'),
        ):
            await redis.set(entry, record, ex=600)
            assert (await client.ask(question)).source in FRESH
        await redis.set(entry, whole.replace(b'"epochs":"0.0.0.0"', b'"epochs":"9.9.9.9"'), ex=600)
        assert (await client.ask(question)).source in FRESH
        await redis.delete(entry)
        await redis.rpush(entry, "no string at all")
        job_id = await client.submit(question)
        assert (await client.result(job_id, timeout=60)).status == "answered"

        await redis.zadd(keys.wrong, {b"\xff": 1, b'{"pair":5}': 2, DEEP: 3})
        await redis.zadd(keys.dropped, {b"\xff": 1})
        await redis.xadd(keys.outbox, {b"fingerprint": b"\xff", b"vector": b"abc", b"record": b"{"})
        await redis.xadd(keys.outbox, {b"fingerprint": b"f" * 43, b"vector": b"\xff" * 32, b"record": whole[:50]})
        await redis.xadd(keys.outbox, {b"other": b"fields"})
        for shard in range(SHARDS):
            await redis.xadd(keys.feed(shard), {b"after": b"\xff", b"led": b"\xff", b"record": DEEP})
            await redis.hset(keys.leaders(shard), mapping={b"\xff": b"\xff", b"w/1": b"{}\n", b"w/2": DEEP})
        texts = [f"and what of this? [g2{n}]" for n in range(20)]
        ids = await client.submit_many([*texts, *(f"please {text}" for text in texts)])
        answers = [answer async for answer in client.as_completed(ids, timeout=30)]
        assert {answer.status for answer in answers} == {"answered"}
        asked = (await llm_server.stats())["chat"]["texts"]
        for text in texts:
            assert asked.get(text, 0) + asked.get(f"please {text}", 0) == 1, "one call"

        async def drained():
            return await redis.xlen(keys.outbox) == 0

        await until(drained, what="an empty outbox")

        async def counted():
            counts = await asyncio.to_thread(refused, settings)
            return counts if counts["feed"] >= 1 and counts["outbox"] >= 2 else None

        counts = await until(counted, what="the counts")
        assert counts["entry"] >= 4
        assert counts["wrong"] == 3
        assert worker.process.returncode is None
        assert "background.failed" not in worker.log.read_text()


async def test_hostile_results_and_notices_harm_no_client(settings, redis, prefix):
    keys = Keys(prefix)
    results = {
        "truncated": b'{"fingerprint":"x","status":"answ',
        "typed": b'{"fingerprint":"x","status":"answered","body":{"choices":5}}',
        "errors": b'{"fingerprint":"x","status":"failed","error":"no object"}',
        "deep": b'{"fingerprint":"x","status":"answered","body":' + DEEP + b"}",
    }
    async with workers(1, settings), client_for(settings) as client:
        for name, record in results.items():
            await redis.set(keys.result("default", name), record, ex=600)
        answers = [answer async for answer in client.as_completed(results, timeout=60)]
        assert {answer.error.kind for answer in answers} == {"invalid_response"}
        await redis.rpush(keys.result("default", "a-list"), "x")
        with pytest.raises(UnknownJob):
            await client.result("a-list", timeout=60)
        waiting = asyncio.create_task(client.ask("who listens? [g9]"))
        for key in [key async for key in redis.scan_iter(f"{keys.answered('')}*")]:
            await redis.xadd(key, {b"ids": b"\xff\xfe \x00"})
            await redis.xadd(key, {b"no": b"ids"})
        assert (await waiting).text == "answer to: who listens? [g9]"
        assert (await client.ask("and still? [g10]")).source == "llm"
