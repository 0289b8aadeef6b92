"""Embeddings behind the port: the texts of all of a worker's jobs share few requests.

While a request is in flight, a text waits a moment for others, then for room at the server. A failure never fails a
job: its texts just have no vector, with the reason.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Sequence

import structlog

from askonce.contract.unmatched import Unmatched
from askonce_worker.answering.ports import Embedding
from askonce_worker.pacing.limits import Limits, Waits
from askonce_worker.pacing.line import Line
from askonce_worker.pacing.pace import Pace
from askonce_worker.pacing.trouble import GivenUp
from askonce_worker.pacing.waiting import REFILL, Wanted
from askonce_worker.providers.calls import OnCall, unobserved
from askonce_worker.providers.embedding_memory import VectorMemory
from askonce_worker.providers.embedding_reply import tokens_at_most
from askonce_worker.providers.embedding_requests import REFUSED, EmbeddingRequests, WantedText
from askonce_worker.providers.provider import ProviderClient
from askonce_worker.providers.retry import Backoff

MAX_INPUTS = 2048
MAX_TOKENS = 300_000
"""Limits of one request, both OpenAI's."""
MAX_IN_FLIGHT = 4
"""Requests. One would bound a remote API with a latency of 100 ms at ten batches a second."""
DOWN = Embedding(None, Unmatched.EMBEDDINGS_DOWN)
SLOW = Embedding(None, Unmatched.EMBEDDINGS_SLOW)
TOO_LONG = Embedding(None, Unmatched.TOO_LONG)
PATIENT = Waits()
DONE_WITHOUT = {GivenUp.SLOW: SLOW, GivenUp.AWAY: DOWN, GivenUp.REFUSED: DOWN}

log = structlog.get_logger(__name__)


class OpenAIEmbedder:
    """max_tokens: the model's limit for one text; longer ones have no vector, they are never cut.
    dimensions: where the model's own are reduced.

    waits: for a server that does not answer. timeout: seconds of one request. linger: seconds that a text waits for
    company, while a request is under way. counts: requests, texts, and what has no vector, by its reason.
    """

    def __init__(
        self,
        client: ProviderClient,
        *,
        model: str,
        max_tokens: int,
        dimensions: int | None = None,
        backoff: Backoff,
        waits: Waits = PATIENT,
        timeout: float = 30.0,
        linger: float = 0.002,
        on_call: OnCall = unobserved,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._client = client
        self._max_tokens = min(max_tokens, MAX_TOKENS)
        self._memory = VectorMemory()
        self._requests = EmbeddingRequests(
            client, model, dimensions, timeout=timeout, memory=self._memory, counts=self.counts, on_call=on_call
        )
        self._pace = Pace()
        self._line: Line[str, Embedding] = Line(
            "embeddings",
            self._requests.fill,
            limits=Limits(MAX_INPUTS, MAX_IN_FLIGHT, MAX_TOKENS, linger),
            pace=self._pace,
            waits=waits,
            pause=backoff.pause,
        )
        self._wanted: dict[str, WantedText] = {}

    @property
    def is_broken(self) -> bool:
        """Whether the server gives different texts the same vector, so that none is used."""
        return self._requests.is_broken

    @property
    def most_under_way(self) -> int:
        """Texts that may be under way at present: as many as the server takes in good time."""
        return self._pace.bound

    @property
    def dimensions(self) -> int | None:
        """The dimensions of the last vector."""
        return self._requests.dimensions

    async def embed(self, texts: Sequence[str], *, lane: str = "bulk", within: float = math.inf) -> list[Embedding]:
        given_up = DONE_WITHOUT[self._line.late] if self._line.is_given_up(lane) else None
        found = [self._known(text) or given_up or self._want(text, lane) for text in texts]
        open_ones = {each for each in found if isinstance(each, Wanted)}
        if open_ones:
            await self._line.wait(open_ones, lane, within)
        late = DONE_WITHOUT[self._line.late]
        embeddings = [_result(each, late) if isinstance(each, Wanted) else each for each in found]
        missed = Counter(each.unmatched for each in embeddings if each.unmatched is not None)
        for reason, count in missed.items():
            self.counts[reason] += count
            if reason is not Unmatched.TOO_LONG:
                log.warning("embeddings.missing", reason=reason.value, texts=count)
        return embeddings

    async def close(self) -> None:
        await self._line.close()
        await self._client.close()

    def _known(self, text: str) -> Embedding | None:
        """Results that need no request."""
        vector = self._memory.get(text)
        if vector is not None:
            self.counts["remembered"] += 1
            return Embedding(vector)
        tokens = tokens_at_most(text)
        if not text or tokens is None:
            return REFUSED
        return TOO_LONG if tokens > self._max_tokens else None

    def _want(self, text: str, lane: str) -> WantedText:
        wanted = self._wanted.get(text)
        if wanted is None:
            found = asyncio.get_running_loop().create_future()
            wanted = self._wanted[text] = Wanted(text, tokens_at_most(text) or 0, found)
            found.add_done_callback(lambda _: self._wanted.pop(text, None))
            self._line.add(wanted, lane)
        elif lane != REFILL and not wanted.sent:
            self._line.add(wanted, lane)
        return wanted


def _result(wanted: WantedText, late: Embedding) -> Embedding:
    if not wanted.found.done():
        return late
    found = wanted.found.result()
    return DONE_WITHOUT[found] if isinstance(found, GivenUp) else found
