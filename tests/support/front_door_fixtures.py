"""A front door before one worker, for all tests of a module that do not stop it. Each has a namespace of its own."""

import secrets

import httpx
import openai
import pytest
import pytest_asyncio

from support.front_door import front_door
from support.worker_process import workers


def door_settings(valkey_url, llm, prefix):
    return {
        "ASKONCE_REDIS_URL": valkey_url,
        "ASKONCE_KEY_PREFIX": prefix,
        "OPENAI_BASE_URL": llm.base_url,
        "OPENAI_API_KEY": "test",
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(valkey_url, llm_process):
    settings = door_settings(valkey_url, llm_process, f"test-{secrets.token_hex(4)}")
    async with workers(1, settings), front_door(settings) as door:
        yield door


@pytest.fixture
def namespace(llm_server):
    return {"x-askonce-namespace": secrets.token_hex(4)}


@pytest.fixture
async def http(door, namespace):
    async with httpx.AsyncClient(base_url=door.base_url, timeout=60, headers=namespace) as http:
        yield http


@pytest.fixture
async def sdk(door, namespace):
    async with openai.AsyncOpenAI(
        base_url=door.base_url, api_key="none", max_retries=0, default_headers=namespace
    ) as sdk:
        yield sdk
