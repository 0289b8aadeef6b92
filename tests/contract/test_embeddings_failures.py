"""The embeddings adapter when the server fails: a miss, a bounded number of requests, and no neighbour harmed."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from askonce_worker.providers.embeddings import MAX_REQUESTS, OpenAIEmbedder
from support.adapters import embedder_for
from support.llm_server import LLMServer


@pytest.fixture
async def embedder(llm_server: LLMServer) -> AsyncIterator[OpenAIEmbedder]:
    embedder = embedder_for(llm_server)
    yield embedder
    await embedder.close()


async def seen(server: LLMServer) -> dict[str, Any]:
    return (await server.stats())["embeddings"]


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_bad_input_costs_its_neighbours_nothing(
    embedder: OpenAIEmbedder, llm_server: LLMServer, status: int
) -> None:
    await llm_server.fail("embeddings", "status", status=status, contains="BAD")
    texts = [f"text {number}" for number in range(200)]
    texts[77] = "BAD"
    vectors = await embedder.embed(texts)
    assert [index for index, vector in enumerate(vectors) if vector is None] == [77]
    assert (await seen(llm_server))["calls"] <= 2 * 8 + 1
    assert (await embedder.embed(["one more"]))[0] is not None


async def test_a_server_that_refuses_everything_is_asked_a_bounded_number_of_times(
    embedder: OpenAIEmbedder, llm_server: LLMServer
) -> None:
    await llm_server.fail("embeddings", "status", status=400)
    assert await embedder.embed([f"text {number}" for number in range(200)]) == [None] * 200
    assert await embedder.embed(["another"]) == [None]
    assert (await seen(llm_server))["calls"] == MAX_REQUESTS


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 401},
        {"kind": "status", "status": 429, "code": "insufficient_quota"},
        {"kind": "status", "status": 429, "retry_after": "60"},
        {"kind": "reset"},
        {"kind": "cut"},
        {"kind": "malformed"},
        {"kind": "wrong_count"},
        {"kind": "hang"},
    ],
)
async def test_a_failure_is_a_miss_and_the_server_is_left_alone(llm_server: LLMServer, rule: dict[str, Any]) -> None:
    embedder = embedder_for(llm_server, timeout=0.3)
    await llm_server.control(embeddings={"failures": [rule]})
    with capture_logs() as logs:
        assert await embedder.embed(["one", "two"]) == [None, None]
        while not embedder.counts["failed"]:
            await asyncio.sleep(0.01)
        assert await embedder.embed(["three"]) == [None]
    assert "embeddings.failed" in [entry["event"] for entry in logs]
    assert "two" not in json.dumps(logs)
    assert (embedder.counts["failed"], embedder.counts["skipped"]) == (2, 1)
    assert (await seen(llm_server))["calls"] == 1
    await embedder.close()


async def test_a_rate_limit_that_ends_in_time_is_waited_for(embedder: OpenAIEmbedder, llm_server: LLMServer) -> None:
    await llm_server.fail("embeddings", "status", status=429, headers={"retry-after-ms": "50"}, times=2)
    assert (await embedder.embed(["one"]))[0] is not None
    assert (await seen(llm_server))["calls"] == 3


@pytest.mark.parametrize("kind", ["nan", "zero"])
async def test_a_vector_without_direction_is_refused_alone(
    embedder: OpenAIEmbedder, llm_server: LLMServer, kind: str
) -> None:
    await llm_server.fail("embeddings", kind)
    spoilt, good = await embedder.embed(["one", "two"])
    assert spoilt is None
    assert good is not None


async def test_another_dimension_than_before_is_refused(embedder: OpenAIEmbedder, llm_server: LLMServer) -> None:
    await embedder.embed(["one"])
    await llm_server.fail("embeddings", "wrong_dimension")
    assert await embedder.embed(["two"]) == [None]
    assert embedder.counts["unusable"] == 1


async def test_vectors_come_again_when_the_server_is_back(own_llm_server: LLMServer) -> None:
    embedder = embedder_for(own_llm_server)
    assert (await embedder.embed(["one"]))[0] is not None
    own_llm_server.stop()
    assert await embedder.embed(["two"]) == [None]
    own_llm_server.start()
    while (await embedder.embed(["three"]))[0] is None:
        await asyncio.sleep(0.05)
    assert (await embedder.embed(["two"]))[0] is not None
    await embedder.close()


async def test_a_server_too_slow_for_large_batches_gets_smaller_ones(llm_server: LLMServer) -> None:
    embedder = embedder_for(llm_server, timeout=0.5)
    await llm_server.control(embeddings={"ms_per_input": 10})
    assert None in [v if v is None else 1 for v in await embedder.embed([f"text {number}" for number in range(200)])]
    while (await embedder.embed(["quick"]))[0] is None:
        await asyncio.sleep(0.05)
    vectors = await embedder.embed([f"again {number}" for number in range(40)])
    assert sum(vector is not None for vector in vectors) == 40
    await embedder.close()
