"""A real worker under load tells Prometheus what the clients were told and what the provider saw."""

import asyncio
import urllib.error
from collections import Counter

import pytest
from redis.asyncio import Redis

from askonce import Question
from askonce.contract.counters import tokens
from askonce.contract.keys import Keys
from askonce.operator.admin import Admin
from askonce.prices.load import load_prices
from askonce.prices.money import from_nano
from support.asking import client_for, collected, paraphrases, settings_for, until_asked
from support.jobs import put
from support.metrics import free_ports, scrape
from support.valkey_fixture import own_valkey  # noqa: F401
from support.worker_process import start_worker, until, workers

PRICED, UNPRICED = "gpt-4o-mini", "test-model"
HISTOGRAMS = (
    "gen_ai_client_operation_duration_seconds",
    "askonce_stage_duration_seconds",
    "askonce_embedding_batch_size",
    "askonce_semantic_similarity",
)
OF_A_WORKER = {
    "askonce_questions_total",
    "askonce_llm_calls_total",
    "askonce_llm_errors_total",
    "askonce_llm_retries_total",
    "askonce_leaders",
    "askonce_followers",
    "askonce_takeovers_total",
    "askonce_embeddings_broken",
    "askonce_under_way_most",
    "askonce_leases_lost_total",
    "askonce_refused_total",
    "askonce_parts_failing",
    "askonce_redis_reachable",
    "process_resident_memory_bytes",
    *(f"{name}_{part}" for name in HISTOGRAMS for part in ("bucket", "count", "sum")),
}
OF_ALL = {
    "askonce_queue_waiting",
    "askonce_queue_leased",
    "askonce_queue_questions",
    "askonce_queue_oldest_age_seconds",
    "askonce_outbox_depth",
    "askonce_outbox_lag_seconds",
    "askonce_dead_letters",
    "askonce_parked_questions",
    "askonce_provider_batches",
    "askonce_entries",
    "askonce_workers_alive",
}
OF_THE_INSTALLATION = {
    f"askonce_installation_{name}_total"
    for name in (
        "questions", "llm_calls", "llm_errors", "tokens", "saved_tokens", "cached_tokens", "spent_dollars",
        "saved_dollars", "wrong_hits", "cancelled",
    )
}  # fmt: skip
STAGES = {"exact", "embed", "semantic", "turn", "claim", "llm", "follow", "publish"}


@pytest.fixture
def settings(valkey_url, embedded_qdrant_url, llm_server, prefix):
    watched = {"ASKONCE_METRICS_PORT": str(free_ports(2))}
    return {**settings_for(valkey_url, embedded_qdrant_url, llm_server, prefix), **watched}


@pytest.fixture
async def redis(settings):
    async with Redis.from_url(settings["ASKONCE_REDIS_URL"]) as redis:
        yield redis


@pytest.fixture
def keys(settings):
    return Keys(settings["ASKONCE_KEY_PREFIX"])


async def answers_of_a_load(client, redis, keys):
    """Waves of new, repeated and reworded questions of two models in both lanes, as (lane, question, answer)."""
    told = []
    for wave, numbers in enumerate((range(60), range(30, 90), range(60))):
        jobs = []
        for lane in ("interactive", "bulk"):
            words = paraphrases(f"how tall is the {lane} tower?", 2)[wave % 2]
            questions = [
                Question(f"{words} [g{lane}{number}]", model=(PRICED, UNPRICED)[number % 2])
                for number in [*numbers, *numbers[:20]]
            ]
            questions.append(Question(f"poison {wave}", model=UNPRICED))
            jobs.append((lane, questions, await client.submit_many(questions, lane=lane)))
        for lane, questions, ids in jobs:
            answers = await collected(client, ids)
            told += zip([lane] * len(ids), questions, answers, strict=True)

        async def no_vector_waits():
            return await redis.xlen(keys.outbox) == 0

        await until(no_vector_waits, what="an empty outbox")
    return told


def saved_by(told, model):
    """Tokens in and out of the answers that cost no call."""
    sums = [0, 0]
    for _, question, answer in told:
        if question.model == model and answer.source not in (None, "llm"):
            tokens_in, tokens_out, _ = tokens(answer.body)
            sums[0] += tokens_in
            sums[1] += tokens_out
    return sums[0], sums[1]


async def at_rest(settings):
    """Once the last job is finished: its answers were there before."""

    async def nothing_runs():
        metrics = await scrape(settings)
        return metrics.sum("askonce_queue_leased") == 0 and metrics

    return await until(nothing_runs, what="the end of the last job")


