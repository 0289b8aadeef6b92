"""Questions out, answers in, lines on disk."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import aclosing
from typing import Any, Protocol, cast

import orjson

from askonce.answer import Answer
from askonce.batch.line_format import Line
from askonce.batch.output_format import output_record
from askonce.batch.redis_watch import RedisWatch
from askonce.batch.spend_cap import SpendCap
from askonce.client import Client
from askonce.contract.counters import tokens
from askonce.question import Question
from askonce.tasks import stop

SECONDS = 1.0
"""Seconds between two checks of the files and the display."""
RESUBMISSIONS = 3
"""Maximum resubmissions of a question that Redis lost, in a failover or because its result expired."""
HELD_BYTES = 16 * 1024 * 1024
"""Maximum bytes of answers held back until the one before them arrives."""
Mapped = AsyncGenerator[tuple[Question, Answer]]
Held = tuple[str, "asyncio.Future[Answer]"]


class Lines(Protocol):
    """A source of lines. underway, cap: as in `Source`."""

    underway: dict[str, Line]
    cap: SpendCap

    def questions(self) -> AsyncIterator[Question]: ...


class Book(Protocol):
    """A sink for their answers. is_full: a save is due. broken: a save has failed, and no more will be tried."""

    broken: bool

    @property
    def is_full(self) -> bool: ...

    def add(self, record: dict[str, Any], *, asked: str | None) -> None: ...

    async def keep(self) -> None:
        """Writes everything added before the call durably. Raises OSError."""

    async def complete(self) -> None:
        """The same, when no more will be added."""


class Run:
    """One run over the lines of a source.

    Args:
        every: Seconds between two saves.
        in_flight: Maximum number of questions in flight.
        ordered: Lines are written in the order of the input.
        timeout: Seconds until each question's deadline; None for the client's `job_ttl`.
        show: Called after each save.
        note: Shows the user a message.
    """

    def __init__(
        self,
        client: Client,
        source: Lines,
        ledger: Book,
        *,
        in_flight: int,
        ordered: bool,
        timeout: float | None,
        namespace: str,
        show: Callable[[], None],
        note: Callable[[str], None],
        every: float = SECONDS,
    ) -> None:
        self._every = every
        self._saving = asyncio.Lock()
        self._client = client
        self._source = source
        self._ledger = ledger
        self._in_flight = in_flight
        self._ordered = ordered
        self._timeout = timeout
        self._namespace = namespace
        self._show = show
        self._redis = RedisWatch(self._look, note)
        self._received: list[str] = []
        self._held: list[Held] = []
        self._held_bytes = 0
        self._began = asyncio.get_running_loop().time()

    async def all(self) -> None:
        """Answers every line, within the spend cap.

        If cancelled or failed, it saves what has arrived, and the next run resumes from there.

        Raises:
            StoreUnreachable: Redis stayed away.
            OSError: A file cannot be read or written.
            ValueError: The input differs from the last run.
        """
        main = asyncio.current_task()
        assert main is not None
        keeper = asyncio.create_task(self._keep())

        def failed(task: "asyncio.Task[None]") -> None:
            if not task.cancelled():
                main.cancel()

        keeper.add_done_callback(failed)
        try:
            await self._answers()
        except asyncio.CancelledError:
            if keeper.done() and not main.uncancel():  # nobody else has cancelled it
                await keeper  # raises what stopped us, such as a full disk
            raise
        finally:
            keeper.remove_done_callback(failed)
            await self._end(keeper)
            await self._save()
        if not self._source.cap.reached:
            await self._ledger.complete()

    async def _answers(self) -> None:
        async with aclosing(self._map(self._source.questions())) as answers:
            async for question, answer in answers:
                job_id = question.job_id or ""
                if self._is_lost(answer):
                    self._held.append((job_id, asyncio.create_task(self._again(question, answer))))
                elif self._held and self._ordered:
                    self._held.append((job_id, _known(answer)))
                    self._held_bytes += len(orjson.dumps(answer.body))
                else:
                    self._add(job_id, answer)
                if len(self._held) > self._in_flight or self._held_bytes > HELD_BYTES:
                    await self._release(self._in_flight if self._held_bytes <= HELD_BYTES else 0)
                if self._ledger.is_full:
                    await self._save()
        await self._release(0)

    def _map(self, questions: AsyncIterable[Question] | Iterable[Question]) -> Mapped:
        stream = self._client.map(
            questions, in_flight=self._in_flight, ordered=self._ordered, keep=False, timeout=self._timeout
        )
        return cast("Mapped", stream)

    def _is_lost(self, answer: Answer) -> bool:
        """Whether Redis has lost the question, or a deadline set by an earlier command has passed."""
        kind = answer.error.kind if answer.error is not None else None
        ours = self._timeout is not None and asyncio.get_running_loop().time() >= self._began + self._timeout
        return kind == "unknown_job" or (kind == "expired" and not ours)

    async def _again(self, question: Question, answer: Answer) -> Answer:
        """Resubmits a lost question. An expired one gets a new job id, the same in each run, because the old one's
        result never changes."""
        for _ in range(RESUBMISSIONS):
            if answer.error is not None and answer.error.kind == "expired":
                question = question.with_fields(job_id=f"{question.job_id}.again")
            [(_, answer)] = [pair async for pair in self._map([question])]
            if not self._is_lost(answer):
                break
        return answer

    async def _release(self, most: int) -> None:
        """Waits until at most this many are held."""
        self._write_held()
        while len(self._held) > most:
            await asyncio.wait([task for _, task in self._held if not task.done()], return_when="FIRST_COMPLETED")
            self._write_held()

    def _write_held(self) -> None:
        """Writes resubmitted lines that are answered now and, if order is kept, those held behind them."""
        held: list[Held] = []
        for job_id, task in self._held:
            if task.done() and not (held and self._ordered):
                self._add(job_id, task.result())
            else:
                held.append((job_id, task))
        self._held = held
        if not held:
            self._held_bytes = 0

    def _add(self, job_id: str, answer: Answer) -> None:
        line = self._source.underway.pop(job_id)
        own = answer.job_id or job_id
        self._redis.heard()
        question = line.question
        self._ledger.add(output_record(line, own, answer), asked=question.model if question is not None else None)
        if question is not None:
            self._source.cap.answered(job_id, question.model or "", tokens(answer.body)[1])
            self._received += {job_id, own}

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            self._write_held()
            await self._save()
            await self._redis.check()

    async def _end(self, keeper: "asyncio.Task[None]") -> None:
        """Ends what is in flight, after letting a running save finish."""
        try:
            async with self._saving:
                await stop(keeper)
        finally:
            await stop(keeper, *(task for _, task in self._held if isinstance(task, asyncio.Task)))

    async def _look(self) -> None:
        if self._source.underway:
            await self._client.status([next(iter(self._source.underway))], namespace=self._namespace)

    async def _save(self) -> None:
        """Writes to disk. Results may be forgotten only afterwards."""
        async with self._saving:
            if self._ledger.broken:
                return
            received, self._received = self._received, []
            await self._ledger.keep()
            self._client.forget(received, namespace=self._namespace)
            self._show()


def _known(answer: Answer) -> "asyncio.Future[Answer]":
    future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    future.set_result(answer)
    return future
