"""The Embeddings API over real workers: texts are embedded once, in few requests, and come as they are wanted."""

import asyncio

import openai
import pytest


async def seen(llm_server):
    return (await llm_server.stats())["embeddings"]


async def test_texts_are_embedded_once_and_in_few_requests(sdk, http, llm_server):
    texts = [f"text {number}" for number in range(200)]
    first = await sdk.embeddings.create(model="e", input=[*texts, *texts[:50]])
    assert [item.index for item in first.data] == list(range(250))
    assert first.data[200].embedding == first.data[0].embedding
    assert first.usage.prompt_tokens > 250
    stats = await seen(llm_server)
    assert (stats["most_calls_of_a_text"], stats["distinct_texts"]) == (1, 200)
    assert stats["calls"] < 50, stats["calls"]

    again = await sdk.embeddings.with_raw_response.create(model="e", input=texts[10:20])
    assert again.headers["x-askonce-source"] == "exact"
    assert [item.embedding for item in again.parse().data] == [item.embedding for item in first.data[10:20]]
    mixed = await http.post("/embeddings", json={"model": "e", "input": ["text 1", "new"]})
    assert mixed.headers["x-askonce-source"] == "exact, llm"
    assert (await seen(llm_server))["calls"] == stats["calls"] + 1


async def test_a_text_that_many_want_at_once_is_paid_once(sdk, llm_server):
    await llm_server.control(embeddings={"latency_ms": 300})
    found = await asyncio.gather(*[sdk.embeddings.create(model="e", input="wanted") for _ in range(20)])
    assert len({tuple(each.data[0].embedding) for each in found}) == 1
    assert (await seen(llm_server))["texts"] == {"wanted": 1}


async def test_numbers_and_base64_are_the_same_vector(http, sdk):
    body = {"model": "e", "input": "a text", "dimensions": 8}
    numbers = (await http.post("/embeddings", json=body)).json()
    packed = (await http.post("/embeddings", json={**body, "encoding_format": "base64"})).json()
    [row] = numbers["data"]
    assert len(row["embedding"]) == 8
    assert isinstance(packed["data"][0]["embedding"], str)
    parsed = await sdk.embeddings.create(**body)
    assert parsed.data[0].embedding == row["embedding"]
    assert (numbers["object"], numbers["model"], numbers["usage"]) == ("list", "e", packed["usage"])
    longer = await sdk.embeddings.create(model="e", input="a text")
    assert len(longer.data[0].embedding) == 384


async def test_vectors_of_a_provider_s_own_kind_stay_as_they_came(http, llm_server):
    """The stand-in sends floats: seen is that nothing is asked for or read otherwise than was wanted."""
    body = {"model": "e", "input": "whole", "output_dtype": "int8", "dimensions": 8}
    numbers = [(await http.post("/embeddings", json=body)).json()["data"][0]["embedding"] for _ in range(2)]
    assert isinstance(numbers[0], list)
    assert numbers[0] == numbers[1]
    wanted = {**body, "encoding_format": "base64"}
    found = [(await http.post("/embeddings", json=wanted)).json()["data"][0]["embedding"] for _ in range(2)]
    assert isinstance(found[0], str)
    assert found[0] == found[1]
    sent = [request["body"].get("encoding_format") for request in (await seen(llm_server))["requests"]]
    assert sent == [None, "base64"]


@pytest.mark.parametrize("given", [[1, 2, 3], [[1, 2], [3]]])
async def test_tokens_go_to_the_provider_as_they_are(sdk, llm_server, given):
    found = [await sdk.embeddings.create(model="e", input=given) for _ in range(2)]
    assert found[0] == found[1]
    sent = [each for request in (await seen(llm_server))["requests"] for each in request["body"]["input"]]
    assert sent == (given if isinstance(given[0], list) else [given])


async def test_one_text_that_is_refused_costs_its_neighbours_nothing(http, sdk, llm_server):
    await llm_server.fail("embeddings", "status", status=400, contains="bad", message="too long")
    reply = await http.post("/embeddings", json={"model": "e", "input": ["one", "bad", "two"]})
    assert reply.status_code == 400
    assert "too long" in reply.json()["error"]["message"]
    await sdk.embeddings.create(model="e", input=["one", "two"])
    texts = (await seen(llm_server))["texts"]
    assert texts["one"] <= 3
    exact = await http.post("/embeddings", json={"model": "e", "input": ["one", "two"]})
    assert exact.headers["x-askonce-source"] == "exact"


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"input": ""}, "empty"),
        ({"input": []}, "input"),
        ({"input": ["a", ""]}, "empty"),
        ({"input": [["x"]]}, "input"),
        ({"input": ["a"] * 2049}, "2048"),
        ({}, "input"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format"),
        ({"input": "a", "askonce": {"tll": 3}}, "tll"),
        ({"input": "a mail", "askonce": {"template": "a {text}"}}, "template"),
    ],
)
async def test_bad_requests_are_refused(http, llm_server, body, word):
    reply = await http.post("/embeddings", json={"model": "e", **body})
    assert reply.status_code == 400, reply.text
    assert word in reply.json()["error"]["message"]


async def test_a_server_that_is_busy_is_asked_again(sdk, llm_server):
    await llm_server.fail("embeddings", "status", status=429, retry_after="0.1", times=2)
    assert (await sdk.embeddings.create(model="e", input="a text")).data
    await llm_server.fail("embeddings", "status", status=404, code="model_not_found")
    with pytest.raises(openai.NotFoundError):
        await sdk.embeddings.create(model="e", input="another")