async def test_what_is_scraped_is_what_was_asked_and_answered(settings, llm_server, redis, keys):
    await llm_server.control(chat={"latency_ms": [5, 30]})
    await llm_server.fail("chat", "status", status=429, times=6)
    await llm_server.fail("chat", "status", status=400, contains="poison")
    async with client_for(settings) as client, workers(1, settings):
        told = await answers_of_a_load(client, redis, keys)
        seen = await llm_server.stats(brief=True)
        await at_rest(settings)
        sources = Counter((answer.source or answer.status, question.model) for _, question, answer in told)

        async def all_counted():
            metrics = await scrape(settings)
            of_all = metrics.by("askonce_installation_questions_total", "source", "gen_ai_request_model")
            return of_all == sources and metrics

        metrics = await until(all_counted, what="every answer to be counted")

    assert metrics.names >= OF_A_WORKER | OF_ALL
    assert {source for source, _ in sources} == {"exact", "semantic", "inflight", "llm", "failed"}
    by_the_worker = metrics.by("askonce_questions_total", "source", "lane", "gen_ai_request_model")
    assert {lane for _, lane, _ in by_the_worker} == {"interactive", "bulk"}
    assert sum(by_the_worker.values()) == len(told)
    semantic = sum(answer.source == "semantic" for _, _, answer in told)
    assert 0 < metrics.sum("askonce_semantic_similarity_count") <= semantic
    assert 0.95 < metrics.sum("askonce_semantic_similarity_sum") / metrics.sum("askonce_semantic_similarity_count") <= 1

    the_calls(metrics, seen)
    the_money(metrics, told, seen["chat"])
    assert metrics.names >= OF_THE_INSTALLATION
    assert {stage for (stage,) in metrics.by("askonce_stage_duration_seconds_count", "stage")} == STAGES
    assert metrics.sum("askonce_entries") == await redis.zcard(keys.touched) > 0
    assert metrics.sum("askonce_workers_alive") == metrics.sum("askonce_redis_reachable") == 1
    empty = OF_ALL - {"askonce_entries", "askonce_workers_alive"}
    assert {name: metrics.sum(name) for name in empty} == dict.fromkeys(empty, 0)
    nothing = ("leaders", "followers", "refused_total", "leases_lost_total", "embeddings_broken")
    assert [metrics.sum(f"askonce_{name}") for name in nothing] == [0] * 5


def the_calls(metrics, seen):
    chat, embeddings = seen["chat"], seen["embeddings"]
    assert metrics.sum("askonce_llm_calls_total") == chat["calls"] > 100
    assert metrics.sum("askonce_llm_errors_total") == chat["failed"]
    assert metrics.sum("askonce_llm_errors_total", kind="rate_limit") == 6
    assert metrics.sum("askonce_llm_retries_total", kind="rate_limit") == 6 == metrics.sum("askonce_llm_retries_total")
    assert metrics.sum("askonce_llm_errors_total", kind="bad_request") == chat["failed"] - 6 > 0
    durations = "gen_ai_client_operation_duration_seconds"
    assert metrics.sum(f"{durations}_count", gen_ai_operation_name="chat") == chat["calls"]
    assert metrics.sum(f"{durations}_count", gen_ai_operation_name="chat", error_type="rate_limit") == 6
    assert 0.005 < metrics.sum(f"{durations}_sum", gen_ai_operation_name="chat") / chat["calls"] < 5
    assert metrics.sum(f"{durations}_count", gen_ai_operation_name="embeddings") == embeddings["calls"]
    assert metrics.sum("askonce_embedding_batch_size_count") == embeddings["calls"] > 0
    assert metrics.sum("askonce_embedding_batch_size_sum") == embeddings["inputs"] > 0


def the_money(metrics, told, chat):
    prices, of_model = load_prices(), ("gen_ai_token_type", "gen_ai_request_model")
    billed = metrics.by("askonce_installation_tokens_total", *of_model)
    assert billed["input", PRICED] + billed["input", UNPRICED] == chat["prompt_tokens"] > 0
    assert billed["output", PRICED] + billed["output", UNPRICED] == chat["completion_tokens"] > 0
    saved = metrics.by("askonce_installation_saved_tokens_total", *of_model)
    for model in (PRICED, UNPRICED):
        assert (saved["input", model], saved["output", model]) == saved_by(told, model) > (0, 0)
    usage = (int(billed["input", PRICED]), 0, int(billed["output", PRICED]))
    spent = metrics.by("askonce_installation_spent_dollars_total", "gen_ai_request_model")
    assert spent == {(PRICED,): pytest.approx(from_nano(prices.total(PRICED, usage)))}
    saved_in, saved_out = saved_by(told, PRICED)
    cost = from_nano(prices.total(PRICED, (saved_in, 0, saved_out)))
    assert metrics.by("askonce_installation_saved_dollars_total", "gen_ai_request_model") == {
        (PRICED,): pytest.approx(cost)
    }


