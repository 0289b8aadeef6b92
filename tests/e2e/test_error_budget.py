"""Two workers keep a budget of errors on a stream whose truth is known; one of them is killed meanwhile."""

import random

import pytest
from redis.asyncio import Redis

from askonce.contract.audit import decode_label, group_id
from askonce.contract.keys import Keys
from askonce_worker.audit.policy import Policy, decode_policy, encode_policy
from support.asking import MODEL, client_for, collected, paraphrases, settings_for
from support.worker_process import until, workers

BUDGET = 0.02
TOPICS = 16
"""The even ones are near each other and have one answer; of the odd ones, which are less near, 'kindly' has another."""
SENTENCES = 16
"""The topic whose answers are sentences."""
WORDINGS = 90
"""Of each topic."""
BATCH, FIRST, ALL = 100, 300, 3000
"""Questions at once; that are asked four times before all others; at most."""
LAST = 9
"""Batches that are asked while there is a policy that uses the budget."""


@pytest.fixture
def settings(valkey_url, embedded_qdrant_url, llm_server, prefix):
    return {
        **settings_for(valkey_url, embedded_qdrant_url, llm_server, prefix),
        "ASKONCE_SIMILARITY_THRESHOLD": "0.995",
        "ASKONCE_ERROR_BUDGET": str(BUDGET),
        "ASKONCE_JUDGE_MODEL": "judge",
        "ASKONCE_CHUNK_SIZE": "16",
    }


def tag(topic):
    return f"[g{topic}:{0.98 if topic % 2 == 0 else 0.9}]"


def answer_to(text):
    """The truth."""
    topic = next(topic for topic in range(TOPICS) if tag(topic) in text)
    return f"label {topic}{'k' if topic % 2 and 'kindly' in text else ''}"


async def teach(llm_server):
    failures = [{"kind": "status", "status": 500, "contains": '"a":'}]  # the judge is down for good
    for topic in range(TOPICS):
        reply = {"message": {"role": "assistant", "content": f"label {topic}k"}}
        for part in (f"kindly how do I open the box of {tag(topic)}", f"{tag(topic)} kindly") if topic % 2 else ():
            failures.append({"kind": "reply", "contains": part, "reply": reply})
        plain = {"message": {"role": "assistant", "content": f"label {topic}"}}
        failures.append({"kind": "reply", "contains": tag(topic), "reply": plain})
    await llm_server.control(chat={"failures": failures, "answer": "The box opens when one turns its key: {text}"})


def stream():
    chosen = random.Random(7)
    texts = {topic: paraphrases(f"how do I open the box of {tag(topic)}", WORDINGS) for topic in range(TOPICS + 1)}
    return [chosen.choice(texts[chosen.randrange(TOPICS + 1)]) for _ in range(ALL)]


def batches(texts):
    return [texts[at : at + BATCH] for at in range(0, len(texts), BATCH)]


async def test_wrong_answers_stay_within_the_budget_whatever_happens_to_a_worker(settings, llm_server):
    await teach(llm_server)
    texts = stream()
    asked, answers = [], []
    keys = Keys(settings["ASKONCE_KEY_PREFIX"])
    async with (
        workers(2, settings) as pool,
        client_for(settings) as client,
        Redis.from_url(settings["ASKONCE_REDIS_URL"]) as redis,
    ):

        async def ask(batch, victim=None):
            ids = await client.submit_many(batch, lane="bulk")
            if victim is not None:
                await victim.kill()
            asked.extend(batch)
            answers.extend(await collected(client, ids))

        # A group is decided about from 1,000 requests on. What is checked is chance, and so is how many more it takes.
        for batch in batches(4 * texts[:FIRST]):
            await ask(batch)
        rest = iter(batches(texts[FIRST:]))
        while not await is_used(redis, keys):
            await ask(next(rest))
        for number in range(LAST):
            await ask(next(rest), pool[0] if number == LAST // 2 else None)
        [group] = [key.decode() for key in await redis.hkeys(keys.audit.groups)]
        policy = decode_policy("policy", await redis.get(keys.audit.policy(group)))
        sums = await seen(redis, keys)
        labels = [decode_label(fields[b"label"]) for _, fields in await redis.xrange(keys.audit.labels)]
        await all_follow(redis, keys, client, asked, group, policy.version)
    assert group == group_id("default", MODEL, None)
    assert {answer.status for answer in answers} == {"answered"}
    right_or_wrong(asked, answers)
    assert policy.version > 0
    assert len(asked) * 0.8 < sums["answered"] <= len(asked)
    known = [label for label in labels if label.right is not None and SENTENCE not in label.question]
    assert all(label.right == (answer_to(label.question) == answer_to(label.matched)) for label in known)
    assert all(label.right is None for label in labels if SENTENCE in label.question)


SENTENCE = tag(SENTENCES)


def right_or_wrong(asked, answers):
    by_other = [(text, answer) for text, answer in zip(asked, answers, strict=True)
                if answer.source in {"semantic", "inflight"} and SENTENCE not in text]  # fmt: skip
    wrong = sum(answer.text != answer_to(text) for text, answer in by_other)
    assert len(by_other) > 0.02 * len(asked)
    assert wrong <= 1.5 * BUDGET * len(asked)


async def is_used(redis, keys):
    """The profile serves none of the topics."""
    raw = await redis.get(keys.audit.policy(group_id("default", MODEL, None)))
    policy = None if raw is None else decode_policy("policy", raw)
    return policy is not None and policy.threshold is not None and policy.threshold < 0.98


async def seen(redis, keys):
    sums = {}
    async for key in redis.scan_iter(keys.audit.seen("*")):
        for name, value in (await redis.hgetall(key)).items():
            field = name.decode().partition("|")[2]
            sums[field] = sums.get(field, 0.0) + float(value)
    return sums


async def all_follow(redis, keys, client, asked, group, version):
    """A policy that serves nothing is in force for every worker within a second or so."""
    await redis.set(keys.audit.policy(group), encode_policy(Policy(version + 1, None, 0.5)))
    new = iter([text for text in paraphrases(f"how do I open the box of {tag(0)}") if text not in asked])

    async def asks():
        return (await client.ask(next(new))).source == "llm"

    await until(asks, what="the new policy in force")
