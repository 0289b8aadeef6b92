"""Embeddings behind the port: all texts of a worker's jobs, gathered into few requests.

A text waits a moment for company (`linger`), then for room at the server. A request that fails is sent again, for as
long as its texts are waited for. A failure is never an error of a job: its texts have no vector, and say why.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Sequence

import structlog

from askonce.contract.unmatched import Unmatched
from askonce_worker.answering.ports import Embedding
from askonce_worker.logs.error_origin import place
from askonce_worker.providers.calls import OnCall, not_told
from askonce_worker.providers.embedding_health import INTERACTIVE_PATIENCE, Health, Patience
from askonce_worker.providers.embedding_memory import VectorMemory
from askonce_worker.providers.embedding_pace import Pace
from askonce_worker.providers.embedding_queue import INTERACTIVE, EmbeddingQueue, Wanted
from askonce_worker.providers.embedding_reply import tokens_at_most
from askonce_worker.providers.embedding_requests import REFUSED, EmbeddingRequests
from askonce_worker.providers.provider import ProviderClient, ProviderError
from askonce_worker.providers.retry import Backoff

MAX_INPUTS = 2048
MAX_TOKENS = 300_000
"""Of one request, both OpenAI's."""
MAX_IN_FLIGHT = 4
"""Requests. One would bound a remote API with a latency of 100 ms at ten batches a second."""
DOWN = Embedding(None, Unmatched.EMBEDDINGS_DOWN)
SLOW = Embedding(None, Unmatched.EMBEDDINGS_SLOW)
TOO_LONG = Embedding(None, Unmatched.TOO_LONG)

log = structlog.get_logger(__name__)


