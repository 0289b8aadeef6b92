"""GPTCache by the asynchronous calls of its OpenAI adapter, on SQLite and Faiss.

They embed, search and store on the event loop, one question after the other. (In threads they collide in SQLite:
'database is locked'.) Of a cosine c the `similarity_threshold` is (1 + c) / 2: a share of all distances.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import ClientSession
from peer import OPTIONS, serve

os.environ["OPENAI_API_KEY"] = "test"
os.environ["OPENAI_API_BASE"] = OPTIONS["base_url"]

from gptcache import Cache, Config
from gptcache.adapter import openai
from gptcache.embedding import OpenAI
from gptcache.manager import CacheBase, VectorBase, get_data_manager
from gptcache.similarity_evaluation import SearchDistanceEvaluation

ENTRIES = 100_000
"""Its default is a thousand."""


class GPTCache:
    def __init__(self, directory: Path) -> None:
        embedding = OpenAI("bench")
        self._cache = Cache()
        self._cache.init(
            embedding_func=embedding.to_embeddings,
            data_manager=get_data_manager(
                CacheBase("sqlite", sql_url=f"sqlite:///{directory}/gptcache.db"),
                VectorBase("faiss", dimension=embedding.dimension, index_path=f"{directory}/faiss.index"),
                max_size=ENTRIES,
            ),
            similarity_evaluation=SearchDistanceEvaluation(),
            config=Config(
                similarity_threshold=(1 + OPTIONS["threshold"]) / 2, enable_token_counter=False, auto_flush=1000
            ),
        )

    async def ask(self, text: str) -> str:
        messages = [{"role": "user", "content": text}]
        reply = await openai.ChatCompletion.acreate(model="m", messages=messages, cache_obj=self._cache)
        return reply["choices"][0]["message"]["content"]


@asynccontextmanager
async def opened() -> AsyncIterator[GPTCache]:
    async with ClientSession() as session:
        openai.openai.aiosession.set(session)
        yield GPTCache(Path(OPTIONS["directory"]))


serve(opened(), "gptcache", "openai")
