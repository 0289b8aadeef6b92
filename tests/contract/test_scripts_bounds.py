"""What scripts do at a limit: results of many bytes, clients that poll, a Redis that is full or offers no INFO."""

import asyncio
import secrets
from contextlib import suppress

import pytest
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError

from askonce import Client, Question, QueueFull
from askonce.answer import Answer
from askonce.contract.completion import text_body
from askonce.contract.keys import Keys
from askonce.contract.pending import read_pending
from askonce.contract.result import result_record
from askonce.store.connection import Store
from askonce.store.fetch import MOST_BYTES, fetch_call, fetched
from askonce.store.scripts import Script
from support.failover import Managed, program  # noqa: F401
from support.scripts_fixture import DONE, PRINT, Scripts, scripts  # noqa: F401

MODEL = "m"


async def test_forgetting_leaves_what_is_pending(scripts):  # noqa: F811
    await scripts.submit("waits", "done", timeout_ms=900_000)
    await scripts.publish("done")
    args = [f"{scripts.keys.prefix}:result:", 1000, 0, "default:waits", "default:done", "default:unknown"]
    assert await Script("askonce", "forget")(scripts.redis, [], args) == 1
    assert await scripts.redis.pttl(scripts.keys.result("default", "waits")) > 800_000
    assert 0 < await scripts.redis.pttl(scripts.keys.result("default", "done")) <= 1000


async def test_a_question_submitted_again_after_it_was_unknown_keeps_its_time(valkey_url, prefix):
    async with Client(valkey_url, key_prefix=prefix, model=MODEL) as client, Redis.from_url(valkey_url) as redis:
        [answer] = [answer async for answer in client.as_completed(["lost"], forget=True)]
        assert answer.error.kind == "unknown_job"
        await client.submit("q", job_id="lost")
        await client.aclose()  # writes what was to be forgotten
        assert await redis.pttl(Keys(prefix).result("default", "lost")) > 80_000_000


async def test_clients_that_poll_are_not_gathered_in_the_marker(valkey_url, prefix):
    async with Client(valkey_url, key_prefix=prefix, model=MODEL) as asking, Redis.from_url(valkey_url) as redis:
        job_id = await asking.submit("q")
        key = Keys(prefix).result("default", job_id)
        for n in range(50):
            await Script("askonce", "listen")(redis, [], [Keys(prefix).result("default", ""), f"poller{n}", 1, job_id])
        listeners = read_pending(await redis.get(key)).listeners
        assert listeners == tuple(f"poller{n}" for n in range(18, 50)), "the newest 32"


async def test_a_client_that_is_no_listener_any_more_still_gets_its_answer(scripts, valkey_url):  # noqa: F811
    await scripts.submit("a")
    async with Client(valkey_url, key_prefix=scripts.keys.prefix, model=MODEL) as client:
        waits = asyncio.create_task(client.result("a", timeout=30))
        while b"listeners" not in await scripts.marker("a"):
            await asyncio.sleep(0.01)
        for n in range(40):
            await scripts.listen("a", listener=f"poller{n}")
        await scripts.publish("a")
        assert (await waits).text == "hi"