async def test_prometheus_and_stats_say_the_same_of_the_whole_installation(settings, llm_server):
    """Two workers and the exact hits that clients take straight from the cache."""
    await llm_server.fail("chat", "status", status=400, contains="poison")
    questions = [Question(f"how deep is it? [gd{n}]", model=(PRICED, UNPRICED)[n % 2]) for n in range(20)]
    async with client_for(settings) as client, workers(1, settings, "--processes", "2"):
        await collected(client, await client.submit_many([*questions, Question("poison", model=PRICED)]))
        for _ in range(30):
            for question in questions:
                assert (await client.ask(question)).source == "exact"
        async for _, answer in client.map(questions * 10):
            assert answer.source == "exact"

        async def said_by_stats():
            async with Admin(settings["ASKONCE_REDIS_URL"], key_prefix=settings["ASKONCE_KEY_PREFIX"]) as admin:
                return (await admin.stats(load_prices()))["total"]

        async def agree():
            stats, metrics = await said_by_stats(), await scrape(settings)
            return stats["hits"]["exact"] == 800 and figures_of(metrics) == figures_in(stats) and stats

        stats = await until(agree, what="both to say the same")
    assert stats["questions"] == 821
    assert stats["money_saved"] > stats["money_spent"] > 0


def figures_of(metrics):
    """The figures of the installation, as Prometheus reads them."""

    def total(name, **labels):
        return metrics.sum(f"askonce_installation_{name}_total", **labels)

    return {
        "questions": total("questions"),
        "failed": total("questions", source="failed"),
        "hits": [total("questions", source=source) for source in ("exact", "semantic", "inflight")],
        "llm_calls": total("llm_calls"),
        "failed_calls": total("llm_errors"),
        "tokens": [total("tokens", gen_ai_token_type=kind) for kind in ("input", "output")],
        "tokens_saved": [total("saved_tokens", gen_ai_token_type=kind) for kind in ("input", "output")],
        "money": [pytest.approx(total(f"{kind}_dollars")) for kind in ("spent", "saved")],
    }


def figures_in(stats):
    return {
        **{name: stats[name] for name in ("questions", "failed", "llm_calls", "failed_calls")},
        "hits": [stats["hits"][source] for source in ("exact", "semantic", "inflight")],
        "tokens": [stats["tokens"][kind] for kind in ("input", "output")],
        "tokens_saved": [stats["tokens_saved"][kind] for kind in ("input", "output")],
        "money": [stats["money_spent"], stats["money_saved"]],
    }


async def test_what_waits_and_what_runs_is_told_while_it_does(settings, llm_server, redis, keys):
    await llm_server.control(chat={"latency_ms": 60_000})
    narrow = {**settings, "ASKONCE_CHUNKS": "3", "ASKONCE_CHUNK_SIZE": "4"}
    words = paraphrases("who built it? [gheld]", 5)
    async with client_for(settings, chunk_size=4) as client, workers(1, narrow):
        await client.submit(words[0])
        await until_asked(llm_server)
        for text in words[1:]:
            await client.submit_many([text], lane="interactive")
        await client.submit_many([f"number {number}? [gn{number}]" for number in range(600)])

        async def told():
            metrics = await scrape(settings)
            waits = metrics.sum("askonce_queue_waiting", lane="bulk") > 0
            runs = metrics.sum("askonce_queue_leased", lane="interactive") == 5
            follows = metrics.sum("askonce_leaders") > 1 and metrics.sum("askonce_followers") == 4
            ages = metrics.by("askonce_queue_oldest_age_seconds", "lane")
            questions = metrics.by("askonce_queue_questions", "lane") == {("interactive",): 5, ("bulk",): 600}
            return waits and runs and follows and questions and len(ages) == 2

        await until(told, what="the state of the queue")


async def test_a_follower_that_asks_in_its_leaders_place_is_counted(settings, llm_server):
    await llm_server.control(chat={"latency_ms": 9_000})
    first, second = paraphrases("who takes over? [gt1]", 2)
    async with client_for(settings) as client, workers(1, settings):
        leader = await client.submit(first, timeout=5)
        await until_asked(llm_server)
        follower = await client.submit(second, timeout=60)
        assert (await collected(client, [leader, follower]))[0].error.kind == "expired"

        async def counted():
            metrics = await scrape(settings)
            return metrics.sum("askonce_takeovers_total") == 1 and metrics

        metrics = await until(counted, what="the takeover to be counted")
    assert metrics.sum("askonce_llm_errors_total", kind="cancelled") == 1


