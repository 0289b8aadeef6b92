"""Embeddings behind the port: all texts of a worker's jobs, gathered into few requests.

A text waits a moment for company (`linger`), then for a free request. A failure is never an error of a job: its texts
have no vector, and are misses.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import openai
import structlog

from askonce_worker.answering.ports import Vector
from askonce_worker.providers.calls import Call, OnCall, not_told, told
from askonce_worker.providers.embedding_reply import BadReply, request_body, tokens_at_most, vectors_of
from askonce_worker.providers.provider import ProviderError, post, retried
from askonce_worker.providers.retry import Backoff, Circuit, Verdict

MAX_INPUTS = 2048
MAX_TOKENS = 300_000
"""Of one request, both OpenAI's."""
FIRST_INPUTS = 256
"""Of one request until the server has shown that it is quick."""
MAX_REQUESTS = 40
"""To find the inputs that a server refuses among those of one batch: one among 2,048 takes 23."""
BAD_INPUT = frozenset({400, 413, 422})
PATIENCE_AFTER_FAILURE = 0.5

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class Wanted:
    """A text on its way, shared by all who want it. until: when the last of them stops waiting."""

    text: str
    tokens: int
    until: float
    vector: asyncio.Future[Vector | None]

    def settle(self, vector: Vector | None) -> None:
        if not self.vector.done():
            self.vector.set_result(vector)


def take(queue: deque[Wanted], *, inputs: int, tokens: int, now: float) -> list[Wanted]:
    """Removes the first batch that keeps the limits. Those nobody waits for any more are settled without a vector."""
    batch: list[Wanted] = []
    used = 0
    while queue and len(batch) < inputs and used + queue[0].tokens <= tokens:
        wanted = queue.popleft()
        if wanted.until <= now:
            wanted.settle(None)
        else:
            batch.append(wanted)
            used += wanted.tokens
    return batch


