"""The one kind of job there is: answer a chunk. And what becomes of a chunk that cannot be answered."""

import time
from collections.abc import Sequence
from typing import Any

import orjson
import structlog

from askonce.answer import Answer, AnswerError
from askonce.chunk import Chunk, unpack
from askonce.question import Question
from askonce_worker.leased_job import LeasedJob, Unworkable
from askonce_worker.pipeline import Batch, Pipeline
from askonce_worker.ports import Finished, Outbound

log = structlog.get_logger()


class ChunkJob:
    def __init__(self, pipeline: Pipeline, outbound: Outbound) -> None:
        self._pipeline = pipeline
        self._outbound = outbound

    async def run(self, job: LeasedJob, payload: Any) -> None:
        """Answers every question of the chunk. Raises Unworkable for a payload that is no chunk."""
        started = time.monotonic()
        try:
            chunk = unpack(payload)
        except ValueError as error:
            raise Unworkable("it is no chunk") from error
        if chunk.bad:
            await self._outbound.send(
                [_failed(chunk, bad.job_id, AnswerError("invalid_question", bad.reason)) for bad in chunk.bad]
            )
        if chunk.questions:
            deadline = job.enqueued_ms + chunk.timeout_ms
            await self._pipeline.answer(Batch(chunk.questions, job.lane, job.enqueued_ms, deadline))
        log.info(
            "chunk.answered",
            job=job.job,
            lane=job.lane,
            questions=len(chunk.questions),
            bad=len(chunk.bad),
            ms=round((time.monotonic() - started) * 1000),
        )

    async def give_up(self, job: LeasedJob, cause: str) -> None:
        """Before a job becomes a dead letter: its open questions end as failed. Nobody waits for ever."""
        try:
            chunk = unpack(job.args[0] if job.args else None)
        except ValueError:
            return  # no question can be told from it
        error = AnswerError("crashed", f"given up: {cause}")
        ids = [question.job_id for question in chunk.questions] + [bad.job_id for bad in chunk.bad]
        await self._outbound.send([_failed(chunk, job_id or "", error) for job_id in ids])


def _failed(chunk: Chunk, job_id: str, error: AnswerError) -> Finished:
    """Under its job id alone: of a malformed question nothing else is certain."""
    return Finished(Question("", namespace=chunk.namespace, job_id=job_id), Answer(job_id, "failed", error=error))


def split(record: bytes) -> Sequence[bytes]:
    """A chunk's job record as one for each question, in the same words. Raises ValueError, KeyError, TypeError."""
    call = orjson.loads(record)
    [chunk] = call["a"]
    records = []
    for item in chunk["questions"]:
        alone = {**chunk, "scopes": [chunk["scopes"][item["scope"]]], "questions": [{**item, "scope": 0}]}
        records.append(orjson.dumps({**call, "a": [alone]}))
    return records
