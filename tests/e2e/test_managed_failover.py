"""A failover under one address, and what URLs of providers look like: a worker and its client go on."""

import asyncio
import json

import pytest

from askonce import Question
from askonce_worker.check.findings import findings
from askonce_worker.settings import Settings
from support.asking import answers_to, client_for, collected, settings_for, until_asked
from support.failover import Managed, managed, program  # noqa: F401
from support.worker_process import start_worker, until, workers


def events(worker, name):
    lines = [json.loads(line) for line in worker.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == name]


async def test_worker_and_client_follow_to_the_new_master(managed: Managed, llm_server, qdrant_url, prefix):  # noqa: F811
    settings = settings_for(managed.url, qdrant_url, llm_server, prefix)
    async with client_for(settings) as client, workers(1, settings) as (worker,):
        before = "what was answered before? [g1]"
        assert [answer.source for answer in await answers_to(client, [before])] == ["llm"]
        await llm_server.control(chat={"latency_ms": 1500})
        texts = [f"who owns house {number}? [g{number}]" for number in range(20, 60)]
        ids = await client.submit_many(texts)
        await until_asked(llm_server)
        await asyncio.to_thread(managed.demote)
        await asyncio.sleep(2)  # the address leads to the old master for a while
        managed.switch()
        answers = await collected(client, ids, seconds=60)
        assert [answer.text or answer.error for answer in answers] == [f"answer to: {text}" for text in texts]
        assert [answer.source for answer in await answers_to(client, [before])] == ["exact"]
        asked = await asyncio.gather(*(client.ask(f"is it house {n}? [g{n}]", timeout=30) for n in range(100, 130)))
        assert all(answer.text for answer in asked)
        assert (await llm_server.stats(brief=True))["chat"]["calls"] == 71, "nothing is paid twice"
        assert await worker.stop() == 0


async def test_a_worker_ends_when_no_server_takes_writes_for_too_long(managed: Managed, llm_server, qdrant_url, prefix):  # noqa: F811
    settings = {**settings_for(managed.url, qdrant_url, llm_server, prefix), "ASKONCE_REDIS_AWAY_LIMIT": "3"}
    async with workers(1, settings) as (worker,):
        await asyncio.to_thread(managed.demote)
        assert await asyncio.wait_for(worker.process.wait(), 60) == 1
        [ended] = events(worker, "worker.ended")
        assert "Redis has not answered" in ended["reason"]


@pytest.mark.parametrize("seconds", [0.5, 5])
async def test_writes_that_are_refused_for_a_while_cost_no_call_twice(managed, seconds, llm_server, qdrant_url, prefix):  # noqa: F811
    settings = settings_for(managed.url, qdrant_url, llm_server, prefix)
    async with client_for(settings) as client, workers(2, settings):
        await llm_server.control(chat={"latency_ms": 700})
        texts = [f"who owns house {number}? [g{number}]" for number in range(50)]
        ids = await client.submit_many([Question(text, cache="bypass") for text in texts])
        await until_asked(llm_server, in_flight=20)
        with managed.server(managed.master) as redis:
            redis.config_set("min-replicas-to-write", 5)
            await asyncio.sleep(seconds)
            redis.config_set("min-replicas-to-write", 0)
        answers = await collected(client, ids, seconds=60)
        assert [answer.text or answer.error for answer in answers] == [f"answer to: {text}" for text in texts]
        assert (await llm_server.stats(brief=True))["chat"]["calls"] == len(texts)


async def test_writes_that_are_refused_for_a_while_end_no_map(managed, llm_server, qdrant_url, prefix):  # noqa: F811
    settings = settings_for(managed.url, qdrant_url, llm_server, prefix)
    async with client_for(settings) as client, workers(1, settings):
        texts = [f"who owns house {number}? [g{number}]" for number in range(400)]
        answers = client.map(texts, in_flight=64)
        found = [(await anext(answers))[1].text for _ in range(20)]
        with managed.server(managed.master) as redis:
            redis.config_set("min-replicas-to-write", 5)
            asyncio.get_running_loop().call_later(5, redis.config_set, "min-replicas-to-write", 0)
            found += [answer.text async for _, answer in answers]
        assert found == [f"answer to: {text}" for text in texts]


async def test_a_failover_to_a_server_that_evicts_is_seen(managed: Managed, llm_server, qdrant_url, prefix):  # noqa: F811
    with managed.server(managed.replica) as redis:
        redis.config_set("maxmemory-policy", "allkeys-lru")
    settings = settings_for(managed.url, qdrant_url, llm_server, prefix)
    async with workers(1, settings) as (worker,):
        assert not events(worker, "redis.evicts")
        await asyncio.to_thread(managed.demote)
        managed.switch()

        async def seen():
            return events(worker, "redis.evicts")

        [event] = await until(seen, what="the warning")
        assert event["policy"] == "allkeys-lru"


@pytest.mark.parametrize("query", ["?protocol=3", "?max_connections=6&socket_timeout=5&client_name=shop"])
async def test_a_worker_takes_the_options_of_a_url(valkey_url, query, llm_server, qdrant_url, prefix):
    settings = settings_for(f" '{valkey_url}{query}'\n", qdrant_url, llm_server, prefix)
    async with client_for(settings) as client, workers(1, settings) as (worker,):
        texts = [f"who owns house {number}? [g{number}]" for number in range(40)]
        assert {answer.source for answer in await answers_to(client, texts)} == {"llm"}

        async def similar():
            return (await client.ask("please who owns house 7? [g7]")).source in ("semantic", "exact")

        await until(similar, what="the vector of an earlier question")
        assert not events(worker, "outbox.waiting")


async def test_a_worker_goes_on_without_info(program, tmp_path, llm_server, qdrant_url, prefix):  # noqa: F811
    async with Managed(program, tmp_path).alone("--rename-command", "INFO", "") as server:
        settings = settings_for(server.url, qdrant_url, llm_server, prefix)
        async with client_for(settings) as client, workers(1, settings) as (worker,):
            assert [answer.source for answer in await answers_to(client, ["who is there? [g1]"])] == ["llm"]
            assert [event["level"] for event in events(worker, "redis.no_info")] == ["warning"]
            assert await worker.stop() == 0
        found = await findings(Settings(redis_url=server.url, OPENAI_BASE_URL=llm_server.base_url, OPENAI_API_KEY="k"))
        [redis] = [finding for finding in found if finding.part == "redis"]
        assert redis.ok
        assert "INFO" in redis.advice


async def test_an_option_that_cannot_be_honoured_stops_the_start_by_its_name(valkey_url, tmp_path):
    settings = {"ASKONCE_REDIS_URL": f"{valkey_url}?decode_responses=true"}
    worker = await start_worker(settings, tmp_path / "log")
    assert await asyncio.wait_for(worker.process.wait(), 60) == 2
    assert "decode_responses" in worker.tail()
    assert "Traceback" not in worker.tail()
