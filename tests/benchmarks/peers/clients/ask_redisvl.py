"""RedisVL's SemanticCache by its asynchronous methods: a question is embedded once, for looking up and storing.

In batches: questions that are asked at once are embedded in one call. The cache itself takes them one by one.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from openai import AsyncOpenAI, DefaultAioHttpClient
from peer import OPTIONS, serve
from redisvl.extensions.cache.llm import SemanticCache
from redisvl.utils.vectorize import OpenAITextVectorizer


class OneByOne:
    def __init__(self, openai: AsyncOpenAI) -> None:
        self._openai = openai
        api = {"api_key": "test", "base_url": OPTIONS["base_url"]}
        self._vectorizer = OpenAITextVectorizer(model="bench", api_config=api)
        self._cache = SemanticCache(
            name=OPTIONS["name"],
            redis_url=OPTIONS["redis_url"],
            distance_threshold=1 - OPTIONS["threshold"],
            vectorizer=self._vectorizer,
        )

    async def ask(self, text: str) -> str:
        return await self._answer(text, await self._vectorizer.aembed(text))

    async def _answer(self, text: str, vector: list[float]) -> str:
        hits = await self._cache.acheck(vector=vector)
        if hits:
            return hits[0]["response"]
        reply = await self._openai.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
        answer = reply.choices[0].message.content
        await self._cache.astore(text, answer, vector=vector)
        return answer


class InBatches(OneByOne):
    async def ask_many(self, texts: list[str], at_once: int) -> list[str]:
        answers: list[str] = []
        for first in range(0, len(texts), at_once):
            some = texts[first : first + at_once]
            vectors = await self._vectorizer.aembed_many(some, batch_size=at_once)
            answers += await asyncio.gather(*(self._answer(*each) for each in zip(some, vectors, strict=True)))
        return answers


@asynccontextmanager
async def opened() -> AsyncIterator[OneByOne]:
    base_url, http = OPTIONS["base_url"], DefaultAioHttpClient()
    async with AsyncOpenAI(base_url=base_url, api_key="test", max_retries=0, http_client=http) as openai:
        yield {"one by one": OneByOne, "in batches": InBatches}[OPTIONS["way"]](openai)


serve(opened(), "redisvl", "redis")
