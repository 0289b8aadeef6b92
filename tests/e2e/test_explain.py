"""A worker explains why a question is, or is not, answered from the cache; and Redis alone says what it knows."""

import asyncio
import contextlib
import dataclasses

import orjson
import pytest
from arq.worker import func

import askonce
from askonce import Explanation, InForce, InvalidQuestion, Question, QueueFull
from askonce.cli import main
from askonce.contract.audit import group_id
from askonce.contract.chunk import FUNCTION
from askonce.contract.counters import SOURCES
from askonce.contract.keys import ARQ_JOB, Keys
from askonce.session.attendance import NO_WORKERS
from askonce.testing import FakeClient
from askonce_worker.answering.chunk_job import split
from askonce_worker.audit.policy import Policy, encode_policy
from askonce_worker.health.parts import PartHealth
from askonce_worker.process.service import answer_chunk
from askonce_worker.queue.arq_worker import LeasedWorker
from askonce_worker.queue.worker_options import JobHooks
from askonce_worker.redis.clock import RedisClock
from askonce_worker.redis.connection import connect_redis
from support.asking import MODEL, calls, client_for, settings_for
from support.counting import counters
from support.wired import wired_workers
from support.worker_process import until, workers

OPEN = "how do I open the red gate? [g1:0.98]"
SHUT = "how do I close the red gate? [g1:0.98]"
FAR = "how do I paint the red gate? [g2:0.8]"
FARTHER = "please how do I paint the red gate? [g2:0.8]"


@pytest.fixture
def settings(valkey_url, embedded_qdrant_url, llm_server, prefix):
    return settings_for(valkey_url, embedded_qdrant_url, llm_server, prefix)


async def cached(client, redis, prefix, *questions):
    """Asked, their jobs ended, and their vectors stored."""
    for question in questions:
        await client.ask(question)

    async def arrived():
        waiting = await redis.hget(Keys(prefix).load, "interactive")
        return await redis.xlen(Keys(prefix).outbox) == 0 and int(waiting or 0) == 0

    await until(arrived, what="the vectors")


async def test_every_reason_is_told_and_nothing_is_asked_counted_or_cached(settings, llm_server, redis, prefix):
    settings = {**settings, "ASKONCE_SEMANTIC_MAX_CHARS": "200"}
    await redis.set(Keys(prefix).upkeep_lock, "held")  # what was invalidated is swept by nobody
    async with workers(1, settings), client_for(settings) as client:
        brief = Question(OPEN, system="Be brief.", params={"temperature": 0})
        elsewhere = Question("whose gate is it? [g9]", namespace="elsewhere")
        await cached(client, redis, prefix, OPEN, FAR, brief, elsewhere)
        before = await state(redis, prefix), await calls(llm_server)

        expected = [
            (OPEN, "exact", "exact", ()),
            ("please how do I open the red gate? [g1:0.98]", "semantic", "semantic", ()),
            (SHUT, "none", "refused", ("opposite",)),
            (FARTHER, "none", "below_threshold", ("threshold",)),
            (Question(OPEN, cache="refresh"), "none", "refresh", ()),
            (Question(OPEN, cache="bypass"), "none", "bypass", ()),
            (Question(OPEN, semantic=False, system="Other."), "none", "exact_only", ()),
            (Question("what is it?", params={"n": 2}), "none", "exact_only", ()),
            ("what is the latest on the red gate? [g1:0.98]", "none", "about_now", ()),
            ("how? " * 50, "none", "too_long", ()),
            ("nothing like it at all [g77]", "none", "below_threshold", ("threshold",)),
            (Question(OPEN, system="Be brief.", params={"temperature": 1}), "none", "other_scope", ()),
            (Question(elsewhere.text, namespace="a-third"), "none", "no_entry", ()),
        ]
        for question, outcome, reason, refused in expected:
            found = await client.explain(question)
            assert (found.outcome, found.reason, found.explained_by, found.note) == (outcome, reason, "worker", "")
            if refused:
                assert found.in_scope[0].refused_by[:1] == refused, question
            assert found.in_force.threshold == 0.95
        assert (await state(redis, prefix), await calls(llm_server)) == before
        await other_scopes(client)
        await withdrawn(client, redis, prefix)


async def state(redis, prefix):
    keys = Keys(prefix)
    counted = await counters(redis, keys)
    entries = sorted([key async for key in redis.scan_iter(f"{keys.entry('')}*")])
    load = {name: count for name, count in (await redis.hgetall(keys.load)).items() if name != b"most"}  # upkeep's
    rest = await redis.xlen(keys.outbox), load, await redis.hlen(keys.dead)
    answers = {name: count for name, count in counted.items() if name.split(b"|")[0].decode() in SOURCES}
    return answers, entries, rest  # what calls cost is counted a moment later


