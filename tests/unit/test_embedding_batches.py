"""What goes into a request for embeddings, and what is taken from its reply."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askonce_worker.answering.ports import Embedding
from askonce_worker.pacing.waiting import WaitingItems, Wanted
from askonce_worker.providers.embedding_reply import BadReply, tokens_at_most, vectors_of
from askonce_worker.providers.embeddings import MAX_TOKENS

LOOP = asyncio.new_event_loop()
LOOP.close()


def wanted(text: str, waiting: int = 1) -> Wanted[str, Embedding]:
    tokens = tokens_at_most(text)
    assert tokens is not None
    return Wanted(text, tokens, asyncio.Future(loop=LOOP), waiting)


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40)), st.integers(1, 9), st.integers(164, 500)
)
def test_batches_keep_the_limits_the_order_and_everything(texts: list[str], inputs: int, tokens: int) -> None:
    queue = WaitingItems()
    for text in texts:
        queue.add(wanted(text), "bulk")
    batches = []
    while queue:
        if batch := queue.take(items=inputs, size=tokens, refill=0):
            batches.append(batch)
    assert [one.item for batch in batches for one in batch] == texts
    for batch in batches:
        assert 0 < len(batch) <= inputs
        assert sum(len(one.item.encode()) for one in batch) <= sum(one.size for one in batch) <= tokens


@given(st.lists(st.booleans()))
def test_a_text_that_is_not_waited_for_any_more_is_not_asked(patient: list[bool]) -> None:
    queue, texts = WaitingItems(), [wanted(f"text {index}", int(waits)) for index, waits in enumerate(patient)]
    for text in texts:
        queue.add(text, "bulk")
    batch = queue.take(items=1000, size=MAX_TOKENS, refill=0)
    assert batch == [one for one, waits in zip(texts, patient, strict=True) if waits]


def test_interactive_texts_go_first_and_each_text_once() -> None:
    queue = WaitingItems()
    bulk, both, ask = wanted("bulk"), wanted("both"), wanted("ask")
    for text, lane in ((bulk, "bulk"), (both, "bulk"), (ask, "interactive"), (both, "interactive")):
        queue.add(text, lane)
    batch = queue.take(items=2, size=MAX_TOKENS, refill=0)
    assert batch == [ask, both]
    queue.put_back([ask, both], last=False)
    both.found.set_result(Embedding(None))
    assert queue.take(items=9, size=MAX_TOKENS, refill=0) == [ask, bulk]


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"[]",
        b"{}",
        b'{"data": 3}',
        b'{"data": [{"embedding": [1.0], "index": 1}]}',
        b'{"data": [{"embedding": [1.0], "index": "x"}]}',
        b'{"data": [{"embedding": [1.0]}, {"embedding": [1.0]}]}',
    ],
)
def test_a_reply_that_is_none_is_refused(reply: bytes) -> None:
    with pytest.raises(BadReply):
        vectors_of(reply, 1)


@pytest.mark.parametrize(
    "embedding",
    [
        "[]",
        "[0, 0]",
        "[null, 1]",
        "[1e300, 1]",
        '"AACAfwAAgD8="',
        "null",
        "3",
        '["x"]',
        '"AAA"',
        "[[1.0]]",
        "[1, 0, 0]",
    ],
)
def test_one_that_is_no_vector_costs_its_neighbours_nothing(embedding: str) -> None:
    data = b'{"data": [{"embedding": %s}, {"embedding": [3.0, 4.0]}, {"embedding": [0.0, 1.0]}]}' % embedding.encode()
    none, good, also_good = vectors_of(data, 3)
    assert none is None
    assert good is not None
    assert also_good is not None
    assert good.tolist() == pytest.approx([0.6, 0.8])
