"""The one kind of job there is: answer a chunk. And what becomes of a chunk that cannot be answered."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import orjson
import structlog

from askonce.answer import Answer, AnswerError
from askonce.contract.chunk import Chunk, unpack
from askonce.question import Question
from askonce_worker.answering.chunk_log import chunk_sheet
from askonce_worker.answering.lookup import Batch
from askonce_worker.answering.pipeline import Pipeline
from askonce_worker.answering.ports import Finished, Outbound
from askonce_worker.logs.unreadable import Refusals
from askonce_worker.queue.leased_job import LeasedJob, Unworkable

log = structlog.get_logger()


Around = Callable[[LeasedJob, Chunk], AbstractContextManager[None]]


def nothing_around(job: LeasedJob, chunk: Chunk) -> AbstractContextManager[None]:  # noqa: ARG001
    return nullcontext()


class ChunkJob:
    """around: entered for as long as a chunk is answered. log_prompts: what was asked and answered goes to the log."""

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

    async def run(self, job: LeasedJob, payload: Any, looked_up: Callable[[], None]) -> None:
        """Answers every question of the chunk.

        Args:
            job: the chunk's job.
            payload: its argument.
            looked_up: called once the chunk is done with the caches, and only waits for the LLM or for leaders.

        Raises:
            Unworkable: The payload is no chunk.
        """
        started = time.monotonic()
        try:
            chunk = unpack(payload)
        except ValueError as error:
            raise Unworkable("it is no chunk") from error
        with self._around(job, chunk), chunk_sheet(prompts=self._log_prompts) as sheet:
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
            deadline = job.enqueued_ms + chunk.timeout_ms
            await self._pipeline.answer(Batch(chunk.questions, job.lane, job.job, job.enqueued_ms, deadline, looked_up))

    async def give_up(self, job: LeasedJob, cause: str) -> None:
        """Before a job becomes a dead letter: its open questions end as failed. Nobody waits for ever."""
        try:
            chunk = unpack(job.args[0] if job.args else None)
        except ValueError:
            self._refusals("job")
            return  # no question can be told from it
        error = AnswerError("crashed", f"given up: {cause}")
        ids = [question.job_id for question in chunk.questions] + [bad.job_id for bad in chunk.bad]
        await self._outbound.send([_failed(chunk, job.lane, job_id or "", error) for job_id in ids])


def _failed(chunk: Chunk, lane: str, job_id: str, error: AnswerError) -> Finished:
    """Under its job id alone: of a malformed question nothing else is certain."""
    question = Question("", namespace=chunk.namespace, job_id=job_id)
    return Finished(question, Answer(job_id, "failed", error=error), lane=lane)


def split(record: bytes) -> Sequence[bytes]:
    """A chunk's job record as one for each question, in the same words. Raises ValueError, KeyError, TypeError."""
    call = orjson.loads(record)
    [chunk] = call["a"]
    records = []
    for item in chunk["questions"]:
        alone = {**chunk, "scopes": [chunk["scopes"][item.get("scope", 0)]], "questions": [{**item, "scope": 0}]}
        records.append(orjson.dumps({**call, "a": [alone]}))
    return records