async def other_scopes(client):
    """What differs from the nearest scope, without whole prompts."""
    asked = Question(OPEN, system="Be brief. " * 100, params={"temperature": 1})
    found = await client.explain(asked)
    differ = {each.field: (each.asked, each.cached) for each in found.elsewhere[0].differences}
    assert found.elsewhere[0].refused_by == ("scope",)
    assert differ.keys() <= {"system", "params.temperature"}
    assert differ["params.temperature"][0] == "1"
    assert max(len(text or "") for pair in differ.values() for text in pair) <= 60
    found = await client.explain(OPEN, model="other-model")
    [(field, asked, cached)] = [dataclasses.astuple(each) for each in found.elsewhere[-1].differences[:1]]
    assert (field, asked, cached) == ("model", "other-model", MODEL)


async def withdrawn(client, redis, prefix):
    """Reported, invalidated, expired."""
    near = "please how do I open the red gate? [g1:0.98]"
    job_id = await client.submit(near)
    await client.result(job_id)
    await client.report_wrong(job_id)
    found = await client.explain(near)
    assert (found.reason, found.detail) == ("refused", "reported")
    await client.invalidate(model=MODEL)
    found = await client.explain(OPEN)
    assert (found.reason, found.exact.state, found.exact.invalidated_by) == ("invalidated", "invalidated", ("model",))
    assert found.epochs == "0.1.0.0"
    assert ("epoch", "reported") in [entry.refused_by for entry in (await client.explain(near)).elsewhere]
    found = await client.explain("kindly how do I open the red gate? [g1:0.98]")
    assert found.reason == "invalidated"
    assert ("epoch",) in [entry.refused_by for entry in found.elsewhere]
    await redis.delete(Keys(prefix).entry(found.fingerprint), Keys(prefix).entry(Question(OPEN, MODEL).fingerprint))
    assert (await client.explain(OPEN)).reason == "expired"


async def test_the_command_says_it_in_three_lines_of_80_columns(settings, redis, prefix, monkeypatch, capsys):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ASKONCE_MODEL", MODEL)
    monkeypatch.setenv("COLUMNS", "80")
    async with workers(1, settings), client_for(settings) as client:
        await cached(client, redis, prefix, OPEN)

        async def said(*words, code=0):
            assert await asyncio.to_thread(main, ["explain", *words]) == code
            return capsys.readouterr()

        told = (await said(SHUT)).out.splitlines()
        assert told[0] == "no hit: the nearest question needs another answer: opposite"
        assert told[1].startswith('nearest: "how do I open')
        assert told[1].endswith("old; refused: opposite")
        assert told[2].startswith("in force: threshold 0.95; epochs 0.0.0.0; scope ")
        assert len(told) == 3
        told = (await said(OPEN, "--param", "temperature=0.2")).out.splitlines()
        assert told[0] == ("no hit: cached in another scope: params.temperature is 0.2, there none")
        assert max(map(len, told)) <= 80
        found = orjson.loads((await said(OPEN, "--json")).out)
        assert (found["outcome"], found["explained_by"]) == ("exact", "worker")
        blocking = await asyncio.to_thread(askonce.explain, OPEN)
        assert blocking.outcome == "exact"

    async def all_gone():
        async with client_for(settings) as client:
            return await client.workers_alive() == 0

    await until(all_gone, what="the end of their signs of life")
    assert (await said(OPEN, code=1)).err == f"askonce: {NO_WORKERS}\n"


@pytest.mark.parametrize("over", ["fake", "worker"])
async def test_the_fake_explains_as_a_worker_does(over, settings, redis, prefix):
    await redis.set(Keys(prefix).upkeep_lock, "held")  # what has expired is swept by nobody
    async with contextlib.AsyncExitStack() as stack:
        if over == "fake":
            client = await stack.enter_async_context(FakeClient(model=MODEL))
        else:
            await stack.enter_async_context(workers(1, settings))
            client = await stack.enter_async_context(client_for(settings))
        assert (await client.explain("how do I? [g3]")).reason == "no_entry"
        await cached(client, redis, prefix, "how do I? [g3]")
        assert (await client.explain("how do I? [g3]")).outcome == "exact"
        assert (await client.explain("how do I? [g3]", cache="refresh")).reason == "refresh"
        assert (await client.explain("how do I? [g3]", namespace="elsewhere")).reason == "no_entry"
        found = await client.explain("how do I? [g3]", system="Be brief.")
        assert (found.outcome, found.reason, found.elsewhere[0].refused_by) == ("none", "other_scope", ("scope",))
        assert [dataclasses.astuple(each) for each in found.elsewhere[0].differences] == [("system", "Be brief.", None)]
        await client.store("warmed? [g4]", "yes", system="Be kind.")
        await cached(client, redis, prefix)
        found = await client.explain("warmed? [g4]")
        assert [dataclasses.astuple(each) for each in found.elsewhere[0].differences] == [("system", None, "Be kind.")]
        await client.store("for a second?", "yes", ttl=1)
        await until(lambda: gone(client, "for a second?"), what="its end")
        assert (await client.explain("for a second?")).reason == "expired"
        await client.invalidate(namespace="default")
        found = await client.explain("how do I? [g3]")
        assert (found.reason, found.exact.invalidated_by, found.epochs) == ("invalidated", ("namespace",), "0.0.1.0")
        for wrong in ({"timeout": 0}, {"cache": "never"}):
            with pytest.raises(ValueError, match="timeout|cache"):
                await client.explain("q", **wrong)
        with pytest.raises(InvalidQuestion):
            await client.explain("")


