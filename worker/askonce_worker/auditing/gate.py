"""The judge as a gate: whether a match with too low a score may serve a question after all.

Its verdict on two questions is remembered until either is invalidated; a person's verdict takes precedence. In the bulk
lane, a question waits for it, for a while. In the interactive lane nothing waits: the pair is judged for the next time.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import structlog
from redis.asyncio import Redis

from askonce.contract.audit import pair_id
from askonce.contract.keys import Keys
from askonce.prices.load import Prices, cost_of_reply
from askonce.prices.money import from_nano
from askonce.question import Question
from askonce.store.away import TROUBLE
from askonce_worker.answering.open_question import OpenQuestion
from askonce_worker.answering.serving import Choice, Doubt, Hit
from askonce_worker.audit.comparing import text_of_answer
from askonce_worker.audit.judging import GATE_INSTRUCTIONS, GATE_LETTERS, Reused, gate_message
from askonce_worker.auditing.judge_calls import ASSUMED_IN, ASSUMED_OUT, FAILURES, JudgeCalls
from askonce_worker.auditing.judge_ledger import JudgeLedger
from askonce_worker.auditing.recorder import Recorder
from askonce_worker.auditing.serving import AuditedServing

log = structlog.get_logger()

PAIRS = 8
"""Pairs per call."""
GATHERED = 0.05
"""Seconds for which pairs gather."""
CALLS = 4
"""Maximum calls in flight."""
MOST_WAITING = 200
CLOSED = 30.0
"""Seconds of pause after a failure, a used-up budget, or a wait in vain."""
LANE = "bulk"


@dataclass(frozen=True, slots=True)
class Waiting:
    id: str
    question: Question
    version: int
    reused: Reused
    verdict: "asyncio.Future[bool | None]"


class JudgeGate:
    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        calls: JudgeCalls,
        ledger: JudgeLedger,
        serving: AuditedServing,
        recorder: Recorder,
        prices: Prices,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis: Any = redis
        self._keys = keys.audit
        self._calls = calls
        self._ledger = ledger
        self._serving = serving
        self._recorder = recorder
        self._prices = prices
        self._clock = clock
        self._closed_until = 0.0
        self._waiting: deque[Waiting] = deque()
        self._known: dict[str, asyncio.Future[bool | None]] = {}
        self._came = asyncio.Event()

    async def admit(self, items: Sequence[OpenQuestion], *, within: float) -> list[Choice | None]:
        """Implements `Admission`."""
        try:
            return await self._admitted(items, within)
        except Exception:  # a malformed entry costs these a call, but fails nothing
            log.exception("gate.not_asked")
            return [None] * len(items)

    async def _admitted(self, items: Sequence[OpenQuestion], within: float) -> list[Choice | None]:
        doubts = [item.doubt for item in items if item.doubt is not None]
        said = await self._remembered(items, doubts)
        verdicts = [
            self._judged(item, doubt) if known is None else None
            for item, doubt, known in zip(items, doubts, said, strict=True)
        ]
        awaited = {each for each, item in zip(verdicts, items, strict=True) if each is not None and item.lane == LANE}
        if awaited:
            _, late = await asyncio.wait(awaited, timeout=within)
            if late:
                self._close("it is slow")
        for at, verdict in enumerate(verdicts):
            if verdict in awaited and verdict is not None and verdict.done():
                said[at] = verdict.result()
        facts = zip(items, doubts, said, strict=True)
        return [self._serving.admitted(item.question, item.lane, doubt) if yes else None for item, doubt, yes in facts]

    def served(self, item: OpenQuestion, hit: Hit) -> None:
        """Counts the hit, and what its call would have cost."""
        assert item.doubt is not None
        body, model = hit.entry.body, item.question.model or ""
        cost = cost_of_reply(self._prices, body, model, tier="batch" if item.tier == "batch" else None)
        if cost is None:
            usage = body.get("usage") or {}
            cost = ASSUMED_IN * usage.get("prompt_tokens", 0) + ASSUMED_OUT * usage.get("completion_tokens", 0)
        self._recorder.gate(item.question, item.doubt.look.version, served=1, saved=from_nano(cost))

    async def run(self) -> None:
        """Judge waiting pairs until cancelled; every pair still waiting then gets no verdict, so that nobody waits
        on."""
        slots = asyncio.Semaphore(CALLS)
        try:
            async with asyncio.TaskGroup() as calls:
                while True:
                    await self._came.wait()
                    await asyncio.sleep(GATHERED)
                    await slots.acquire()
                    calls.create_task(self._judge(self._next())).add_done_callback(lambda _: slots.release())
                    if not self._waiting:
                        self._came.clear()
        finally:
            for each in self._waiting:
                self._tell(each, None)
            self._waiting.clear()

    async def _remembered(self, items: Sequence[OpenQuestion], doubts: Sequence[Doubt]) -> list[bool | None]:
        """A person's verdict on each pair, or else the judge's. One round trip."""
        pairs = [
            pair_id(item.question.fingerprint, doubt.look.entry) for item, doubt in zip(items, doubts, strict=True)
        ]
        pipe = self._redis.pipeline(transaction=False)
        pipe.hmget(self._keys.people, pairs)
        pipe.hmget(self._keys.gate, [_id(item, doubt) for item, doubt in zip(items, doubts, strict=True)])
        try:
            people, judge = await pipe.execute()
        except TROUBLE as error:
            log.warning("gate.not_remembered", error=type(error).__name__)
            return [False] * len(items)
        return [_word(b"right", own, _word(b"same", said)) for own, said in zip(people, judge, strict=True)]

    def _judged(self, item: OpenQuestion, doubt: Doubt) -> "asyncio.Future[bool | None] | None":
        """A future verdict, one at a time per pair; None if there will be none."""
        name, question, other = _id(item, doubt), item.question, doubt.hit.entry
        known = self._known.get(name)
        if known is not None:
            return known
        reused = Reused(question.prompt(), replace(question, text=other.question).prompt(), text_of_answer(other.body))
        if self._clock() < self._closed_until or len(self._waiting) >= MOST_WAITING or not reused.fits:
            return None
        verdict: asyncio.Future[bool | None] = asyncio.get_running_loop().create_future()
        self._known[name] = verdict
        self._waiting.append(Waiting(name, question, doubt.look.version, reused, verdict))
        self._came.set()
        return verdict

    def _next(self) -> list[Waiting]:
        """Pairs of the namespace that has waited longest. Texts of different namespaces never share a call."""
        namespace = self._waiting[0].question.namespace if self._waiting else None
        batch = [each for each in self._waiting if each.question.namespace == namespace][:PAIRS]
        taken = {each.id for each in batch}
        self._waiting = deque(each for each in self._waiting if each.id not in taken)
        return batch

    async def _judge(self, batch: Sequence[Waiting]) -> None:
        said: Sequence[bool | None] = [None] * len(batch)
        try:
            if batch and self._clock() >= self._closed_until:
                said = await self._ask(batch)
        except FAILURES as error:
            self._close(f"{type(error).__name__}: {error}")
        finally:
            for each, verdict in zip(batch, said, strict=True):
                self._tell(each, verdict)

    async def _ask(self, batch: Sequence[Waiting]) -> list[bool]:
        lines = gate_message([each.reused for each in batch])
        found = await self._calls.ask(GATE_INSTRUCTIONS, lines, len(batch), letters=GATE_LETTERS)
        for each in batch:
            self._recorder.gate(each.question, each.version, asked=1, cost=found.cost / len(batch))
        try:
            remembered = {each.id: verdict for each, verdict in zip(batch, found.verdicts, strict=True)}
            await self._ledger.settle({"gate": len(batch)}, remembered)
        except TROUBLE as error:  # its verdict counts nevertheless
            log.warning("gate.not_remembered", error=type(error).__name__)
        return found.verdicts

    def _tell(self, waiting: Waiting, verdict: bool | None) -> None:
        self._known.pop(waiting.id, None)
        if not waiting.verdict.done():
            waiting.verdict.set_result(verdict)

    def _close(self, reason: str) -> None:
        self._closed_until = self._clock() + CLOSED
        log.warning("gate.closed", reason=reason[:200], seconds=CLOSED)


def _id(item: OpenQuestion, doubt: Doubt) -> str:
    """The id of two questions, until one of them is invalidated."""
    parts = f"{item.question.fingerprint} {doubt.look.entry} {doubt.look.epochs}"
    return sha256(parts.encode()).hexdigest()[:32]


def _word(yes: bytes, said: bytes | None, otherwise: bool | None = None) -> bool | None:
    return otherwise if said is None else said == yes
