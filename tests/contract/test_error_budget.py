"""A budget of errors is used: what the profile would not serve is served, once it is known to be right, and no longer
than it is."""

import asyncio
import itertools

import pytest

from askonce import Question
from askonce.contract.audit import group_id
from askonce_worker.audit.policy import decode_policy
from askonce_worker.auditing.policies import FRESH
from support.asking import paraphrases
from support.wired import MODEL, wired_workers
from support.worker_process import until

GROUP = group_id("default", MODEL, None)
BUDGET = 0.02
SAFE = [f"how do I open the box of [g{topic}:0.98]" for topic in range(3)]
"""Questions that are near each other, and have one answer."""
RISKY = [f"how do I open the box of [g{topic}:0.9]" for topic in range(3, 6)]
"""Less near, and 'kindly' has another answer."""
names = itertools.count()


@pytest.fixture
def settings(settings):
    return {
        **settings,
        "ASKONCE_SIMILARITY_THRESHOLD": "0.995",
        "ASKONCE_ERROR_BUDGET": str(BUDGET),
    }


def says(part, text):
    return {"kind": "reply", "contains": part, "reply": {"message": {"role": "assistant", "content": text}}}


def some_of(questions, first, last):
    return [
        text
        for same in zip(*(paraphrases(question)[first:last] for question in questions), strict=True)
        for text in same
    ]


def sources(answers):
    return {answer.source for answer in answers}


def served(answers):
    return sum(answer.source == "semantic" for answer in answers)


async def asked(worker, texts):
    """The answers, from the bulk lane. The ids, by which the checks are drawn, are the same in each run."""
    ids = await worker.client.submit_many([Question(text, job_id=f"q{next(names)}") for text in texts], lane="bulk")
    while await worker.redis.zcard(worker.keys.queue("bulk")):
        await worker.run_next("bulk")
        await worker.vectors_arrived()
    return [await worker.client.result(name, timeout=0) for name in ids]


async def decided(worker, requests):
    """The policy after so many requests have been counted since the last one."""

    async def counted():
        return int(await worker.redis.hget(worker.keys.audit.ledger(GROUP), "since") or 0) == requests

    await until(counted, what=f"{requests} requests in the ledger")
    decide = next(job for job in worker.service.audit.periodic if job.name == "decide")
    await decide.coroutine({})
    await asyncio.sleep(FRESH)  # a worker reads a policy no more often
    return decode_policy("policy", await worker.redis.get(worker.keys.audit.policy(GROUP)))


async def test_a_budget_is_used_where_matches_are_right_and_no_longer_than_they_are(settings, llm_server):
    yes = [says(part, "yes") for text in RISKY for part in (f"kindly {text}", f"{text} kindly")]
    await llm_server.control(chat={"failures": [*yes, says("box", "no")]})
    async with wired_workers(1, settings) as [worker]:
        heard = some_of([*SAFE, *RISKY], 0, 40)
        assert sources(await asked(worker, heard)) == {"llm"}, "the profile serves none of them"
        assert sources(await asked(worker, 4 * heard)) == {"exact"}
        policy = await decided(worker, 5 * len(heard))
        assert 0.9 < policy.threshold < 0.98

        safe = await asked(worker, some_of(SAFE, 40, 65))
        assert served(safe) > 0.4 * len(safe), "a third of them is checked"
        texts = some_of(RISKY, 40, 65)
        risky = await asked(worker, texts)
        wrong = sum(
            answer.text != ("yes" if "kindly" in text else "no") for text, answer in zip(texts, risky, strict=True)
        )
        assert wrong <= BUDGET * (5 * len(heard) + len(safe) + len(risky))

        await llm_server.control(chat={"failures": [*yes, says("box", "no longer")]})
        changed = await asked(worker, some_of(SAFE, 65, 90))
        assert served(changed) > 0.4 * len(changed)
        assert sources(await asked(worker, heard)) == {"exact"}
        policy = await decided(worker, len(safe) + len(risky) + len(changed) + len(heard))
        assert sources(await asked(worker, some_of(SAFE, 90, 100))) == {"llm"}
