"""A provider's embeddings of many questions, and each question's part of them. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

from askonce.prices.counts import as_count
from askonce.readable import MAX_RECORD_BYTES, read_object
from askonce.replies.embeddings import embeddings_of, is_of_floats, packed
from askonce_worker.providers.embedding_reply import BadReply, rows_of
from askonce_worker.providers.provider import ProviderError
from askonce_worker.providers.retry import RetryDecision


@dataclass(frozen=True, slots=True)
class Reply:
    """body: without the vectors. vectors: one for each input, in order."""

    body: dict[str, Any]
    vectors: Sequence[Any]

    def parts(self, counts: Sequence[int], sizes: Sequence[int]) -> Iterator[dict[str, Any]]:
        """The bodies that the provider would have sent for each question alone, each with its share of the tokens.

        counts, sizes: how many inputs each has, and how long they are together.
        """
        usage = self.body.get("usage") or {}
        shared = {name: shares(as_count(value), sizes) for name, value in usage.items() if as_count(value)}
        ends = list(accumulate(counts))
        for at, (count, end) in enumerate(zip(counts, ends, strict=True)):
            vectors = enumerate(self.vectors[end - count : end])
            data = [{"object": "embedding", "index": index, "embedding": each} for index, each in vectors]
            own = {name: values[at] for name, values in shared.items()}
            yield {**self.body, "object": "list", "data": data, **({"usage": own} if usage else {})}


def read_reply(raw: bytes, count: int, *, floats: bool) -> Reply:
    """floats: the vectors are of such, and are kept in one form; any others stay as they came.

    Raises ProviderError for what is not one vector for each input.
    """
    try:
        body = read_object(raw, 4 * MAX_RECORD_BYTES)
        vectors = rows_of(body, count)
        embeddings_of({"data": [{"embedding": each} for each in vectors]})
        if floats and not all(map(is_of_floats, vectors)):
            raise ValueError("the base64 does not encode floats")
    except (ValueError, BadReply) as error:
        raise ProviderError(RetryDecision("invalid_response", final=False), str(error), status=200) from error
    del body["data"]
    for name, kind in (("model", str), ("usage", dict)):
        if not isinstance(body.get(name), kind | None):
            del body[name]
    return Reply(body, list(map(packed, vectors)) if floats else vectors)


def shares(whole: int, sizes: Sequence[int]) -> list[int]:
    """Parts of a whole number in proportion to these sizes; together they are the whole."""
    total = max(1, sum(sizes))
    bounds = [0, *(whole * end // total for end in accumulate(sizes))]
    bounds[-1] = whole
    return [end - begin for begin, end in pairwise(bounds)]
