"""A month's traffic, scaled down: what `askonce stats` says is what the provider saw and what the clients were told."""

import asyncio
import random
import sys
from collections import Counter

import orjson
import pytest
from redis.asyncio import Redis

from askonce import Client, Question, QuestionFailed
from askonce.contract.keys import Keys
from askonce.operator.admin import Admin
from askonce.prices.price_file import FilePrices
from support.asking import patient_settings
from support.worker_process import environment, until, workers

MONTH, REPEATED = 187_000, 0.4
SCALE = 100
PRICES = FilePrices({"model-a": {"input": 2.0, "output": 8.0}, "model-b": {"input": 0.5, "output": 1.5}})
WORDS = ("How tall is", "What height has", "Please tell me: how tall is")


@pytest.fixture
def settings(valkey_url, embedded_qdrant_url, llm_server, prefix):
    return patient_settings(valkey_url, embedded_qdrant_url, llm_server, prefix)


def a_month():
    """Questions of two tenants and two models; four of ten were asked before, some of them in other words."""
    chance = random.Random(5)
    fresh, questions = 0, []
    for _ in range(MONTH // SCALE):
        if fresh and chance.random() < REPEATED:
            number = chance.randrange(fresh)
        else:
            number, fresh = fresh, fresh + 1
        words = chance.choice(WORDS) if chance.random() < 0.5 else WORDS[0]
        questions.append(
            Question(
                f"{words} tower number {number}? [g{number}]",
                model=("model-a", "model-b")[number % 2],
                namespace=("one", "two")[number // 2 % 2],
                metadata=number,
            )
        )
    return questions


async def told(client, questions):
    """Where the answers came from: most in bulk, every tenth by `ask`."""
    sources = Counter()

    async def ask(question):
        try:
            sources[(await client.ask(question, timeout=60)).source] += 1
        except QuestionFailed:
            sources["failed"] += 1

    bulk = [question for place, question in enumerate(questions) if place % 10]
    asking = asyncio.gather(*(ask(question) for question in questions[::10]))
    async for _, answer in client.map(bulk, in_flight=400, ordered=False):
        sources[answer.source or "failed"] += 1
    await asking
    for question in questions[:50]:
        await ask(question)  # exact hits of the client's own
    return sources


async def test_the_stats_of_a_month_equal_what_the_provider_saw_and_the_clients_were_told(settings, llm_server, prefix):
    await llm_server.control(chat={"latency_ms": [0, 10]})
    await llm_server.fail("chat", "status", status=429, times=20)
    await llm_server.fail("chat", "status", status=400, contains="tower number 7?")
    questions = a_month()
    async with Client(settings["ASKONCE_REDIS_URL"], key_prefix=prefix) as client, workers(2, settings):
        sources = await told(client, questions)
    seen = (await llm_server.stats(brief=True))["chat"]

    async with Admin(settings["ASKONCE_REDIS_URL"], key_prefix=prefix) as admin:
        report = await admin.stats(PRICES)
        tenant = await admin.stats(PRICES, namespace="one", model="model-a")

    for period in ("hour", "day", "month", "total"):
        figures = report[period]
        assert figures["questions"] == len(questions) + 50 == sum(sources.values())
        assert figures["llm_calls"] == seen["calls"]
        assert figures["failed_calls"] == seen["failed"] > 20
        assert figures["tokens"] == {"input": seen["prompt_tokens"], "output": seen["completion_tokens"], "cached": 0}
        assert figures["failed"] == sources["failed"] > 0
        assert figures["hits"] == {name: sources[name] for name in ("exact", "semantic", "inflight")}
        assert figures["calls_saved"] == sources["exact"] + sources["semantic"] + sources["inflight"] > 600
        assert {name: sum(part[name] for part in figures["by"]) for name in ("questions", "llm_calls")} == {
            "questions": figures["questions"],
            "llm_calls": figures["llm_calls"],
        }
        assert figures["money_spent"] == pytest.approx(sum(part["money_spent"] for part in figures["by"]))
    [part] = tenant["total"]["by"]
    assert part in report["total"]["by"]
    assert tenant["total"]["questions"] == part["questions"] < len(questions)
    assert part["money_spent"] == pytest.approx(
        (part["tokens"]["input"] * 2.0 + part["tokens"]["output"] * 8.0) / 1_000_000
    )


async def test_latencies_are_those_the_client_saw(settings, llm_server, prefix):
    await llm_server.control(chat={"latency_ms": 400})
    async with Client(settings["ASKONCE_REDIS_URL"], key_prefix=prefix, model="m") as client, workers(1, settings):
        await asyncio.gather(*(client.ask(f"Slow? [g{number}]", timeout=60) for number in range(20)))
        for number in range(20):
            await client.ask(f"Slow? [g{number}]", timeout=60)
    async with Admin(settings["ASKONCE_REDIS_URL"], key_prefix=prefix) as admin:
        latency = (await admin.stats(PRICES))["total"]["latency"]
    assert latency["miss"]["p50"] > 0.36
    assert latency["hit"]["p99"] < latency["miss"]["p50"]
    assert latency["joined"]["p50"] is None


async def test_the_state_of_the_queue_is_told(settings, prefix):
    async with (
        Client(settings["ASKONCE_REDIS_URL"], key_prefix=prefix, model="m") as client,
        Admin(settings["ASKONCE_REDIS_URL"], key_prefix=prefix) as admin,
    ):
        assert (await admin.stats(PRICES))["now"]["lanes"]["bulk"]["oldest_s"] is None
        await client.submit_many([f"Number {i}?" for i in range(130)])
        await client.submit("One more?")
        await client.store("Known?", "yes")

        async def has_age():
            return (await admin.stats(PRICES))["now"]["lanes"]["bulk"]["oldest_s"] > 0

        await until(has_age)
        now = (await admin.stats(PRICES))["now"]
    lanes = now["lanes"]
    assert (lanes["bulk"]["questions"], lanes["bulk"]["waiting_jobs"], lanes["bulk"]["running_jobs"]) == (130, 3, 0)
    assert lanes["interactive"]["questions"] == 1
    assert (now["entries"], now["workers"]) == (1, 0)
    assert 50 < now["entries_bytes"] < 2000


async def command(settings, *words):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "askonce.cli", *words,
        env=environment(settings), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_the_commands(settings, prefix):
    redis, keys = Redis.from_url(settings["ASKONCE_REDIS_URL"]), Keys(prefix)
    await redis.hset(keys.stats("total"), mapping={"exact|n|gpt-4o-mini": 3, "saved_in|n|gpt-4o-mini": 1_000_000})

    code, out, _ = await command(settings, "stats")
    assert code == 0
    assert "saved, USD" in out
    assert "0.1500" in out
    assert max(map(len, out.splitlines())) <= 80
    code, out, _ = await command(settings, "stats", "--json")
    assert orjson.loads(out)["total"]["money_saved"] == pytest.approx(0.15)
    for words, field in [
        (["--model", "m"], "model:m"),
        (["--namespace", "default"], "namespace:default"),
        (["--model", "m", "--namespace", "n"], "both:n:m"),
        (["--all"], "all"),
    ]:
        before = await redis.hgetall(keys.epochs)
        assert (await command(settings, "invalidate", *words))[0] == 0
        assert await redis.hgetall(keys.epochs) == {**before, field.encode(): b"1"}
    code, _, err = await command(settings, "invalidate")
    assert code == 2
    assert "invalidate what" in err
    await redis.aclose()


async def test_an_invalidation_says_how_many_entries_it_met(settings, prefix):
    async with Client(settings["ASKONCE_REDIS_URL"], key_prefix=prefix) as client:
        for number in range(1200):
            space, model = ("one", "two")[number % 2], ("gpt-4o-mini", "o3")[number % 3 == 0]
            await client.store(Question(f"Known {number}?", namespace=space, model=model), "yes")

    async def met(*words):
        code, out, err = await command(settings, "invalidate", *words, "--json")
        assert code == 0
        said = orjson.loads(out)
        assert (said["of"], said["whole"]) == (1200, True)
        return said["entries"], err

    assert await met("--model", "o3", "--namespace", "one") == (200, "")
    assert await met("--model", "o3", "--namespace", "one") == (
        0,
        "askonce: " + NONE + "model 'o3' and namespace 'one'\n",
    )
    assert await met("--model", "o3") == (200, "")
    entries, err = await met("--model", "gpt-4o-mni")
    assert (entries, err) == (0, f"askonce: {NONE}model 'gpt-4o-mni'; did you mean gpt-4o-mini?\n")
    assert (await met("--all"))[0] == 800
    code, out, _ = await command(settings, "invalidate", "--namespace", "three")
    assert (code, out.split()[0]) == (0, "invalidated")


async def test_entries_that_cannot_be_counted_are_invalidated(settings, prefix):
    redis, keys = Redis.from_url(settings["ASKONCE_REDIS_URL"]), Keys(prefix)
    await redis.set(keys.entry("f"), rb'{"epochs":"0.0.0.0","model":"\x","namespace":"n"}')
    await redis.zadd(keys.touched, {"f": 1})
    code, _, err = await command(settings, "invalidate", "--model", "m")
    assert (code, "could not be counted (JSONDecodeError)" in err) == (0, True)
    assert await redis.hgetall(keys.epochs) == {b"model:m": b"1"}
    await redis.aclose()


async def test_a_count_that_takes_too_long_says_at_least(settings, prefix):
    async with Client(settings["ASKONCE_REDIS_URL"], key_prefix=prefix, model="m") as client:
        await asyncio.gather(*(client.store(f"Known {number}?", "yes") for number in range(1100)))
    async with Admin(settings["ASKONCE_REDIS_URL"], key_prefix=prefix) as admin:
        count = await admin.count_entries(model="m", seconds=0)
    assert (count.matching, count.looked_at, count.total, count.whole) == (500, 500, 1100, False)


NONE = "none of the 1,200 entries is for "
