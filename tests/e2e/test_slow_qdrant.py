"""A Qdrant that is slow, or away: what the LLM is asked all the same."""

import time

import numpy as np
import pytest

from askonce import Question
from askonce_worker.answering.ports import StoredVector
from askonce_worker.cache import qdrant_messages as messages
from askonce_worker.cache.qdrant_channel import QdrantChannel
from support.asking import MODEL, Bench, answers_to, calls, client_for, paraphrases, settings_for
from support.counting import counters
from support.ports import free_port
from support.qdrant_proxy import slow_qdrant
from support.worker_process import until, workers

TOWNS = """Ulm Pisa Paris London Berlin Rome Madrid Vienna Prague Oslo Athens Lisbon Dublin Warsaw Zagreb Sofia Riga
Bern Tallinn Vilnius Minsk"""
ALL_TOPICS = [f"What has the tower of {town}? [g{town}]" for town in TOWNS.split()]
TOPICS = ALL_TOPICS[:6]
DECOYS, DIMENSIONS, BATCH = 30_000, 384, 1000


def reworded(topics, each):
    """Of every topic so many, in turn."""
    columns = [paraphrases(topic, each + 1)[1:] for topic in topics]
    return [text for row in zip(*columns, strict=True) for text in row]


@pytest.fixture
async def proxied(valkey_url, embedded_qdrant_url, llm_server, prefix):
    """Settings by which a worker reaches Qdrant through a proxy, and the proxy."""
    async with slow_qdrant(embedded_qdrant_url) as proxy:
        yield settings_for(valkey_url, proxy.url, llm_server, prefix) | {"ASKONCE_LEASE": "10"}, proxy


async def filled(bench, topics=TOPICS):
    """The topics are cached, and can be found. Nobody has asked the LLM."""
    for topic in topics:
        await bench.client.store(topic, f"answer to: {topic}")

    async def none_waits():
        return await bench.redis.xlen(bench.keys.outbox) == 0

    await until(none_waits, seconds=60, what="an empty outbox")


async def waits(bench):
    """Questions whose look waited for a slow server."""
    return int((await counters(bench.redis, bench.keys)).get(f"waited|default|{MODEL}".encode(), 0))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seconds", [1.0, 20.0])
async def test_a_slow_qdrant_costs_no_call(proxied, llm_server, seconds):
    settings, proxy = proxied
    async with workers(1, settings), client_for(settings) as client, Bench(settings, client, llm_server) as bench:
        await filled(bench)
        proxy.seconds, before = seconds, await waits(bench)
        answers = await answers_to(client, reworded(TOPICS, 50), lane="bulk", seconds=240)
        counted = await waits(bench) - before
    assert {answer.source for answer in answers} == {"semantic"}
    assert {answer.unmatched for answer in answers} == {None}
    assert await calls(llm_server) == 0
    waited = [answer for answer in answers if answer.waited is not None]
    assert counted == len(waited) > 0


@pytest.mark.timeout(300)
async def test_an_ask_waits_a_moment_for_a_slow_qdrant_and_goes_on(proxied, llm_server):
    settings, proxy = proxied
    async with workers(1, settings), client_for(settings) as client, Bench(settings, client, llm_server) as bench:
        await filled(bench)
        proxy.seconds = 30.0
        began = time.monotonic()
        answer = await client.ask(f"Please, {TOPICS[0]}", timeout=60)
        assert time.monotonic() - began < 20
        assert (answer.source, answer.unmatched) == ("llm", "qdrant_slow")
        proxy.seconds = 0.0


@pytest.mark.timeout(300)
async def test_a_worker_that_is_told_to_stop_does_not_wait_for_a_slow_qdrant_and_loses_nothing(proxied, llm_server):
    settings, proxy = proxied
    async with client_for(settings) as client, Bench(settings, client, llm_server) as bench:
        async with workers(1, settings | {"ASKONCE_GRACE": "1"}) as [worker]:
            await filled(bench)
            proxy.seconds = 120.0
            texts = reworded(TOPICS, 20)
            ids = await client.submit_many([Question(text, model=MODEL) for text in texts])

            async def under_way():
                return proxy.delayed

            await until(under_way, what="a search")
            assert await worker.stop(seconds=60) == 0
        proxy.seconds = 0.0
        async with workers(1, settings):
            answers = [await client.result(each, timeout=100) for each in ids]
    assert {answer.source for answer in answers} == {"semantic"}
    assert await calls(llm_server) == 0


@pytest.mark.timeout(300)
async def test_a_qdrant_that_is_gone_is_done_without_after_a_while_and_used_when_it_is_back(
    valkey_url, embedded_qdrant_url, llm_server, prefix
):
    port = free_port()
    settings = settings_for(valkey_url, f"http://127.0.0.1:{port}", llm_server, prefix)
    async with (
        workers(1, settings | {"ASKONCE_SEMANTIC_WAIT": "3"}),
        client_for(settings) as client,
        Bench(settings, client, llm_server) as bench,
    ):
        async with slow_qdrant(embedded_qdrant_url, port):
            await filled(bench)
        away = await answers_to(client, [f"Please, {topic}" for topic in TOPICS], lane="bulk", seconds=60)
        assert {(answer.source, answer.unmatched) for answer in away} == {("llm", "qdrant_down")}
        counts = await counters(bench.redis, bench.keys)
        assert int(counts[f"unmatched:qdrant_down|default|{MODEL}".encode()]) == len(TOPICS)
        async with slow_qdrant(embedded_qdrant_url, port):
            others = iter(reworded(TOPICS, 98))

            async def found_again():
                [answer] = await answers_to(client, [next(others)], lane="bulk", seconds=60)
                return answer.source == "semantic"

            await until(found_again, seconds=60, what="a match in Qdrant")


async def decoys(url, collection, scope):
    """So many other questions of the scope that a search takes a while."""
    client, random = QdrantChannel(url), np.random.default_rng(1)
    expires = int(time.time()) + 3600
    for first in range(0, DECOYS, BATCH):
        rows = random.standard_normal((BATCH, DIMENSIONS)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        names = [Question(f"decoy {first + number}", model="m", namespace="n").fingerprint for number in range(BATCH)]
        stored = [
            StoredVector(name, row, scope, "0.0.0.0", MODEL, "default", 1, expires)
            for name, row in zip(names, rows, strict=True)
        ]
        points = [messages.point(each) for each in stored]
        request = messages.qdrant.UpsertPoints(collection_name=collection, wait=True, points=points)
        await client.grpc_points.Upsert(request, timeout=60)
    await client.close()


@pytest.mark.timeout(600)
async def test_its_own_load_is_no_reason_for_a_worker_to_buy_what_the_cache_has(
    valkey_url, embedded_qdrant_url, llm_server, prefix
):
    settings = settings_for(valkey_url, embedded_qdrant_url, llm_server, prefix) | {"ASKONCE_LEASE": "10"}
    await llm_server.control(embeddings={"dimensions": DIMENSIONS})
    async with workers(1, settings), client_for(settings) as client, Bench(settings, client, llm_server) as bench:
        await filled(bench, ALL_TOPICS)
        name = f"{messages.collection_prefix(prefix, settings['ASKONCE_EMBEDDING_MODEL'])}{DIMENSIONS}"
        await decoys(embedded_qdrant_url, name, Question("any", model=MODEL, namespace="default").scope)
        many = reworded(ALL_TOPICS, 98)
        answers = await answers_to(client, many, lane="bulk", seconds=500)
    assert len(many) > 32 * 64
    assert {answer.source for answer in answers} == {"semantic"}
    assert await calls(llm_server) == 0
