"""Requests for embeddings, one batch at a time, and what is made of their replies."""

from collections import Counter
from functools import partial

import structlog

from askonce.contract.unmatched import Unmatched
from askonce_worker.answering.ports import Embedding, Vector
from askonce_worker.providers.calls import Call, OnCall, told
from askonce_worker.providers.embedding_dimensions import Reduction
from askonce_worker.providers.embedding_memory import VectorMemory
from askonce_worker.providers.embedding_queue import Wanted
from askonce_worker.providers.embedding_reply import BadReply, request_body, vectors_of
from askonce_worker.providers.embedding_twins import Twins
from askonce_worker.providers.provider import ProviderClient, ProviderError, post
from askonce_worker.providers.retry import RetryDecision

MAX_REQUESTS = 40
"""To find the inputs that a server refuses among those of one batch: one among 2,048 takes 23."""
BAD_INPUT = frozenset({400, 413, 422})

REFUSED = Embedding(None, Unmatched.EMBEDDINGS_REFUSED)
IDENTICAL = Embedding(None, Unmatched.EMBEDDINGS_IDENTICAL)

log = structlog.get_logger(__name__)


class EmbeddingRequests:
    """reduced_to: dimensions, where not the model's own. timeout: seconds of one request. memory: gets the vectors.
    counts: of requests and texts."""

    def __init__(
        self,
        client: ProviderClient,
        model: str,
        reduced_to: int | None = None,
        *,
        timeout: float,
        memory: VectorMemory,
        counts: Counter[str],
        on_call: OnCall,
    ) -> None:
        self.dimensions: int | None = None
        self._client = client
        self._model = model
        self._timeout = timeout
        self._memory = memory
        self._counts = counts
        self._on_call = on_call
        self._reduction = Reduction(model, reduced_to)
        self._twins = Twins()

    @property
    def is_broken(self) -> bool:
        return self._twins.is_broken

    async def fill(self, batch: list[Wanted]) -> None:
        """Settles each of them. A server refuses a whole request for one bad input: halve it until that is alone."""
        pieces, refusal = [batch], None
        for _ in range(MAX_REQUESTS):
            if not pieces:
                break
            piece = pieces.pop()
            try:
                await self._ask(piece)
            except ProviderError as error:
                if error.status not in BAD_INPUT or self._reduction.is_refused(error):
                    raise
                refusal = error
                half = len(piece) // 2
                pieces += [piece[half:], piece[:half]] if half else []
        if refusal is not None and len(batch) > 1 and not any(wanted.found.done() for wanted in batch):
            raise refusal  # where nothing of a batch was accepted, it is not the texts

    async def _ask(self, piece: list[Wanted]) -> None:
        texts = [wanted.text for wanted in piece]
        content = request_body(self._model, texts, self._reduction.wanted)
        once = partial(post, self._client, "/embeddings", content, timeout=self._timeout, model=self._model)
        raw = await told(once, Call("embeddings", self._model, texts=len(texts)), self._on_call)
        try:
            vectors = self._reduction.fit(vectors_of(raw, len(texts)))
        except BadReply as error:
            raise ProviderError(RetryDecision("invalid_response", final=False), str(error), status=200) from error
        self._counts["requests"] += 1
        self._counts["texts"] += len(texts)
        self._note_dimension(vectors)
        for wanted, embedding in zip(piece, self._usable(texts, vectors), strict=True):
            if embedding.vector is not None:
                self._memory.add(wanted.text, embedding.vector)
            wanted.settle(embedding)

    def _usable(self, texts: list[str], vectors: list[Vector | None]) -> list[Embedding]:
        """Without those that another text has had too."""
        was_broken = self._twins.is_broken
        distinct = self._twins.check(texts, vectors)
        if self._twins.is_broken != was_broken:
            self._memory.clear()
            event = "embeddings.distinct_again" if was_broken else "embeddings.identical"
            log.error(event, model=self._model, matching="on" if was_broken else "off")
        return [
            REFUSED if vector is None else Embedding(vector) if good else IDENTICAL
            for vector, good in zip(vectors, distinct, strict=True)
        ]

    def _note_dimension(self, vectors: list[Vector | None]) -> None:
        """Vectors of another dimension have a collection of their own; the remembered ones are of no more use."""
        seen = next((vector.size for vector in vectors if vector is not None), self.dimensions)
        if self.dimensions is not None and seen != self.dimensions:
            log.warning("embeddings.dimension_changed", before=self.dimensions, now=seen)
            self._memory.clear()
        self.dimensions = seen
