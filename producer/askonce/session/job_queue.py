"""Submits questions: they become chunks, and chunks become jobs, each accepted as a whole by one script."""

import math
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from askonce.contract.chunk import FUNCTION, pack
from askonce.contract.keys import ARQ_JOB, Keys, epoch_fields, epoch_stamp
from askonce.errors import InvalidQuestion, QueueFull
from askonce.fingerprint import FIRST_RULE
from askonce.json_values import dumps
from askonce.payer import Payer
from askonce.question import Question
from askonce.readable import MAX_RECORD_BYTES
from askonce.session.batching import Batcher
from askonce.store.connection import ScriptCall, Store
from askonce.store.scripts import Script

SUBMIT = Script("askonce", "submit")
TOGETHER = 8
"""Chunks in one round trip."""

HAS_ROOM = 0.5
"""Seconds for which a Redis that had room for one question counts as having it: checking is half the cost of a small
script."""
FEW_WAKES = 32
"""Wake-ups that may be waiting meanwhile: half of the maximum kept."""

MAX_CHUNK_BYTES = MAX_RECORD_BYTES // 8
"""Maximum size that a worker can read, in any script."""

Outcome = InvalidQuestion | QueueFull | None
"""None if the question is in the queue."""


@dataclass(frozen=True, slots=True)
class Route:
    """What all questions of a chunk share. payer: theirs. listener: the client notified of the answers, or ''. trace:
    the `traceparent` under which one question was submitted, or ''; others may share its chunk."""

    lane: str
    namespace: str
    timeout_ms: int
    listener: str = ""
    trace: str = field(default="", compare=False)
    payer: Payer | None = None


@dataclass(frozen=True, slots=True)
class Cached:
    """An entry as stored in Redis, and the stamp of its question's epochs."""

    raw: bytes
    stamp: str


Run = Callable[[ScriptCall], Awaitable[Any]]
Placed = tuple[int, Question]
"""A checked question with its job id, and its index among all that were passed in."""
Chunk = tuple[Route, list[Placed], dict[str, None]]
"""With the traces of its questions."""


def new_job_id() -> str:
    """96 random bits: among a billion live ids, two are equal once in 10**11 times. Each is in Redis thrice or more."""
    return secrets.token_hex(12)


def new_job_ids(count: int) -> list[str]:
    """Several at once, in one system call."""
    digits = secrets.token_hex(12 * count)
    return [digits[at : at + 24] for at in range(0, len(digits), 24)]


def timeout_ms(seconds: float) -> int:
    """The deadline as a chunk carries it: rounded up to a tenth of a second, so that near ones share a chunk."""
    return math.ceil(seconds * 10) * 100


