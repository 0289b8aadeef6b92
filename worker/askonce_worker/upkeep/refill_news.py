"""Announces a refill's start, cost and end: in the log, and in Redis for others."""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson
import structlog
from redis.asyncio import Redis

from askonce.contract.keys import FILLED, FILLING, Keys
from askonce.prices.load import Prices
from askonce.readable import read_object
from askonce_worker.answering.ports import Embedder
from askonce_worker.pacing.waiting import REFILL
from askonce_worker.upkeep.fitting import Fitting
from askonce_worker.upkeep.refill_cost import duration, estimate

log = structlog.get_logger()

SAMPLE = 32
"""Questions embedded to measure the server's pace."""
MEASURED_WITHIN = 10.0

Pace = Callable[[Sequence[str]], Awaitable[float | None]]


def pace_of(embedder: Embedder) -> Pace:
    """Measures texts a second with some that must be embedded anyway; None if they get no vectors."""

    async def pace(texts: Sequence[str]) -> float | None:
        sample = list(dict.fromkeys(texts))[:SAMPLE]
        began = time.monotonic()
        found = await embedder.embed(sample, lane=REFILL, within=MEASURED_WITHIN) if sample else []
        made = sum(each.vector is not None for each in found)
        return made / max(1e-3, time.monotonic() - began) if made else None

    return pace


class RefillNews:
    """model: the embedding model's name, which has the price; embedding: its id, dimensions included."""

    def __init__(self, redis: Redis, keys: Keys, *, model: str, embedding: str, prices: Prices, pace: Pace) -> None:
        self._redis: Any = redis
        self._keys = keys
        self._model = model
        self._embedding = embedding
        self._prices = prices
        self._pace = pace

    async def begins(self, collection: str | None, sample: Sequence[Fitting], number: float) -> None:
        """Called once per refill. sample: some of the entries that need a vector; number: their total."""
        told = await self._redis.hget(self._keys.upkeep, FILLING)
        if _is_of(told, self._embedding):
            return
        pace = await self._pace([each.question for each in sample if each.question])
        tokens = [each.tokens for each in sample]
        cost = estimate(tokens, number, model=self._model, prices=self._prices, pace=pace)
        record = {
            "embedding": self._embedding,
            "began": int((await self._redis.time())[0]),
            "texts": cost.texts,
            "tokens": cost.tokens,
            "cost": cost.cost,
            "currency": cost.currency,
            "seconds": cost.seconds,
        }
        await self._redis.hset(self._keys.upkeep, mapping={FILLING: orjson.dumps(record), FILLED: 0})
        log.info("upkeep.refill", collection=collection, embedding=self._embedding, estimate=cost.words())

    async def ends(self, collection: str) -> None:
        told, made = await self._redis.hmget(self._keys.upkeep, FILLING, FILLED)
        if _is_of(told, self._embedding):
            seconds = int((await self._redis.time())[0]) - read_object(told)["began"]
            await self._redis.hdel(self._keys.upkeep, FILLING, FILLED)
            log.info("upkeep.refilled", collection=collection, vectors=int(made or 0), took=duration(seconds))


def _is_of(told: bytes | None, embedding: str) -> bool:
    try:
        return told is not None and read_object(told).get("embedding") == embedding
    except ValueError:
        return False
