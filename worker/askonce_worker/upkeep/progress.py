"""Progress of a sweep, stored in Redis, where the next worker continues."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

import orjson
from redis.asyncio import Redis

from askonce.contract.keys import Keys

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

State = TypeVar("State", bound="DataclassInstance")


class Progress:
    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis: Any = redis
        self._key = keys.upkeep

    async def load(self, name: str, kind: type[State]) -> State:
        """The saved progress. A fresh one if there is none, or another release wrote it."""
        raw = await self._redis.hget(self._key, name)
        try:
            return kind(**orjson.loads(raw or b"{}"))
        except (ValueError, TypeError):
            return kind()

    async def save(self, name: str, state: "DataclassInstance") -> None:
        await self._redis.hset(self._key, name, orjson.dumps(asdict(state)).decode())
