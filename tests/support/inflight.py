"""Workers as the coalescer sees them, questions in flight, and proxies of Redis that misbehave once."""

import contextlib
import hashlib
import time
from collections.abc import AsyncIterator

import numpy as np
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce_worker.answering.coalescing import Ask, Lead, Settlement
from askonce_worker.inflight.coalescer import RedisCoalescer
from support.delivering import deliver

SCOPE = "s" * 43
DIMENSIONS = 64


def no_conflict(text: str, other: str) -> str | None:
    return None


def unit(seed: int, dimensions: int = DIMENSIONS) -> np.ndarray:
    vector = np.random.default_rng(seed).standard_normal(dimensions).astype(np.float32)
    return vector / np.linalg.norm(vector)


def near(vector: np.ndarray, similarity: float, seed: int = 999) -> np.ndarray:
    """A unit vector with this cosine to the given one."""
    other = unit(seed, len(vector))
    other -= (other @ vector) * vector
    other /= np.linalg.norm(other)
    return (similarity * vector + (1 - similarity**2) ** 0.5 * other).astype(np.float32)


def ask(
    text: str, vector=None, *, scope=SCOPE, epochs="0.0.0.0", threshold=0.9, may_follow=True, asked_ms=0, **more
) -> Ask:
    fingerprint = hashlib.sha256(f"{scope}\n{text}".encode()).hexdigest()[:43]
    return Ask(text, fingerprint, scope, text, epochs, vector, threshold, may_follow, asked_ms, **more)


async def alive(redis: Redis, keys: Keys, worker: str, seconds: float = 60.0) -> None:
    await redis.zadd(keys.workers, {worker: int((time.time() + seconds) * 1000)})


async def settle(redis: Redis, coalescer: RedisCoalescer, lead: Lead, settlement: Settlement, body=None, **more) -> int:
    """As the publisher does it."""
    settled = coalescer.settling(lead, settlement, body, **more)
    _, [reply], _ = await deliver(redis, Keys(settled[0].removesuffix(":leaders:")), settled=settled)
    return reply


@contextlib.asynccontextmanager
async def worker(url: str, keys: Keys, name: str, **options) -> AsyncIterator[RedisCoalescer]:
    """A worker with a connection of its own."""
    redis = options.pop("redis", None) or Redis.from_url(url)
    options = {"embedding": "model", "conflict": no_conflict, **options}
    await alive(redis, keys, name)
    try:
        async with RedisCoalescer(redis, keys, worker=name, **options) as coalescer:
            yield coalescer
    finally:
        await redis.aclose()
