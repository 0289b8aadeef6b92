"""Large hits that wait for a slow answer before them do not pile up in a `map`."""

import asyncio

import pytest

from askonce.session import mapping
from askonce.session.memory import Memory
from askonce.testing import FakeClient

BODY = "x" * 10_000


@pytest.fixture
def few(monkeypatch):
    """Hits come a few at a time, as large ones do."""
    works = Memory.lookup_many

    async def first_ones(self, questions):
        return await works(self, questions[:5])

    monkeypatch.setattr(Memory, "lookup_many", first_ones)
    monkeypatch.setattr(mapping, "HELD", 20 * len(BODY))


@pytest.mark.parametrize("at", [0, 7])
async def test_hits_behind_a_slow_answer_are_not_read_on_and_on(few, at):  # noqa: ARG001
    slow, taken = asyncio.Event(), 0

    async def answering(question):
        await slow.wait()
        return question.text

    def source():
        nonlocal taken
        for number in range(3000):
            taken += 1
            yield "slow" if number == at else "known"

    async with FakeClient(answering) as client, asyncio.timeout(60):
        await client.store("known", BODY)
        texts, answers = [], client.map(source(), in_flight=4000)
        texts += [(await anext(answers))[1].text for _ in range(at)]
        waiting = asyncio.create_task(anext(answers))
        await asyncio.sleep(1)
        assert not waiting.done()
        assert taken <= 1024
        slow.set()
        texts += [(await waiting)[1].text, *[answer.text async for _, answer in answers]]
    assert texts == [BODY] * at + ["slow"] + [BODY] * (2999 - at)


@pytest.mark.parametrize("ordered", [True, False])
async def test_hits_and_misses_in_turn_all_come(few, ordered):  # noqa: ARG001
    async with FakeClient() as client, asyncio.timeout(60):
        await client.store("known", BODY)
        asked = [f"q{number}" if number % 7 in (3, 4) else "known" for number in range(2000)]
        got = [question.text async for question, _ in client.map(asked, in_flight=300, ordered=ordered)]
    assert got == asked if ordered else sorted(got) == sorted(asked)
