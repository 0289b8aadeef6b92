"""A namespace that spends in batches what its budget allows: settings, questions, and what it says it has spent."""

import orjson
import pytest

from askonce import Question
from askonce.operator.budgets import read_budgets
from support.asking import MODEL

PRICES = {"input": 0, "output": 20, "batch": {"input": 0, "output": 10}}
"""An answer of 100 tokens, which the bound allows, may cost 0.001 in a batch; of 60, as they are, it costs 0.0006."""
MAY, COSTS = 0.001, 0.0006
POOL = f"ready:|default|{MODEL}"


@pytest.fixture
async def bounded(batch_worker, llm_server, tmp_path):
    """Settings of a worker whose default namespace may spend so much."""
    (tmp_path / "prices.json").write_bytes(orjson.dumps({"models": {MODEL: PRICES}}))
    price = {"default": [0, 0, 20_000_000], "batch": [0, 0, 10_000_000]}
    await llm_server.control(chat={"completion_tokens": 60, "prices": {MODEL: price}})

    def made(money):
        return batch_worker | {
            "ASKONCE_BUDGETS": f"default={money:.4f}/day",
            "ASKONCE_PRICES": str(tmp_path / "prices.json"),
        }

    return made


def towns(count, start=0):
    return [Question(f"How far is town {n}? [g{n}]", params={"max_tokens": 100}) for n in range(start, start + count)]


async def money(worker):
    """What is spent, and what is held."""
    found = await worker.redis.hgetall(worker.keys.budgets.sums)
    states = read_budgets(found, now=int((await worker.redis.time())[0]))
    return (states[0].spent, states[0].held) if states else (0.0, 0.0)


async def bill(llm_server):
    stats = await llm_server.stats()
    return (stats["batches"]["bill"] + stats["chat"]["bill"]) / 10**12


def kinds(found):
    return [answer.error.kind if answer.error is not None else answer.source for answer in found]
