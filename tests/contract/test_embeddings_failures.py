"""The embeddings adapter when the server fails: asked again in time, a bounded number of times, no neighbour harmed."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from askonce.contract.unmatched import Unmatched
from askonce_worker.pacing.halving import MAX_REQUESTS
from askonce_worker.providers.calls import Call
from askonce_worker.providers.embeddings import OpenAIEmbedder
from support.adapters import embedder_for
from support.llm_server import LLMServer

DOWN, SLOW, REFUSED, IDENTICAL = (
    Unmatched.EMBEDDINGS_DOWN,
    Unmatched.EMBEDDINGS_SLOW,
    Unmatched.EMBEDDINGS_REFUSED,
    Unmatched.EMBEDDINGS_IDENTICAL,
)


@pytest.fixture
async def embedder(llm_server: LLMServer) -> AsyncIterator[OpenAIEmbedder]:
    embedder = embedder_for(llm_server)
    yield embedder
    await embedder.close()


async def seen(server: LLMServer) -> dict[str, Any]:
    return (await server.stats())["embeddings"]


async def reasons(embedder: OpenAIEmbedder, *texts: str, **how: Any) -> list[Unmatched | None]:
    """Why each has no vector."""
    found = await embedder.embed(texts, **how)
    assert all((each.vector is None) == (each.unmatched is not None) for each in found)
    return [each.unmatched for each in found]


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_bad_input_costs_its_neighbours_nothing(
    embedder: OpenAIEmbedder, llm_server: LLMServer, status: int
) -> None:
    await llm_server.fail("embeddings", "status", status=status, contains="BAD")
    texts = [f"text {number}" for number in range(100)]
    texts[77] = "BAD"
    assert await reasons(embedder, *texts) == [REFUSED if text == "BAD" else None for text in texts]
    assert (await seen(llm_server))["calls"] <= 2 * 8 + 1
    assert await reasons(embedder, "one more") == [None]


async def test_a_server_that_refuses_everything_is_asked_a_bounded_number_of_times(
    embedder: OpenAIEmbedder, llm_server: LLMServer
) -> None:
    await llm_server.fail("embeddings", "status", status=400)
    assert await reasons(embedder, *(f"text {number}" for number in range(200))) == [DOWN] * 200
    assert await reasons(embedder, "another") == [DOWN]
    assert (await seen(llm_server))["calls"] <= MAX_REQUESTS


FAILURES = [
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 429, "headers": {"retry-after-ms": "50"}},
    {"kind": "reset"},
    {"kind": "cut"},
    {"kind": "malformed"},
    {"kind": "wrong_count"},
    {"kind": "hang"},
]


@pytest.mark.parametrize("lane", ["interactive", "bulk"])
@pytest.mark.parametrize("rule", FAILURES)
async def test_a_failure_that_passes_costs_no_match(llm_server: LLMServer, rule: dict[str, Any], lane: str) -> None:
    embedder = embedder_for(llm_server, timeout=0.3)
    await llm_server.control(embeddings={"failures": [rule | {"times": 2}]})
    assert await reasons(embedder, "one", "two", lane=lane) == [None, None]
    assert 3 <= (await seen(llm_server))["calls"] <= 6  # a busy machine may let one more time out
    await embedder.close()


@pytest.mark.parametrize("rule", [*FAILURES, {"kind": "status", "status": 429, "retry_after": "60"}])
async def test_a_failure_that_lasts_is_waited_out_and_the_text_says_why(
    llm_server: LLMServer, rule: dict[str, Any]
) -> None:
    embedder = embedder_for(llm_server, timeout=0.3, patience=0.5)
    await llm_server.control(embeddings={"failures": [rule]})
    with capture_logs() as logs:
        found = await reasons(embedder, "one", "two", lane="interactive")
    assert found == [SLOW if rule.get("status") == 429 else DOWN] * 2
    assert "embeddings.failed" in [entry["event"] for entry in logs]
    assert "two" not in json.dumps(logs)
    await embedder.close()


@pytest.mark.parametrize("failure", [{"status": 401}, {"status": 404}, {"status": 429, "code": "insufficient_quota"}])
async def test_what_only_other_settings_would_change_is_not_waited_for(
    llm_server: LLMServer, failure: dict[str, Any]
) -> None:
    embedder = embedder_for(llm_server)
    await llm_server.fail("embeddings", "status", **failure)
    async with asyncio.timeout(10):
        assert await reasons(embedder, "one") == [DOWN]
        assert await reasons(embedder, "two") == [DOWN]
    assert (await seen(llm_server))["calls"] == 1
    await embedder.close()


@pytest.mark.parametrize("kind", ["nan", "zero", "null"])
async def test_a_vector_without_direction_is_refused_alone(
    embedder: OpenAIEmbedder, llm_server: LLMServer, kind: str
) -> None:
    await llm_server.control(embeddings={"encoding": "float"})
    await llm_server.fail("embeddings", kind)
    assert await reasons(embedder, "one", "two") == [REFUSED, None]


async def test_a_bulk_text_waits_until_the_server_is_back(own_llm_server: LLMServer) -> None:
    embedder = embedder_for(own_llm_server)
    assert await reasons(embedder, "one") == [None]
    own_llm_server.stop()
    waiting = asyncio.create_task(reasons(embedder, "two"))
    with capture_logs() as logs:
        while not any(entry["event"] == "embeddings.failed" for entry in logs):
            await asyncio.sleep(0.005)
    own_llm_server.start()
    assert await waiting == [None]
    await embedder.close()


async def test_a_server_that_stays_away_is_done_without_and_found_again(own_llm_server: LLMServer) -> None:
    embedder = embedder_for(own_llm_server, patience=0.2)
    own_llm_server.stop()
    assert await reasons(embedder, "one") == [DOWN]
    own_llm_server.start()
    async with asyncio.timeout(30):
        while await reasons(embedder, "two") != [None]:
            await asyncio.sleep(0.05)
    await embedder.close()


async def test_a_server_that_always_says_later_does_not_hold_up_the_bulk_lane(llm_server: LLMServer) -> None:
    embedder = embedder_for(llm_server, patience=0.5)
    await llm_server.fail("embeddings", "status", status=429, headers={"retry-after-ms": "50"})
    async with asyncio.timeout(10):
        assert await reasons(embedder, "one") == [SLOW]
    await embedder.close()


async def test_a_fault_of_ours_leaves_no_text_waiting(llm_server: LLMServer) -> None:
    def broken(_: Call) -> None:
        raise RuntimeError("an observer with a fault")

    embedder = embedder_for(llm_server, on_call=broken)
    with capture_logs() as logs:
        async with asyncio.timeout(10):
            assert await reasons(embedder, "one") == [DOWN]
    assert "embeddings.broken" in [entry["event"] for entry in logs]
    await embedder.close()


async def test_an_ask_does_not_wait_long_for_a_slow_server_and_the_vector_is_not_lost(llm_server: LLMServer) -> None:
    embedder = embedder_for(llm_server, patience=0.1)
    await llm_server.control(embeddings={"latency_ms": 500})
    assert await reasons(embedder, "one", lane="interactive") == [SLOW]
    while (await seen(llm_server))["answered"] == 0:
        await asyncio.sleep(0.01)
    async with asyncio.timeout(10):
        while await reasons(embedder, "one", within=0.01) != [None]:
            await asyncio.sleep(0.01)
    assert (await seen(llm_server))["texts"] == {"one": 1}
    await embedder.close()


async def test_one_vector_for_all_texts_is_noticed_and_not_used_until_they_differ(
    embedder: OpenAIEmbedder, llm_server: LLMServer
) -> None:
    await llm_server.fail("embeddings", "same")
    with capture_logs() as logs:
        first, *others = await reasons(embedder, *(f"question {number}" for number in range(20)))
    assert (first, set(others)) == (IDENTICAL, {IDENTICAL})
    assert embedder.is_broken
    assert [entry["log_level"] for entry in logs if entry["event"] == "embeddings.identical"] == ["error"]
    await llm_server.control(embeddings={"failures": []})
    await reasons(embedder, *(f"another {number}" for number in range(20)))
    assert not embedder.is_broken
    assert await reasons(embedder, "one more") == [None]
