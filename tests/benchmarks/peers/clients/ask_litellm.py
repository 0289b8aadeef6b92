"""LiteLLM's redis-semantic cache, in the SDK: without its proxy, which would be one process more on the way."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it fetches its price list

import litellm
from litellm.caching.caching import Cache
from peer import OPTIONS, serve

os.environ["OPENAI_API_KEY"] = "test"
os.environ["OPENAI_BASE_URL"] = os.environ["OPENAI_API_BASE"] = OPTIONS["base_url"]


litellm.suppress_debug_info = True


class LiteLLM:
    async def ask(self, text: str) -> str:
        messages = [{"role": "user", "content": text}]
        reply = await litellm.acompletion(model="openai/m", messages=messages, caching=True)
        return reply.choices[0].message.content


@asynccontextmanager
async def opened() -> AsyncIterator[LiteLLM]:
    litellm.cache = Cache(
        type="redis-semantic",
        redis_url=OPTIONS["redis_url"],
        similarity_threshold=OPTIONS["threshold"],
        redis_semantic_cache_embedding_model="openai/bench",
        redis_semantic_cache_index_name=OPTIONS["name"],
    )
    yield LiteLLM()


serve(opened(), "litellm", "redisvl")
