"""Jobs by their ids: `as_completed`, `status`, `cancel`."""

import asyncio

import pytest

from askonce import (
    AnswerTimeout,
    QuestionFailed,
)
from support.client_fixtures import raising, status_is


async def test_as_completed_yields_what_is_done_first(client, service):
    slow = asyncio.Event()

    async def answering(question):
        if question.text == "slow":
            await slow.wait()
        return question.text

    service.answering = answering
    job_ids = [await client.submit(text) for text in ("slow", "quick")]
    answers = client.as_completed(job_ids, timeout=60)
    assert (await anext(answers)).text == "quick"
    slow.set()
    assert (await anext(answers)).text == "slow"
    with pytest.raises(StopAsyncIteration):
        await anext(answers)


async def test_as_completed_yields_failed_and_unknown_ones(client, service):
    service.answering = raising
    job_id = await client.submit("q")
    kinds = {answer.job_id: answer.error.kind async for answer in client.as_completed([job_id, "nowhere"], timeout=60)}
    assert kinds == {job_id: "server_error", "nowhere": "unknown_job"}


async def test_as_completed_yields_a_job_as_often_as_it_is_named(client):
    job_id = await client.submit("q")
    answers = [answer async for answer in client.as_completed([job_id, job_id], timeout=60)]
    assert [answer.text for answer in answers] == ["answer to: q"] * 2


async def test_as_completed_of_nothing_ends(client):
    assert [answer async for answer in client.as_completed([])] == []


async def test_as_completed_gives_up_at_its_timeout(client, service):
    service.pause()
    job_id = await client.submit("q")
    with pytest.raises(AnswerTimeout) as caught:
        [_ async for _ in client.as_completed([job_id], timeout=0.1)]
    assert caught.value.job_id == job_id


async def test_status_tells_how_far_each_is(client, service):
    working, go_on = asyncio.Event(), asyncio.Event()

    async def answering(question):
        if question.text == "bad":
            raising(question)
        if question.text == "long":
            working.set()
            await go_on.wait()
        return "done"

    service.answering = answering
    answered, failed, running = [await client.submit(text) for text in ("good", "bad", "long")]
    await status_is(client, answered, "answered")
    await status_is(client, failed, "failed")
    await asyncio.wait_for(working.wait(), 10)
    service.pause()
    queued = await client.submit("later")
    assert await client.status([answered, failed, running, queued, "nowhere"]) == {
        answered: "answered",
        failed: "failed",
        running: "running",
        queued: "queued",
        "nowhere": "unknown",
    }
    go_on.set()
    service.resume()
    await client.result(queued)


async def test_cancel_ends_what_has_not_begun(client, service):
    working, go_on = asyncio.Event(), asyncio.Event()

    async def answering(question):
        working.set()
        await go_on.wait()
        return "done"

    service.answering = answering
    running = await client.submit("long")
    await asyncio.wait_for(working.wait(), 10)
    service.pause()
    queued = await client.submit("later")
    waits = asyncio.create_task(client.result(queued))
    await asyncio.sleep(0.05)
    assert await client.cancel([running, queued, "nowhere"]) == [queued]
    with pytest.raises(QuestionFailed) as caught:
        await waits
    assert caught.value.answer.error.kind == "cancelled"
    assert await client.cancel([queued]) == []
    go_on.set()
    assert (await client.result(running)).text == "done"
    service.resume()
    assert len(service.asked) == 1
    assert (await client.lookup("long")).text == "done"
