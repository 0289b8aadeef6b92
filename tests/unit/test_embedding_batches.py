"""What goes into a request for embeddings, and what is taken from its reply."""

from collections import deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askonce_worker.providers.embedding_reply import BadReply, tokens_at_most, vectors_of
from askonce_worker.providers.embeddings import MAX_TOKENS, Wanted, take

FAR = 1e12


class _Future:
    """Enough of a future for the pure rule."""

    result: Any = "open"

    def done(self) -> bool:
        return self.result != "open"

    def set_result(self, result: Any) -> None:
        self.result = result


def wanted(text: str, until: float = FAR) -> Wanted:
    tokens = tokens_at_most(text)
    assert tokens is not None
    return Wanted(text, tokens, until, _Future())  # type: ignore[arg-type]


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40)), st.integers(1, 9), st.integers(164, 500)
)
def test_batches_keep_the_limits_the_order_and_everything(texts: list[str], inputs: int, tokens: int) -> None:
    queue = deque(wanted(text) for text in texts)
    batches = []
    while queue:
        batches.append(take(queue, inputs=inputs, tokens=tokens, now=0))
    assert [one.text for batch in batches for one in batch] == texts
    for batch in batches:
        assert 0 < len(batch) <= inputs
        assert sum(len(one.text.encode()) for one in batch) <= sum(one.tokens for one in batch) <= tokens


@given(st.lists(st.booleans()))
def test_what_nobody_waits_for_any_more_is_not_asked(patient: list[bool]) -> None:
    queue = deque(wanted(f"text {index}", FAR if waits else 1.0) for index, waits in enumerate(patient))
    everyone = list(queue)
    batch = take(queue, inputs=1000, tokens=MAX_TOKENS, now=2.0)
    assert batch == [one for one, waits in zip(everyone, patient, strict=True) if waits]
    assert [one.vector.done() for one in everyone] == [not waits for waits in patient]


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"[]",
        b"{}",
        b'{"data": 3}',
        b'{"data": [{"embedding": "AAA"}]}',
        b'{"data": [{"embedding": 3}]}',
        b'{"data": [{"embedding": ["x"]}]}',
        b'{"data": [{"embedding": [[1.0]]}]}',
        b'{"data": [{"embedding": [1.0], "index": 1}]}',
        b'{"data": [{"embedding": [1.0], "index": "x"}]}',
        b'{"data": [{"embedding": [1.0]}, {"embedding": [1.0]}]}',
    ],
)
def test_a_reply_that_is_none_is_refused(reply: bytes) -> None:
    with pytest.raises(BadReply):
        vectors_of(reply, 1, None)


@pytest.mark.parametrize("numbers", ["[]", "[0, 0]", "[null, 1]", "[1e300, 1]", '"AACAfwAAgD8="'])
def test_numbers_without_direction_are_no_vector(numbers: str) -> None:
    assert vectors_of(b'{"data": [{"embedding": %s}]}' % numbers.encode(), 1, None) == [None]
