"""The least that a cache does for each: a call of the provider, a search for a vector that is at hand, a GET."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
from openai import AsyncOpenAI, DefaultAioHttpClient
from peer import OPTIONS, serve
from redis.asyncio import Redis
from redis.commands.search.field import VectorField
from redis.commands.search.index_definition import IndexDefinition
from redis.commands.search.query import Query

NAME = OPTIONS["name"]


class Floor:
    """Every question that was a miss is kept, as a hash with its vector and as a plain key."""

    def __init__(self, openai: AsyncOpenAI, redis: Redis) -> None:
        self._openai, self._redis = openai, redis
        self._what = ""
        self._vectors: dict[str, bytes] = {}
        nearest = Query("*=>[KNN 1 @vector $vector AS distance]").return_fields("answer", "distance").dialect(2)
        self._nearest = nearest

    async def prepare(self, what: str, texts: list[str]) -> None:
        self._what = what
        if what == "semantic":
            self._vectors = await self._embedded(texts)
        elif what == "misses":
            async with self._redis.pipeline(transaction=False) as pipe:
                for text, vector in (await self._embedded(texts)).items():
                    answer = f"answer to: {text}"
                    pipe.hset(f"{NAME}:entry:{text}", mapping={"answer": answer, "vector": vector})
                    pipe.set(f"{NAME}:exact:{text}", answer)
                await pipe.execute()

    async def _embedded(self, texts: list[str]) -> dict[str, bytes]:
        reply = await self._openai.embeddings.create(model="bench", input=texts)
        return {
            text: np.array(each.embedding, np.float32).tobytes() for text, each in zip(texts, reply.data, strict=True)
        }

    async def ask(self, text: str) -> str:
        if self._what == "semantic":
            found = await self._redis.ft(NAME).search(self._nearest, {"vector": self._vectors[text]})
            return found.docs[0].answer
        if self._what == "exact":
            return (await self._redis.get(f"{NAME}:exact:{text}")).decode()
        reply = await self._openai.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
        return reply.choices[0].message.content


@asynccontextmanager
async def opened() -> AsyncIterator[Floor]:
    base_url, http = OPTIONS["base_url"], DefaultAioHttpClient()
    async with (
        AsyncOpenAI(base_url=base_url, api_key="test", max_retries=0, http_client=http) as openai,
        Redis.from_url(OPTIONS["redis_url"]) as redis,
    ):
        vector = VectorField(
            "vector", "FLAT", {"TYPE": "FLOAT32", "DIM": OPTIONS["dimension"], "DISTANCE_METRIC": "COSINE"}
        )
        await redis.ft(NAME).create_index([vector], definition=IndexDefinition(prefix=[f"{NAME}:entry:"]))
        yield Floor(openai, redis)


serve(opened(), "openai", "redis")
