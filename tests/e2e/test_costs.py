"""What askonce says it spent is what the provider bills, and budgets and bounds hold, whoever is killed."""

import random
from pathlib import Path

import orjson
import pytest

from askonce import Question, QuestionFailed
from askonce.operator.admin import Admin
from askonce.prices.load import load_prices
from support.asking import client_for, collected, settings_for
from support.batch_runs import batch
from support.worker_process import until, workers

MODEL = "gpt-5.4-mini"
PRICES = {MODEL: {"default": [750_000, 75_000, 4_500_000], "flex": [375_000, 37_500, 2_250_000]}}
FULL = {"kind": "status", "status": 429, "code": "resource_unavailable", "tier": "flex", "share": 0.3}
NO_DRIFT = 1e-6
"""Dollars: each answer's cost is rounded to a billionth."""
BUDGET = 0.006
SYSTEM = "Answer the question of a customer in one word. " * 8


@pytest.fixture
def settings(valkey_url, embedded_qdrant_url, llm_server, prefix, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return {
        **settings_for(valkey_url, embedded_qdrant_url, llm_server, prefix),
        "ASKONCE_BULK_TIER": "flex",
        "ASKONCE_PROMPT_CACHE_KEY": "always",
        "ASKONCE_BUDGETS": f"capped={BUDGET}/day",
        "ASKONCE_LLM_TIMEOUT": "5",
    }


async def bill(llm_server):
    """Dollars."""
    return (await llm_server.stats(brief=True))["chat"]["bill"] / 10**12


async def test_the_report_is_the_bill_and_no_bound_is_passed(settings, llm_server, capsys):
    await llm_server.control(chat={"prices": PRICES, "prompt_cache": True, "latency_ms": [0, 20], "failures": [FULL]})
    async with client_for(settings, model=MODEL) as client, workers(2, settings) as pool:
        await a_mix(settings, client, llm_server)
        await a_file(client, llm_server, capsys)
        await a_budget(client, llm_server, pool)


async def a_mix(settings, client, llm_server):
    """Flex with refusals, asks in the standard tier, the provider's cache, repeats and rewordings."""
    dice = random.Random(11)
    numbers = [dice.randrange(180) for _ in range(300)]
    questions = [Question(f"How tall is tower {n}? [g{n}]", system=SYSTEM if n % 2 else None) for n in numbers]
    answers = [answer async for _, answer in client.map(questions)]
    answers += [await client.ask(f"How wide is tower {n}? [w{n}]") for n in (1, 2, 3, 1, 2)]
    paid = [answer for answer in answers if answer.source == "llm"]
    assert {answer.tier for answer in paid} == {None, "flex"}
    assert all(answer.cost is None for answer in answers if answer.source != "llm")
    billed = await bill(llm_server)
    assert billed == pytest.approx(sum(answer.cost for answer in paid), abs=NO_DRIFT)
    assert billed > 0
    seen = (await llm_server.stats(brief=True))["chat"]
    async with Admin(settings["ASKONCE_REDIS_URL"], key_prefix=settings["ASKONCE_KEY_PREFIX"]) as admin:
        figures = (await admin.stats(load_prices()))["total"]
    assert figures["money_spent"] == pytest.approx(billed, abs=NO_DRIFT)
    assert figures["tokens"] == {
        "input": seen["prompt_tokens"],
        "cached": seen["cached_tokens"],
        "output": seen["completion_tokens"],
    }
    assert seen["cached_tokens"] > figures["tokens_by_tier"]["flex"]["cached"] > 0
    assert figures["calls_saved"] > 100


async def a_file(client, llm_server, capsys):
    before, rows = await bill(llm_server), [{"question": f"Who built it, {n % 60}? [f{n % 60}]"} for n in range(90)]
    Path("in.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    arguments = ["in.jsonl", "out.jsonl", "--model", MODEL, "--json", "--template", "none", "--in-flight", "16"]
    arguments += ["--param", "max_tokens=20"]
    assert await batch(client, *arguments, "--max-cost", "0.001") == 1
    found = orjson.loads(capsys.readouterr().out)
    spent = await bill(llm_server) - before
    assert 0 < spent <= 0.001
    assert found["spent"]["cost"] == pytest.approx(spent, abs=2 * NO_DRIFT)
    assert 0 < found["lines"] < 90
    assert "stopped for --max-cost" in found["stopped"]
    assert await batch(client, *arguments, "--max-cost", "5") == 0
    found = orjson.loads(capsys.readouterr().out)
    assert found["spent"]["cost"] == pytest.approx(await bill(llm_server) - before, abs=2 * NO_DRIFT)
    assert (found["lines"], found["llm_calls"]) == (90, 60)


async def a_budget(client, llm_server, pool):
    """One of two workers is killed while they spend it."""
    await llm_server.control(chat={"latency_ms": [50, 200]})
    before, limit = await bill(llm_server), {"max_tokens": 40}
    questions = [Question(f"How old is it? [a{n}]", namespace="capped", params=limit) for n in range(300)]
    ids = await client.submit_many(questions)

    async def half_spent():
        return await bill(llm_server) - before > BUDGET / 2

    await until(half_spent, seconds=60, what="half of the budget spent")
    await pool[0].kill()
    answers = {answer.job_id: answer async for answer in client.as_completed(ids, timeout=110, namespace="capped")}
    spent = await bill(llm_server) - before
    assert BUDGET / 2 < spent <= BUDGET
    kinds = {answers[job_id].error.kind for job_id in ids if answers[job_id].error is not None}
    assert kinds == {"budget"}
    answered = [question for question, job_id in zip(questions, ids, strict=True) if answers[job_id].error is None]
    assert (await client.ask(answered[0])).source == "exact"
    with pytest.raises(QuestionFailed, match="budget"):
        await client.ask("Once more?", namespace="capped", params={"max_tokens": 1000})
    assert (await collected(client, await client.submit_many(["And others? [o1]"])))[0].source == "llm"
