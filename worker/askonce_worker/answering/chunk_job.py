"""The one kind of job there is: answer a chunk, or fail the questions of one that cannot be answered."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import orjson
import structlog

from askonce.answer import Answer, AnswerError
from askonce.contract.chunk import Chunk, unpack
from askonce.question import Question
from askonce_worker.answering.chunk_end import answers_of
from askonce_worker.answering.chunk_log import chunk_sheet
from askonce_worker.answering.coalescing import Position
from askonce_worker.answering.lookup import Batch
from askonce_worker.answering.pipeline import Pipeline
from askonce_worker.answering.ports import Finished, Outbound
from askonce_worker.logs.error_origin import place
from askonce_worker.logs.unreadable import Refusals
from askonce_worker.queue.leased_job import LeasedJob, Unworkable
from askonce_worker.queue.tries import CRASHED

log = structlog.get_logger()


CONDEMN_TIMEOUT = 10.0

Around = Callable[[LeasedJob, Chunk], AbstractContextManager[None]]


def nothing_around(job: LeasedJob, chunk: Chunk) -> AbstractContextManager[None]:  # noqa: ARG001
    return nullcontext()


class ChunkJob:
    """around: entered while a chunk is answered. log_prompts: whether to log questions and answers."""

    def __init__(
        self,
        pipeline: Pipeline,
        outbound: Outbound,
        refusals: Refusals,
        around: Around = nothing_around,
        *,
        log_prompts: bool = False,
    ) -> None:
        self._pipeline = pipeline
        self._outbound = outbound
        self._refusals = refusals
        self._around = around
        self._log_prompts = log_prompts

    def position(self) -> Position:
        """The current position, to be taken before the caches are read, or with a claim."""
        return self._pipeline.position()

    async def run(self, job: LeasedJob, payload: Any, looked_up: Callable[[], None]) -> None:
        """Answers every question of the chunk.

        Args:
            job: the chunk's job.
            payload: its argument.
            looked_up: called once the chunk has read the caches, and only waits for the LLM or for leaders.

        Raises:
            Unworkable: The payload is no chunk.
        """
        started = time.monotonic()
        try:
            chunk = unpack(payload)
        except ValueError as error:
            raise Unworkable("it is not a chunk") from error
        with self._around(job, chunk), chunk_sheet(prompts=self._log_prompts) as sheet, answers_of(job, _ids(chunk)):
            await self._answer(job, chunk, looked_up)
        ms = round((time.monotonic() - started) * 1000)
        facts: dict[str, Any] = {**sheet.sources, **({"failures": dict(sheet.failures)} if sheet.failures else {})}
        questions = len(chunk.questions) + len(chunk.bad)
        log.info("chunk.answered", namespace=chunk.namespace, questions=questions, **facts, ms=ms)

    async def _answer(self, job: LeasedJob, chunk: Chunk, looked_up: Callable[[], None]) -> None:
        if chunk.bad:
            for _ in chunk.bad:
                self._refusals("question")
            refused = [(bad.job_id, AnswerError("invalid_question", bad.reason)) for bad in chunk.bad]
            await self._outbound.send([_failed(chunk, job.lane, job_id, error) for job_id, error in refused])
        if chunk.questions:
            position = self.position() if job.seen is None else job.seen.position
            await self._pipeline.answer(_batch(job, chunk, looked_up), position)

    async def give_up(self, job: LeasedJob, cause: str) -> None:
        """Fails the open questions of a job that becomes a dead letter, so that none waits for ever."""
        try:
            chunk = unpack(job.args[0] if job.args else None)
        except ValueError:
            self._refusals("job")
            return  # its questions cannot be identified
        error = AnswerError("crashed", f"given up: {cause}")
        if cause == CRASHED:
            await self._condemn(job, chunk, error)
        await self._outbound.send([_failed(chunk, job.lane, job_id or "", error) for job_id in _ids(chunk)])

    async def _condemn(self, job: LeasedJob, chunk: Chunk, error: AnswerError) -> None:
        """Keeps paraphrases of a question that killed its workers from killing more."""
        failure = {"error": {"kind": error.kind, "message": error.message, "status": None}}
        try:
            async with asyncio.timeout(CONDEMN_TIMEOUT):
                await self._pipeline.condemn(_batch(job, chunk, _do_nothing), failure)
        except Exception as trouble:  # noqa: BLE001 - its own questions fail nevertheless
            log.warning("job.not_condemned", error=type(trouble).__name__, where=place(trouble))


def _ids(chunk: Chunk) -> list[str | None]:
    return [question.job_id for question in chunk.questions] + [bad.job_id for bad in chunk.bad]


def _do_nothing() -> None:
    pass


def _batch(job: LeasedJob, chunk: Chunk, looked_up: Callable[[], None]) -> Batch:
    deadline = job.enqueued_ms + chunk.timeout_ms
    return Batch(chunk.questions, job.lane, job.job, job.enqueued_ms, deadline, looked_up, job.lapses)


def _failed(chunk: Chunk, lane: str, job_id: str, error: AnswerError) -> Finished:
    """Fails a question under its job id: nothing else of a malformed one is reliable."""
    question = Question("", namespace=chunk.namespace, job_id=job_id)
    return Finished(question, Answer(job_id, "failed", error=error), lane=lane)


def split(record: bytes) -> Sequence[bytes]:
    """Splits a chunk's job record into one per question, unchanged. Raises ValueError, KeyError, TypeError."""
    call = orjson.loads(record)
    [chunk] = call["a"]
    records = []
    for item in chunk["questions"]:
        alone = {**chunk, "scopes": [chunk["scopes"][item.get("scope", 0)]], "questions": [{**item, "scope": 0}]}
        records.append(orjson.dumps({**call, "a": [alone]}))
    return records
