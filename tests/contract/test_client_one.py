"""One question: asked, answered, failed, submitted under a job id."""

import asyncio
import time

import pytest

from askonce import (
    AnswerTimeout,
    InvalidQuestion,
    Question,
    QuestionFailed,
    UnknownJob,
)
from askonce.contract.completion import text_body
from support.client_fixtures import raising, status_is
from support.services import MODEL


async def test_a_question_is_answered_once_and_then_comes_from_the_cache(client, service):
    first = await client.ask("What is it?")
    assert (first.status, first.source, first.text) == ("answered", "llm", "answer to: What is it?")
    assert first.model == MODEL
    again = await client.ask("  What is it? ")
    assert (again.source, again.text) == ("exact", first.text)
    assert abs(again.cached_at - time.time()) < 10
    assert len(service.asked) == 1


async def test_many_who_ask_at_once_each_get_their_own_answer(client):
    answers = await asyncio.gather(*(client.ask(f"question {n}") for n in range(300)))
    assert [answer.text for answer in answers] == [f"answer to: question {n}" for n in range(300)]


async def test_a_job_is_answered_under_its_id_for_any_client(client, service):
    job_id = await client.submit(Question("q", system="be brief", params={"temperature": 0}, metadata={"row": 7}))
    other = await service.client()
    answer = await other.result(job_id)
    assert (answer.job_id, answer.text, answer.metadata) == (job_id, "answer to: q", {"row": 7})
    assert await client.result(job_id) == answer
    assert service.asked[0].system == "be brief"
    assert service.asked[0].params == {"temperature": 0}


async def test_a_client_that_waits_is_told_of_a_job_of_another(client, service):
    service.pause()
    job_id = await client.submit("q")
    other = await service.client()
    waits = asyncio.create_task(other.result(job_id, timeout=60))
    with pytest.raises(AnswerTimeout):
        await client.result(job_id, timeout=0.05)
    service.resume()
    assert (await waits).text == "answer to: q"


async def test_result_without_a_wait_says_at_once_that_there_is_none(client, service):
    service.pause()
    job_id = await client.submit("q")
    started = time.monotonic()
    with pytest.raises(AnswerTimeout) as caught:
        await client.result(job_id, timeout=0)
    assert time.monotonic() - started < 1
    assert caught.value.job_id == job_id
    service.resume()
    await client.result(job_id)
    assert (await client.result(job_id, timeout=0)).text == "answer to: q"


@pytest.mark.parametrize("timeout", [0, 5])
async def test_an_unknown_job_is_named(client, timeout):
    with pytest.raises(UnknownJob, match="nowhere"):
        await client.result("nowhere", timeout=timeout)


async def test_ask_gives_up_at_its_timeout(client, service):
    service.pause()
    started = time.monotonic()
    with pytest.raises(AnswerTimeout):
        await client.ask("q", timeout=0.3)
    assert 0.25 < time.monotonic() - started < 2


async def test_the_deadline_travels_with_the_question(client, service):
    service.pause()
    job_id = await client.submit("q", timeout=0.1)
    await asyncio.sleep(0.3)
    service.resume()
    with pytest.raises(QuestionFailed) as caught:
        await client.result(job_id)
    assert caught.value.answer.error.kind == "expired"
    assert service.asked == []


async def test_cancelling_ask_abandons_only_the_wait(client, service):
    service.pause()
    asks = asyncio.create_task(client.ask(Question("q", job_id="mine")))
    await status_is(client, "mine", "queued")
    asks.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asks
    service.resume()
    assert (await client.result("mine")).text == "answer to: q"


async def test_a_failed_question_raises_where_one_is_waited_for(client, service):
    service.answering = raising
    with pytest.raises(QuestionFailed, match="on fire") as caught:
        await client.ask("q", metadata=[1])
    assert caught.value.answer.error.kind == "server_error"
    assert caught.value.answer.metadata == [1]
    job_id = await client.submit("q")
    with pytest.raises(QuestionFailed):
        await client.result(job_id)
    assert await client.lookup("q") is None


async def test_a_body_comes_back_whole(client, service):
    body = text_body("hi", model="other-model", usage={"total_tokens": 5})
    body["system_fingerprint"] = "fp"
    service.answering = lambda question: body
    answer = await client.ask("q")
    assert (answer.body, answer.usage, answer.finish_reason) == (body, {"total_tokens": 5}, "stop")


async def test_an_answer_that_the_provider_broke_off_is_a_failure(client, service):
    choice = {"message": {"content": "half"}, "finish_reason": "error", "error": {"message": "upstream is gone"}}
    service.answering = lambda question: {"choices": [choice]}
    with pytest.raises(QuestionFailed, match="server_error: upstream is gone"):
        await client.ask("q")
    assert await client.lookup("q") is None


async def test_submitting_a_job_id_again_changes_nothing(client, service):
    service.pause()
    question = Question("q", job_id="row-1")
    assert await client.submit(question) == await client.submit(question) == "row-1"
    service.resume()
    await client.result("row-1")
    assert await client.submit(question) == "row-1"
    assert (await client.ask(Question("q", job_id="row-1", cache="refresh"))).text == "answer to: q"
    assert len(service.asked) == 1


async def test_a_job_id_never_stands_for_two_questions(client):
    await client.submit(Question("q", job_id="row-1"))
    with pytest.raises(InvalidQuestion, match="row-1"):
        await client.submit(Question("another", job_id="row-1"))
    with pytest.raises(InvalidQuestion, match="row-1"):
        await client.ask("another", job_id="row-1")
