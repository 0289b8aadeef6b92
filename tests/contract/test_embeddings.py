"""The embeddings adapter against a real OpenAI-compatible server."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import numpy as np
import pytest

from askonce_worker.answering.ports import Vector
from askonce_worker.providers.embeddings import MAX_INPUTS, MAX_TOKENS, OpenAIEmbedder
from support.adapters import embedder_for
from support.llm_server import LLMServer


@pytest.fixture
async def embedder(llm_server: LLMServer) -> AsyncIterator[OpenAIEmbedder]:
    embedder = embedder_for(llm_server)
    yield embedder
    await embedder.close()


async def seen(server: LLMServer) -> dict[str, Any]:
    return (await server.stats())["embeddings"]


async def vectors_of(embedder: OpenAIEmbedder, texts: Sequence[str], **how: Any) -> list[Vector | None]:
    return [each.vector for each in await embedder.embed(texts, **how)]


def cosine(one: Vector | None, other: Vector | None) -> float:
    assert one is not None
    assert other is not None
    return float(one @ other)


async def test_each_text_has_its_unit_vector_in_order(embedder: OpenAIEmbedder, llm_server: LLMServer) -> None:
    texts = ["Python 读取 CSV", "the weather in Paris", "Python 怎么读取 CSV 文件"]
    csv, weather, also_csv = await vectors_of(embedder, texts)
    assert csv is not None
    assert (csv.dtype, csv.shape) == (np.float32, (384,))
    assert cosine(csv, csv) == pytest.approx(1, abs=1e-6)
    assert cosine(csv, also_csv) > 0.5 > cosine(csv, weather)
    assert embedder.dimensions == 384
    assert (await seen(llm_server))["calls"] == 1


async def test_the_test_servers_groups_have_the_similarity_they_name(embedder: OpenAIEmbedder) -> None:
    texts = ["read a CSV [g1]", "something else [g1]", "read a CSV [g2]", "a [g3:0.9]", "b [g3:0.9]"]
    one, same, other, loose, also_loose = await vectors_of(embedder, texts)
    assert cosine(one, same) == pytest.approx(0.98, abs=0.01)
    assert abs(cosine(one, other)) < 0.3
    assert cosine(loose, also_loose) == pytest.approx(0.9, abs=0.05)


@pytest.mark.parametrize("orders", [{"encoding": "float"}, {"dimensions": 1536}])
async def test_floats_and_other_dimensions_do_too(
    embedder: OpenAIEmbedder, llm_server: LLMServer, orders: dict[str, Any]
) -> None:
    await llm_server.control(embeddings=orders)
    [vector] = await vectors_of(embedder, ["one"])
    assert embedder.dimensions == orders.get("dimensions", 384)
    await llm_server.control(embeddings={"encoding": None, "dimensions": 384})
    [expected] = await vectors_of(embedder, ["One"])
    assert vector is not None
    assert vector.size == orders.get("dimensions", 384)
    if vector.size == 384:
        assert cosine(expected, vector) > 0.9


async def test_vectors_are_matched_by_index_and_normalised(embedder: OpenAIEmbedder, llm_server: LLMServer) -> None:
    expected = await vectors_of(embedder, ["one", "two", "three"])
    for kind in ("shuffled", "long"):
        await llm_server.fail("embeddings", kind, times=1)
        other = embedder_for(llm_server)
        vectors = await vectors_of(other, ["one", "two", "three"])
        await other.close()
        for vector, wanted in zip(vectors, expected, strict=True):
            assert cosine(vector, wanted) == pytest.approx(1, abs=1e-6)


async def test_no_text_is_no_request(embedder: OpenAIEmbedder, llm_server: LLMServer) -> None:
    assert await vectors_of(embedder, []) == []
    assert (await seen(llm_server))["calls"] == 0


async def test_callers_side_by_side_share_requests(embedder: OpenAIEmbedder, llm_server: LLMServer) -> None:
    await llm_server.control(embeddings={"latency_ms": 100})
    results = await asyncio.gather(*(vectors_of(embedder, [f"{number} a", f"{number} b"]) for number in range(50)))
    assert all(vector is not None for vectors in results for vector in vectors)
    stats = await seen(llm_server)
    assert stats["inputs"] == 100
    assert stats["calls"] <= 4


async def test_while_the_server_is_busy_texts_gather(embedder: OpenAIEmbedder, llm_server: LLMServer) -> None:
    await llm_server.control(embeddings={"latency_ms": 50})

    async def one(number: int) -> None:
        await asyncio.sleep(number / 1000)
        assert (await vectors_of(embedder, [f"text {number}"]))[0] is not None

    await asyncio.gather(*(one(number) for number in range(200)))
    stats = await seen(llm_server)
    assert stats["inputs"] == 200
    assert stats["calls"] < 60
    assert stats["max_in_flight"] <= 4


async def test_the_same_text_goes_once(embedder: OpenAIEmbedder, llm_server: LLMServer) -> None:
    await llm_server.control(embeddings={"latency_ms": 500})
    first = asyncio.create_task(vectors_of(embedder, ["same", "same", "other"]))
    while (await seen(llm_server))["calls"] == 0:
        await asyncio.sleep(0.005)
    results = await asyncio.gather(*(vectors_of(embedder, ["same"]) for _ in range(20)))
    [same, again, _] = await first
    assert same is not None
    assert all(vector is same for vector in [again, *(vector for [vector] in results)])
    assert (await seen(llm_server))["texts"] == {"same": 1, "other": 1}


async def test_a_cancelled_caller_takes_nothing_from_the_others(
    embedder: OpenAIEmbedder, llm_server: LLMServer
) -> None:
    await llm_server.control(embeddings={"latency_ms": 500})
    leaves = asyncio.create_task(vectors_of(embedder, ["shared", "own"]))
    stays = asyncio.create_task(vectors_of(embedder, ["shared", "other"]))
    while (await seen(llm_server))["calls"] == 0:
        await asyncio.sleep(0.005)
    leaves.cancel()
    assert all(vector is not None for vector in await stays)
    with pytest.raises(asyncio.CancelledError):
        await leaves
    stats = await seen(llm_server)
    assert (stats["calls"], stats["disconnected"]) == (1, 0)


async def test_a_text_that_may_be_too_long_has_no_vector(llm_server: LLMServer) -> None:
    embedder = embedder_for(llm_server, max_tokens=20)
    short, long, chinese, empty, broken = await vectors_of(embedder, ["a" * 18, "a" * 19, "读" * 7, "", "\ud800"])
    assert short is not None
    assert (long, chinese, empty, broken) == (None, None, None, None)
    assert list((await seen(llm_server))["texts"]) == ["a" * 18]
    await embedder.close()


async def test_no_request_has_more_than_a_provider_takes(embedder: OpenAIEmbedder, llm_server: LLMServer) -> None:
    long = [f"{number} " + "x" * 8000 for number in range(100)]
    short = [f"text {number}" for number in range(3 * MAX_INPUTS)]
    for texts in (long, short, short[::-1]):
        assert None not in [vector if vector is None else 1 for vector in await vectors_of(embedder, texts)]
    stats = await seen(llm_server)
    assert stats["max_batch"] <= MAX_INPUTS
    assert stats["max_batch_bytes"] <= MAX_TOKENS
    assert stats["max_in_flight"] <= 4


async def test_closing_leaves_nobody_waiting(llm_server: LLMServer) -> None:
    embedder = embedder_for(llm_server)
    await llm_server.fail("embeddings", "hang")
    waiting = asyncio.create_task(vectors_of(embedder, ["one"]))
    while (await seen(llm_server))["calls"] == 0:
        await asyncio.sleep(0.005)
    await embedder.close()
    assert await waiting == [None]


async def test_a_text_that_comes_again_is_not_embedded_again(embedder: OpenAIEmbedder, llm_server: LLMServer) -> None:
    [first] = await vectors_of(embedder, ["one"])
    [again, _] = await vectors_of(embedder, ["one", "two"])
    assert first is not None
    assert again is first
    assert (await seen(llm_server))["texts"] == {"one": 1, "two": 1}


async def test_another_dimension_is_followed(embedder: OpenAIEmbedder, llm_server: LLMServer) -> None:
    await vectors_of(embedder, ["one"])
    await llm_server.control(embeddings={"dimensions": 256})
    for text in ("two", "one"):
        [vector] = await vectors_of(embedder, [text])
        assert vector is not None
        assert vector.size == embedder.dimensions == 256


async def test_more_texts_than_a_slow_server_can_take_make_a_queue_and_not_a_miss(
    embedder: OpenAIEmbedder, llm_server: LLMServer
) -> None:
    await llm_server.control(embeddings={"ms_per_input": 5})
    found = await asyncio.gather(
        *(vectors_of(embedder, [f"{number} {part}" for part in range(64)]) for number in range(20))
    )
    assert all(vector is not None for vectors in found for vector in vectors)


async def test_an_ask_overtakes_a_backlog(embedder: OpenAIEmbedder, llm_server: LLMServer) -> None:
    await llm_server.control(embeddings={"ms_per_input": 5})
    backlog = asyncio.create_task(vectors_of(embedder, [f"bulk {number}" for number in range(1000)]))
    while not (await seen(llm_server))["calls"]:
        await asyncio.sleep(0.005)
    [vector] = await vectors_of(embedder, ["ask"], lane="interactive")
    assert vector is not None
    assert not backlog.done()
    assert None not in [vector if vector is None else 1 for vector in await backlog]
