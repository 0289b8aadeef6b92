"""Searches of all chunks of a worker, on their way to Qdrant in batches.

A server goes on with a search whose deadline has passed here. So none is sent before its time, few are under way at
once, each is waited for, and none is sent a second time while the first one may still be worked on.
"""

import asyncio
import math
from collections.abc import Callable, Sequence

import grpc
import structlog
from qdrant_client import grpc as qdrant

from askonce.contract.unmatched import Unmatched
from askonce_worker.answering.ports import Candidate, SemanticCacheDown, VectorQuery
from askonce_worker.cache import qdrant_messages as messages
from askonce_worker.cache.qdrant_channel import QdrantChannel
from askonce_worker.cache.qdrant_collections import QdrantCollections
from askonce_worker.cache.qdrant_errors import is_missing, translated, undelivered
from askonce_worker.pacing.halving import in_pieces
from askonce_worker.pacing.limits import Limits, Waits
from askonce_worker.pacing.line import Line
from askonce_worker.pacing.pace import Pace
from askonce_worker.pacing.trouble import GivenUp, Trouble, Undelivered
from askonce_worker.pacing.waiting import Wanted
from askonce_worker.pacing.watch import Watch

QUERIES, BATCHES = 64, 8
"""Searches per batch, and concurrent batches. Two suffice for one busy core; more are for servers with more cores, or
far away."""
REQUEST = 120.0
"""Seconds after which a request on an open connection counts as lost: Qdrant itself ends a search after 60."""
NO_WORD = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})
"""Statuses of a health check that mean no answer. Any other status is an answer."""
REASONS = {
    GivenUp.SLOW: Unmatched.QDRANT_SLOW,
    GivenUp.AWAY: Unmatched.QDRANT_DOWN,
    GivenUp.REFUSED: Unmatched.QDRANT_REFUSED,
}

Found = list[Candidate]
WantedSearch = Wanted[VectorQuery, Found]

log = structlog.get_logger(__name__)


class QdrantSearches:
    """now: Unix seconds. pause: seconds to pause, given the number of failures in a row and the server's own request,
    if any."""

    def __init__(
        self,
        client: QdrantChannel,
        collections: QdrantCollections,
        *,
        now: Callable[[], float],
        waits: Waits,
        pause: Callable[[int, float | None], float],
    ) -> None:
        self._client = client
        self._collections = collections
        self._now = now
        # An `ask` that finds a busy server waits for searches in flight.
        self._pace = Pace(bound=QUERIES, most=QUERIES * BATCHES, step=QUERIES, quick=0.25, slow=0.5)
        self._line: Line[VectorQuery, Found] = Line(
            "semantic",
            self._send,
            limits=Limits(QUERIES, BATCHES),
            pace=self._pace,
            waits=waits,
            pause=pause,
        )
        self._watch = Watch(self._line, self._greet, silence=waits.bulk)

    @property
    def most_under_way(self) -> int:
        """Searches that may be under way at present: as many as Qdrant takes in good time."""
        return self._pace.bound

    async def search(
        self, queries: Sequence[VectorQuery], *, lane: str = "bulk", within: float = math.inf, urgent: bool = False
    ) -> list[Found | Unmatched]:
        """Implements the port."""
        if not queries:
            return []
        self._watch.start()
        if self._line.is_given_up(lane):
            found: list[Found | Unmatched] = [REASONS[self._line.late]] * len(queries)
        else:
            found = await self._wait([self._want(query, lane, urgent) for query in queries], lane, within)
        missed = [each for each in found if isinstance(each, Unmatched)]
        if missed:
            log.warning("semantic.missing", reason=missed[0].value, questions=len(missed))
        return found

    async def close(self) -> None:
        await self._watch.close()
        await self._line.close()

    def _want(self, query: VectorQuery, lane: str, urgent: bool) -> WantedSearch:
        wanted: WantedSearch = Wanted(query, 1, asyncio.get_running_loop().create_future())
        self._line.add(wanted, lane, urgent=urgent)
        return wanted

    async def _wait(self, wanted: list[WantedSearch], lane: str, within: float) -> list[Found | Unmatched]:
        await self._line.wait(wanted, lane, within)
        late = self._line.late
        found = [each.found.result() if each.found.done() else late for each in wanted]
        return [REASONS[each] if isinstance(each, GivenUp) else each for each in found]

    async def _greet(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._client.greeting()
        except TimeoutError as error:
            raise Undelivered(Trouble.AWAY, status="silent") from error
        except grpc.RpcError as error:
            if error.code() in NO_WORD:
                raise Undelivered(Trouble.AWAY, status=error.code().name) from error

    async def _send(self, batch: list[WantedSearch]) -> None:
        """One size of vectors, but for the moment at which a model changes its own."""
        for size in {len(wanted.item.vector) for wanted in batch}:
            await in_pieces([wanted for wanted in batch if len(wanted.item.vector) == size], self._ask)

    async def _ask(self, piece: list[WantedSearch]) -> None:
        name = await self._ready(piece)
        try:
            await self._ask_once(name, piece)
        except SemanticCacheDown as error:
            if not is_missing(error):
                raise undelivered(error, queries=len(piece)) from error
            await self._ask_anew(piece)

    async def _ask_anew(self, piece: list[WantedSearch]) -> None:
        """Repeat a search after its lost collection has been created again."""
        name = await self._ready(piece)
        try:
            await self._ask_once(name, piece)
        except SemanticCacheDown as error:
            raise undelivered(error, queries=len(piece)) from error

    async def _ready(self, piece: list[WantedSearch]) -> str:
        try:
            return await self._collections.ready(len(piece[0].item.vector), REQUEST)
        except SemanticCacheDown as error:
            raise undelivered(error, queries=0) from error

    async def _ask_once(self, name: str, piece: list[WantedSearch]) -> None:
        """They go out by scope: Qdrant scores neighbours with equal filters together (64 queries of five scopes among
        5,000 vectors: 9 ms, and 30 ms when the scopes take turns)."""
        now = int(self._now())
        ordered = sorted(piece, key=lambda wanted: (wanted.item.scope, wanted.item.threshold))
        request = messages.queries(name, [wanted.item for wanted in ordered], now)
        with self._collections.noticing_loss(name), translated():
            reply = await self._client.grpc_points.QueryBatch(request, timeout=REQUEST)
        for wanted, result in zip(ordered, reply.result, strict=True):
            wanted.settle([_candidate(point, wanted.item.vectors) for point in result.result])


def _candidate(point: qdrant.ScoredPoint, vectors: bool) -> Candidate:
    vector = messages.vector_in(point) if vectors else None
    return Candidate(point.payload["fingerprint"].string_value, point.score, vector)