async def gone(client, question):
    return await client.lookup(question) is None


async def test_without_a_worker_redis_says_what_it_knows(settings, redis, prefix):
    async with client_for(settings, max_queued=1) as client:
        await client.store(OPEN, "so")
        found = await client.explain(OPEN)
        assert (found.outcome, found.explained_by, found.note, found.in_force) == ("exact", "redis", NO_WORKERS, None)
        await client.invalidate(all=True)
        found = await client.explain(OPEN)
        assert (found.reason, found.exact.invalidated_by) == ("invalidated", ("all",))
        await redis.set(Keys(prefix).entry(found.fingerprint), b"no record")
        assert (await client.explain(OPEN)).exact.state == "unreadable"
        assert await redis.zcard(Keys(prefix).queue("interactive")) == 0
        await redis.zadd(Keys(prefix).workers, {"one": 2**52})  # alive, and claims nothing
        found = await client.explain("never asked", timeout=1)
        assert (found.reason, found.note) == ("no_entry", "no worker explained it within 1 s")
        with pytest.raises(QueueFull, match="interactive"):
            await client.explain("never asked")


async def test_a_worker_of_an_older_release_asks_nothing_and_the_client_is_told(settings, llm_server, redis, prefix):
    keys = Keys(prefix)
    async with wired_workers(1, settings) as [wired], connect_redis(settings["ASKONCE_REDIS_URL"], reconnects=0) as own:
        older = LeasedWorker(
            [func(answer_chunk, name=FUNCTION)],
            redis=own,
            keys=keys,
            clock=RedisClock(),
            worker="older",
            hooks=JobHooks(split, wired.service.jobs.give_up, note=wired.service.jobs.position),
            health=PartHealth(),
            handle_signals=False,
        )
        older.ctx["jobs"] = wired.service.jobs
        running = asyncio.create_task(older.async_run())
        await until(lambda: redis.zcard(keys.workers), what="a sign of life")
        found = await wired.client.explain(OPEN, timeout=60)
        assert found.explained_by == "redis"
        assert found.note.startswith("the worker that took it runs an older release")
        assert await calls(llm_server) == 0
        assert (await wired.client.ask(OPEN, timeout=60)).source == "llm"  # it goes on
        running.cancel()
        await asyncio.wait({running})


async def test_a_request_that_is_malformed_or_late_harms_no_worker(settings, redis, prefix):
    keys = Keys(prefix)
    async with workers(1, settings), client_for(settings) as client:
        for number, payload in enumerate(([], [{"v": 2}], [{"v": 1, "chunk": {}}], [{"v": 1}, 2])):
            job = f"explain-{number}"
            record = {"t": None, "f": "explain_question", "a": payload, "k": {}, "et": 1}
            await redis.set(f"{ARQ_JOB}{job}", orjson.dumps(record), px=60_000)
            await redis.zadd(keys.queue("interactive"), {job: 1})
        await until(lambda: all_buried(redis, keys, 4), what="the burial")
        assert isinstance(await client.explain(OPEN), Explanation)


async def all_buried(redis, keys, count):
    return await redis.hlen(keys.dead) == count


async def test_the_policy_in_force_is_told_and_decides(settings, redis, prefix):
    policy = Policy(version=3, threshold=0.9999, chance=0.05)
    await redis.set(Keys(prefix).audit.policy(group_id("default", MODEL, None)), encode_policy(policy))
    async with workers(1, {**settings, "ASKONCE_ERROR_BUDGET": "0.01"}), client_for(settings) as client:
        await cached(client, redis, prefix, OPEN)
        found = await client.explain("please how do I open the red gate? [g1:0.98]")
        assert (found.reason, found.in_scope[0].refused_by) == ("below_threshold", ("threshold",))
        assert found.in_force == InForce(0.9999, "cosine", 3, 0.05)
        elsewhere = await client.explain("please how do I open the red gate? [g1:0.98]", model="other-model")
        assert elsewhere.in_force.threshold == 0.95  # nothing was decided about this group
        assert elsewhere.reason == "other_scope"
