"""A `map` whose queue fails in a way that it does not expect ends, and does not wait for what was never accepted."""

import asyncio

import pytest

from askonce import Question
from askonce.session.memory import Memory
from askonce.testing import FakeClient


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("method", ["put", "lookup_many"])
async def test_a_map_raises_what_the_queue_raises(monkeypatch, method, ordered):
    works, calls = getattr(Memory, method), 0

    async def failing(*args, **options):
        nonlocal calls
        calls += 1
        if calls > 1:
            raise LookupError("not as planned")
        return await works(*args, **options)

    monkeypatch.setattr(Memory, method, failing)
    got = []
    async with FakeClient() as client, asyncio.timeout(10):
        with pytest.raises(LookupError):
            async for question, _ in client.map((Question(f"q{n}") for n in range(40)), in_flight=16, ordered=ordered):
                got.append(question.text)
    assert got == ["q0", "q1", "q2", "q3"] or not (ordered or got)
