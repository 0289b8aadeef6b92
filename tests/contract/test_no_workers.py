"""Where no worker is alive, or Redis is not there, the one who waits learns it within seconds."""

import asyncio
import logging
import threading
import time

import pytest

import askonce
from askonce import AnswerTimeout, Client, StoreUnreachable, own_loop
from askonce.session.attendance import NO_WORKERS, NOTICE
from support.client_fixtures import until
from support.ports import free_port


@pytest.fixture
async def idle(service, client):
    """A client of a service whose workers are gone."""
    service.pause()

    async def none_alive():
        return await client.workers_alive() == 0

    await until(none_alive)
    return client


async def test_workers_are_counted(client, service):
    async def one_alive():
        return await client.workers_alive() == 1

    await until(one_alive)


async def test_a_timeout_names_the_missing_workers(idle):
    with pytest.raises(AnswerTimeout, match=NO_WORKERS):
        await idle.ask("q", timeout=0.2)
    job_id = await idle.submit("q")
    with pytest.raises(AnswerTimeout, match=f"{job_id}: {NO_WORKERS}"):
        await idle.result(job_id, timeout=0.2)
    with pytest.raises(AnswerTimeout, match=NO_WORKERS):
        async for _ in idle.as_completed([job_id], timeout=0.2):
            pass


async def test_a_timeout_does_not_blame_workers_that_are_alive(client, service):
    async def slow(question):
        await asyncio.sleep(30)

    service.answering = slow
    with pytest.raises(AnswerTimeout) as caught:
        await client.ask("q", timeout=1)
    assert "workers" not in str(caught.value)


async def test_who_waits_is_told_once_and_gets_the_answer_when_a_worker_comes(idle, service, caplog):
    async def said():
        return bool(caplog.messages)

    with caplog.at_level(logging.WARNING, "askonce"):
        asks = [asyncio.create_task(idle.ask(f"q{number}", timeout=60)) for number in range(3)]
        mapped = asyncio.create_task(anext(idle.map(["mapped"])))
        await until(said)
        service.resume()
        answers = await asyncio.gather(*asks)
        _, last = await mapped
    assert caplog.messages == [NO_WORKERS]
    assert [answer.status for answer in [*answers, last]] == ["answered"] * 4


async def test_workers_that_go_while_one_waits_are_missed(client, service, caplog):
    async def slow(question):
        await asyncio.sleep(60)

    async def said():
        return bool(caplog.messages)

    service.answering = slow
    with caplog.at_level(logging.WARNING, "askonce"):
        waiting = asyncio.create_task(client.ask("q", timeout=60))
        await asyncio.sleep(NOTICE + 0.5)
        assert not caplog.messages
        service.pause()
        await until(said, 20)
        waiting.cancel()
    assert caplog.messages == [NO_WORKERS]


async def test_run_ends_at_its_timeout_though_its_source_blocks(valkey_url, prefix, monkeypatch):
    monkeypatch.setattr(own_loop, "GRACE", 0.5)
    released = threading.Event()

    def source():
        yield "x"
        released.wait(60)

    options = {"redis_url": valkey_url, "key_prefix": prefix, "model": "m"}
    began = time.monotonic()
    with pytest.raises(AnswerTimeout, match="not all answers within 0.5 s: the source"):
        await asyncio.to_thread(askonce.run, source(), timeout=0.5, **options)
    assert time.monotonic() - began < 10
    released.set()


async def test_run_ends_at_its_timeout_and_and_says_why(valkey_url, prefix):
    began = time.monotonic()
    options = {"redis_url": valkey_url, "key_prefix": prefix, "model": "m"}
    with pytest.raises(AnswerTimeout, match=f"question 1 within 0.5 s: {NO_WORKERS}"):
        await asyncio.to_thread(askonce.run, ["x"], timeout=0.5, **options)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("ordered", [True, False])
async def test_a_redis_that_was_never_there_ends_a_map_as_soon_as_an_ask(ordered):
    async with Client(f"redis://127.0.0.1:{free_port()}/0", model="m") as client:
        began = time.monotonic()
        with pytest.raises(StoreUnreachable):
            await client.ask("q")
        asked = time.monotonic() - began
        for cache in ("use", "refresh"):
            began = time.monotonic()
            with pytest.raises(StoreUnreachable):
                async for _ in client.map([askonce.Question("q", cache=cache), "r"], ordered=ordered):
                    pass
            assert time.monotonic() - began < asked + 2
