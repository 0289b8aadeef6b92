"""Collects how each question of a chunk was answered, for the chunk's log event. With LOG_PROMPTS, logs each answer.

Answers leave a worker in many places, in tasks of their chunk. Each task inherits its chunk's sheet.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import structlog

from askonce_worker.answering.ports import Finished

log = structlog.get_logger()


@dataclass(slots=True)
class ChunkSheet:
    """sources: `exact`, `semantic`, `inflight`, `llm`, `failed`. failures: by kind."""

    prompts: bool = False
    sources: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)


_sheet: ContextVar[ChunkSheet | None] = ContextVar("chunk_sheet", default=None)


@contextmanager
def chunk_sheet(*, prompts: bool) -> Iterator[ChunkSheet]:
    """Collects the outcomes of the chunk answered inside the block."""
    sheet = ChunkSheet(prompts)
    token = _sheet.set(sheet)
    try:
        yield sheet
    finally:
        _sheet.reset(token)


def note(finished: Iterable[Finished]) -> None:
    """Called by the publisher, in the task that publishes."""
    sheet = _sheet.get()
    if sheet is None:
        return
    for item in finished:
        answer = item.answer
        sheet.sources[answer.source or "failed"] += 1
        if answer.error is not None:
            sheet.failures[answer.error.kind] += 1
        if sheet.prompts:
            prompt = item.question.prompt()
            log.info("question.answered", job=answer.job_id, source=answer.source, prompt=prompt, answer=answer.text)
