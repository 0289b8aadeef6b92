"""`askonce batch` over a real Redis that loses jobs, and with deadlines that pass while no batch runs."""

import asyncio
import time

import orjson
import pytest

from askonce.batch import redis_watch
from support.batch_command import Command
from support.batch_runs import batch, ids, records, texts, write
from support.ports import free_port
from support.services import RealService
from support.valkey_fixture import own_valkey  # noqa: F401
from support.worker_process import until

LINES = 20


@pytest.fixture
async def service(valkey_url, prefix):
    async with RealService(valkey_url, prefix) as service:
        yield service


async def all_pending(service):
    """The keys of all questions, once they are submitted."""

    async def pending():
        found = sorted([key async for key in service.redis.scan_iter(service.keys.result("default", "*"))])
        return found if len(found) == LINES else None

    return await until(pending, seconds=60, what="the questions in Redis")


@pytest.mark.parametrize("order", [[], ["--ordered"]], ids=["as they come", "in order"])
async def test_what_redis_has_lost_is_submitted_again(files, service, order):
    write(files / "in.jsonl", [f"Number {i}?" for i in range(LINES)])
    client = await service.client()
    service.pause()
    run = asyncio.create_task(batch(client, "in.jsonl", "out.jsonl", *order))
    lost = (await all_pending(service))[1:14:2]
    await service.redis.delete(*lost)
    service.resume()
    assert await asyncio.wait_for(run, 90) == 0
    found = ids(files / "out.jsonl")
    assert sorted(found) == sorted(f"c{i}" for i in range(LINES))
    if order:
        assert found == [f"c{i}" for i in range(LINES)]


async def test_what_expired_while_no_batch_ran_is_asked_again(files, service):
    write(files / "in.jsonl", [f"Number {i}?" for i in range(LINES)])
    client = await service.client()
    service.pause()
    run = asyncio.create_task(batch(client, "in.jsonl", "out.jsonl", "--timeout", "2"))
    keys = await all_pending(service)
    run.cancel()
    await asyncio.wait([run])

    async def past():
        markers = [orjson.loads(raw) for raw in await service.redis.mget(keys)]
        return all(marker["deadline"] < time.time() * 1000 for marker in markers)

    await until(past, seconds=30, what="the deadlines")
    service.resume()
    for _ in range(2):
        assert await asyncio.wait_for(batch(client, "in.jsonl", "out.jsonl", "--timeout", "60"), 90) == 0
    assert texts(files / "out.jsonl") == {f"c{i}": f"answer to: Number {i}?" for i in range(LINES)}
    assert len(records(files / "out.jsonl")) == LINES


async def test_a_redis_that_goes_away_is_named_within_seconds_and_waited_for(files, own_valkey, prefix, capsys):  # noqa: F811
    write(files / "in.jsonl", [f"Number {i}?" for i in range(LINES)])
    async with RealService(own_valkey.url, prefix) as service:
        client = await service.client()
        service.pause()
        run = asyncio.create_task(batch(client, "in.jsonl", "out.jsonl"))
        await all_pending(service)
        await asyncio.to_thread(own_valkey.stop)
        said = ""

        async def named():
            nonlocal said
            said += capsys.readouterr().err
            return redis_watch.AWAY in said

        await until(named, seconds=30, what="a word about Redis")
        await asyncio.to_thread(own_valkey.start)
        service.resume()
        assert await asyncio.wait_for(run, 60) == 0
    assert redis_watch.BACK in said + capsys.readouterr().err
    assert len(ids(files / "out.jsonl")) == LINES


async def test_no_live_worker_is_named_within_seconds(tmp_path, valkey_url, prefix):
    write(tmp_path / "in.jsonl", ["a?"])
    settings = {"ASKONCE_REDIS_URL": valkey_url, "ASKONCE_KEY_PREFIX": prefix, "ASKONCE_MODEL": "m"}
    process = await Command(tmp_path, settings).start()
    try:
        async with asyncio.timeout(60):
            while b"0 workers alive: start `askonce-worker run`" not in (line := await process.stderr.readline()):
                assert line, "the command ended without a word about workers"
    finally:
        process.kill()
        await process.communicate()


async def test_a_redis_that_is_not_there_ends_the_command_with_a_reason(tmp_path, prefix):
    write(tmp_path / "in.jsonl", ["a?"])
    settings = {"ASKONCE_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0", "ASKONCE_MODEL": "m"}
    code, _, errors = await asyncio.wait_for(Command(tmp_path, settings).run(), 60)
    assert code == 1
    assert "Redis" in errors
