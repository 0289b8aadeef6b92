"""A rewording of what a batch has just answered waits until its vector is in Qdrant, but not for ever."""

import asyncio

import pytest

from askonce import Question
from askonce_worker.cache.outbox import Outbox
from askonce_worker.parked import arriving
from askonce_worker.parked.arriving import Arriving
from support.asking import paraphrases
from support.parking import answers, in_place, nothing_left, park, seen
from support.wired import wired_workers
from support.worker_process import until

FIRST, OTHER = (Question(text) for text in paraphrases("How far is town 0? [g0]", 2))


@pytest.fixture
def looks(monkeypatch):
    """What each look whether they have arrived has said."""
    monkeypatch.setattr(arriving, "LOOKING", 0.02)
    real, said = Arriving.are_there, []

    async def are_there(self):
        said.append(await real(self))
        return said[-1]

    monkeypatch.setattr(Arriving, "are_there", are_there)
    return said


@pytest.fixture
def gate(monkeypatch):
    """No vector reaches Qdrant until it is set."""
    real, opened = Outbox._store, asyncio.Event()

    async def store(self, records, **options):
        await opened.wait()
        await real(self, records, **options)

    monkeypatch.setattr(Outbox, "_store", store)
    return opened


@pytest.mark.parametrize("again", [False, True], ids=["the same worker", "the next one"])
async def test_a_rewording_waits_for_the_vector_of_what_was_answered(batch_worker, llm_server, gate, looks, again):
    async with wired_workers(1, batch_worker) as [worker]:
        await answers(worker, await park(worker, FIRST))
        await nothing_left(worker)
        if not again:
            await _waits(worker, gate, looks)
    if again:
        async with wired_workers(1, batch_worker) as [worker]:
            await _waits(worker, gate, looks)
    assert (await seen(llm_server))[0]["billed"] == 1


async def _waits(worker, gate, looks):
    looks.clear()
    ids = await park(worker, OTHER)

    async def some():
        return len(looks) > 2

    await until(some, what="some looks")
    assert not any(looks)
    await in_place(worker, "new", 1)
    gate.set()
    [answer] = await answers(worker, ids)
    assert (answer.source, answer.matched_question) == ("semantic", FIRST.text)


async def test_it_does_not_wait_for_ever(batch_worker, llm_server, gate, monkeypatch):
    monkeypatch.setattr(arriving, "PATIENCE", 0.2)
    async with wired_workers(1, batch_worker) as [worker]:
        await answers(worker, await park(worker, FIRST))
        await nothing_left(worker)
        [answer] = await answers(worker, await park(worker, OTHER))
        assert answer.source == "llm"
        gate.set()