async def test_a_reply_has_a_bounded_size_and_all_values_come_in_the_end(valkey_url, prefix):
    async with Redis.from_url(valkey_url) as redis:
        sizes = [MOST_BYTES * 2, MOST_BYTES // 2, MOST_BYTES // 2 + 1, 10, 0, MOST_BYTES // 2]
        values = {f"{prefix}:{n}": secrets.token_bytes(size) for n, size in enumerate(sizes)}
        await redis.mset({key: value for key, value in values.items() if value})
        store = Store(valkey_url)
        assert [type(value) for value in (await store.pipeline([fetch_call(list(values))]))[0]] == [
            bytes, int, int, int, type(None), int
        ]  # fmt: skip
        found = [item async for item in fetched(store, list(values))]
        await store.aclose()
        assert dict(found) == {key: value or None for key, value in values.items()}
        await redis.delete(*values)


async def test_large_results_and_entries_reach_the_client(scripts, valkey_url):  # noqa: F811
    large = text_body("x" * (MOST_BYTES // 2), model=MODEL)
    ids = [f"j{n}" for n in range(6)]
    await scripts.submit(*ids)
    for job_id in ids:
        await scripts.publish(job_id, record=result_record(Answer(None, "answered", source="llm", body=large)))
    async with Client(valkey_url, key_prefix=scripts.keys.prefix, model=MODEL) as client:
        answers = [answer async for answer in client.as_completed(ids)]
        assert {(answer.job_id, len(answer.text)) for answer in answers} == {(i, MOST_BYTES // 2) for i in ids}
        assert set((await client.status(ids)).values()) == {"answered"}
        texts = [f"q{n}" for n in range(4)]
        for text in texts:
            await client.store(text, large)
        found = await asyncio.gather(*(client.lookup(text) for text in texts))
        assert [len(answer.text) for answer in found] == [MOST_BYTES // 2] * 4


async def test_what_frees_memory_works_while_redis_is_full(program, tmp_path, prefix):  # noqa: F811
    async with Managed(program, tmp_path).running() as servers, Client(servers.url, key_prefix=prefix) as client:
        keys, kept = Keys(prefix), Question("q", model=MODEL, namespace="default")
        await client.store(kept, "a")
        await client.submit(kept.with_fields(text="waits", job_id="waits"))
        await client.submit(kept.with_fields(job_id="done"))
        with servers.server(servers.master) as redis:
            marker = redis.get(keys.result("default", "done"))
            redis.set(keys.result("default", "done"), marker[: len('{"fingerprint":"') + 45] + DONE)
            redis.config_set("maxmemory", 1_000_000)
            with pytest.raises(OutOfMemoryError):
                redis.set("more", "x")
            assert await client.cancel(["waits"]) == ["waits"]
            assert await client.report_wrong("done", drop_entry=True)
            await client.invalidate(model=MODEL)
            assert redis.hget(keys.epochs, f"model:{MODEL}") == b"1"
            assert not redis.exists(keys.entry(kept.fingerprint))
            assert (await client.status(["waits"])) == {"waits": "failed"}


async def test_a_provider_that_offers_no_info_is_put_up_with(program, tmp_path, prefix, caplog):  # noqa: F811
    options = ("--rename-command", "INFO", "")
    async with (
        Managed(program, tmp_path).alone(*options) as servers,
        Client(servers.url, key_prefix=prefix, model=MODEL) as client,
    ):
        job_id = await client.submit("q")
        assert await client.store("kept", "a")
        assert (await client.lookup("kept")).text == "a"
        await client.invalidate(model=MODEL)
        assert await client.lookup("kept") is None
        assert await client.cancel([job_id]) == [job_id]
        assert "does not allow INFO" in caplog.text
        assert "no Redis replica has confirmed the invalidation" in caplog.text


async def test_a_map_waits_for_room_where_redis_alone_knows_that_it_is_full(program, tmp_path, prefix, caplog):  # noqa: F811
    full = ("--rename-command", "INFO", "", "--maxmemory", "4mb", "--maxmemory-policy", "noeviction")
    async with (
        Managed(program, tmp_path).alone(*full) as servers,
        Client(servers.url, key_prefix=prefix, model=MODEL) as client,
    ):
        with servers.server(servers.master) as redis:
            filled = fill(redis)
            with pytest.raises(QueueFull) as refused:
                await client.submit_many([f"q{number}" for number in range(20)])
            assert len(refused.value.refused) == 20
            answers = client.map([Question(f"q{number}", job_id=f"j{number}") for number in range(20)], in_flight=8)
            first = asyncio.create_task(anext(answers))
            await asyncio.sleep(0.1)
            redis.delete(*filled)
            while not await client.cancel(["j0"]):
                await asyncio.sleep(0.05)
            async with asyncio.timeout(30):
                assert (await first)[1].error.kind == "cancelled"
            await answers.aclose()
        assert caplog.text.count("does not allow INFO") == 1


def fill(redis):
    """Until Redis takes no more."""
    filled = []
    with suppress(OutOfMemoryError):
        while True:
            redis.set(f"filler:{len(filled)}", "x" * 10_000)
            filled.append(f"filler:{len(filled)}")
    return filled