async def test_a_lease_that_another_worker_took_is_counted(settings, llm_server, redis, keys):
    await llm_server.control(chat={"latency_ms": 60_000})
    async with client_for(settings) as client, workers(1, settings):
        await client.submit("whose is it? [gl1]")
        await until_asked(llm_server)
        [job] = await redis.hkeys(keys.tokens("interactive"))
        await redis.hset(keys.tokens("interactive"), job, "another-7 0 0 1")

        async def lost():
            return (await scrape(settings)).sum("askonce_leases_lost_total") == 1

        await until(lost, what="the loss")


async def test_what_cannot_be_read_is_counted_by_what_it_is(settings, llm_server, redis, keys):
    async with client_for(settings) as client, workers(1, settings):
        question = Question("what is spoilt? [gs1]", model=UNPRICED, namespace="default")
        fingerprint = question.checked(namespace="default", model=UNPRICED).fingerprint
        await redis.set(keys.entry(fingerprint), b'{"choices":')
        [answer] = await collected(client, [await client.submit(question)])
        assert answer.source == "llm"
        await redis.xadd(keys.outbox, {"fingerprint": fingerprint, "vector": b"123", "record": b'{"embedding":1}'})
        await redis.xadd(keys.feed(0), {"after": "0-0", "led": "x", "record": b"?"})
        await put(redis, keys, raw=b'{"t":')

        async def all_counted():
            counts = (await scrape(settings)).by("askonce_refused_total", "kind")
            return counts.keys() >= {("entry",), ("outbox",), ("feed",), ("job",)} and counts

        counts = await until(all_counted, what="the refusals")
        assert counts["entry",] == counts["job",] == 1
        assert (await scrape(settings)).sum("askonce_dead_letters") == 1


async def test_vectors_that_qdrant_does_not_take_are_seen_to_wait(settings, llm_server):
    away = {"ASKONCE_QDRANT_URL": "http://127.0.0.1:1", "ASKONCE_SEMANTIC_WAIT": "0.5"}
    async with client_for(settings) as client, workers(1, settings | away):
        await collected(client, await client.submit_many([f"held up {number}? [gq{number}]" for number in range(5)]))

        async def waits():
            metrics = await scrape(settings)
            return metrics.sum("askonce_outbox_depth") == 5 and metrics.sum("askonce_outbox_lag_seconds") > 0

        await until(waits, what="the outbox to be told")


async def test_while_redis_is_away_its_figures_are_left_out(settings, own_valkey, llm_server):  # noqa: F811
    settings = {**settings, "ASKONCE_REDIS_URL": own_valkey.url}
    async with client_for(settings) as client, workers(1, settings):
        await collected(client, [await client.submit("before it went? [gr1]")])
        assert (await scrape(settings)).names >= OF_ALL
        own_valkey.stop()
        metrics = await scrape(settings)
        assert metrics.sum("askonce_redis_reachable") == 0
        assert not (OF_ALL | OF_THE_INSTALLATION) & metrics.names
        assert metrics.sum("askonce_questions_total", source="llm") == 1
        own_valkey.start()

        async def is_back():
            return (await scrape(settings)).names >= OF_ALL

        await until(is_back, what="the figures of Redis")


async def test_each_process_has_a_port_of_its_own(settings, llm_server, tmp_path, redis, keys):
    worker = await start_worker(settings, tmp_path / "worker.log", "--processes", "2")
    try:

        async def both_alive():
            return await redis.zcard(keys.workers) == 2

        await until(both_alive, seconds=60, what="two workers")
        first, second = await scrape(settings), await scrape(settings, 1)
        assert first.sum("askonce_workers_alive") == second.sum("askonce_workers_alive") == 2
        # Two processes may begin, and work for, the same hundredths of a second; their memory differs too.
        names = [f"process_{each}" for each in ("start_time_seconds", "cpu_seconds_total", "resident_memory_bytes")]
        assert [first.sum(name) for name in names] != [second.sum(name) for name in names]
    finally:
        await worker.stop()


async def test_a_port_that_is_taken_stops_the_start_with_its_reason(settings, llm_server, tmp_path):
    async with workers(1, settings):
        second = await start_worker(settings, tmp_path / "second.log")
        assert await asyncio.wait_for(second.process.wait(), 60) == 2, second.tail()
        assert "ASKONCE_METRICS_PORT" in second.tail()


async def test_without_a_port_nobody_listens(settings, llm_server):
    off = {name: value for name, value in settings.items() if name != "ASKONCE_METRICS_PORT"}
    async with client_for(settings) as client, workers(1, off):
        await collected(client, [await client.submit("unwatched? [gu1]")])
        with pytest.raises(urllib.error.URLError):
            await scrape(settings)
