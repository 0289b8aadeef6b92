"""A failover under one address: the old master lives on as a read-only replica, behind connections that never close."""

import asyncio
import logging

import pytest
from redis.exceptions import ConnectionError  # noqa: A004

from askonce import Client, StoreUnreachable
from askonce.contract.keys import Keys
from askonce_worker.redis.connection import connect_redis
from support.failover import Managed, managed, program  # noqa: F401

MODEL = "m"


@pytest.fixture
async def client(managed: Managed, prefix):  # noqa: F811
    async with Client(managed.url, key_prefix=prefix, model=MODEL) as client:
        yield client


async def warm_up(client):
    """Many connections, all of them to the old master."""
    await asyncio.gather(*(client.submit(f"before {n}") for n in range(40)), *(client.status(["a"]) for _ in range(40)))


async def test_the_client_follows_with_its_first_write(managed: Managed, client):  # noqa: F811
    await warm_up(client)
    await asyncio.to_thread(managed.demote)
    managed.switch()
    ids = await asyncio.gather(*(client.submit(f"after {n}") for n in range(100)))
    assert set((await client.status(ids)).values()) == {"queued"}
    assert await client.store("is it kept?", "yes")


async def test_while_nobody_takes_writes_redis_is_away(managed: Managed, client):  # noqa: F811
    await warm_up(client)
    await asyncio.to_thread(managed.demote)
    with pytest.raises(StoreUnreachable, match="READONLY|read only") as raised:
        await client.submit("now?")
    assert isinstance(raised.value.__cause__, ConnectionError)
    managed.switch()
    assert await client.submit("and now?")


async def test_a_map_goes_on_once_there_is_a_master_again(managed: Managed, client, prefix):  # noqa: F811
    await warm_up(client)
    await asyncio.to_thread(managed.demote)
    answers = client.map([f"q{n}" for n in range(30)], in_flight=40)
    first = asyncio.ensure_future(anext(answers))
    await asyncio.sleep(2)  # longer than a single call is repeated
    assert not first.done()
    managed.switch()
    with managed.server(managed.replica) as redis:
        for _ in range(300):
            if int(redis.hget(Keys(prefix).load, "bulk") or 0) == 30:
                break
            await asyncio.sleep(0.1)
        else:
            raise AssertionError("the questions are not in the queue")
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await answers.aclose()


async def test_all_connections_of_a_workers_pool_follow(managed: Managed):  # noqa: F811
    async with connect_redis(managed.url, reconnects=0) as redis:
        await asyncio.gather(*(redis.blpop(["none"], timeout=0.1) for _ in range(5)))
        await asyncio.to_thread(managed.demote)
        with pytest.raises(ConnectionError):
            await redis.set("k", "v")
        managed.switch()
        roles = await asyncio.gather(*(redis.info("replication") for _ in range(5)))
        assert [role["role"] for role in roles] == ["master"] * 5
        assert await redis.set("k", "v")


async def test_an_invalidation_waits_for_a_replica(managed: Managed, client, prefix, caplog):  # noqa: F811
    await client.invalidate(model=MODEL)
    with managed.server(managed.replica) as redis:
        assert redis.hget(Keys(prefix).epochs, f"model:{MODEL}") == b"1"
    assert caplog.text == ""


async def test_an_invalidation_that_no_replica_confirms_says_so(managed: Managed, client, caplog):  # noqa: F811
    await client.invalidate(model=MODEL)
    managed.freeze_replica()
    with caplog.at_level(logging.WARNING, "askonce"):
        await client.invalidate(model=MODEL)
    managed.thaw_replica()
    assert "no Redis replica has confirmed the invalidation" in caplog.text


async def test_a_unix_socket_leads_to_redis_too(program, tmp_path, prefix):  # noqa: F811
    path = tmp_path / "redis.sock"
    async with (
        Managed(program, tmp_path).alone("--unixsocket", str(path)),
        Client(f"unix://{path}?db=1", key_prefix=prefix, model=MODEL) as client,
        connect_redis(f"unix://{path}?db=1") as redis,
    ):
        job_id = await client.submit("q")
        assert await redis.exists(Keys(prefix).result("default", job_id))
