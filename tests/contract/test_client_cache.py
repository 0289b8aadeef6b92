"""The cache through the client: stored, expired, invalidated, and apart by namespace."""

import asyncio

import pytest

from askonce import (
    Question,
    UnknownJob,
)
from support.client_fixtures import until


@pytest.mark.parametrize("cache", ["refresh", "bypass"])
async def test_refresh_and_bypass_ask_again(client, service, cache):
    await client.ask("same")
    answer = await client.ask("same", cache=cache)
    assert answer.source == "llm"
    assert len(service.asked) == 2


async def test_bypass_leaves_nothing_in_the_cache(client):
    await client.ask("secret", cache="bypass")
    assert await client.lookup("secret") is None


async def test_an_answer_that_is_truncated_or_empty_is_not_kept(client, service):
    bodies = [
        {"model": "m", "choices": [{"finish_reason": "length", "message": {"role": "assistant", "content": "cut"}}]},
        {"model": "m", "choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": ""}}]},
    ]
    service.answering = lambda question: bodies.pop(0) if bodies else "whole"
    for source in ("llm", "llm", "llm", "exact"):
        assert (await client.ask("the same")).source == source


async def test_a_stored_answer_is_found(client, service):
    await client.store("2 + 2?", "4", usage={"total_tokens": 3})
    found = await client.lookup("2 + 2?")
    assert (found.text, found.source, found.usage) == ("4", "exact", {"total_tokens": 3})
    assert (await client.ask("2 + 2?", metadata={"n": 1})).metadata == {"n": 1}
    assert service is not None
    assert await client.lookup("2 + 2?", system="other scope") is None
    assert await client.lookup("2 + 2?", model="other-model") is None


@pytest.mark.parametrize(
    ("form", "left"),
    [
        ({"model": "m"}, ["other"]),
        ({"namespace": "default"}, []),
        ({"namespace": "default", "model": "other"}, ["m"]),
        ({"namespace": "elsewhere"}, ["m", "other"]),
        ({"all": True}, []),
    ],
)
async def test_what_was_invalidated_is_not_found(client, form, left):
    for model in ("m", "other"):
        await client.store("2 + 2?", "4", model=model)
    await client.invalidate(**form)
    assert [model for model in ("m", "other") if await client.lookup("2 + 2?", model=model)] == left
    await client.store("2 + 2?", "4", model="m")
    assert await client.lookup("2 + 2?", model="m") is not None


async def test_what_is_being_asked_while_it_is_invalidated_is_answered_and_not_cached(client, service):
    may_answer = asyncio.Event()

    async def answering(question):
        await may_answer.wait()
        return "the old one"

    async def being_asked():
        return len(service.asked) == 1

    service.answering = answering
    asking = asyncio.create_task(client.ask("why?"))
    await until(being_asked)
    await client.invalidate(all=True)
    may_answer.set()
    assert (await asking).text == "the old one"
    assert await client.lookup("why?") is None


async def test_a_stored_answer_expires(client):
    await client.store(Question("2 + 2?", ttl=1), "4")
    assert await client.lookup("2 + 2?") is not None

    async def gone():
        return await client.lookup("2 + 2?") is None

    await until(gone)


async def test_namespaces_share_nothing(client, service):
    await client.ask("q")
    other = await service.client(namespace="tenant-2")
    assert await other.lookup("q") is None
    assert (await other.ask("q")).source == "llm"
    job_id = await other.submit("mine")
    with pytest.raises(UnknownJob):
        await client.result(job_id)
    assert (await client.result(job_id, namespace="tenant-2")).text == "answer to: mine"
    assert await client.status([job_id]) == {job_id: "unknown"}
    assert await client.status([job_id], namespace="tenant-2") == {job_id: "answered"}
    assert (await client.lookup("q", namespace="tenant-2")).source == "exact"
