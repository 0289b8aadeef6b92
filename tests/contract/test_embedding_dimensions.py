"""Fewer dimensions than the model's own: asked for, and noticed where a server does otherwise."""

import numpy as np
import pytest
from structlog.testing import capture_logs

from askonce.contract.unmatched import Unmatched
from askonce_worker.check.findings import findings
from askonce_worker.check.providers import embeddings
from askonce_worker.matching.profiles import embedding_id, profile_of
from askonce_worker.settings import Settings
from support.adapters import embedder_for

TEXTS = ["How do I read a CSV file?", "Who painted the red tower?"]


@pytest.fixture
async def embed(llm_server):
    """Embeds texts with a model of so many dimensions, and closes."""
    opened = []

    async def run(texts, dimensions):
        opened.append(embedder_for(llm_server, dimensions=dimensions))
        return await opened[-1].embed(texts)

    yield run
    for embedder in opened:
        await embedder.close()


def settings(server, dimensions):
    return Settings(
        OPENAI_BASE_URL=server.base_url,
        OPENAI_API_KEY="test",
        embedding_model="text-embedding-3-small",
        embedding_dimensions=dimensions,
    )


async def asked(server):
    return [request["body"].get("dimensions") for request in (await server.stats())["embeddings"]["requests"]]


async def test_the_dimensions_are_asked_for_and_without_the_setting_they_are_not(embed, llm_server):
    assert [each.vector.size for each in await embed(TEXTS, 64)] == [64, 64]
    assert [each.vector.size for each in await embed(TEXTS, None)] == [384, 384]
    assert await asked(llm_server) == [64, None]


async def test_of_a_server_that_ignores_them_the_first_ones_are_a_unit_vector_and_the_log_says_so(embed, llm_server):
    [whole, _] = await embed(TEXTS, None)
    await llm_server.control(embeddings={"ignores_dimensions": True})
    with capture_logs() as logs:
        cut = (await embed(TEXTS, 64))[0].vector
    first = whole.vector[:64]
    assert cut == pytest.approx(first / np.linalg.norm(first), abs=1e-6)
    assert [(log["wanted"], log["sent"]) for log in logs if log["event"] == "embeddings.shortened"] == [(64, 384)]


async def test_of_a_model_with_fewer_none_is_used(embed, llm_server):
    await llm_server.control(embeddings={"ignores_dimensions": True})
    with capture_logs() as logs:
        found = await embed(TEXTS, 512)
    assert [(each.vector, each.unmatched) for each in found] == [(None, Unmatched.EMBEDDINGS_REFUSED)] * 2
    assert "embeddings.too_short" in [log["event"] for log in logs]


async def test_a_server_that_refuses_them_is_asked_once_and_named(embed, llm_server):
    await llm_server.fail("embeddings", "status", status=400, message="does not support matryoshka representation")
    with capture_logs() as logs:
        found = await embed([f"{text} {number}" for text in TEXTS for number in range(20)], 64)
    assert {each.unmatched for each in found} == {Unmatched.EMBEDDINGS_DOWN}
    assert len(await asked(llm_server)) == 1, "the texts are not at fault: none is sought among them"
    assert "ASKONCE_EMBEDDING_DIMENSIONS" in next(
        log["reason"] for log in logs if log["event"] == "embeddings.dimensions_refused"
    )


async def test_check_says_what_the_server_makes_of_them(llm_server):
    found = await embeddings(settings(llm_server, 64))
    assert (found.ok, found.state, found.advice) == (True, "64 dimensions", "")
    await llm_server.control(embeddings={"ignores_dimensions": True})
    found = await embeddings(settings(llm_server, 64))
    assert found.ok
    assert "ignores `dimensions` and sends 384" in found.state
    assert "Matryoshka" in found.advice
    found = await embeddings(settings(llm_server, 512))
    assert not found.ok
    assert "384 dimensions, not 512" in found.state
    await llm_server.fail("embeddings", "status", status=400, message="model does not support specifying dimensions")
    found = await embeddings(settings(llm_server, 64))
    assert not found.ok
    assert "rejects" in found.state
    assert "ASKONCE_EMBEDDING_DIMENSIONS" in found.advice


async def test_a_shipped_threshold_does_not_hold_for_fewer_dimensions(llm_server):
    whole, reduced = profile_of("text-embedding-3-small"), profile_of("text-embedding-3-small", None, 512)
    assert (whole.threshold, reduced.threshold) == (0.92, None)
    assert reduced.max_tokens == whole.max_tokens
    found = {each.part: each for each in await findings(settings(llm_server, 512))}
    assert found["similarity"].state == "exact matches only"
    assert "with 512 dimensions" in found["similarity"].advice


def test_a_profile_of_the_reduced_model_is_found(tmp_path):
    name = embedding_id("text-embedding-3-small", 512)
    (tmp_path / "own.json").write_text(f'{{"model": "{name}", "threshold": 0.9, "max_tokens": 8, "measured": "here"}}')
    assert profile_of("text-embedding-3-small", tmp_path, 512).threshold == 0.9
    assert profile_of("text-embedding-3-small", tmp_path).threshold == 0.92
