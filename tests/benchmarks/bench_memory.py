"""What a kept answer takes in Redis, plain and compressed: its entry, with both indexes, and its result.

Answers of prose (the language reference), code (the standard library) and JSON (HTTP's statuses), in a body as OpenAI
sends it. Bytes are `used_memory` before and after, for each of COUNT answers, as a worker writes them; `value` is
`MEMORY USAGE` of an entry alone. Times are of this process's processor: to make a record of an answer, and to read it.
"""

import asyncio
import http
import inspect
import secrets
import statistics
import sys
import time
from pathlib import Path
from pydoc_data import topics

sys.path.insert(0, str(Path(__file__).parents[1]))

import argparse
import mailbox
import tarfile

import orjson
from redis.asyncio import Redis

from askonce import Answer, Question
from askonce.contract.keys import Keys
from askonce.contract.records import VERSION, Body, read_record, write_record
from askonce_worker.answering.ports import Finished, NewEntry
from askonce_worker.cache.publisher import Publisher
from askonce_worker.local.parts import choose_parts
from askonce_worker.local.stack import Stack
from askonce_worker.providers.call_counts import CallCounts

COUNT = 300
SIZES = (500, 1_000, 2_000, 4_000, 10_000)
PROSE = "\n".join(topics.topics.values())
CODE = "".join(inspect.getsource(module) for module in (argparse, tarfile, mailbox))
ROWS = [
    {"code": each.value, "name": each.name, "phrase": each.phrase, "text": each.description} for each in http.HTTPStatus
]


def answers(kind, size):
    for number in range(COUNT):
        if kind == "json":
            rows = [ROWS[(number * 7 + at) % len(ROWS)] | {"id": number * 100 + at} for at in range(size // 60)]
            yield orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode()[:size]
        else:
            text = PROSE if kind == "prose" else CODE
            at = number * 977 % (len(text) - size)
            yield text[at : at + size]


def body_of(text, number):
    message = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    none = {"reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}
    usage = {"prompt_tokens": 90 + number, "completion_tokens": len(text) // 4, "total_tokens": 90 + len(text) // 4}
    return {
        "id": f"chatcmpl-{secrets.token_urlsafe(21)}",
        "object": "chat.completion",
        "created": 1_790_000_000 + number,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {
            **usage,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": none,
        },
        "service_tier": "default",
        "system_fingerprint": f"fp_{secrets.token_hex(5)}",
    }


async def used(redis):
    """Without the buffers of connections."""
    facts = await redis.info("memory")
    return facts["used_memory"] - facts["mem_clients_normal"]


async def kept(redis, bodies, *, compress):
    """Bytes of Redis for each entry, for each result, and for the value of an entry alone."""
    keys = Keys(f"bench-{secrets.token_hex(3)}")
    how = {"worker": "w", "counts": CallCounts(), "embedding": "text-embedding-3-small", "outbox_max": 0}
    publisher = Publisher(redis, keys, cache_ttl=600, result_ttl=600, compress=compress, **how)
    asked = [
        Question(
            f"What is said about number {number}, and why?",
            "gpt-4o-mini",
            namespace="shop",
            job_id=secrets.token_hex(12),
        ).with_fields(reads=VERSION if compress else 0)
        for number in range(len(bodies))
    ]
    await publisher.send([])
    before = await used(redis)
    for question, body in zip(asked, bodies, strict=True):
        await publisher.send((), entries=[NewEntry(question, body, "0.0.0.0", None, semantic=True)])
    entries = await used(redis)
    for question, body in zip(asked, bodies, strict=True):
        marker = f'{{"fingerprint":"{question.fingerprint}","deadline":9,"at":1,"job":"bulk:x"}}'
        await redis.set(keys.result("shop", question.job_id), marker)
        await publisher.send([Finished(question, Answer(question.job_id, "answered", "llm", body=body))])
    results = await used(redis)
    values = [await redis.memory_usage(keys.entry(question.fingerprint)) for question in asked[:50]]
    await publisher.aclose()
    await redis.execute_command("FLUSHDB", "SYNC")
    return (entries - before) / len(bodies), (results - entries) / len(bodies), statistics.mean(values)


def seconds_of(bodies):
    """Microseconds of processor time: to make a record, and to read it; a plain one, then a compressed one."""
    figures = []
    for compressed in (False, True):
        records = [{"created_at": 1, "question": "Why?", "body": body} for body in bodies]
        began = time.thread_time()
        made = [write_record(record, compressed=compressed) for record in records]
        between = time.thread_time()
        for raw in made:
            read_record(raw)
        figures += [between - began, time.thread_time() - between]
    return [figure / len(bodies) * 1e6 for figure in figures]


async def main(environment):
    print(f"{'bytes of':<12}{'entry':>23}{'result':>23}{'value':>23}   us, plain and small: write, read")
    async with Redis.from_url(environment["ASKONCE_REDIS_URL"]) as redis:
        await kept(redis, [body_of("warms up", 0)] * COUNT, compress=True)
        for kind in ("prose", "code", "json"):
            for size in SIZES:
                bodies = [body_of(text, number) for number, text in enumerate(answers(kind, size))]
                plain, small = [await kept(redis, bodies, compress=how) for how in (False, True)]
                pairs = "".join(f"{a:>8.0f}{b:>8.0f}{b / a:>7.2f}" for a, b in zip(plain, small, strict=True))
                times = "".join(f"{figure:>6.0f}" for figure in seconds_of(list(map(Body, bodies))))
                print(f"{kind:<6}{size:>6}{pairs}   {times}", flush=True)


if __name__ == "__main__":
    with Stack(choose_parts(["redis"])) as stack:
        asyncio.run(main(stack.environment))
