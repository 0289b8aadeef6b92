"""What every client does, over the fake of `askonce.testing` and over a real queue."""

import asyncio
import time

import pytest

from askonce import (
    AnswerTimeout,
    AskOnceError,
    InvalidQuestion,
    Question,
    QuestionFailed,
    QueueFull,
    UnknownJob,
)
from askonce.contract.completion import text_body
from support.services import MODEL, FakeService, RealService


@pytest.fixture(params=["fake", "real"])
async def service(request, prefix):
    made = FakeService() if request.param == "fake" else RealService(request.getfixturevalue("valkey_url"), prefix)
    async with made as service:
        yield service


@pytest.fixture
async def client(service):
    return await service.client()


async def until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, "it did not come"
        await asyncio.sleep(0.005)


async def status_is(client, job_id, wanted):
    async def reached():
        return (await client.status([job_id]))[job_id] == wanted

    await until(reached)


def raising(question):
    raise RuntimeError("the provider is on fire")


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


@pytest.mark.parametrize("cache", ["refresh", "bypass"])
async def test_refresh_and_bypass_ask_again(client, service, cache):
    await client.ask("same")
    answer = await client.ask("same", cache=cache)
    assert answer.source == "llm"
    assert len(service.asked) == 2


async def test_bypass_leaves_nothing_in_the_cache(client):
    await client.ask("secret", cache="bypass")
    assert await client.lookup("secret") is None


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
    waits = asyncio.create_task(other.result(job_id, timeout=20))
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
    choice = {"message": {"content": "half an ans"}, "finish_reason": "error", "error": {"message": "upstream is gone"}}
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


async def numbers(count):
    for n in range(count):
        if n % 100 == 0:
            await asyncio.sleep(0)
        yield f"question {n}"


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


async def test_an_answer_that_is_truncated_or_empty_is_not_kept(client, service):
    bodies = [
        {"model": "m", "choices": [{"finish_reason": "length", "message": {"role": "assistant", "content": "cut"}}]},
        {"model": "m", "choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": ""}}]},
    ]
    service.answering = lambda question: bodies.pop(0) if bodies else "whole"
    for source in ("llm", "llm", "llm", "exact"):
        assert (await client.ask("the same")).source == source


async def test_map_waits_for_room_in_the_queue(service):
    client = await service.client(max_queued=5, chunk_size=5)
    got = [answer.text async for _, answer in client.map([f"q{n}" for n in range(23)])]
    assert got == [f"answer to: q{n}" for n in range(23)]


async def test_as_completed_yields_what_is_done_first(client, service):
    slow = asyncio.Event()

    async def answering(question):
        if question.text == "slow":
            await slow.wait()
        return question.text

    service.answering = answering
    job_ids = [await client.submit(text) for text in ("slow", "quick")]
    answers = client.as_completed(job_ids, timeout=20)
    assert (await anext(answers)).text == "quick"
    slow.set()
    assert (await anext(answers)).text == "slow"
    with pytest.raises(StopAsyncIteration):
        await anext(answers)


async def test_as_completed_yields_failed_and_unknown_ones(client, service):
    service.answering = raising
    job_id = await client.submit("q")
    kinds = {answer.job_id: answer.error.kind async for answer in client.as_completed([job_id, "nowhere"], timeout=20)}
    assert kinds == {job_id: "server_error", "nowhere": "unknown_job"}


async def test_as_completed_yields_a_job_as_often_as_it_is_named(client):
    job_id = await client.submit("q")
    answers = [answer async for answer in client.as_completed([job_id, job_id], timeout=20)]
    assert [answer.text for answer in answers] == ["answer to: q"] * 2


async def test_as_completed_of_nothing_ends(client):
    assert [answer async for answer in client.as_completed([])] == []


async def test_as_completed_gives_up_at_its_timeout(client, service):
    service.pause()
    job_id = await client.submit("q")
    with pytest.raises(AnswerTimeout) as caught:
        [_ async for _ in client.as_completed([job_id], timeout=0.1)]
    assert caught.value.job_id == job_id


async def test_map_keeps_the_order(client, service):
    async def answering(question):
        await asyncio.sleep(0.05 if question.text.endswith("0") else 0)
        return question.text

    service.answering = answering
    pairs = [(q.text, a.text) async for q, a in client.map((f"q{n}" for n in range(200)), in_flight=40)]
    assert pairs == [(f"q{n}", f"q{n}") for n in range(200)]


