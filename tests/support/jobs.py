"""Jobs as `submit.lua` writes them, without the markers: what the tests of leases need."""

import time
import uuid
from collections.abc import Sequence

import orjson
from redis.asyncio import Redis

from askonce.contract.chunk import FUNCTION
from askonce.contract.keys import ARQ_JOB, Keys


def record(questions: Sequence[tuple[str, str]], function: str = FUNCTION) -> bytes:
    """questions: id and text of each."""
    chunk = {"v": 1, "namespace": "n", "questions": [{"id": name, "text": text} for name, text in questions]}
    return orjson.dumps({"t": None, "f": function, "a": [chunk], "k": {}, "et": int(time.time() * 1000)})


def job_record(payload: bytes, enqueued_ms: int) -> bytes:
    """The bytes that submit.lua puts together: arq's job format, in JSON. payload: a chunk."""
    return orjson.dumps({"t": None, "f": FUNCTION, "a": [orjson.Fragment(payload)], "k": {}, "et": enqueued_ms})


async def put(
    redis: Redis,
    keys: Keys,
    texts: Sequence[str] = ("ok",),
    *,
    lane: str = "bulk",
    score: float = 1,
    job: str | None = None,
    raw: bytes | None = None,
) -> str:
    """One waiting job of so many questions. Returns its name; the questions are called JOB/0, JOB/1, …"""
    job = job or uuid.uuid4().hex
    pipe = redis.pipeline()
    pipe.set(ARQ_JOB + job, raw or record([(f"{job}/{place}", text) for place, text in enumerate(texts)]), px=600_000)
    pipe.zadd(keys.queue(lane), {job: score})
    pipe.hincrby(keys.load, lane, len(texts))
    pipe.lpush(keys.wake, "1")
    await pipe.execute()
    return job


async def redis_ms(redis: Redis) -> int:
    seconds, micros = await redis.time()
    return int(seconds * 1000 + micros // 1000)