class OpenAIEmbedder:
    """max_tokens: the model's limit for one text; longer ones have no vector, they are never cut.
    dimensions: where the model's own are reduced.

    patience: seconds for which a text of the bulk lane waits for a server without any vectors. timeout: seconds of one
    request. counts: requests, texts, and what has no vector, by its reason.
    """

    def __init__(
        self,
        client: ProviderClient,
        *,
        model: str,
        max_tokens: int,
        dimensions: int | None = None,
        backoff: Backoff,
        patience: float = 60.0,
        timeout: float = 30.0,
        linger: float = 0.002,
        on_call: OnCall = not_told,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._client = client
        self._max_tokens = min(max_tokens, MAX_TOKENS)
        self._backoff = backoff
        self._interactive = Patience(min(INTERACTIVE_PATIENCE, patience), renewed=False)
        self._bulk = Patience(patience, renewed=True)
        self._linger = linger
        self._health = Health()
        self._pace = Pace()
        self._memory = VectorMemory()
        self._requests = EmbeddingRequests(
            client, model, dimensions, timeout=timeout, memory=self._memory, counts=self.counts, on_call=on_call
        )
        self._queue = EmbeddingQueue()
        self._wanted: dict[str, Wanted] = {}
        self._under_way = 0
        self._flushes: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_broken(self) -> bool:
        """Whether the server gives different texts the same vector, so that none is used."""
        return self._requests.is_broken

    @property
    def dimensions(self) -> int | None:
        """Of the last vector."""
        return self._requests.dimensions

    async def embed(self, texts: Sequence[str], *, lane: str = "bulk", within: float = math.inf) -> list[Embedding]:
        loop = asyncio.get_running_loop()
        patience = self._interactive if lane == INTERACTIVE else self._bulk
        given_up = self._health.is_given_up(loop.time(), patience)
        found = [self._known(text) or (self._late if given_up else self._want(text, lane, loop)) for text in texts]
        open_ones = {each for each in found if isinstance(each, Wanted)}
        if open_ones:
            self._wake(loop)
            await self._wait(open_ones, patience, within)
        embeddings = [_result(each, self._late) if isinstance(each, Wanted) else each for each in found]
        missed = Counter(each.unmatched for each in embeddings if each.unmatched is not None)
        for reason, count in missed.items():
            self.counts[reason] += count
            if reason is not Unmatched.TOO_LONG:
                log.warning("embeddings.missing", reason=reason.value, texts=count)
        return embeddings

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for flush in self._flushes:
            flush.cancel()
        await asyncio.gather(*self._flushes, return_exceptions=True)
        self._drop_queue()
        await self._client.close()

    @property
    def _late(self) -> Embedding:
        """Of a text that is done without."""
        return SLOW if self._health.down_since is None else DOWN

    def _known(self, text: str) -> Embedding | None:
        """What needs no request."""
        vector = self._memory.get(text)
        if vector is not None:
            self.counts["remembered"] += 1
            return Embedding(vector)
        tokens = tokens_at_most(text)
        if not text or tokens is None:
            return REFUSED
        return TOO_LONG if tokens > self._max_tokens else None

    def _want(self, text: str, lane: str, loop: asyncio.AbstractEventLoop) -> Wanted:
        wanted = self._wanted.get(text)
        if wanted is None:
            wanted = self._wanted[text] = Wanted(text, tokens_at_most(text) or 0, loop.create_future())
            wanted.found.add_done_callback(lambda _: self._wanted.pop(text, None))
            self._queue.add(wanted, lane)
        elif lane == INTERACTIVE and not wanted.sent:
            self._queue.add(wanted, lane)
        return wanted

    async def _wait(self, open_ones: set[Wanted], patience: Patience, within: float) -> None:
        """Until all are found, or given up. Each reply to others may have moved the end."""
        clock = asyncio.get_running_loop().time
        asked = clock()
        for wanted in open_ones:
            wanted.waiting += 1
        try:
            futures = {wanted.found for wanted in open_ones if not wanted.found.done()}
            while futures:
                seconds = min(asked + within, self._health.gives_up_at(asked, patience)) - clock()
                if seconds <= 0:
                    return
                _, futures = await asyncio.wait(futures, timeout=seconds)
        finally:
            for wanted in open_ones:
                wanted.waiting -= 1

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is None:
            self._timer = loop.call_later(max(self._linger, self._health.resumes_at - loop.time()), self._start)

    def _start(self) -> None:
        """Fills the room at the server."""
        loop = asyncio.get_running_loop()
        self._timer = None
        if loop.time() < self._health.resumes_at:
            self._wake(loop)
            return
        most = 1 if self._health.failures else MAX_IN_FLIGHT
        while self._queue and len(self._flushes) < most:
            room = self._pace.texts - self._under_way
            if room < 1 and self._under_way:
                break
            batch, dropped = self._queue.take(inputs=min(MAX_INPUTS, max(1, room)), tokens=MAX_TOKENS)
            for wanted in dropped:
                wanted.settle(SLOW)
            if batch:
                self._under_way += len(batch)
                flush = loop.create_task(self._flush(batch))
                self._flushes.add(flush)
                flush.add_done_callback(self._ended)

    def _ended(self, flush: asyncio.Task[None]) -> None:
        self._flushes.discard(flush)
        if not flush.cancelled() and self._queue and self._timer is None:
            self._start()

    async def _flush(self, batch: list[Wanted]) -> None:
        clock = asyncio.get_running_loop().time
        began, more_waited = clock(), bool(self._queue)
        try:
            await self._requests.fill(batch)
        except ProviderError as error:
            self._failed(error, batch, began, clock())
        except asyncio.CancelledError:
            _settle(batch, DOWN)
            raise
        except Exception as error:  # noqa: BLE001 - the texts would be waited for in vain
            log.error("embeddings.broken", texts=len(batch), error=type(error).__name__, where=place(error))
            _settle(batch, DOWN)
        else:
            self._health.replied(clock())
            self._pace.replied(began=began, now=clock(), more_waited=more_waited)
            _settle(batch, REFUSED)
        finally:
            self._under_way -= len(batch)

    def _failed(self, error: ProviderError, batch: list[Wanted], began: float, now: float) -> None:
        """The texts that are still waited for are sent again after a pause. Nothing else is sent meanwhile."""
        left = [wanted for wanted in batch if not wanted.found.done()]
        log.warning("embeddings.failed", texts=len(left), kind=error.kind, status=error.status)
        self.counts["failed"] += len(left)
        if error.kind == "timeout":
            self._pace.timed_out(began=began, now=now)
        if error.final:
            self._health.refused(now)
            _settle(left, DOWN)
            self._drop_queue()
            return
        pause = self._backoff.pause(min(6, self._health.failures + 1), error.retry_after)
        if error.kind == "rate_limit":
            self._health.put_off(now, pause)
        else:
            self._health.failed(began=began, now=now, pause=pause)
        self._queue.put_back(left)
        self._wake(asyncio.get_running_loop())

    def _drop_queue(self) -> None:
        _settle(self._queue.clear(), DOWN)


def _settle(batch: list[Wanted], embedding: Embedding) -> None:
    for wanted in batch:
        wanted.settle(embedding)


def _result(wanted: Wanted, late: Embedding) -> Embedding:
    return wanted.found.result() if wanted.found.done() else late