async def test_map_out_of_order_lets_nobody_wait_for_a_slow_one(client, service):
    slow = asyncio.Event()

    async def answering(question):
        if question.text == "q0":
            await slow.wait()
        return question.text

    service.answering = answering
    service_is_asked = []
    async for question, answer in client.map([f"q{n}" for n in range(30)], ordered=False, in_flight=10):
        service_is_asked.append(answer.text)
        assert question.text == answer.text
        if len(service_is_asked) == 29:
            slow.set()
    assert sorted(service_is_asked) == sorted(f"q{n}" for n in range(30))
    assert service_is_asked[-1] == "q0"


@pytest.mark.parametrize("in_flight", [1, 3, 16])
async def test_map_never_has_more_in_flight_than_it_may(client, in_flight):
    taken = yielded = 0

    def source():
        nonlocal taken
        for n in range(60):
            taken += 1
            yield f"q{n}"

    async for _ in client.map(source(), in_flight=in_flight):
        yielded += 1
        # one batch may be read and wait for room
        assert taken - yielded <= in_flight + max(1, in_flight // 4)
    assert yielded == 60


async def test_map_takes_an_asynchronous_source_that_trickles(client):
    gate = asyncio.Queue()

    async def source():
        while (text := await gate.get()) is not None:
            yield text

    answers = client.map(source())
    await gate.put("first")
    assert (await asyncio.wait_for(anext(answers), 10))[1].text == "answer to: first"
    await gate.put("second")
    await gate.put(None)
    assert [answer.text async for _, answer in answers] == ["answer to: second"]


async def test_map_answers_what_is_cached_without_queue_or_worker(client, service):
    await client.store("known", "cached")
    service.pause()
    answers = [answer async for _, answer in client.map(["known"] * 600, in_flight=100)]
    assert {(answer.text, answer.source, answer.job_id) for answer in answers} == {("cached", "exact", None)}
    assert len(answers) == 600


async def test_map_keeps_the_order_of_cached_and_asked_ones(client):
    for n in range(0, 200, 3):
        await client.store(f"q{n}", f"cached {n}")
    got = [answer.text async for _, answer in client.map([f"q{n}" for n in range(200)], in_flight=40)]
    assert got == [f"answer to: q{n}" if n % 3 else f"cached {n}" for n in range(200)]


@pytest.mark.parametrize("cache", ["refresh", "bypass"])
async def test_map_asks_anew_what_is_to_be_asked_anew(client, cache):
    await client.store("q", "cached")
    assert [answer.text async for _, answer in client.map([Question("q", cache=cache)])] == ["answer to: q"]


async def test_map_leaves_a_result_under_a_job_id_of_the_callers(client):
    await client.store("q", "cached")
    [(_, answer)] = [pair async for pair in client.map([Question("q", job_id="mine")])]
    assert answer.text == "cached"
    assert (await client.result("mine", timeout=10)).text == "cached"


async def test_map_leaves_none_where_nobody_will_ask_for_it(client, service):
    await client.store("q", "cached")
    service.pause()
    [(_, answer)] = [pair async for pair in client.map([Question("q", job_id="mine")], keep=False)]
    assert (answer.job_id, answer.text, answer.source) == ("mine", "cached", "exact")
    with pytest.raises(UnknownJob):
        await client.result("mine", timeout=10)


async def test_map_tells_what_became_of_a_job_that_is_known_already(client):
    """Of a run that was killed: the first one has paid for it, and the cache does not make it a hit."""
    await client.submit(Question("q", job_id="mine"))
    await client.result("mine", timeout=10)
    assert (await client.lookup("q")).text == "answer to: q"
    [(_, answer)] = [pair async for pair in client.map([Question("q", job_id="mine")], keep=False)]
    assert (answer.text, answer.source) == ("answer to: q", "llm")


async def test_map_yields_what_is_invalid_as_failed(client):
    questions = ["good", " ", Question("q", params={"stream": True}), "good too"]
    kinds = [answer.error.kind if answer.error else answer.text async for _, answer in client.map(questions)]
    assert kinds == ["answer to: good", "invalid_question", "invalid_question", "answer to: good too"]


async def test_map_yields_a_conflicting_job_id_as_failed(client):
    await client.submit(Question("q", job_id="taken"))
    questions = [Question("q", job_id="taken"), Question("another", job_id="taken"), Question("fine")]
    kinds = [answer.error.kind if answer.error else answer.text async for _, answer in client.map(questions)]
    assert kinds == ["answer to: q", "invalid_question", "answer to: fine"]


async def test_map_hands_on_what_its_source_raises_after_what_came_before(client):
    def source():
        yield "first"
        raise LookupError("the file ends here")

    got = []
    with pytest.raises(LookupError):
        async for _, answer in client.map(source()):
            got.append(answer.text)
    assert got == ["answer to: first"]


@pytest.mark.parametrize("before", [1, 300, 1100])
async def test_map_answers_all_that_came_before_its_source_raises(client, before):
    def source():
        for n in range(before):
            yield f"q{n % 7}"
        raise LookupError("the file ends here")

    got = 0
    with pytest.raises(LookupError):
        async for _ in client.map(source()):
            got += 1
    assert got == before


async def test_map_can_be_left_half_way(client):
    answers = client.map(f"q{n}" for n in range(1000))
    async for _, answer in answers:
        assert answer.text == "answer to: q0"
        break
    await answers.aclose()
    assert (await client.ask("still well")).text == "answer to: still well"


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


@pytest.mark.parametrize(
    "fields",
    [
        {"question": ""},
        {"question": " \n"},
        {"question": None},
        {"question": "\ud800"},
        {"question": "q", "system": "\ud800"},
        {"question": "q", "template": "no placeholder"},
        {"question": "q", "cache": "sometimes"},
        {"question": "q", "ttl": 0},
        {"question": "q", "ttl": float("nan")},
        {"question": "q", "threshold": 1.5},
        {"question": "q", "job_id": "with space"},
        {"question": "q", "namespace": "a:b"},
        {"question": "q", "params": {"stream": True}},
        {"question": "q", "params": {"temperature": float("inf")}},
        {"question": "q", "metadata": object()},
        {"question": "q", "history": "hello"},
        {"question": "q" * 1_100_000},
        {"question": "q", "model": "two\nlines"},
    ],
    ids=lambda fields: ",".join(f"{key}={str(value)[:20]!a}" for key, value in fields.items()),
)
async def test_bad_input_is_refused_before_anything_is_written(client, service, fields):
    for method in (client.ask, client.submit, client.lookup):
        with pytest.raises(InvalidQuestion):
            await method(**fields)
    assert client is not None
    assert "asked" not in vars(client) or service.asked == []


async def test_what_makes_no_sense_is_a_plain_python_error(client):
    with pytest.raises(ValueError, match="lane"):
        await client.submit("q", lane="fast")
    with pytest.raises(ValueError, match="timeout"):
        await client.ask("q", timeout=0)
    with pytest.raises(ValueError, match="timeout"):
        await client.result("id", timeout=-1)
    with pytest.raises(ValueError, match="in_flight"):
        client.map(["q"], in_flight=0)
    with pytest.raises(TypeError, match="list"):
        await client.submit_many("one question")
    with pytest.raises(TypeError, match="list"):
        await client.status("one-id")
    with pytest.raises(TypeError):
        await client.ask("q", temprature=0)


async def test_an_empty_answer_is_not_stored(client):
    with pytest.raises(InvalidQuestion):
        await client.store("q", " ")


async def test_no_model_is_said_plainly(service, monkeypatch):
    monkeypatch.delenv("ASKONCE_MODEL", raising=False)
    client = await service.client(model=None)
    with pytest.raises(InvalidQuestion, match="ASKONCE_MODEL"):
        await client.ask("q")
    assert (await client.ask("q", model="named")).text == "answer to: q"


async def test_a_closed_client_can_be_used_again(client):
    await client.ask("q")
    await client.aclose()
    await client.aclose()
    assert (await client.ask("q")).source == "exact"


async def test_all_errors_have_one_base():
    for error in (InvalidQuestion, QueueFull, AnswerTimeout, UnknownJob, QuestionFailed):
        assert issubclass(error, AskOnceError)
