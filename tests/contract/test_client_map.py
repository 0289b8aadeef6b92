"""`map`: order, bounds, the cache, and sources that raise."""

import asyncio

import pytest

from askonce import (
    Question,
    UnknownJob,
)


async def test_map_waits_for_room_in_the_queue(service):
    client = await service.client(max_queued=5, chunk_size=5)
    got = [answer.text async for _, answer in client.map([f"q{n}" for n in range(23)])]
    assert got == [f"answer to: q{n}" for n in range(23)]


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
    assert (await client.result("mine", timeout=60)).text == "cached"


async def test_map_leaves_none_where_nobody_will_ask_for_it(client, service):
    await client.store("q", "cached")
    service.pause()
    [(_, answer)] = [pair async for pair in client.map([Question("q", job_id="mine")], keep=False)]
    assert (answer.job_id, answer.text, answer.source) == ("mine", "cached", "exact")
    with pytest.raises(UnknownJob):
        await client.result("mine", timeout=60)


async def test_map_tells_what_became_of_a_job_that_is_known_already(client):
    """Of a run that was killed: the first one has paid for it, and the cache does not make it a hit."""
    await client.submit(Question("q", job_id="mine"))
    await client.result("mine", timeout=60)
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