class JobQueue:
    """max_queued: questions in a lane, 0 for no bound. result_ttl: seconds. reads: the newest version of compressed
    results that those who fetch them read, 0 for none. run: runs the script of one question."""

    def __init__(
        self,
        store: Store,
        keys: Keys,
        *,
        chunk_size: int,
        max_queued: int,
        result_ttl: float,
        run: Run,
        reads: int = 0,
    ) -> None:
        self._run = run
        self._store = store
        self._keys = keys
        self._chunk_size = min(chunk_size, max_queued or chunk_size)
        self._max_queued = max_queued
        self._result_ttl_ms = int(result_ttl * 1000)
        self._reads = reads
        self._has_room_until = 0.0
        self._one: Batcher[tuple[Route, Question], None] = Batcher(self._put_all, most=TOGETHER * self._chunk_size)

    async def aclose(self) -> None:
        await self._one.aclose()

    async def put_one(self, route: Route, question: Question) -> None:
        """Shares a chunk with concurrent submissions. Raises InvalidQuestion, QueueFull, StoreUnreachable."""
        await self._one((route, question))

    async def put_unless_cached(self, route: Route, question: Question) -> Cached | None:
        """Look for an entry, and queue the question if there is none. Its job id must be new. Raises QueueFull,
        StoreUnreachable."""
        call, keys = self._call((route, [(0, question)], {route.trace: None} if route.trace else {})), self._keys
        fields = epoch_fields(question.namespace or "", question.model or "")
        now, room = time.monotonic(), ["1"]
        if now >= self._has_room_until:
            self._has_room_until, room = 0.0, []
        look = "\n".join((keys.entry(question.fingerprint), keys.epochs, *fields, *room))
        kind, *rest = await self._run(ScriptCall(call.script, call.keys, [*call.args, look]))
        if kind == b"cached":
            return Cached(rest[0], epoch_stamp(rest[1:]))
        outcomes: list[Outcome] = [None]
        _settle((route, [(0, question)], {}), read_submitted([kind, *rest]), outcomes)
        if outcomes[0] is not None:
            raise outcomes[0]
        if rest[1:] and rest[1] > FEW_WAKES:
            self._has_room_until = 0.0
        elif not room:
            self._has_room_until = now + HAS_ROOM
        return None

    async def put_routed(self, questions: Sequence[tuple[Route, Question]]) -> list[Outcome]:
        """Like `put`, each under its own route."""
        return await self._put_all(questions)

    async def put(self, route: Route, questions: Sequence[Question]) -> list[Outcome]:
        """The outcome of each question. Each has its own namespace, whatever the route's. Raises StoreUnreachable."""
        routes = {name: replace(route, namespace=name) for name in {question.namespace or "" for question in questions}}
        return await self._put_all([(routes[question.namespace or ""], question) for question in questions])

    async def _put_all(self, questions: Sequence[tuple[Route, Question]]) -> list[Outcome]:
        outcomes: list[Outcome] = [None] * len(questions)
        chunks = self._chunks(questions)
        while chunks:
            now, chunks = chunks[:TOGETHER], chunks[TOGETHER:]
            try:
                replies = await self._store.pipeline([self._call(chunk) for chunk in now])
            except QueueFull as error:  # some may be in the queue: to send them again is safe
                for place in (place for _, placed, _ in now for place, _ in placed):
                    outcomes[place] = QueueFull(str(error))
                continue
            for chunk, reply in zip(now, replies, strict=True):
                again = _settle(chunk, read_submitted(reply), outcomes)
                if again:
                    chunks.append((chunk[0], again, chunk[2]))
        return outcomes

    def _chunks(self, questions: Sequence[tuple[Route, Question]]) -> list[Chunk]:
        """Two with the same job id never share a chunk, because the second must find the first."""
        chunks: list[Chunk] = []
        sizes: dict[Route, int] = {}
        unfilled: dict[Route, tuple[list[Placed], set[str | None], dict[str, None]]] = {}
        for place, (common, question) in enumerate(questions):
            route = common if question.payer is None else replace(common, payer=question.payer)
            found = unfilled.get(route)
            size = sizes.get(route, 0) + _size(question)
            full = found is None or len(found[0]) == self._chunk_size or size > MAX_CHUNK_BYTES
            if found is None or full or question.job_id in found[1]:
                found, size = ([], set(), {}), _size(question)
                unfilled[route] = found
                chunks.append((route, found[0], found[2]))
            sizes[route] = size
            found[0].append((place, question))
            found[1].add(question.job_id)
            if route.trace:
                found[2][route.trace] = None
        return chunks

    def _call(self, chunk: Chunk) -> ScriptCall:
        (route, placed, traces), keys = chunk, self._keys
        job = f"{secrets.token_hex(10)}-{len(placed)}"  # so that claim_jobs.lua knows what it counted for
        questions = [question for _, question in placed]
        args: list[Any] = [
            keys.result(route.namespace, ""),
            f"{ARQ_JOB}{job}",
            job,
            route.lane,
            route.namespace,
            self._max_queued,
            route.timeout_ms,
            self._result_ttl_ms,
            route.listener,
            FUNCTION,
            pack(route.namespace, route.timeout_ms, questions, list(traces), reads=self._reads),
        ]
        for question in questions:
            args += (question.job_id, question.fingerprint)
        return ScriptCall(SUBMIT, [keys.queue(route.lane), keys.wake, keys.fair, keys.load], args)


def _size(question: Question) -> int:
    """Estimated bytes it takes in a chunk; a shared scope counts each time."""
    size = len(question.text) + len(question.system or "") + len(question.template or "")
    if question.history or question.messages is not None or question.params or question.metadata is not None:
        rest = (question.history, question.params, question.messages, question.metadata)
        size += len(dumps(rest))
    return size


@dataclass(frozen=True, slots=True)
class Submitted:
    """What submit.lua returns. full: `lane` or `memory`, else ''. conflicts: questions whose job ids are taken."""

    full: str = ""
    conflicts: frozenset[int] = frozenset()


def read_submitted(reply: list[Any]) -> Submitted:
    kind, *rest = reply
    if kind == b"full":
        return Submitted(full=rest[0].decode())
    return Submitted(conflicts=frozenset(rest) if kind == b"conflict" else frozenset())


def _settle(chunk: Chunk, submitted: Submitted, outcomes: list[Outcome]) -> list[Placed]:
    """Records the outcome of a chunk. Returns what must be sent again."""
    route, placed, _ = chunk
    if submitted.full:
        cause = "Redis is nearly full" if submitted.full == "memory" else f"the {route.lane} lane is full"
        for place, _ in placed:
            outcomes[place] = QueueFull(cause)
        return []
    if not submitted.conflicts:
        return []
    again = [item for index, item in enumerate(placed) if index not in submitted.conflicts]
    for place, question in (placed[index] for index in submitted.conflicts):
        if question.ruled and question.rule != FIRST_RULE:  # an older client may have submitted it
            again.append((place, question.with_fields(rule=FIRST_RULE)))
        else:
            outcomes[place] = InvalidQuestion(f"job id {question.job_id} already belongs to another question")
    return again