class OpenAIEmbedder:
    """max_tokens: the model's limit for one text; longer ones have no vector, they are never cut. timeout: seconds.

    max_in_flight: with one request at a time a remote API with a latency of 100 ms would bound the worker at ten
    batches a second, and each newcomer would wait for the whole request before. Four keep that wait at a quarter, and
    a local server that works in series just queues them.
    """

    def __init__(
        self,
        client: openai.AsyncOpenAI,
        *,
        model: str,
        max_tokens: int,
        backoff: Backoff,
        dimensions: int | None = None,
        timeout: float = 5.0,
        linger: float = 0.002,
        max_in_flight: int = 4,
        on_call: OnCall = not_told,
    ) -> None:
        self.dimensions = dimensions
        self.counts: Counter[str] = Counter()
        self._client = client
        self._model = model
        self._max_tokens = min(max_tokens, MAX_TOKENS)
        self._backoff = backoff
        self._timeout = timeout
        self._linger = linger
        self._max_in_flight = max_in_flight
        self._on_call = on_call
        self._inputs = FIRST_INPUTS
        self._circuit = Circuit()
        self._queue: deque[Wanted] = deque()
        self._wanted: dict[str, Wanted] = {}
        self._flushes: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def embed(self, texts: Sequence[str]) -> list[Vector | None]:
        loop = asyncio.get_running_loop()
        if self._circuit.is_open(loop.time()):
            self.counts["skipped"] += len(texts)
            return [None] * len(texts)
        patience = min(PATIENCE_AFTER_FAILURE, self._timeout) if self._circuit.failures else self._timeout
        wanted = [self._want(text, loop, patience) for text in texts]
        open_ones = {one.vector for one in wanted if one is not None and not one.vector.done()}
        if open_ones:
            self._wake(loop)
            _, late = await asyncio.wait(open_ones, timeout=patience)
            if late:
                self._miss("late", len(late))
        return [one.vector.result() if one is not None and one.vector.done() else None for one in wanted]

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for flush in self._flushes:
            flush.cancel()
        await asyncio.gather(*self._flushes, return_exceptions=True)
        self._drop_queue()
        await self._client.close()

    def _want(self, text: str, loop: asyncio.AbstractEventLoop, patience: float) -> Wanted | None:
        until = loop.time() + patience
        wanted = self._wanted.get(text)
        if wanted is not None:
            wanted.until = max(wanted.until, until)
            return wanted
        tokens = tokens_at_most(text)
        if not text or tokens is None or tokens > self._max_tokens:
            self.counts["too_long" if text else "empty"] += 1
            return None
        wanted = self._wanted[text] = Wanted(text, tokens, until, loop.create_future())
        wanted.vector.add_done_callback(lambda _: self._wanted.pop(text, None))
        self._queue.append(wanted)
        return wanted

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is None and len(self._flushes) < self._max_in_flight:
            self._timer = loop.call_later(self._linger, self._start)

    def _start(self) -> None:
        """Fills the free requests."""
        now = asyncio.get_running_loop().time()
        self._timer = None
        if self._circuit.is_open(now):
            self._drop_queue()
        while self._queue and len(self._flushes) < self._max_in_flight:
            batch = take(self._queue, inputs=self._inputs, tokens=MAX_TOKENS, now=now)
            if batch:
                flush = asyncio.get_running_loop().create_task(self._flush(batch))
                self._flushes.add(flush)
                flush.add_done_callback(self._ended)

    def _ended(self, flush: asyncio.Task[None]) -> None:
        self._flushes.discard(flush)
        if not flush.cancelled():
            self._start()

    async def _flush(self, batch: list[Wanted]) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(self._timeout):
                await self._fill(batch)
        except (ProviderError, TimeoutError) as error:
            self._failed(error, batch, began)
        else:
            self._circuit.succeeded()
            self._quick(len(batch), loop.time() - began)
        finally:
            for wanted in batch:
                wanted.settle(None)

    async def _fill(self, batch: list[Wanted]) -> None:
        """Settles each of them. A server refuses a whole request for one bad input: halve it until that is alone."""
        pieces, refusal = [batch], None
        for _ in range(MAX_REQUESTS):
            if not pieces:
                break
            piece = pieces.pop()
            try:
                vectors = await self._ask([wanted.text for wanted in piece])
            except ProviderError as error:
                if error.status not in BAD_INPUT:
                    raise
                refusal = error
                pieces += _halves(piece)
            else:
                for wanted, vector in zip(piece, vectors, strict=True):
                    wanted.settle(vector)
        if refusal is not None:
            self._refused(batch, refusal)

    async def _ask(self, texts: list[str]) -> list[Vector | None]:
        content = request_body(self._model, texts)
        once = partial(post, self._client, "/embeddings", content, timeout=self._timeout)
        ask = partial(told, once, Call("embeddings", self._model, texts=len(texts)), self._on_call)
        raw = await retried(ask, self._backoff, timeout=self._timeout, kinds=("rate_limit",))
        try:
            vectors = vectors_of(raw, len(texts), self.dimensions)
        except BadReply as error:
            raise ProviderError(Verdict("invalid_response", final=False), str(error), status=200) from error
        self.counts["requests"] += 1
        self.counts["texts"] += len(texts)
        self.dimensions = self.dimensions or next((vector.size for vector in vectors if vector is not None), None)
        unusable = sum(vector is None for vector in vectors)
        if unusable:
            self._miss("unusable", unusable)
        return vectors

    def _refused(self, batch: list[Wanted], refusal: ProviderError) -> None:
        """Where nothing of a batch was accepted, it is not the texts."""
        refused = _open(batch)
        if refused == len(batch) > 1:
            raise refusal
        self._miss("refused", refused, status=refusal.status)

    def _quick(self, inputs: int, took: float) -> None:
        if inputs >= self._inputs and took < self._timeout / 5:
            self._inputs = min(MAX_INPUTS, inputs * 2)

    def _failed(self, error: Exception, batch: list[Wanted], began: float) -> None:
        """A batch that took too long is the server's measure: the next are a quarter of it."""
        kind = error.kind if isinstance(error, ProviderError) else "timeout"
        if kind == "timeout":
            self._inputs = max(1, min(self._inputs, len(batch)) // 4)
        self._circuit.failed(began=began, now=asyncio.get_running_loop().time())
        self._miss("failed", _open(batch), kind=kind, status=getattr(error, "status", None))

    def _drop_queue(self) -> None:
        while self._queue:
            self._queue.popleft().settle(None)

    def _miss(self, event: str, texts: int, **facts: object) -> None:
        self.counts[event] += texts
        log.warning(f"embeddings.{event}", texts=texts, **facts)


def _open(batch: list[Wanted]) -> int:
    return sum(not wanted.vector.done() for wanted in batch)


def _halves(piece: list[Wanted]) -> list[list[Wanted]]:
    half = len(piece) // 2
    return [piece[half:], piece[:half]] if half else []
