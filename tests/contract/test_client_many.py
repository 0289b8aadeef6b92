"""Many questions: `submit_many` and a full queue."""

import asyncio

import pytest

from askonce import (
    InvalidQuestion,
    Question,
    QueueFull,
)


async def numbers(count):
    for n in range(count):
        if n % 100 == 0:
            await asyncio.sleep(0)
        yield f"question {n}"


async def test_one_conflict_does_not_hurt_who_submits_at_the_same_time(client):
    await client.submit(Question("q", job_id="row-1"))
    asks = [client.ask(f"good {n}") for n in range(5)]
    bad = client.submit(Question("another", job_id="row-1"))
    *answers, error = await asyncio.gather(*asks, bad, return_exceptions=True)
    assert isinstance(error, InvalidQuestion)
    assert [answer.text for answer in answers] == [f"answer to: good {n}" for n in range(5)]


async def test_the_same_job_id_twice_in_one_list(client, service):
    twice = [Question("q", job_id="a"), Question("q", job_id="a")]
    assert await client.submit_many(twice) == ["a", "a"]
    with pytest.raises(InvalidQuestion) as caught:
        await client.submit_many([Question("x", job_id="b"), Question("y", job_id="b"), Question("z", job_id="c")])
    assert caught.value.accepted == ["b", "c"]


@pytest.mark.parametrize(
    "questions",
    [
        [f"question {n}" for n in range(1500)],
        (Question(f"question {n}") for n in range(1500)),
        numbers(1500),
    ],
    ids=["list", "generator", "async generator"],
)
async def test_many_questions_get_job_ids_in_their_order(service, request, questions):
    if not isinstance(questions, list) and "real" in request.node.callspec.id:
        questions = numbers(1500)  # a stream is used up by the first run
    client = await service.client(chunk_size=50)
    job_ids = await client.submit_many(questions)
    assert len(set(job_ids)) == 1500
    found = {answer.job_id: answer.text async for answer in client.as_completed(job_ids, timeout=60)}
    assert [found[job_id] for job_id in job_ids] == [f"answer to: question {n}" for n in range(1500)]


async def test_nothing_of_a_list_is_submitted_when_one_is_invalid(client, service):
    service.pause()
    questions = [*(Question(f"q{n}", job_id=f"id-{n}") for n in range(700)), Question(" ")]
    with pytest.raises(InvalidQuestion) as caught:
        await client.submit_many(questions)
    assert caught.value.accepted == []
    assert (await client.status(["id-0"]))["id-0"] == "unknown"


async def test_an_invalid_question_in_a_stream_names_what_got_in(client):
    def stream():
        yield from (Question(f"q{n}", job_id=f"id-{n}") for n in range(1024))
        yield Question("")

    with pytest.raises(InvalidQuestion) as caught:
        await client.submit_many(stream())
    assert caught.value.accepted == [f"id-{n}" for n in range(1024)]


async def test_a_full_queue_says_what_got_in(service):
    client = await service.client(max_queued=10, chunk_size=5)
    service.pause()
    with pytest.raises(QueueFull) as caught:
        await client.submit_many([Question(f"q{n}", job_id=f"id-{n}") for n in range(20)])
    assert caught.value.accepted == [f"id-{n}" for n in range(10)]
    assert [question.job_id for question in caught.value.refused] == [f"id-{n}" for n in range(10, 20)]
    assert caught.value.retry_after > 0
    with pytest.raises(QueueFull):
        await client.submit("one more", lane="bulk")
    await client.submit("the other lane has room", lane="interactive")


async def test_what_a_full_queue_refused_can_be_submitted_again_and_nothing_is_missing(service):
    client = await service.client(max_queued=100, chunk_size=64)
    service.pause()
    texts = [f"question {n}" for n in range(1300)]
    job_ids, left = [], texts
    while left:
        try:
            job_ids += await client.submit_many(left)
            left = []
        except QueueFull as error:
            job_ids += error.accepted
            left = error.refused
            service.resume()
            await asyncio.sleep(error.retry_after / 10)
    answers = [answer async for answer in client.as_completed(job_ids, timeout=60)]
    assert sorted(answer.text for answer in answers) == sorted(f"answer to: {text}" for text in texts)
