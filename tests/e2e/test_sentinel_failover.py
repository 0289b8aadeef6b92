"""A Redis that Sentinel watches fails over under a worker and a client: both go on, and nothing replicated is lost."""

import asyncio

from askonce_worker.redis.connection import connect_redis
from support.asking import answers_to, client_for, collected, settings_for, until_asked
from support.sentinel import Watched, watched  # noqa: F401
from support.worker_process import until, workers


async def replicated(servers: Watched) -> None:
    """Everything that the master was told by now has reached the replica."""
    with servers.server(servers.master) as master:
        sent = master.info("replication")["master_repl_offset"]
    with servers.server(servers.replica) as replica:
        await until(lambda: asyncio.to_thread(lambda: replica.info("replication")["slave_repl_offset"] >= sent))


async def test_a_worker_and_its_client_go_on_after_a_failover(watched: Watched, llm_server, qdrant_url, prefix):  # noqa: F811
    settings = settings_for(watched.url_of("worker"), qdrant_url, llm_server, prefix)
    asking = {**settings, "ASKONCE_REDIS_URL": watched.url_of("producer")}
    async with client_for(asking) as client, workers(1, settings) as (worker,):
        before = "what was answered before? [g1]"
        assert [answer.source for answer in await answers_to(client, [before])] == ["llm"]
        await llm_server.control(chat={"latency_ms": 1500})
        texts = [f"who owns house {number}? [g{number}]" for number in range(20, 60)]
        ids = await client.submit_many(texts)
        await until_asked(llm_server)
        await replicated(watched)
        await asyncio.to_thread(watched.fail_over)
        answers = await collected(client, ids, seconds=60)
        assert [answer.text for answer in answers] == [f"answer to: {text}" for text in texts]
        assert [answer.source for answer in await answers_to(client, [before])] == ["exact"]
        assert await worker.stop() == 0
    async with connect_redis(settings["ASKONCE_REDIS_URL"]) as redis:
        assert (await redis.info("replication"))["role"] == "master"
