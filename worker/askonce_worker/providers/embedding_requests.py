"""Sends requests for embeddings, one batch at a time, and handles their replies."""

from collections import Counter
from functools import partial

import structlog

from askonce.contract.unmatched import Unmatched
from askonce_worker.answering.ports import Embedding, Vector
from askonce_worker.pacing.halving import in_pieces
from askonce_worker.pacing.trouble import Trouble, Undelivered
from askonce_worker.pacing.waiting import Wanted
from askonce_worker.providers.calls import Call, OnCall, observed
from askonce_worker.providers.embedding_dimensions import Reduction
from askonce_worker.providers.embedding_memory import VectorMemory
from askonce_worker.providers.embedding_reply import BadReply, request_body, vectors_of
from askonce_worker.providers.embedding_twins import Twins
from askonce_worker.providers.provider import ProviderClient, ProviderError, post
from askonce_worker.providers.retry import RetryDecision

BAD_INPUT = frozenset({400, 413, 422})
TROUBLES = {"timeout": Trouble.SLOW, "connection": Trouble.AWAY, "rate_limit": Trouble.BUSY}
"""Troubles by error kind; all others mean that the server fails."""

REFUSED = Embedding(None, Unmatched.EMBEDDINGS_REFUSED)
IDENTICAL = Embedding(None, Unmatched.EMBEDDINGS_IDENTICAL)

WantedText = Wanted[str, Embedding]

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

    async def fill(self, batch: list[WantedText]) -> None:
        """Settles each of them. Raises Undelivered."""
        await in_pieces(batch, self._ask)
        for wanted in batch:
            wanted.settle(REFUSED)

    async def _ask(self, piece: list[WantedText]) -> None:
        try:
            await self._ask_once(piece)
        except ProviderError as error:
            trouble = Trouble.REFUSED if self._reduction.is_refused(error) else _trouble(error)
            self._counts["failed"] += len(piece) if trouble is not Trouble.UNFIT else 0
            raise Undelivered(trouble, pause=error.retry_after, status=error.status) from error

    async def _ask_once(self, piece: list[WantedText]) -> None:
        texts = [wanted.item for wanted in piece]
        content = request_body(self._model, texts, self._reduction.wanted)
        once = partial(post, self._client, "/embeddings", content, timeout=self._timeout, model=self._model)
        raw = await observed(once, Call("embeddings", self._model, texts=len(texts)), self._on_call)
        try:
            vectors = self._reduction.fit(vectors_of(raw, len(texts)))
        except BadReply as error:
            raise ProviderError(RetryDecision("invalid_response", final=False), str(error), status=200) from error
        self._counts["requests"] += 1
        self._counts["texts"] += len(texts)
        self._note_dimension(vectors)
        for wanted, embedding in zip(piece, self._usable(texts, vectors), strict=True):
            if embedding.vector is not None:
                self._memory.add(wanted.item, embedding.vector)
            wanted.settle(embedding)

    def _usable(self, texts: list[str], vectors: list[Vector | None]) -> list[Embedding]:
        """Vectors without those that another text has had, too."""
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
        """Vectors of another dimension have their own collection, and the remembered ones become useless."""
        seen = next((vector.size for vector in vectors if vector is not None), self.dimensions)
        if self.dimensions is not None and seen != self.dimensions:
            log.warning("embeddings.dimension_changed", before=self.dimensions, now=seen)
            self._memory.clear()
        self.dimensions = seen


def _trouble(error: ProviderError) -> Trouble:
    if error.status in BAD_INPUT:
        return Trouble.UNFIT
    return Trouble.REFUSED if error.final else TROUBLES.get(error.kind, Trouble.FAILING)
